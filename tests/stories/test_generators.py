"""The generator style of Durable Functions, and plain functions, on the same kernel."""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from attrs import define

from perdure import (
    App,
    OrchestrationContext,
    OrchestrationFailedError,
    RetryPolicy,
    TaskFailedError,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("generators")

Steps = Generator[Any, Any, Any]


@app.activity
async def work(name: str) -> str:
    return name.upper()


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, number: int) -> int:
        self.value += number
        return self.value


@app.orchestration
def chain(context: OrchestrationContext) -> Steps:
    first = yield context.call_activity("work", context.get_input(str))
    second = yield context.call_activity(work, first + "b")
    return [first, second]


@app.orchestration
def fan(context: OrchestrationContext, names: list[str]) -> Steps:
    tasks = [context.call_activity(work, name) for name in names]
    both = yield context.task_all(tasks)
    timer = context.create_timer(timedelta(hours=1))
    event = context.wait_for_external_event("go")
    winner = yield context.task_any([timer, event])
    if winner is event:
        timer.cancel()
    return [both, winner is event, event.done]


@app.orchestration
def catches(context: OrchestrationContext) -> Steps:
    policy = RetryPolicy(max_attempts=2)
    try:
        yield context.call_activity(work, "x", retry=policy)
    except TaskFailedError as error:
        found = yield from helper(context, error.details.message)
        return found
    return None


def helper(context: OrchestrationContext, text: str) -> Steps:
    child = yield context.call_sub_orchestrator("plain", text)
    counter = context.entity(Counter, "c")
    with (yield context.lock_entities(counter)):
        value = yield counter.call(Counter.add, 3)
    return [child, value]


@app.orchestration
def plain(context: OrchestrationContext, text: str) -> str:
    context.call_activity(work, "by the way")
    return f"{context.name}: {text}"


@app.orchestration
def no_task(context: OrchestrationContext) -> Steps:
    try:
        yield 5
    except TypeError as error:
        return str(error)
    return "accepted"


@app.orchestration
def fails(context: OrchestrationContext) -> Steps:
    yield context.create_timer(timedelta(0))
    raise LookupError("gone")


@app.orchestration
def endless(context: OrchestrationContext, left: int) -> Steps:
    yield context.create_timer(timedelta(hours=1))
    if left:
        context.continue_as_new(left - 1)
    return left


async def test_yielded_calls_give_their_results(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new("chain", "a")
        assert await started.result() == ["A", "AB"]


@pytest.mark.parametrize("crashes", [0, 1])
async def test_yielded_composites_survive_crashes(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(fan, ["a", "b"])
        for _ in range(crashes):
            await env.settle()
            await env.crash()
        await env.client.raise_event(started.instance_id, "GO")
        result = await env.client.instance(started.instance_id).result()
        assert result == [["A", "B"], True, True]


async def test_failures_are_thrown_at_the_yield(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, OSError("busy"))
        started = await env.client.start_new(catches)
        await env.settle()
        await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result == ["plain: busy", 3]


async def test_a_plain_function_returns_at_once(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, "done")
        started = await env.client.start_new("plain", "text")
        assert await started.result() == "plain: text"
        await env.settle()
        assert env.calls_of(work) == [("by the way",)]


async def test_yielding_no_task_is_refused(store: Store) -> None:
    async with Environment(app, store=store) as env:
        result = await (await env.client.start_new(no_task)).result()
        assert "int" in result


async def test_raising_in_a_generator_fails_it(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(fails)
        with pytest.raises(OrchestrationFailedError, match="gone"):
            await started.result()


async def test_generators_continue_as_new_too(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(endless, 5)
        await env.advance(timedelta(hours=3))
        await env.crash()
        assert await env.client.instance(started.instance_id).result() == 0
