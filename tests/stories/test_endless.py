"""Instances that could go on for ever."""

from datetime import UTC, datetime

import pytest

from perdure import App, OrchestrationContext, Status
from perdure.testing import Environment

app = App("endless")


@app.activity
async def look(number: int) -> int:
    return number


@app.orchestration
async def watch(ctx: OrchestrationContext, rounds: int) -> int:
    for number in range(rounds):
        await ctx.call_activity(look, number)
    return rounds


async def test_a_long_history_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async with Environment(app, history_warning=10) as env:
        assert await (await env.client.start_new(watch, 30)).result() == 30
    warnings = [r.getMessage() for r in caplog.records if "continue_as_new" in r.getMessage()]
    assert len(warnings) == 1


async def test_termination_before_the_start_stays_final() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(watch, 1, start_at=datetime(2030, 6, 1, tzinfo=UTC))
        await instance.terminate("not needed")
        await env.crash()
        await env.advance(datetime(2031, 1, 1, tzinfo=UTC) - env.now)
        status = await env.client.get_status(instance.instance_id)
        assert status is not None
        assert status.runtime_status is Status.TERMINATED
