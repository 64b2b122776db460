"""sleepers: the next start of a runtime that left `count` orchestrations asleep until tomorrow.

The peak of the memory includes putting them to sleep.
"""

from datetime import timedelta

from perdure import App, OrchestrationContext

from .bench import Bench

app = App("sleepers")


@app.orchestration
async def sleeper(ctx: OrchestrationContext) -> None:
    """Sleep for a day."""
    await ctx.create_timer(timedelta(days=1))


async def run(bench: Bench) -> int:
    """Give the number of sleeping orchestrations."""
    async with bench.runtime(app) as runtime:

        async def one(_: int) -> None:
            await runtime.client.start_new(sleeper)

        await bench.crowd(one)
    bench.meter.latencies.clear()
    commits = 0
    with bench.meter.clock(lambda: commits):
        async with bench.runtime(app) as runtime:
            commits = runtime.partition.pipeline.commits
    bench.meter.latencies.append(bench.meter.seconds)
    return bench.sizes.count
