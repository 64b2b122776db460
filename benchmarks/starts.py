"""starts: clients start orchestrations that wait for an event, each start acknowledged durable.

All stay in memory: `rss_kb_each` is what the process has grown by.
"""

import gc

from perdure import App, OrchestrationContext
from perdure.cli.bench.meter import rss_bytes

from .bench import Bench

app = App("starts")


@app.orchestration
async def waiting(ctx: OrchestrationContext, number: int) -> int:
    """Wait for an event that nobody raises."""
    return number + await ctx.wait_for_external_event("go", int)


async def run(bench: Bench) -> int:
    """Give the number of starts."""
    count = bench.sizes.count
    async with bench.runtime(app, resident_max=count + 1_000) as runtime:

        async def one(number: int) -> None:
            await runtime.client.start_new(waiting, number)

        await one(0)
        before = rss_bytes()
        async with bench.clock(runtime):
            await bench.crowd(one)
        gc.collect()
        bench.meter.extra["rss_kb_each"] = round((rss_bytes() - before) / count / 1_000, 2)
    return count
