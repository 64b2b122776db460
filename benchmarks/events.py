"""events: orchestrations that wait for `steps` external events, which a client raises."""

from perdure import App, OrchestrationContext

from .bench import Bench

app = App("events")


@app.orchestration
async def listener(ctx: OrchestrationContext, steps: int) -> int:
    """One event after another."""
    return sum([await ctx.wait_for_external_event("number", int) for _ in range(steps)])


async def run(bench: Bench) -> int:
    """Give the number of events."""
    steps = bench.sizes.steps
    async with bench.runtime(app) as runtime:

        async def one(_: int) -> None:
            instance = await runtime.client.start_new(listener, steps)
            for number in range(steps):
                await instance.raise_event("number", number)
            if await instance.result() != sum(range(steps)):
                raise AssertionError("an event was lost or doubled")

        async with bench.clock(runtime):
            await bench.crowd(one)
    return bench.sizes.count * steps
