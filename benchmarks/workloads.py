"""The workloads by name, with the sizes that they have unless told otherwise."""

import tempfile
from pathlib import Path

import anyio

from perdure.cli.bench.backends import BACKENDS
from perdure.cli.bench.floor import floor_count

from . import (
    calls,
    events,
    fanout,
    floor,
    hello,
    importing,
    recovery,
    replay,
    revival,
    sequence,
    signals,
    sleepers,
    starts,
    timers,
    transfer,
)
from .bench import Bench, BesideIt, Sizes, Workload
from .peers import PEER_WORKLOADS
from .workers import Gathering, Part


def _each(steps: int) -> BesideIt:
    """The floor for things of so many durable steps, as many in flight as there are."""
    return lambda sizes: _floor_sizes(sizes.concurrency, steps)


def _floor_sizes(concurrency: int, steps: int) -> Sizes:
    return Sizes(floor_count(concurrency), concurrency, steps)


# The start and the end of an orchestration are events too, and its steps have a part in them.
WORKLOADS = {
    "floor": Workload(
        floor.run,
        "durable steps written by hand",
        Sizes(10_000, 100, 3),
        lambda s: s.steps,
        shared=False,
    ),
    "hello": Workload(
        hello.run,
        "orchestrations of STEPS activities in a row",
        Sizes(5_000, 100, 3),
        lambda s: 2 * s.steps + 2,
        lambda s: _floor_sizes(s.concurrency, s.steps),
    ),
    "fanout": Workload(
        fanout.run,
        "STEPS activities at once",
        Sizes(5, 1, 1_000),
        lambda s: 2 + 2 / s.steps,
        lambda s: _floor_sizes(min(1_000, s.concurrency * s.steps), 1),
    ),
    "signals": Workload(
        signals.run, "signals to STEPS entities", Sizes(10_000, 50, 1), lambda _: 1, _each(1)
    ),
    "calls": Workload(
        calls.run, "calls of one entity", Sizes(10_000, 50, 1), lambda _: 2, _each(1)
    ),
    "transfer": Workload(
        transfer.run,
        "locked moves between STEPS accounts",
        Sizes(1_000, 50, 100),
        lambda _: 10,
        _each(3),
    ),
    "timers": Workload(
        timers.run,
        "STEPS timers of 1 ms in a row",
        Sizes(2_000, 100, 3),
        lambda s: 2 + 2 / s.steps,
        _each(1),
    ),
    "events": Workload(
        events.run,
        "STEPS external events in a row",
        Sizes(2_000, 100, 3),
        lambda s: 1 + 2 / s.steps,
        _each(1),
    ),
    "recovery": Workload(
        recovery.run,
        "orchestrations after a crash",
        Sizes(2_000, 100, 3),
        lambda _: 2,
        shared=False,
    ),
    "sequence": Workload(
        sequence.run,
        "one orchestration of STEPS activities",
        Sizes(1, 1, 5_000),
        lambda s: 2 + 2 / s.steps,
        _each(1),
        shared=False,
    ),
    "replay": Workload(
        replay.run,
        "steps replayed from the history",
        Sizes(5, 1, 5_000),
        lambda s: 2 + 2 / s.steps,
        shared=False,
    ),
    "sleepers": Workload(
        sleepers.run,
        "sleeping orchestrations at the start",
        Sizes(5_000, 100, 1),
        lambda _: 1,
        shared=False,
    ),
    "starts": Workload(
        starts.run, "starts of waiting orchestrations", Sizes(5_000, 100, 1), lambda _: 1, _each(1)
    ),
    "revival": Workload(
        revival.run,
        "orchestrations after a restart, STEPS steps replayed",
        Sizes(500, 100, 10),
        lambda _: 2,
        shared=False,
    ),
    "importing": Workload(
        importing.run, "imports of perdure", Sizes(3, 1, 1), lambda _: 1, shared=False
    ),
}


def measure(name: str, sizes: Sizes, store: str, backend: str, gathering: Gathering) -> Part:
    """Run one workload in this process, beside others that do the same."""
    workload = (WORKLOADS | PEER_WORKLOADS)[name]
    library, options = BACKENDS[backend]

    async def run() -> int:
        await gathering.meet()
        return await workload.run(bench)

    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        bench = Bench(sizes, store, Path(folder), gathering)
        try:
            n = anyio.run(run, backend=library, backend_options=options)
        except BaseException:
            gathering.give_up()
            raise
        finally:
            bench.close()
        return bench.part(bench.figures(name, backend, n, workload.events(sizes)))
