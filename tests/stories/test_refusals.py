"""Instances whose code may not go on: they fail, and leave nothing behind."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from perdure import (
    App,
    EntityId,
    FailureDetails,
    OrchestrationContext,
    OrchestrationFailedError,
    Status,
)
from perdure.actors.definitions import OrchestrationDefinition
from perdure.persistence.store import Store
from perdure.testing import Environment

WHY = FailureDetails("VersionMismatch", "too new", non_retriable=True)


class Refusing(App):
    """Runs no begun instance of `holds` any more."""

    def recorded_orchestration(self, name: str, version: str | None) -> OrchestrationDefinition:
        found = super().recorded_orchestration(name, version)
        return evolve(found, refusal=WHY) if name == "holds" else found


def registered(app: App) -> App:
    @app.entity
    def lamp(ctx: Any) -> None:
        """Do nothing."""

    @app.activity
    async def ping() -> int:
        return 1

    @app.orchestration
    async def holds(ctx: OrchestrationContext) -> None:
        await ctx.call_activity(ping)
        timer = ctx.create_timer(timedelta(days=9))
        async with ctx.lock_entities(ctx.entity("lamp", "a")):
            await ctx.task_any([timer, ctx.wait_for_external_event("go")])

    @app.orchestration
    async def asks(ctx: OrchestrationContext) -> None:
        await ctx.call_sub_orchestrator(holds, instance_id="child")

    return app


async def status_of(env: Environment, instance_id: str) -> Status:
    status = await env.client.get_status(instance_id)
    assert status is not None
    return status.runtime_status


async def test_what_may_not_go_on_fails(store: Store) -> None:
    async with Environment(registered(App()), store=store) as env:
        await env.client.start_new("asks", instance_id="parent")
        await env.settle()
    async with Environment(registered(Refusing()), store=store) as env:
        await env.settle()
        assert await status_of(env, "child") is Status.RUNNING
        await env.client.raise_event("child", "go")
        with pytest.raises(OrchestrationFailedError, match="too new"):
            await env.client.instance("child").result()
        with pytest.raises(OrchestrationFailedError, match="too new"):
            await env.client.instance("parent").result()
        lamp = await env.client.get_entity(EntityId("lamp", "a"))
        assert lamp is None or lamp.locked_by is None
        await env.advance(timedelta(days=10))
        *_, ended, _ = await env.client.get_history("child")
        assert ended.event_type == "ExecutionCompleted"
        await env.client.rewind("child", "again")
        await env.settle()
        assert await status_of(env, "child") is Status.FAILED
