"""DBOS workflows: steps one after another, and steps all at once.

Over a new SQLite file, or over a new schema in PostgreSQL. There it listens for notifications (its
default) and has a pool of `POOL` connections in place of 20: with 100 workflows in flight that gave
a little more in most runs, and neither 5 nor 100 connections gave more, nor workflows in threads.
A workflow is awaited by the process that runs it, which DBOS does without asking the database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from ..bench import POSTGRES, Bench, Sizes, Workload, without_hub

POOL = 50
Body = Callable[[Callable[[int], Awaitable[int]], int], Awaitable[None]]


async def _in_a_row(greet: Callable[[int], Awaitable[int]], steps: int) -> None:
    for number in range(steps):
        await greet(number)


async def _at_once(greet: Callable[[int], Awaitable[int]], steps: int) -> None:
    await asyncio.gather(*(greet(number) for number in range(steps)))


async def _run(bench: Bench, body: Body) -> None:
    dbos: Any = import_module("dbos").DBOS
    dbos(config={"name": "bench", "log_level": "ERROR", **_place(bench)})

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


def _place(bench: Bench) -> dict[str, Any]:
    if not bench.kind.startswith(POSTGRES):
        return {"system_database_url": f"sqlite:///{bench.folder / 'dbos.sqlite'}"}
    # Dropped by the bench, as the hub that it takes this for.
    schema = {"dbos_system_schema": bench.own_hub} if bench.own_hub else {}
    return {"system_database_url": without_hub(bench.kind), "sys_db_pool_size": POOL, **schema}


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
