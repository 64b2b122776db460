"""How activities run: executors, limits, cancellation, context, and what they raise."""

import asyncio
import contextvars
import os
import threading
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import sniffio

from perdure import (
    ActivityContext,
    App,
    OrchestrationContext,
    OrchestrationFailedError,
    RetryPolicy,
    Runtime,
    Status,
)
from perdure.testing import Environment

marker: contextvars.ContextVar[str] = contextvars.ContextVar("marker", default="unset")


def pid() -> int:
    return os.getpid()


def calling(app: App, activity: Any, **options: Any) -> Any:
    """Register an orchestration that calls this activity with its input."""

    @app.orchestration(name="calls")
    async def calls(ctx: OrchestrationContext, value: Any = None) -> Any:
        inputs = () if value is None else (value,)
        return await ctx.call_activity(activity, *inputs, **options)

    return calls


async def outcome(app: App, value: Any = None) -> Any:
    async with Environment(app) as env:
        instance = await env.client.start_new("calls", *(() if value is None else (value,)))
        return await instance.result()


async def test_a_sync_activity_runs_in_another_thread() -> None:
    app = App()

    @app.activity
    def thread() -> str:
        return threading.current_thread().name

    calling(app, thread)
    assert await outcome(app) != threading.current_thread().name


async def test_a_process_activity_runs_in_another_process() -> None:
    app = App()
    app.activity(executor="process")(pid)
    calling(app, pid)
    assert await outcome(app) not in (None, os.getpid())


@pytest.mark.parametrize("limit", ["own", "global"])
async def test_no_more_run_at_once_than_may(limit: str) -> None:
    app, running, most = App(), [0], [0]

    @app.activity(max_concurrency=2 if limit == "own" else None)
    async def counts(number: int) -> int:
        running[0] += 1
        most[0] = max(most[0], running[0])
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        running[0] -= 1
        return number

    @app.orchestration
    async def many(ctx: OrchestrationContext) -> list[int]:
        return await ctx.task_all([ctx.call_activity(counts, n) for n in range(9)])

    async with Environment(app, activities_max=9 if limit == "own" else 2) as env:
        instance = await env.client.start_new(many)
        assert await instance.result() == list(range(9))
    assert most == [2]


async def test_each_attempt_has_its_own_time_limit() -> None:
    app, attempts = App(), list[int]()
    quickly = RetryPolicy(max_attempts=3, first_interval=timedelta(milliseconds=1))

    @app.activity(timeout=0.02, retry=quickly)
    async def slow(context: ActivityContext) -> str:
        attempts.append(context.attempt)
        if context.attempt < 3:
            await anyio.sleep_forever()
        return "at last"

    calling(app, slow)
    async with Runtime(app) as runtime:
        assert await (await runtime.client.start_new("calls")).result() == "at last"
    assert attempts == [1, 2, 3]


async def test_a_time_limit_outlives_a_failed_commit() -> None:
    app, started = App(), anyio.Event()

    @app.activity(timeout=timedelta(milliseconds=200))
    async def endless() -> None:
        started.set()
        await anyio.sleep_forever()

    calling(app, endless)
    async with Runtime(app) as runtime:
        instance = await runtime.client.start_new("calls")
        await started.wait()
        runtime.partition.fail(OSError("the disk was away"))
        with pytest.raises(OrchestrationFailedError, match=r"longer than 0\.2 s"):
            await instance.result()


async def test_a_retry_that_is_due_later_outlives_a_failed_commit() -> None:
    app = App()

    @app.activity(retry=RetryPolicy(max_attempts=2, first_interval=timedelta(hours=1)))
    async def second_time(context: ActivityContext) -> int:
        if context.attempt == 1:
            raise ConnectionError
        return context.attempt

    calling(app, second_time)
    async with Environment(app) as env:
        instance = await env.client.start_new("calls")
        await env.settle()
        env.runtime.partition.fail(OSError("the disk was away"))
        assert await instance.result() == 2


@pytest.mark.parametrize("how", ["scope", "terminate"])
async def test_cancellation_reaches_a_running_activity(how: str) -> None:
    app, started, ended = App(), anyio.Event(), anyio.Event()

    @app.activity
    async def endless() -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    @app.orchestration
    async def gives_up(ctx: OrchestrationContext) -> str:
        with anyio.move_on_after(0.05 if how == "scope" else None):
            await ctx.call_activity(endless)
        return "gave up"

    async with Runtime(app) as runtime:
        instance = await runtime.client.start_new(gives_up)
        await started.wait()
        if how == "terminate":
            await instance.terminate()
        status = await runtime.client.wait_for_completion(instance.instance_id)
        await ended.wait()
    expected = Status.COMPLETED if how == "scope" else Status.TERMINATED
    assert status.runtime_status is expected


async def test_context_variables_stay_inside_an_activity() -> None:
    app, seen = App(), list[str]()

    @app.activity
    async def marks(value: str) -> None:
        seen.append(marker.get())
        marker.set(value)
        await anyio.lowlevel.checkpoint()
        seen.append(marker.get())

    @app.orchestration
    async def twice(ctx: OrchestrationContext) -> None:
        await ctx.call_activity(marks, "first")
        await ctx.call_activity(marks, "second")

    async with Environment(app) as env:
        await (await env.client.start_new(twice)).result()
    assert seen == ["unset", "first", "unset", "second"]


async def test_an_activity_knows_its_call() -> None:
    app, seen = App(), list[ActivityContext]()

    @app.activity(retry=RetryPolicy(max_attempts=2))
    async def knows(context: ActivityContext) -> None:
        seen.append(context)
        if context.attempt == 1:
            raise ConnectionError

    calling(app, knows, tags={"k": "v"})
    async with Environment(app) as env:
        await (await env.client.start_new("calls", instance_id="a")).result()
    first, second = seen
    assert (first.instance_id, first.name, first.task_id, first.attempt) == ("a", "knows", 1, 1)
    assert (first.tags, second.attempt) == ({"k": "v"}, 2)
    assert first.idempotency_key == second.idempotency_key


async def test_the_idempotency_key_survives_a_crash() -> None:
    app, keys, again = App(), list[str](), anyio.Event()

    @app.activity
    async def noted(context: ActivityContext) -> None:
        keys.append(context.idempotency_key)
        if len(keys) == 1:
            again.set()
            await anyio.sleep_forever()

    calling(app, noted)
    async with Environment(app) as env:
        await env.client.start_new("calls", instance_id="a")
        await again.wait()
        await env.crash()
        await env.client.wait_for_completion("a")
    assert len(keys) == 2
    assert len(set(keys)) == 1


class Odd(BaseException):
    """Not an `Exception`, as some libraries have them."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("plain"),
        SystemExit(3),
        Odd("odd"),
        StopIteration(1),
        ExceptionGroup("many", [ValueError("one"), KeyError("two")]),
        OSError(2, "no such file", "\udcff.txt"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("where", ["loop", "thread"])
async def test_whatever_is_raised_fails_the_call(error: BaseException, where: str) -> None:
    app = App()

    @app.activity(name="raises")
    async def raises() -> None:
        raise error

    @app.activity(name="raises in a thread")
    def raises_in_a_thread() -> None:
        raise error

    calling(app, raises_in_a_thread if where == "thread" else raises)
    with pytest.raises(OrchestrationFailedError) as caught:
        await outcome(app)
    assert caught.value.status is Status.FAILED


async def test_a_cancellation_from_inside_is_a_failure() -> None:
    app = App()

    @app.activity
    async def awaits_what_was_cancelled() -> None:
        if sniffio.current_async_library() == "asyncio":
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        raise Odd

    calling(app, awaits_what_was_cancelled)
    with pytest.raises(OrchestrationFailedError, match=r"CancelledError|Odd"):
        await outcome(app)


async def test_a_result_that_is_no_json_fails_the_call() -> None:
    app = App()

    @app.activity
    async def opaque() -> Any:
        return {"inner": [object()]}

    calling(app, opaque)
    with pytest.raises(OrchestrationFailedError, match=r"result of opaque\.inner\[0\] \(object\)"):
        await outcome(app)


async def test_leftovers_answer_no_call_of_the_next_execution() -> None:
    app, let_go = App(), anyio.Event()

    @app.activity
    async def left_over() -> str:
        await let_go.wait()
        return "of the first execution"

    @app.activity
    async def wanted() -> str:
        let_go.set()
        return "of the second execution"

    @app.orchestration
    async def rounds(ctx: OrchestrationContext, number: int) -> str:
        if number == 1:
            ctx.call_activity(left_over)
            await ctx.wait_for_external_event("go")
            ctx.continue_as_new(2)
            return ""
        return await ctx.call_activity(wanted)

    async with Environment(app) as env:
        instance = await env.client.start_new(rounds, 1)
        await instance.raise_event("go")
        assert await instance.result() == "of the second execution"


async def test_a_real_runtime_runs_all_executors() -> None:
    app = App()
    app.activity(executor="process")(pid)
    calling(app, pid)
    async with Runtime(app) as runtime:
        instance = await runtime.client.start_new("calls")
        assert await instance.result() != os.getpid()
