"""The workloads by name, with the sizes that they have unless told otherwise."""

import gc
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
from attrs import frozen

from . import (
    calls,
    events,
    fanout,
    floor,
    hello,
    recovery,
    replay,
    sequence,
    signals,
    sleepers,
    timers,
    transfer,
)
from .bench import Bench, Row, Sizes


@frozen
class Workload:
    """Something to measure."""

    run: Callable[[Bench], Awaitable[int]]
    """Gives how many things were done."""
    sizes: Sizes
    about: str


def _workload(
    run: Callable[[Bench], Awaitable[int]], about: str, count: int, concurrency: int, steps: int
) -> Workload:
    return Workload(run, Sizes(count, concurrency, steps), about)


WORKLOADS = {
    "floor": _workload(floor.run, "durable steps written by hand", 10_000, 100, 3),
    "hello": _workload(hello.run, "orchestrations of STEPS activities in a row", 5_000, 100, 3),
    "fanout": _workload(fanout.run, "STEPS activities at once", 5, 1, 1_000),
    "signals": _workload(signals.run, "signals to one entity", 10_000, 50, 1),
    "calls": _workload(calls.run, "calls of one entity", 10_000, 50, 1),
    "transfer": _workload(transfer.run, "locked moves between STEPS accounts", 1_000, 50, 100),
    "timers": _workload(timers.run, "STEPS timers of 1 ms in a row", 2_000, 100, 3),
    "events": _workload(events.run, "STEPS external events in a row", 2_000, 100, 3),
    "recovery": _workload(recovery.run, "orchestrations after a crash", 2_000, 100, 3),
    "sequence": _workload(sequence.run, "one orchestration of STEPS activities", 1, 1, 5_000),
    "replay": _workload(replay.run, "steps replayed from the history", 5, 1, 5_000),
    "sleepers": _workload(sleepers.run, "sleeping orchestrations at the start", 5_000, 100, 1),
}


def tune_collector() -> None:
    """Let the garbage collector pass over what is loaded, as docs/performance.md advises."""
    gc.collect()
    gc.freeze()


def measure(name: str, sizes: Sizes, store: str, backend: str) -> Row:
    """Run one workload in this process."""
    workload = WORKLOADS[name]
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        bench = Bench(sizes, store, Path(folder))
        try:
            n = anyio.run(workload.run, bench, backend=backend)
        finally:
            bench.close()
        return bench.row(name, backend, n)
