"""A wait that nothing can end is told in a test, and does not hang."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from perdure import App, OrchestrationContext
from perdure.testing import Environment, environment

app = App("stuck")


@app.orchestration
async def waits(ctx: OrchestrationContext) -> Any:
    return await ctx.wait_for_external_event("go")


@app.orchestration
async def sleeps(ctx: OrchestrationContext) -> str:
    await ctx.create_timer(timedelta(days=30))
    return "awake"


async def test_an_endless_wait_names_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "GRACE", 0.01)
    async with Environment(app) as env:
        instance = await env.client.start_new(waits, instance_id="a")
        with anyio.fail_after(5), pytest.raises(RuntimeError, match="'a' waits for event go"):
            await instance.result()
        await instance.raise_event("go", 1)
        assert await instance.result() == 1


async def test_a_timer_elsewhere_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "GRACE", 0.0)
    async with Environment(app) as env:
        assert await (await env.client.start_new(sleeps)).result() == "awake"


async def test_another_task_may_raise_the_event() -> None:
    async with Environment(app) as env, anyio.create_task_group() as group:
        instance = await env.client.start_new(waits)

        async def later() -> None:
            for _ in range(200):
                await anyio.lowlevel.checkpoint()
            await instance.raise_event("go", 2)

        group.start_soon(later)
        assert await instance.result() == 2
