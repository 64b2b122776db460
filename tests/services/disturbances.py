"""What can happen to a process at work on a store, done to a real one from outside."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random

from attrs import define, field

from crash_verdict import judge
from immutable_files import immutable
from small_disk import filled, is_small

WORKLOAD = Path(__file__).parents[1] / "crash" / "workload.py"
LONGEST_FINISH = 300.0
AFTER_ALL_CLOCKS = "200000"


@define
class Figures:
    """What was done, and what was seen."""

    lives: int = 0
    acknowledged: int = 0
    unknown: int = 0
    """Requests of which nobody was told whether they happened."""
    instances: int = 0
    judged: int = 0
    """Requests that the history checker has held against the store, and decided."""
    undecided: list[str] = field(factory=list[str])
    """What it could not decide."""
    disturbances: Counter[str] = field(factory=Counter[str])
    problems: list[str] = field(factory=list[str])


Child = subprocess.Popen[bytes]


@define
class Victim:
    """A store, and the processes that work on it one after another."""

    folder: Path
    chance: Random
    backend: str = "asyncio"
    figures: Figures = field(factory=Figures)
    url: str = ""
    """Of the store; without one it is a file."""
    disk: Path | None = None
    """Where that lies, if not in the folder: a small disk really becomes full."""
    _lives: int = 0

    def __attrs_post_init__(self) -> None:
        self.url = self.url or f"sqlite:///{self.path}"

    @property
    def path(self) -> Path:
        """The store's file."""
        return (self.disk or self.folder) / "hub.db"

    @property
    def histories(self) -> list[Path]:
        """What its lives have recorded, each in a file of its own."""
        return sorted(self.folder.glob("*.life"))

    def live(self, disturbance: str) -> None:
        """Let a process work, disturb it, and kill it at some moment."""
        self._lives += 1
        clock = str(self.chance.randint(-86_400, 86_400)) if disturbance == "clock" else "0"
        with self._process("load", f"l{self._lives}", clock) as child:
            try:
                if disturbance != "early":
                    self._begun(child)
                    self._wait(child, 0.0, 0.8)
                DISTURBANCES[disturbance](self, child)
                self._wait(child, 0.0, 0.8)
            finally:
                child.kill()
            _, said = child.communicate()
        self.figures.lives += 1
        self.figures.disturbances[disturbance] += 1
        if child.returncode != -signal.SIGKILL:
            told = said.decode(errors="replace")[-2_000:]
            self.figures.problems.append(f"it ended by itself ({disturbance}): {told}")

    def finish(self) -> Figures:
        """Judge what the dead have left, let everything come to its end, and judge that too."""
        left = judge(self.url, self.histories, finished=False)
        self.figures.problems += [f"as the dead left it: {text}" for text in left.problems]
        # Later than all clocks before it, so that every timer is due.
        with self._process("finish", "end", AFTER_ALL_CLOCKS) as child:
            _, said = child.communicate(timeout=LONGEST_FINISH)
        if child.returncode != 0:
            told = said.decode(errors="replace")[-2_000:]
            self.figures.problems.append(f"it could not finish: {told}")
            return self.figures
        found = judge(self.url, self.histories, finished=True)
        self.figures.problems += found.problems
        self.figures.acknowledged += found.acknowledged
        self.figures.unknown += found.unknown
        self.figures.instances += found.instances
        self.figures.judged += left.judged + found.judged
        self.figures.undecided += [*left.undecided, *found.undecided]
        return self.figures

    def _process(self, task: str, life: str, clock: str) -> Child:
        history = str(self.folder / f"{life}.life")
        return subprocess.Popen(
            [sys.executable, str(WORKLOAD), task, self.url, history, self.backend, life],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PERDURE_TEST_CLOCK": clock},
        )

    def _begun(self, child: Child) -> None:
        """Wait until it works; it says so."""
        assert child.stdout is not None
        child.stdout.readline()

    def _wait(self, child: Child, shortest: float, longest: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            child.wait(self.chance.uniform(shortest, longest))

    # What is done

    def kill(self, child: Child) -> None:
        """Nothing more than what every life ends with."""

    def early(self, child: Child) -> None:
        """Let it die while it starts and recovers."""
        self._wait(child, 0.4, 1.0)

    def stop(self, child: Child) -> None:
        """Let it stand still a few times."""
        for _ in range(self.chance.randint(1, 4)):
            child.send_signal(signal.SIGSTOP)
            self._wait(child, 0.02, 0.5)
            child.send_signal(signal.SIGCONT)
            self._wait(child, 0.02, 0.3)

    def full(self, child: Child) -> None:
        """Leave no room on its disk, and then again."""
        if is_small(self.path.parent):
            with filled(self.path.parent):
                self._wait(child, 0.1, 1.0)
            self._wait(child, 0.3, 1.0)
            return
        # As if there were none: no file may grow beyond what the store's log has now.
        log = Path(f"{self.path}-wal")
        size = max(self.path.stat().st_size, log.stat().st_size if log.exists() else 0)
        self._limited(child, size)

    def read_only(self, child: Child) -> None:
        """Let no byte of the store change, as in a file system that went read-only."""
        files = [self.path, Path(f"{self.path}-wal")]
        with immutable([path for path in files if path.exists()]) as done:
            if done:
                self._wait(child, 0.1, 1.0)
        if not done:
            self._limited(child, 0)
        self._wait(child, 0.3, 1.0)

    def _limited(self, child: Child, size: int) -> None:
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        self._wait(child, 0.1, 1.0)
        unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
        with suppress(ProcessLookupError):
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, unlimited)
        self._wait(child, 0.3, 1.0)

    def locked(self, child: Child) -> None:
        """Hold the file locked, as a tool that somebody has left open."""
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as tool:
            with suppress(sqlite3.OperationalError):
                tool.execute("BEGIN IMMEDIATE")
            self._wait(child, 0.2, 1.5)

    def clock(self, child: Child) -> None:
        """Its clock is off by hours, forwards or backwards, from its start."""


DISTURBANCES: dict[str, Callable[[Victim, Child], None]] = {
    "kill": Victim.kill,
    "early": Victim.early,
    "stop": Victim.stop,
    "full": Victim.full,
    "read-only": Victim.read_only,
    "locked": Victim.locked,
    "clock": Victim.clock,
}
