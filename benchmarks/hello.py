"""hello: orchestrations of `steps` activities that do nothing, one after another."""

from perdure import App, OrchestrationContext

from .bench import Bench

app = App("hello")


@app.activity
async def greet(number: int) -> int:
    """Do nothing, which is what shows the runtime's own cost."""
    return number


@app.orchestration
async def hello(ctx: OrchestrationContext, steps: int) -> int:
    """One step after another."""
    for step in range(steps):
        await ctx.call_activity(greet, step)
    return steps


async def run(bench: Bench) -> int:
    """Give the number of orchestrations."""
    async with bench.runtime(app) as runtime:

        async def one(_: int) -> None:
            instance = await runtime.client.start_new(hello, bench.sizes.steps)
            await instance.result()

        async with bench.clock(runtime):
            await bench.crowd(one)
    return bench.sizes.count
