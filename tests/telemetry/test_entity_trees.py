"""Which spans entities leave: on the side of who asks, and on their own."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import define
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from perdure import App, EntityContext, EntityOperationFailedError, OrchestrationContext
from perdure.telemetry import Telemetry
from perdure.testing import Environment

Tree = Callable[[], str]
Named = Callable[[str], list[ReadableSpan]]

app = App("entities")


@app.orchestration
async def noted(ctx: OrchestrationContext) -> str:
    return "noted"


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    async def slowly(self) -> int:
        return trace.get_current_span().get_span_context().span_id

    def fail(self) -> None:
        raise ValueError("no luck")

    def spread(self, ctx: EntityContext) -> None:
        ctx.signal_entity(ctx.entity(Counter, "other"), Counter.add, 1)
        ctx.start_new(noted, instance_id="noted")

    def spread_and_fail(self, ctx: EntityContext) -> None:
        self.spread(ctx)
        raise ValueError("nothing of it happens")


@app.orchestration
async def asks(ctx: OrchestrationContext) -> int:
    counter = ctx.entity(Counter, "a")
    counter.signal(Counter.add, 1)
    await counter.call(Counter.slowly)
    return await counter.call(Counter.add, 2)


@app.orchestration
async def locks(ctx: OrchestrationContext) -> int:
    first, second = ctx.entity(Counter, "a"), ctx.entity(Counter, "b")
    async with ctx.lock_entities(first, second):
        await first.call(Counter.add, 1)
        return await second.call(Counter.add, 1)


async def test_an_orchestration_asks_an_entity(telemetry: Telemetry, tree: Tree) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        assert await (await env.client.start_new(asks)).result() == 3
    assert (
        tree()
        == """
    create_orchestration:asks PRODUCER
      orchestration:asks SERVER
        entity:counter:add PRODUCER
          entity:counter:add CONSUMER
        entity:counter:slowly CLIENT
          entity:counter:slowly SERVER
        entity:counter:add CLIENT
          entity:counter:add SERVER
"""
    )


async def test_a_critical_section_has_its_calls(telemetry: Telemetry, tree: Tree) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        await (await env.client.start_new(locks)).result()
    call = "        entity:counter:add CLIENT\n          entity:counter:add SERVER\n"
    root = "\n    create_orchestration:locks PRODUCER\n      orchestration:locks SERVER\n"
    assert tree() == root + call * 2


async def test_a_client_asks_an_entity(telemetry: Telemetry, tree: Tree) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        counter = env.client.entity(Counter, "a")
        await counter.signal(Counter.add, 1)
        assert await counter.call(Counter.add, 2) == 3
    assert (
        tree()
        == """
    entity:counter:add PRODUCER
      entity:counter:add CONSUMER
    entity:counter:add CLIENT
      entity:counter:add SERVER
"""
    )


async def test_a_failing_operation_fails_both_sides(
    telemetry: Telemetry, tree: Tree, named: Named
) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        counter = env.client.entity(Counter, "a")
        with pytest.raises(EntityOperationFailedError):
            await counter.call(Counter.fail)
    assert tree() == "\n    entity:counter:fail CLIENT !\n      entity:counter:fail SERVER !\n"
    (served,) = named("entity:counter:fail SERVER")
    assert served.attributes
    assert served.attributes["durabletask.entity.error_message"] == "no luck"


async def test_an_operation_signals_and_starts(telemetry: Telemetry, tree: Tree) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        await env.client.entity(Counter, "a").call(Counter.spread)
        await env.client.wait_for_completion("noted")
        await env.settle()
    assert (
        tree()
        == """
    entity:counter:spread CLIENT
      entity:counter:spread SERVER
        counter:create_orchestration PRODUCER
          orchestration:noted SERVER
        entity:counter:add PRODUCER
          entity:counter:add CONSUMER
"""
    )


async def test_what_is_rolled_back_leaves_none(telemetry: Telemetry, tree: Tree) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        await env.client.entity(Counter, "a").signal(Counter.spread_and_fail)
        await env.settle()
    operation = "entity:counter:spread_and_fail"
    assert tree() == f"\n    {operation} PRODUCER\n      {operation} CONSUMER !\n"


async def test_an_async_operation_sees_its_span(telemetry: Telemetry, named: Named) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        saw = await env.client.entity(Counter, "a").call(Counter.slowly)
        assert await env.client.entity(Counter, "a").call(Counter.add, 1) == 1
    (span,) = named("entity:counter:slowly SERVER")
    assert span.context
    assert saw == span.context.span_id
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time > span.start_time


async def test_a_later_signal_says_when(telemetry: Telemetry, named: Named) -> None:
    async with Environment(app, telemetry=telemetry, auto_advance=False) as env:
        due = env.now + timedelta(hours=1)
        await env.client.entity(Counter, "a").signal(Counter.add, 1, at=due)
        await env.advance(timedelta(hours=2))
    (sent,), (taken,) = named("entity:counter:add PRODUCER"), named("entity:counter:add CONSUMER")
    assert sent.attributes
    assert sent.attributes["durabletask.task.scheduled_time"] == due.isoformat()
    assert taken.start_time is not None
    assert taken.start_time >= due.timestamp() * 1_000_000_000
