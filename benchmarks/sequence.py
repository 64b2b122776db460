"""sequence: orchestrations of many steps; a latency is the time between two steps."""

import time
from itertools import pairwise

from perdure import App, OrchestrationContext
from perdure.cli.bench.figures import percentile

from .bench import Bench


def program(at: list[float]) -> App:
    """An App that notes when each step ran."""
    app = App("sequence")

    @app.activity
    async def step(number: int) -> int:
        at.append(time.perf_counter())
        return number

    @app.orchestration(name="sequence")
    async def sequence(ctx: OrchestrationContext, steps: int) -> None:
        for number in range(steps):
            await ctx.call_activity(step, number)

    return app


async def run(bench: Bench) -> int:
    """Give the number of steps."""
    at: list[float] = []
    async with bench.runtime(program(at)) as runtime:

        async def one(_: int) -> None:
            instance = await runtime.client.start_new("sequence", bench.sizes.steps)
            await instance.result()

        async with bench.clock(runtime):
            await bench.crowd(one)
    latencies = [later - earlier for earlier, later in pairwise(at)]
    bench.meter.latencies[:] = latencies
    part = min(1_000, len(latencies) // 2)
    ends = {"first_thousand": latencies[:part], "last_thousand": latencies[-part:]}
    for name, times in ends.items():
        bench.meter.extra[f"{name}_p50_ms"] = round(percentile(times, 0.5) * 1_000, 3)
    return bench.sizes.count * bench.sizes.steps
