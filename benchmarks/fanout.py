"""fanout: orchestrations of `steps` activities that do nothing, all at once."""

from perdure import App, OrchestrationContext

from .bench import Bench

app = App("fanout")


@app.activity
async def square(number: int) -> int:
    """Next to nothing."""
    return number * number


@app.orchestration
async def fanout(ctx: OrchestrationContext, width: int) -> int:
    """Ask for all, then wait for all."""
    squares = await ctx.task_all([ctx.call_activity(square, n) for n in range(width)])
    return sum(squares)


async def run(bench: Bench) -> int:
    """Give the number of activities."""
    width = bench.sizes.steps
    async with bench.runtime(app) as runtime:

        async def one(_: int) -> None:
            instance = await runtime.client.start_new(fanout, width)
            if await instance.result() != sum(n * n for n in range(width)):
                raise AssertionError("an activity's result was lost")

        async with bench.clock(runtime):
            await bench.crowd(one)
    return bench.sizes.count * width
