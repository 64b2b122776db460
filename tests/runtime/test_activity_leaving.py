"""What activities inherit from where the runtime is entered, and what leaving says of them."""

import contextvars
import logging

import anyio
import pytest

from perdure import App, OrchestrationContext, Runtime

marker: contextvars.ContextVar[str] = contextvars.ContextVar("marker", default="unset")


async def test_activities_see_variables_of_the_entry() -> None:
    app = App()

    @app.activity
    async def on_the_loop() -> str:
        return marker.get()

    @app.activity
    def in_a_thread() -> str:
        return marker.get()

    @app.orchestration
    async def both(ctx: OrchestrationContext) -> list[str]:
        return [await ctx.call_activity(on_the_loop), await ctx.call_activity(in_a_thread)]

    before = marker.set("entered")
    try:
        async with Runtime(app) as runtime:
            marker.set("later")
            assert await (await runtime.client.start_new(both)).result() == ["entered"] * 2
    finally:
        marker.reset(before)


async def test_leaving_names_who_outlasts_the_drain(caplog: pytest.LogCaptureFixture) -> None:
    app, started, refused = App(), anyio.Event(), anyio.Event()

    @app.activity
    async def stubborn() -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            refused.set()

    @app.orchestration
    async def calls(ctx: OrchestrationContext) -> None:
        await ctx.call_activity(stubborn)

    with caplog.at_level(logging.WARNING, logger="perdure.runtime"):
        async with Runtime(app, drain_timeout=0.01) as runtime:
            await runtime.client.start_new(calls, instance_id="a")
            await started.wait()
    assert refused.is_set()
    assert "waits for: stubborn of a" in caplog.text
