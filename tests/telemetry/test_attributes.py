"""What the spans say, and for how long they last."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from attrs import define
from opentelemetry.sdk.trace import ReadableSpan

from perdure import App, EntityContext, InstanceAlreadyExistsError, OrchestrationContext
from perdure.telemetry import Telemetry
from perdure.testing import Environment

Named = Callable[[str], list[ReadableSpan]]

app = App("attributes")


@app.activity
async def picky(number: int) -> int:
    raise ValueError(f"not {number}")


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, amount: int) -> None:
        self.value += amount

    def begin(self, ctx: EntityContext) -> None:
        ctx.start_new(child, instance_id="begun")


@app.orchestration
async def child(ctx: OrchestrationContext) -> None:
    await ctx.create_timer(timedelta(hours=1))
    ctx.send_event("elsewhere", "Told")
    await ctx.entity(Counter, "a").call(Counter.add, 1)


@app.orchestration(version="2")
async def parent(ctx: OrchestrationContext) -> None:
    await ctx.call_sub_orchestrator(child, instance_id="child")
    await ctx.call_activity(picky, 5)


def said(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes without their common beginning and without execution ids."""
    said = {
        key.removeprefix("durabletask.").removeprefix("task."): value
        for key, value in (span.attributes or {}).items()
    }
    if "execution_id" in said:
        assert len(str(said.pop("execution_id"))) == 32
    return said


async def run(telemetry: Telemetry) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        await env.client.start_new(parent, instance_id="parent", version="2")
        await env.client.wait_for_completion("parent")


PARENT = {"type": "orchestration", "name": "parent", "version": "2", "instance_id": "parent"}
CALL = {"type": "activity", "name": "picky", "version": "2", "instance_id": "parent", "task_id": 2}
WANTED: dict[str, dict[str, Any]] = {
    "create_orchestration:parent@(2) PRODUCER": {**PARENT, "type": "create_orchestration"},
    "orchestration:parent@(2) SERVER": {**PARENT, "status": "Failed"},
    "orchestration:child CLIENT": {
        "type": "orchestration",
        "name": "child",
        "instance_id": "parent",
        "task_id": 1,
        "event.target_instance_id": "child",
    },
    "orchestration:child SERVER": {
        "type": "orchestration",
        "name": "child",
        "instance_id": "child",
        "status": "Completed",
    },
    "activity:picky@(2) CLIENT": CALL,
    "activity:picky@(2) SERVER": CALL,
    "orchestration:child:timer INTERNAL": {
        "type": "timer",
        "name": "child",
        "instance_id": "child",
        "task_id": 1,
        "fire_at": "2030-01-01T01:00:00",
    },
    "orchestration_event:Told PRODUCER": {
        "type": "event",
        "name": "Told",
        "instance_id": "child",
        "task_id": 2,
        "event.target_instance_id": "elsewhere",
    },
    "entity:counter:add CLIENT": {
        "type": "entity",
        "name": "counter",
        "operation": "add",
        "instance_id": "child",
        "task_id": 3,
        "event.target_instance_id": "@counter@a",
    },
    "entity:counter:add SERVER": {
        "type": "entity",
        "name": "counter",
        "operation": "add",
        "instance_id": "@counter@a",
    },
}


async def test_every_span_says_what_it_is(telemetry: Telemetry, named: Named) -> None:
    await run(telemetry)
    for wanted, attributes in WANTED.items():
        (span,) = named(wanted)
        found = said(span)
        if "fire_at" in found:
            found["fire_at"] = str(found["fire_at"])[:19]
        assert found == attributes, wanted


async def test_a_failure_is_said_in_full(telemetry: Telemetry, named: Named) -> None:
    await run(telemetry)
    (served,), (whole,) = (
        named("activity:picky@(2) SERVER"),
        named("orchestration:parent@(2) SERVER"),
    )
    assert served.status.description == "not 5"
    assert "not 5" in (whole.status.description or "")
    (raised,) = served.events
    assert raised.attributes
    assert raised.attributes["exception.type"] == "ValueError"
    assert "not {number}" in str(raised.attributes["exception.stacktrace"])


async def test_spans_last_as_long_as_their_cause(telemetry: Telemetry, named: Named) -> None:
    await run(telemetry)
    (timer,) = named("orchestration:child:timer INTERNAL")
    (whole,) = named("orchestration:parent@(2) SERVER")
    assert timer.start_time and timer.end_time and whole.start_time and whole.end_time  # noqa: PT018
    hour = 3600 * 1_000_000_000
    assert hour <= timer.end_time - timer.start_time < hour + 1_000_000_000
    assert whole.start_time <= timer.start_time < timer.end_time <= whole.end_time


async def test_an_entity_says_what_it_starts(telemetry: Telemetry, named: Named) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        await env.client.entity(Counter, "a").call(Counter.begin)
        await env.client.wait_for_completion("begun")
    (started,) = named("counter:create_orchestration PRODUCER")
    assert said(started) == {
        "type": "create_orchestration",
        "name": "child",
        "instance_id": "@counter@a",
        "event.target_instance_id": "begun",
    }


async def test_a_later_start_says_when(telemetry: Telemetry, named: Named) -> None:
    async with Environment(app, telemetry=telemetry) as env:
        later = env.now + timedelta(days=2)
        await env.client.start_new(child, instance_id="later", start_at=later)
        await env.client.wait_for_completion("later")
    (created,), (whole,) = (
        named("create_orchestration:child PRODUCER"),
        named("orchestration:child SERVER"),
    )
    assert said(created)["scheduled_time"] == later.isoformat()
    assert whole.start_time is not None
    assert whole.start_time >= later.timestamp() * 1_000_000_000


async def test_a_refused_start_is_an_error(telemetry: Telemetry, named: Named) -> None:
    async with Environment(app, telemetry=telemetry, auto_advance=False) as env:
        await env.client.start_new(child, instance_id="one")
        with pytest.raises(InstanceAlreadyExistsError):
            await env.client.start_new(child, instance_id="one")
    first, second = named("create_orchestration:child PRODUCER")
    assert first.status.is_unset
    assert "one" in (second.status.description or "")
