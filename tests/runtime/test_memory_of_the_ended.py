"""What has ended leaves memory at once, and not when the garbage collector comes."""

import gc

import pytest

from perdure import App, OrchestrationContext
from perdure.actors.replay import Execution
from perdure.testing import Environment

app = App()


@app.activity
async def step(number: int) -> int:
    return number


@app.orchestration
async def steps(ctx: OrchestrationContext, count: int) -> int:
    return sum([await ctx.call_activity(step, number) for number in range(count)])


def executions() -> int:
    return sum(isinstance(held, Execution) for held in gc.get_objects())


@pytest.mark.not_verified
async def test_an_ended_execution_leaves_no_circle() -> None:
    gc.collect()
    gc.disable()
    try:
        before = executions()
        async with Environment(app) as env:
            for _ in range(5):
                await (await env.client.start_new(steps, 3)).result()
            assert executions() == before
    finally:
        gc.enable()
