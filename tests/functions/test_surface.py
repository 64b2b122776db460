"""What the app's own package offers is offered here, under the same names."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from perdure import App
from perdure.functions.entity_context import DurableEntityContext
from perdure.functions.happenings import EventType
from perdure.functions.orchestration_context import DurableOrchestrationContext
from perdure.testing import Environment

Decorated = Callable[[str], App]

theirs: Any = importlib.import_module("azure.durable_functions")
history: Any = importlib.import_module("azure.durable_functions.models.history")

MADE_BY_THE_HOST = {"from_json"}
CONTEXTS = [
    (theirs.DurableOrchestrationContext, DurableOrchestrationContext),
    (theirs.DurableEntityContext, DurableEntityContext),
]


def members(cls: type[Any]) -> dict[str, Any]:
    shown = {n: v for n, v in inspect.getmembers(cls) if not n.startswith("_")}
    return {name: value for name, value in shown.items() if name not in MADE_BY_THE_HOST}


@pytest.mark.parametrize(("original", "own"), CONTEXTS)
def test_contexts_have_every_member_of_the_original(original: type[Any], own: type[Any]) -> None:
    found = members(own)
    assert not members(original).keys() - found.keys()
    for name, member in members(original).items():
        assert isinstance(member, property) == isinstance(found[name], property), name
        if callable(member):
            parameters = inspect.signature(member).parameters
            assert list(inspect.signature(found[name]).parameters) == list(parameters), name


def test_events_have_the_numbers_of_the_original() -> None:
    for own in EventType:
        assert history.HistoryEventType[own.name] == own


async def test_uuids_are_those_of_the_original(decorated: Decorated) -> None:
    body = """
    @app.orchestration_trigger(context_name="context")
    def draws(context):
        drawn = [context.new_uuid(), str(context.new_guid()), context.new_uuid()]
        return [context.current_utc_datetime.isoformat(), *drawn]
    """
    async with Environment(decorated(body)) as env:
        started = await env.client.start_new("draws", instance_id="d")
        now, *drawn = await started.result()
    first = {"EventType": 12, "EventId": -1, "IsPlayed": False, "Timestamp": now}
    original = theirs.DurableOrchestrationContext([first], "d", False, None)
    assert drawn == [original.new_uuid(), str(original.new_guid()), original.new_uuid()]


STYLES = """
from datetime import timedelta

classic = func.FunctionApp()

@classic.orchestration_trigger(context_name="context")
def outer(context):
    shared = context.call_activity(double, 2)
    both = context.task_all([shared, context.call_activity(double, 3)])
    race = context.task_any([shared, context.create_timer(context.current_utc_datetime)])
    values = yield both
    winner = yield race
    inner = yield context.call_sub_orchestrator(modern)
    return [values, winner in race.children, inner]

@classic.orchestration_trigger(context_name="context")
async def modern(context):
    try:
        return await context.call_activity(double, 4)
    finally:
        await context.create_timer(context.current_utc_datetime + timedelta(hours=1))

@classic.activity_trigger(input_name="n")
def double(n): return 2 * n

@classic.orchestration_trigger(context_name="context")
def restless(context):
    if context.get_input():
        return "rested"
    context.continue_as_new(True)
    try:
        yield context.call_activity(double, 1)
    finally:
        yield context.call_activity(double, 1)

del app
"""


async def test_plain_function_apps_register_durable_functions(decorated: Decorated) -> None:
    async with Environment(decorated(STYLES)) as env:
        assert await (await env.client.start_new("outer")).result() == [[4, 6], True, 8]


async def test_a_yield_in_finally_stops_no_continuation(decorated: Decorated) -> None:
    async with Environment(decorated(STYLES)) as env:
        assert await (await env.client.start_new("restless")).result() == "rested"
