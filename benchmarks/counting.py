"""Work counted instead of timed: the same on every machine, whatever else it does.

A workload runs on one thread, with commits inline and ids from a counter. Counted are the calls
that code of `perdure` makes and is made of, of Python functions and of C functions, and the rows
and bytes of each commit. List comprehensions are left out: since Python 3.12 they are no calls.
"""

import gc
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, cast

import anyio
from attrs import Factory, define, fields, has

from perdure import App, Runtime
from perdure.cli.bench.meter import Meter
from perdure.persistence.records import Commit
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.store import Store
from perdure.runtime.clock import SystemClock
from perdure.runtime.host import Seams
from perdure.runtime.lanes import InlineLane

from .bench import Bench, Sizes
from .workloads import WORKLOADS

COUNTED = {
    "hello": Sizes(50, 10, 3),
    "fanout": Sizes(2, 1, 100),
    "signals": Sizes(200, 20, 1),
    "calls": Sizes(200, 20, 1),
    "transfer": Sizes(50, 10, 20),
    "events": Sizes(50, 10, 3),
    "replay": Sizes(2, 1, 100),
}
HOUR = 3_600.0

_INLINED = {"<listcomp>", "<dictcomp>", "<setcomp>"}


@define
class Work:
    """What was done, for each thing that the workload counts."""

    commits: float
    rows: float
    bytes: float
    calls: float
    modules: dict[str, float]
    """The calls by module."""


@define
class Tally(Meter):
    """Counts while the clock runs."""

    calls: Counter[str] = Factory(Counter[str])
    rows: int = 0
    bytes: int = 0
    running: bool = False

    @contextmanager
    def clock(self, commits: Callable[[], int]) -> Generator[None, None, None]:
        """Count the block."""
        with Meter.clock(self, commits):
            self.running = True
            sys.setprofile(self._profile)
            try:
                yield
            finally:
                sys.setprofile(None)
                self.running = False

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name not in _INLINED:
            # What attrs generates is in no module: it belongs to whoever calls it.
            name = _module(frame) or (_module(frame.f_back) if frame.f_back else "")
        elif event == "c_call":
            name = _module(frame)
        else:
            return
        if name:
            self.calls[name] += 1

    def commit(self, commit: Commit) -> None:
        """Count what it writes."""
        if self.running:
            parts: list[Any] = [getattr(commit, field.name) for field in fields(Commit)]
            self.rows += sum(len(part) for part in parts if part and not isinstance(part, int))
            self.bytes += weight(commit)


def _module(frame: FrameType) -> str:
    name = str(frame.f_globals.get("__name__"))
    package, _, module = name.partition(".")
    # The meter is not what is measured.
    return module if package == "perdure" and not module.startswith("cli.") else ""


def weight(value: Any) -> int:
    """How many bytes a value takes: a text its UTF-8, a number 8, a collection what is in it."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, (int, float)):
        return 8
    return sum(weight(part) for part in _parts(value))


def _parts(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    if has(value.__class__):
        return [getattr(value, field.name) for field in fields(value.__class__)]
    # Each pair of a mapping is a collection of two.
    pairs: Iterable[Any] = value.items() if hasattr(value, "items") else value
    return pairs


class CountedStore:
    """Shows each commit to the tally before a store gets it."""

    def __init__(self, store: Store, tally: Tally) -> None:
        self._store = store
        self._tally = tally

    def commit(self, commit: Commit) -> None:
        """Count, then write."""
        self._tally.commit(commit)
        self._store.commit(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@define
class CountingBench(Bench):
    """Lets a workload run on this thread alone, with nothing left to chance or time."""

    tally: Tally = Factory(Tally)
    _keys: Iterator[int] = Factory(count)

    def key(self) -> str:
        """The next number."""
        return f"{next(self._keys):032x}"

    def __attrs_post_init__(self) -> None:
        self.meter = self.tally
        store = SQLiteStore(self.folder / "counted.db", durability="relaxed")
        self._store = cast("Store", CountedStore(store, self.tally))

    def runtime(self, app: App, **settings: Any) -> Runtime:
        """A runtime whose commits are written at once, by its own thread."""
        ids = count(1)
        seams = Seams(clock=SystemClock(), new_id=lambda: f"{next(ids):032x}", lane=InlineLane)
        return Runtime(app, store=self.store, seams=seams, poll_interval=HOUR, **settings)


def counted(name: str) -> Work:
    """Run a workload and count; the second run counts, when all caches are warm."""
    _tallied(name)
    n, tally = _tallied(name)

    def each(number: float) -> float:
        return round(number / n, 4)

    return Work(
        each(tally.commits),
        each(tally.rows),
        each(tally.bytes),
        each(tally.calls.total()),
        {module: each(calls) for module, calls in sorted(tally.calls.items())},
    )


def _tallied(name: str) -> tuple[int, Tally]:
    collecting = gc.isenabled()
    gc.disable()
    try:
        with tempfile.TemporaryDirectory(prefix="perdure-work-") as folder:
            bench = CountingBench(COUNTED[name], "sqlite", Path(folder))
            try:
                n = anyio.run(WORKLOADS[name].run, bench, backend="asyncio")
            finally:
                bench.close()
    finally:
        if collecting:
            gc.enable()
    return n, bench.tally
