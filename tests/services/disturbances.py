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

import orjson
from attrs import define, field

from crash_verdict import Became, Notes, problems

WORKLOAD = Path(__file__).parents[1] / "crash" / "workload.py"
FOREVER = 3_600.0
LONGEST_FINISH = 300.0


@define
class Figures:
    """What was done, and what was seen."""

    lives: int = 0
    acknowledged: int = 0
    unknown: int = 0
    """Requests that the store failed."""
    instances: int = 0
    disturbances: Counter[str] = field(factory=Counter[str])
    problems: list[str] = field(factory=list[str])


@define
class Victim:
    """A store in a folder, and the processes that work on it one after another."""

    folder: Path
    chance: Random
    backend: str = "asyncio"
    figures: Figures = field(factory=Figures)
    _lives: int = 0

    @property
    def path(self) -> Path:
        """The store's file."""
        return self.folder / "hub.db"

    def live(self, disturbance: str) -> None:
        """Let a process work, disturb it, and kill it at some moment."""
        self._lives += 1
        with subprocess.Popen(
            self._command("load", self._lives),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PERDURE_TEST_CLOCK": self._clock(disturbance)},
        ) as child:
            try:
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

    def finish(self) -> Became:
        """Let everything come to its end, and judge it."""
        command = self._command("finish", 0)
        # Later than all clocks before it, so that every timer is due.
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            timeout=LONGEST_FINISH,
            env={**os.environ, "PERDURE_TEST_CLOCK": "200000"},
        )
        if done.returncode != 0:
            told = done.stderr.decode(errors="replace")[-2_000:]
            self.figures.problems.append(f"it could not finish: {told}")
            return {}
        became: Became = orjson.loads(done.stdout)
        notes = Notes(self.folder / "notes")
        self.figures.acknowledged += notes.acknowledged
        self.figures.unknown += notes.unknown
        self.figures.instances += len(became["instances"])
        self.figures.problems += problems(notes, became)
        return became

    def _command(self, task: str, seed: int) -> list[str]:
        place = [f"sqlite:///{self.path}", str(self.folder / "notes")]
        words = [task, *place, self.backend, str(seed), str(FOREVER)]
        return [sys.executable, str(WORKLOAD), *words]

    def _clock(self, disturbance: str) -> str:
        """How many seconds its clock is off."""
        return str(self.chance.randint(-86_400, 86_400)) if disturbance == "clock" else "0"

    def _begun(self, child: subprocess.Popen[bytes]) -> None:
        """Wait until it works; it says so."""
        assert child.stdout is not None
        child.stdout.readline()

    def _wait(self, child: subprocess.Popen[bytes], shortest: float, longest: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            child.wait(self.chance.uniform(shortest, longest))

    # What is done

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        """Nothing more than what every life ends with."""

    def stop(self, child: subprocess.Popen[bytes]) -> None:
        """Let it stand still a few times."""
        for _ in range(self.chance.randint(1, 4)):
            child.send_signal(signal.SIGSTOP)
            self._wait(child, 0.02, 0.5)
            child.send_signal(signal.SIGCONT)
            self._wait(child, 0.02, 0.3)

    def full(self, child: subprocess.Popen[bytes]) -> None:
        """Let no file grow beyond what the store's log has now, and then again."""
        log = Path(f"{self.path}-wal")
        size = max(self.path.stat().st_size, log.stat().st_size if log.exists() else 0)
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        self._wait(child, 0.1, 1.0)
        unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
        with suppress(ProcessLookupError):
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, unlimited)
        self._wait(child, 0.3, 1.0)

    def locked(self, child: subprocess.Popen[bytes]) -> None:
        """Hold the file locked, as a tool that somebody has left open."""
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as tool:
            with suppress(sqlite3.OperationalError):
                tool.execute("BEGIN IMMEDIATE")
            self._wait(child, 0.2, 1.5)

    def clock(self, child: subprocess.Popen[bytes]) -> None:
        """Its clock is off by hours, forwards or backwards, from its start."""


DISTURBANCES: dict[str, Callable[[Victim, subprocess.Popen[bytes]], None]] = {
    "kill": Victim.kill,
    "stop": Victim.stop,
    "full": Victim.full,
    "locked": Victim.locked,
    "clock": Victim.clock,
}
