"""Tasks, failures and retries, as code of the 1.x model knows them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from perdure import App, OrchestrationFailedError
from perdure.persistence.store import Store
from perdure.testing import Environment

Decorated = Callable[[str], App]

DEEP = """
@app.orchestration_trigger(context_name="context")
def deep(context):
    task = context.call_activity("note", "inside")
    for number in range(3000):
        task = context.task_all([task]) if number % 2 else context.task_any([task])
    yield task
    return task.is_completed

@app.activity_trigger(input_name="name")
def note(name): return name
"""

START = datetime(2030, 1, 1, tzinfo=UTC)

LAZY = """
@app.orchestration_trigger(context_name="context")
def lazy(context):
    context.call_activity("note", "never yielded")
    tasks = [context.call_activity("note", name) for name in ("a", "b")]
    before = [task.is_completed for task in tasks]
    for task in reversed(tasks):
        yield task
    again = yield tasks[0]
    known = yield context.task_all(tasks)
    return [before, [task.is_completed for task in tasks], again, known, str(tasks)]

@app.activity_trigger(input_name="name")
def note(name): return name
"""


async def test_a_task_begins_when_it_is_yielded(decorated: Decorated) -> None:
    async with Environment(decorated(LAZY)) as env:
        env.stub("note", str)
        started = await env.client.start_new("lazy")
        *known, shown = await started.result()
        assert known == [[False, False], [True, True], "a", ["a", "b"]]
        assert shown == "[<CallTask 1 succeeded>, <CallTask 0 succeeded>]"
        assert env.calls_of("note") == [("b",), ("a",)]


FAILING = """
import json

@app.orchestration_trigger(context_name="context")
def catches(context):
    try:
        yield context.call_activity("breaks", "x")
    except Exception as error:
        lines = str(error).split("\\n")
        return [type(error).__name__, lines[0], json.loads(lines[1])["Message"]]

@app.orchestration_trigger(context_name="context")
def loses(context):
    tasks = [context.call_activity("breaks", "y"), context.wait_for_external_event("never")]
    try:
        yield context.task_all(tasks)
    except Exception as error:
        same = error is tasks[0].result
        return [same, tasks[0].is_faulted, tasks[0].state.name, tasks[1].state.name]

@app.orchestration_trigger(context_name="context")
def races(context):
    doomed = context.call_activity("breaks", "z")
    winner = yield context.task_any([doomed, context.wait_for_external_event("never")])
    found = [winner is doomed, str(winner.result).partition(" \\n ")[0]]
    yield winner
    return found

@app.orchestration_trigger(context_name="context")
def parent(context):
    try:
        yield context.call_sub_orchestrator("races", None, "child")
    except Exception as error:
        return str(error).partition(":")[0]

@app.activity_trigger(input_name="name")
def breaks(name):
    raise LookupError(f"no {name} here")
"""


async def test_a_failure_is_a_plain_exception_with_its_text(
    decorated: Decorated, store: Store
) -> None:
    async with Environment(decorated(FAILING), store=store) as env:
        assert await (await env.client.start_new("catches")).result() == [
            "Exception",
            "Activity function 'breaks' failed: LookupError: no x here ",
            "LookupError: no x here",
        ]


async def test_task_all_fails_with_the_first_failure(decorated: Decorated) -> None:
    async with Environment(decorated(FAILING)) as env:
        result = await (await env.client.start_new("loses")).result()
        assert result == [True, True, "FAILED", "RUNNING"]


async def test_a_failed_winner_raises_when_it_is_yielded(decorated: Decorated) -> None:
    async with Environment(decorated(FAILING)) as env:
        started = await env.client.start_new("races")
        with pytest.raises(OrchestrationFailedError, match="no z here") as caught:
            await started.result()
        assert caught.value.details.is_caused_by(LookupError)


async def test_a_childs_failure_names_the_orchestrator(decorated: Decorated) -> None:
    async with Environment(decorated(FAILING)) as env:
        result = await (await env.client.start_new("parent")).result()
        assert result == "Orchestrator function 'races' failed"


RETRIES = """
@app.orchestration_trigger(context_name="context")
def tries(context):
    options = df.RetryOptions(5000, 3)
    retried = context.call_activity_with_retry("flaky", options, 1)
    inner = context.task_all([retried, context.call_sub_orchestrator_with_retry("child", options)])
    winner = yield context.task_any([inner, context.wait_for_external_event("never")])
    return winner.result

@app.orchestration_trigger(context_name="context")
def child(context):
    done = yield context.call_activity("flaky", 2)
    return done

@app.activity_trigger(input_name="n")
def flaky(n): ...
"""


async def test_retries_inside_composites_go_on(decorated: Decorated, store: Store) -> None:
    left = {1: 2, 2: 1}

    def flaky(number: int) -> int:
        left[number] -= 1
        if left[number] >= 0:
            raise OSError("busy")
        return number * 10

    async with Environment(decorated(RETRIES), store=store) as env:
        env.stub("flaky", flaky)
        started = await env.client.start_new("tries", instance_id="r")
        assert await started.result() == [10, 20]
        assert env.now - START >= timedelta(seconds=10)


async def test_the_last_failed_attempt_is_raised(decorated: Decorated) -> None:
    body = """
    @app.orchestration_trigger(context_name="context")
    def tries(context):
        yield context.call_activity_with_retry("breaks", df.RetryOptions(1000, 3), "it")

    @app.activity_trigger(input_name="name")
    def breaks(name): ...
    """
    async with Environment(decorated(body)) as env:
        env.stub("breaks", OSError("busy"))
        with pytest.raises(OrchestrationFailedError, match="'breaks' failed: OSError: busy"):
            await (await env.client.start_new("tries")).result()
        assert len(env.calls_of("breaks")) == 3


LOOP = """
from datetime import timedelta

@app.orchestration_trigger(context_name="context")
def listens(context):
    heard = []
    while len(heard) < 2:
        event = context.wait_for_external_event("word")
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        winner = yield context.task_any([event, timer])
        if winner is event:
            heard.append(event.result)
            timer.cancel()
    return heard
"""


async def test_the_latest_wait_gets_the_event(decorated: Decorated, store: Store) -> None:
    async with Environment(decorated(LOOP), store=store, auto_advance=False) as env:
        started = await env.client.start_new("listens")
        await env.advance(timedelta(hours=3))
        await env.client.raise_event(started.instance_id, "word", "one")
        await env.advance(timedelta(hours=2))
        await env.crash()
        await env.client.raise_event(started.instance_id, "word", "two")
        assert await env.client.instance(started.instance_id).result() == ["one", "two"]


MISUSE = """
from datetime import date, timedelta

@app.activity_trigger(input_name="name")
def act(name): return name

def plain(context): ...

@app.orchestration_trigger(context_name="context")
def misuse(context):
    timer = context.create_timer(context.current_utc_datetime)
    yield timer
    cancelled = context.create_timer(context.current_utc_datetime + timedelta(days=1))
    cancelled.cancel()
    yield context.create_timer(date(2030, 1, 2))
    yield context.task_any([timer, cancelled])
    mistakes = [
        lambda: context.call_activity(plain, 1),
        lambda: context.call_sub_orchestrator(act),
        lambda: context.call_activity(""),
        lambda: context.call_activity("act", object()),
        lambda: context.create_timer("tomorrow"),
        lambda: context.task_all(["act"]),
        lambda: context.call_http("GET", "http://a.example", 5, is_raw_str=True),
        lambda: context.call_entity(None, "get"),
        lambda: timer.cancel(),
    ]
    told = []
    for mistake in mistakes:
        try:
            mistake()
        except Exception as error:
            told.append(f"{type(error).__name__}: {error}")
    try:
        yield cancelled
    except Exception as error:
        told.append(str(error))
    return told
"""


async def test_misuse_is_told_at_the_call(decorated: Decorated) -> None:
    async with Environment(decorated(MISUSE)) as env:
        told = await (await env.client.start_new("misuse")).result()
    parts = [
        "no associated Azure Functions trigger-type",
        "Trigger-type `activityTrigger` but expected `orchestrationTrigger`",
        "ValueError: function_name cannot be empty",
        "PayloadError: input of act (object): is not JSON: object has no to_json",
        "ValueError: fireAt: Expected valid datetime object but got",
        "TypeError: task_all takes a list of tasks",
        "TypeError: is_raw_str",
        "ValueError: entity_id cannot be empty",
        "ValueError: Cannot cancel a completed task.",
        "this timer was cancelled",
    ]
    assert len(told) == len(parts)
    for text, part in zip(told, parts, strict=True):
        assert part in text


HISTORY = """
@app.orchestration_trigger(context_name="context")
def recalls(context):
    yield context.call_activity("act", {"a": 1})
    event = yield context.wait_for_external_event("go")
    try:
        yield context.call_activity("breaks")
    except Exception:
        pass
    seen = context.histories
    return [[int(e.event_type), e.Name, e.Result or e.Input, e.is_played] for e in seen]

@app.activity_trigger(input_name="it")
def act(it): ...

@app.activity_trigger(input_name="it")
def breaks(it): ...
"""


@pytest.mark.not_verified
async def test_histories_tell_what_was_asked_and_heard(decorated: Decorated) -> None:
    async with Environment(decorated(HISTORY)) as env:
        env.stub("act", ["done"])
        env.stub("breaks", OSError("busy"))
        started = await env.client.start_new("recalls", 7)
        await env.settle()
        await env.advance(timedelta(hours=1))
        await env.client.raise_event(started.instance_id, "go", True)
        told = await started.result()
        asked = [entry[:3] for entry in told if entry[0] != 12]
        assert asked == [
            [0, "recalls", "7"],
            [4, "act", json.dumps({"a": 1})],
            [5, "act", '["done"]'],
            [15, "go", "true"],
            [4, "breaks", None],
            [6, "breaks", None],
        ]
        assert [told[0][0], told[1][3], told[-1][3]] == [12, True, False]


async def test_composites_nest_to_any_depth(decorated: Decorated) -> None:
    async with Environment(decorated(DEEP)) as env:
        assert await (await env.client.start_new("deep")).result() is True
