"""replay: bringing the code of `steps` activities back from its history, `count` times over."""

from perdure import App, OrchestrationContext
from perdure.testing import replay

from .bench import Bench

app = App("replay")


@app.activity
async def step(number: int) -> int:
    """Do nothing."""
    return number


@app.orchestration
async def sequence(ctx: OrchestrationContext, steps: int) -> None:
    """One step after another."""
    for number in range(steps):
        await ctx.call_activity(step, number)


async def run(bench: Bench) -> int:
    """Give the number of steps that were replayed."""
    async with bench.runtime(app) as runtime:
        instance = await runtime.client.start_new(sequence, bench.sizes.steps)
        await instance.result()
        history = await runtime.client.get_history(instance.instance_id)

    async def one(_: int) -> None:
        replay(app, history)

    with bench.meter.clock(lambda: 0):
        await bench.crowd(one)
    return bench.sizes.count * bench.sizes.steps
