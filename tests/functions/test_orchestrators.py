"""Orchestrators of the 1.x model, as their users write them, on our kernel."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perdure import App, OrchestrationFailedError
from perdure.functions import FunctionsApp
from perdure.functions.kernel import kernel_app
from perdure.persistence.store import Store
from perdure.testing import Environment

Decorated = Callable[[str], App]
Load = Callable[[Mapping[str, str]], FunctionsApp]

START = datetime(2030, 1, 1, tzinfo=UTC)


async def custom_status(env: Environment, instance_id: str) -> Any:
    status = await env.client.get_status(instance_id)
    assert status is not None
    return status.read_custom_status(Any)


HELLO = """
@app.orchestration_trigger(context_name="context")
def hello(context: df.DurableOrchestrationContext):
    first = yield context.call_activity("say_hello", "Tokyo")
    second = yield context.call_activity(say_hello, context.get_input())
    third = yield context.call_activity("SAY_HELLO", "London")
    return [first, second, third]

@app.activity_trigger(input_name="city")
def say_hello(city: str) -> str:
    return f"Hello {city}!"
"""


async def test_chained_activities_survive_a_crash(decorated: Decorated, store: Store) -> None:
    async with Environment(decorated(HELLO), store=store) as env:
        started = await env.client.start_new("hello", "Seattle", instance_id="h")
        await env.settle()
        await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]


async def test_names_match_in_any_case(decorated: Decorated) -> None:
    async with Environment(decorated(HELLO)) as env:
        started = await env.client.start_new("HELLO", "x")
        assert len(await started.result()) == 3


FAN = """
@app.orchestration_trigger(context_name="context")
def fan(context):
    tasks = [context.call_activity("square", n) for n in context.get_input()]
    squares = yield context.task_all(tasks)
    nothing = yield context.task_all([])
    nobody = yield context.task_any([])
    return [squares, [t.result for t in tasks], nothing, nobody]

@app.activity_trigger(input_name="n")
async def square(n: int) -> int:
    return n * n
"""


async def test_fanned_out_results_keep_their_order(decorated: Decorated, store: Store) -> None:
    async with Environment(decorated(FAN), store=store) as env:
        result = await (await env.client.start_new("fan", [3, 1, 2])).result()
        assert result == [[9, 1, 4], [9, 1, 4], [], None]


HUMAN = """
from datetime import timedelta

@app.orchestration_trigger(context_name="context")
def approval(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(days=3))
    event = context.wait_for_external_event("Approval")
    winner = yield context.task_any([timer, event])
    if winner == event:
        timer.cancel()
        return [event.result, timer.is_cancelled, timer.is_completed, event.is_completed]
    return ["too late", timer.is_completed, event.is_completed, event.result]
"""


async def test_an_event_wins_against_its_timer(decorated: Decorated, store: Store) -> None:
    async with Environment(decorated(HUMAN), store=store) as env:
        started = await env.client.start_new("approval")
        await env.settle()
        await env.crash()
        await env.client.raise_event(started.instance_id, "APPROVAL", {"by": "Ann"})
        result = await env.client.instance(started.instance_id).result()
        assert result == [{"by": "Ann"}, True, False, True]


async def test_a_timer_wins_when_nobody_answers(decorated: Decorated) -> None:
    async with Environment(decorated(HUMAN)) as env:
        started = await env.client.start_new("approval")
        assert await started.result() == ["too late", True, False, None]
        assert env.now - START >= timedelta(days=3)


PLAIN = """
@app.orchestration_trigger(context_name="context")
def plain(context):
    return {"id": context.instance_id, "got": context.get_input()}

@app.orchestration_trigger(context_name="context", orchestration="Renamed")
def whatever(context):
    context.set_custom_status("working")
    child = yield context.call_sub_orchestrator(plain, 7, "child-1")
    again = yield context.call_sub_orchestrator("PLAIN", {"a": [1]})
    return [child, again["got"], context.custom_status, context.parent_instance_id]
"""


async def test_orchestrators_need_not_yield(decorated: Decorated) -> None:
    async with Environment(decorated(PLAIN)) as env:
        started = await env.client.start_new("Renamed")
        child = {"id": "child-1", "got": 7}
        assert await started.result() == [child, {"a": [1]}, "working", None]
        assert await custom_status(env, started.instance_id) == "working"


ETERNAL = """
from datetime import timedelta

@app.orchestration_trigger(context_name="context")
def eternal(context):
    left = context.get_input()
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    if not left:
        return "done"
    context.continue_as_new(left - 1)
    context.continue_as_new("ignored")
    context.signal_entity(df.EntityId("nobody", "x"), "ignored")
    yield context.call_activity("never_run", None)
    raise AssertionError("nothing runs after this yield")
"""


async def test_continue_as_new_ends_at_the_next_yield(decorated: Decorated, store: Store) -> None:
    async with Environment(decorated(ETERNAL), store=store) as env:
        started = await env.client.start_new("eternal", 3)
        assert await started.result() == "done"
        assert env.now - START >= timedelta(hours=4)


STEADY = """
@app.orchestration_trigger(context_name="context")
def steady(context):
    seen = []
    for _ in range(2):
        seen += [context.new_uuid(), str(context.new_guid()), str(context.current_utc_datetime)]
        yield context.call_activity("nothing", None)
    return seen + [context.version, context.function_context.name, context.is_replaying]

@app.activity_trigger(input_name="it")
def nothing(it): return it
"""


@pytest.mark.not_verified
async def test_ids_and_times_are_the_same_in_a_replay(decorated: Decorated, store: Store) -> None:
    results: list[object] = []
    for crashes in (False, True):
        async with Environment(decorated(STEADY), store=store) as env:
            started = await env.client.start_new("steady", instance_id=f"s{crashes}")
            if crashes:
                await env.settle()
                await env.crash()
            result = await env.client.instance(started.instance_id).result()
            assert len(set(result[:6:3] + result[1:6:3])) == 4
            assert result[6:] == [None, "steady", False]
            results.append(result[0][14])
    assert results == ["5", "5"]  # Version 5: made of a name, not of chance.


HELPERS = """
def twice(context, n):
    once = yield context.call_activity("add", [n, n])
    return once

@app.orchestration_trigger(context_name="context")
def nested(context):
    four = yield from twice(context, 2)
    eight = yield from twice(context, four)
    return eight

@app.orchestration_trigger(context_name="context")
def wrong(context):
    told = []
    for nonsense in (5, [context.call_activity("add", [1, 1])], None):
        try:
            yield nonsense
        except TypeError as error:
            told.append(str(error))
    return told

@app.activity_trigger(input_name="pair")
def add(pair): return sum(pair)
"""


async def test_helpers_that_yield_work_too(decorated: Decorated) -> None:
    async with Environment(decorated(HELPERS)) as env:
        assert await (await env.client.start_new("nested")).result() == 8


async def test_yielding_no_task_says_what_to_yield(decorated: Decorated) -> None:
    async with Environment(decorated(HELPERS)) as env:
        number, tasks, nothing = await (await env.client.start_new("wrong")).result()
        assert "yields tasks" in number
        assert "not int" in number
        assert "context.task_all([...])" in tasks
        assert "not NoneType" in nothing


async def test_an_unhandled_exception_fails_the_instance(decorated: Decorated) -> None:
    body = """
    @app.orchestration_trigger(context_name="context")
    def fails(context):
        context.set_custom_status({"step": 1})
        raise ValueError("no such order")
    """
    async with Environment(decorated(body)) as env:
        started = await env.client.start_new("fails")
        with pytest.raises(OrchestrationFailedError, match="no such order") as caught:
            await started.result()
        assert caught.value.details.type == "ValueError"
        assert await custom_status(env, started.instance_id) == {"step": 1}


FIRST_MODEL = {
    "Flow/function.json": """
        {"bindings": [{"type": "orchestrationTrigger", "name": "context", "direction": "in"}]}""",
    "Flow/__init__.py": """
        import azure.durable_functions as df

        def flow(context: df.DurableOrchestrationContext):
            name = yield context.call_activity("Greet", "Rio")
            yield context.call_entity(df.EntityId("Names", "all"), "add", name)
            names = yield context.call_entity(df.EntityId("names", "all"), "get")
            return names

        main = df.Orchestrator.create(flow)
        """,
    "Greet/function.json": """
        {"bindings": [{"type": "activityTrigger", "name": "name", "direction": "in"}]}""",
    "Greet/__init__.py": """
        from shared.words import GREETING
        def main(name: str) -> str: return GREETING + name
        """,
    "Names/function.json": """
        {"bindings": [{"type": "entityTrigger", "name": "context", "direction": "in"}]}""",
    "Names/__init__.py": """
        import azure.durable_functions as df

        def names(context: df.DurableEntityContext):
            known = context.get_state(list)
            if context.operation_name == "add":
                known.append(context.get_input())
                context.set_state(known)
            context.set_result(known)

        main = df.Entity.create(names)
        """,
    "shared/words.py": "GREETING = 'Bom dia '",
}


async def test_functions_of_the_first_model_run(loaded: Load, store: Store) -> None:
    async with Environment(kernel_app(loaded(FIRST_MODEL)), store=store) as env:
        assert await (await env.client.start_new("Flow")).result() == ["Bom dia Rio"]
        assert await env.client.entity("Names", "all").read() == ["Bom dia Rio"]
