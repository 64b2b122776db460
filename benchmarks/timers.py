"""timers: orchestrations that sleep `steps` times for a millisecond."""

from datetime import timedelta

from perdure import App, OrchestrationContext

from .bench import Bench

app = App("timers")
NAP = timedelta(milliseconds=1)


@app.orchestration
async def naps(ctx: OrchestrationContext, steps: int) -> None:
    """One timer after another."""
    for _ in range(steps):
        await ctx.create_timer(NAP)


async def run(bench: Bench) -> int:
    """Give the number of timers."""
    async with bench.runtime(app) as runtime:

        async def one(_: int) -> None:
            instance = await runtime.client.start_new(naps, bench.sizes.steps)
            await instance.result()

        async with bench.clock(runtime):
            await bench.crowd(one)
    return bench.sizes.count * bench.sizes.steps
