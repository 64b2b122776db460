"""Damage to what killed processes have left: `python tests/crash/damaged_stores.py RUNS SEED`.

Each run damages a fresh copy of one store that was under load, and asks whether anybody tells.
`refused`: the store cannot be opened or read. `told`: rows do not match their checksums. `doctor`:
only `perdure doctor` finds it. `consistent`: nobody tells, and the history checker finds all that
the clients were told. `unseen`: the checker alone misses something.

A log that ends early is one that was never longer, as after a power failure: whoever cuts it off,
or tears its last commit, makes commits undone that were acknowledged. That is `undone`: the checker
misses these, and finds nothing that is there by half.
"""

import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from attrs import define

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))

from crash_verdict import judge
from disturbances import Victim
from perdure import PerdureError
from perdure.persistence.sqlite_checkup import examine
from perdure.persistence.sqlite_log import frames_valid
from perdure.testing.checking.stored import WRITTEN

HEADER, FRAME = 32, 24 + 4096
LIVES = 2
LOST = ("what was acknowledged is durable:", "operations of an entity form one order:")
"""What the checker says when acknowledged work is missing, and not when it is half there."""


@define
class Store:
    """A copy of what was left."""

    path: Path
    chance: Random
    undone: bool = False
    """Whether the newest commits were taken from it."""

    @property
    def log(self) -> Path:
        return Path(f"{self.path}-wal")

    def flip(self, path: Path, size: int) -> None:
        content = bytearray(path.read_bytes())
        content[self.chance.randrange(size)] ^= 1 << self.chance.randrange(8)
        path.write_bytes(content)

    # What is done

    def flip_in_file(self) -> None:
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.flip(self.path, self.path.stat().st_size)

    def flip_in_log(self) -> None:
        valid = frames_valid(self.log)
        self.flip(self.log, HEADER + valid * FRAME)
        # A transaction ends with its last frame: behind the damage there is none that is whole.
        self.undone = frames_valid(self.log) < valid

    def cut_log(self) -> None:
        valid = frames_valid(self.log)
        with self.log.open("r+b") as file:
            file.truncate(self.chance.randrange(HEADER + valid * FRAME))
        self.undone = True

    def cut_file(self) -> None:
        with self.path.open("r+b") as file:
            file.truncate(self.chance.randrange(self.path.stat().st_size))


DAMAGES: dict[str, Callable[[Store], None]] = {
    "a bit of the file": Store.flip_in_file,
    "a bit of the log": Store.flip_in_log,
    "a cut log": Store.cut_log,
    "a cut file": Store.cut_file,
}


def outcome(store: Store, lives: list[Path]) -> str:
    """Who tells of it."""
    try:
        problems = judge(f"sqlite:///{store.path}", lives, finished=False).problems
        checkup = examine(store.path, 0)
    except PerdureError:
        return "refused"
    if any(problem.startswith(WRITTEN) for problem in problems):
        return "told"
    rows, contents = checkup.rows, checkup.contents
    if checkup.damage or (rows and rows.damaged.count) or (contents and contents.lost_turns.count):
        return "doctor"
    if not problems:
        return "consistent"
    lost_alone = all(problem.startswith(LOST) for problem in problems)
    return "undone" if store.undone and lost_alone else "unseen"


def tried(runs: int, seed: int, victim: Victim) -> dict[str, Counter[str]]:
    """How often which outcome was seen, by what was done."""
    chance = Random(seed)  # noqa: S311 - not for secrets
    found = {name: Counter[str]() for name in DAMAGES}
    for number in range(runs):
        name = [*DAMAGES][number % len(DAMAGES)]
        with TemporaryDirectory(prefix="perdure-damaged-") as folder:
            for path in (victim.path, Path(f"{victim.path}-wal")):
                shutil.copy(path, folder)
            store = Store(Path(folder) / victim.path.name, chance)
            DAMAGES[name](store)
            found[name][outcome(store, victim.histories)] += 1
    return found


def killed(folder: Path, seed: int) -> Victim:
    """A store on which processes have died."""
    victim = Victim(folder, Random(seed))  # noqa: S311 - not for secrets
    for _ in range(LIVES):
        victim.live("kill")
    return victim


def main() -> None:
    runs, seed = map(int, sys.argv[1:])
    with TemporaryDirectory() as folder:
        for name, outcomes in tried(runs, seed, killed(Path(folder), seed)).items():
            told = ", ".join(f"{count} {what}" for what, count in outcomes.most_common())
            sys.stdout.write(f"{name}: {told}\n")


if __name__ == "__main__":
    main()
