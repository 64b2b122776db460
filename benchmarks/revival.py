"""revival: a restart with orchestrations that wait for an event, which all get it at once.

Each has `steps` finished activities behind it, and is brought back by replay. The clock runs from
the start of the runtime until all have ended.
"""

import time
from collections.abc import Callable

import anyio

from perdure import App, OrchestrationContext, Runtime
from perdure.cli.bench.meter import commits_of

from .bench import Bench

PAUSE = 0.005


def program(arrived: Callable[[str], None]) -> App:
    """An App whose orchestrations tell when they have come to the event, each time they do."""
    app = App("revival")

    @app.activity
    async def step(number: int) -> int:
        return number

    @app.orchestration(name="waiting")
    async def waiting(ctx: OrchestrationContext, steps: int) -> int:
        for number in range(steps):
            await ctx.call_activity(step, number)
        arrived(ctx.instance_id)
        return await ctx.wait_for_external_event("go", int)

    return app


async def run(bench: Bench) -> int:
    """Give the number of orchestrations."""
    ids = [bench.key() for _ in range(bench.sizes.count)]
    await _prepare(bench, ids)
    latencies: list[float] = []
    runtime = bench.runtime(program(lambda _: None))
    with bench.meter.clock(lambda: 0):
        begin = time.perf_counter()
        async with runtime, anyio.create_task_group() as group:
            for instance_id in ids:
                group.start_soon(_revive, runtime, instance_id, latencies, begin)
    bench.meter.latencies[:] = latencies
    bench.meter.commits = commits_of(runtime)()
    return len(ids)


async def _prepare(bench: Bench, ids: list[str]) -> None:
    here: list[str] = []
    async with bench.runtime(program(here.append)) as runtime:

        async def begin(number: int) -> None:
            await runtime.client.start_new("waiting", bench.sizes.steps, instance_id=ids[number])

        await bench.crowd(begin)
        # Orchestrator code cannot wake anybody outside.
        while len(here) < len(ids):  # noqa: ASYNC110
            await anyio.sleep(PAUSE)


async def _revive(runtime: Runtime, instance_id: str, latencies: list[float], begin: float) -> None:
    instance = runtime.client.instance(instance_id, int)
    await instance.raise_event("go", 7)
    if await instance.result() != 7:
        raise AssertionError("an event was lost")
    latencies.append(time.perf_counter() - begin)
