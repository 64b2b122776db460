"""Activities in worker processes: what they are given, and how they fail."""

import os
from typing import Any

import pytest

from perdure import (
    ActivityContext,
    App,
    OrchestrationContext,
    OrchestrationFailedError,
    RetryPolicy,
)
from perdure.testing import Environment


class Particular(Exception):
    """Cannot be unpickled: it takes more than its arguments."""

    non_retriable = True

    def __init__(self, account: str, amount: int) -> None:
        super().__init__(f"{account} lacks {amount}")


def knows(context: ActivityContext) -> list[Any]:
    told = [context.name, context.attempt, dict(context.tags), context.cancelled()]
    return [*told, os.getpid()]


def raises() -> None:
    raise Particular("savings", 5)


def dies() -> None:
    os._exit(3)


def cannot_be_sent() -> Any:
    return lambda: None


def no_json() -> Any:
    return {"inner": {1, 2}, "object": object}


async def outcome(function: Any, attempts: int = 1, **options: Any) -> Any:
    app = App()
    app.activity(executor="process", retry=RetryPolicy(max_attempts=attempts))(function)

    @app.orchestration
    async def calls(ctx: OrchestrationContext) -> Any:
        return await ctx.call_activity(function, **options)

    async with Environment(app, patience=10.0) as env:
        return await (await env.client.start_new(calls)).result()


async def test_a_process_receives_the_context() -> None:
    *told, process = await outcome(knows, tags={"k": "v"})
    assert told == ["knows", 1, {"k": "v"}, False]
    assert process != os.getpid()


async def test_any_exception_comes_out_of_a_process() -> None:
    with pytest.raises(OrchestrationFailedError, match="savings lacks 5") as caught:
        await outcome(raises, attempts=3)
    details = caught.value.details
    assert details is not None
    assert details.is_caused_by(Particular)
    assert details.inner is not None
    assert details.inner.non_retriable
    assert "in raises" in (details.inner.stack or "")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (dies, "the worker process died while it ran activity 'dies'"),
        (cannot_be_sent, r"the result of cannot_be_sent \(function\) cannot be sent"),
        (no_json, r"result of no_json\.object"),
    ],
    ids=["dies", "unpicklable", "no JSON"],
)
async def test_failures_of_a_process_are_told_clearly(function: Any, message: str) -> None:
    with pytest.raises(OrchestrationFailedError, match=message):
        await outcome(function)
