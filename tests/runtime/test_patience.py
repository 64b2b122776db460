"""Virtual time does not wait for ever for real work."""

from datetime import timedelta

import anyio
import pytest

from perdure import App, OrchestrationContext, TaskFailedError
from perdure.testing import Environment

app = App("patience")


@app.activity(timeout=60)
async def hang() -> None:
    await anyio.Event().wait()


@app.orchestration
async def wait(ctx: OrchestrationContext) -> str:
    try:
        await ctx.call_activity(hang)
    except TaskFailedError as error:
        return error.details.type
    return "came back"


async def test_a_hanging_activity_times_out() -> None:
    async with Environment(app, patience=0.01) as env:
        before = env.now
        assert await (await env.client.start_new(wait)).result() == "TimeoutError"
        assert env.now - before >= timedelta(minutes=1)


async def test_advance_passes_a_hanging_activity() -> None:
    async with Environment(app, patience=0.01) as env:
        instance = await env.client.start_new(wait)
        await env.advance(timedelta(minutes=2))
        with anyio.fail_after(5):
            assert await instance.result() == "TimeoutError"


@pytest.mark.parametrize("seconds", [1, 30])
async def test_nothing_happens_before_the_timeout(seconds: int) -> None:
    async with Environment(app, patience=0.01, auto_advance=False) as env:
        instance = await env.client.start_new(wait)
        await env.advance(timedelta(seconds=seconds))
        status = await instance.status()
        assert status is not None
        assert status.is_running
