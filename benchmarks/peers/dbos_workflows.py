"""DBOS workflows over a new SQLite file: steps one after another, and steps all at once."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from ..bench import Bench, Sizes, Workload

Body = Callable[[Callable[[int], Awaitable[int]], int], Awaitable[None]]


async def _in_a_row(greet: Callable[[int], Awaitable[int]], steps: int) -> None:
    for number in range(steps):
        await greet(number)


async def _at_once(greet: Callable[[int], Awaitable[int]], steps: int) -> None:
    await asyncio.gather(*(greet(number) for number in range(steps)))


async def _run(bench: Bench, body: Body) -> None:
    dbos: Any = import_module("dbos").DBOS
    place = f"sqlite:///{bench.folder / 'dbos.sqlite'}"
    config = {"name": "bench", "system_database_url": place, "log_level": "ERROR"}
    dbos(config=config)

    async def greet(number: int) -> int:
        return number

    step = dbos.step()(greet)

    async def work(steps: int) -> None:
        await body(step, steps)

    workflow = dbos.workflow()(work)
    dbos.launch()
    try:

        async def one(_: int) -> None:
            handle = await dbos.start_workflow_async(workflow, bench.sizes.steps)
            await handle.get_result()

        with bench.meter.clock(lambda: 0):
            await bench.crowd(one)
    finally:
        dbos.destroy()


async def hello(bench: Bench) -> int:
    """Give the number of workflows, or of steps when there is but one workflow."""
    await _run(bench, _in_a_row)
    return bench.sizes.count if bench.sizes.count > 1 else bench.sizes.steps


async def fanout(bench: Bench) -> int:
    """Give the number of steps."""
    await _run(bench, _at_once)
    return bench.sizes.count * bench.sizes.steps


HELLO = Workload(hello, "workflows of STEPS steps", Sizes(100, 100, 3), lambda s: 2 * s.steps + 2)
FANOUT = Workload(fanout, "STEPS steps at once", Sizes(1, 1, 200), lambda s: 2 + 2 / s.steps)
