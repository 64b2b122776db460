"""Retries: when the next attempt comes, and when there is none."""

from collections.abc import Callable
from datetime import timedelta

import anyio
import pytest

from perdure import (
    ActivityContext,
    App,
    FailureDetails,
    OrchestrationContext,
    OrchestrationFailedError,
    RetryPolicy,
    TaskFailedError,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("retries")

SECOND = timedelta(seconds=1)
GROWING = RetryPolicy(
    max_attempts=6, first_interval=5 * SECOND, backoff=2.0, max_interval=30 * SECOND
)


class Fatal(Exception):
    non_retriable = True


class Forbidden(Exception):
    pass


@app.activity
async def work(name: str) -> str:
    return name


@app.activity(retry=RetryPolicy(max_attempts=3))
async def insistent() -> str:
    return "done"


@app.activity
async def attempts(context: ActivityContext) -> list[object]:
    if context.attempt < 3:
        raise RuntimeError("not yet")
    return [context.attempt, context.task_id, context.idempotency_key, dict(context.tags)]


@app.activity
async def slow() -> str:
    return "never"


def only_busy(failure: FailureDetails) -> bool:
    return "busy" in failure.message


def broken(failure: FailureDetails) -> bool:
    raise ZeroDivisionError


@app.orchestration
async def insists(ctx: OrchestrationContext, policy: str) -> str:
    return await ctx.call_activity(work, policy, retry=POLICIES[policy])


POLICIES = {
    "growing": GROWING,
    "timed": RetryPolicy(
        max_attempts=100, first_interval=10 * SECOND, retry_timeout=timedelta(seconds=35)
    ),
    "handled": RetryPolicy(max_attempts=9, handler=only_busy),
    "broken": RetryPolicy(max_attempts=9, handler=broken),
    "listed": RetryPolicy(max_attempts=9, non_retriable=(Forbidden,)),
}


@app.orchestration
async def default_and_none(ctx: OrchestrationContext) -> list[str]:
    found = [await ctx.call_activity(insistent)]
    try:
        await ctx.call_activity(insistent, retry=False)
    except TaskFailedError as error:
        found.append(error.details.message)
    return found


@app.orchestration
async def third_time(ctx: OrchestrationContext) -> list[object]:
    policy = RetryPolicy(max_attempts=3)
    return await ctx.call_activity(attempts, retry=policy, tags={"team": "red"})


@app.orchestration
async def nested(ctx: OrchestrationContext) -> list[str]:
    flaky = ctx.call_activity(work, "flaky", retry=GROWING)
    steady = ctx.call_activity(work, "steady")
    timer = ctx.create_timer(timedelta(days=1))
    race = ctx.task_any([flaky, timer])
    others = ctx.task_all([steady, flaky])
    await ctx.task_all([race, others])
    timer.cancel()
    assert race.result is flaky
    return [flaky.result, *others.result]


@app.orchestration
async def impatient(ctx: OrchestrationContext) -> str:
    policy = RetryPolicy(max_attempts=2, first_interval=3 * SECOND)
    try:
        return await ctx.call_activity(slow, timeout=60, retry=policy)
    except TaskFailedError as error:
        return f"{error.details.type} at {ctx.current_utc_datetime:%H:%M:%S}"


def failing(
    env: Environment, seen: list[int], times: int, error: Exception
) -> Callable[[str], str]:
    """Fail so many times, and note when."""
    first = env.now

    def outcome(name: str) -> str:
        if name == "steady":
            return name
        seen.append(round((env.now - first).total_seconds()))
        if len(seen) <= times:
            raise error
        return name

    return outcome


async def test_delays_grow_up_to_the_cap(store: Store) -> None:
    async with Environment(app, store=store) as env:
        seen: list[int] = []
        env.stub(work, failing(env, seen, 5, OSError("busy")))
        started = await env.client.start_new(insists, "growing")
        assert await started.result() == "growing"
        assert seen == [0, 5, 15, 35, 65, 95]


async def test_a_crash_keeps_the_back_off(store: Store) -> None:
    async with Environment(app, store=store) as env:
        seen: list[int] = []
        env.stub(work, failing(env, seen, 5, OSError("busy")))
        started = await env.client.start_new(insists, "growing")
        for _ in range(9):
            await env.settle()
            await env.crash()
            await env.advance(timedelta(seconds=11))
        assert await env.client.instance(started.instance_id).result() == "growing"
        assert seen == [0, 5, 15, 35, 65, 95]


async def test_the_last_attempt_gives_its_failure(store: Store) -> None:
    async with Environment(app, store=store) as env:
        seen: list[int] = []
        env.stub(work, failing(env, seen, 6, OSError("busy")))
        started = await env.client.start_new(insists, "growing")
        with pytest.raises(OrchestrationFailedError, match="busy"):
            await started.result()
        assert len(seen) == 6
        await env.advance(timedelta(days=1))
        assert len(seen) == 6


async def test_the_retry_timeout_goes_by_orchestration_time(store: Store) -> None:
    async with Environment(app, store=store) as env:
        seen: list[int] = []
        env.stub(work, failing(env, seen, 99, OSError("busy")))
        started = await env.client.start_new(insists, "timed")
        await env.settle()
        await env.crash()
        with pytest.raises(OrchestrationFailedError, match="busy"):
            await env.client.instance(started.instance_id).result()
        assert seen == [0, 10, 20, 30, 40]


@pytest.mark.parametrize(
    ("policy", "error", "attempted"),
    [
        ("growing", Fatal("no"), 1),
        ("listed", Forbidden("no"), 1),
        ("listed", OSError("no"), 9),
        ("handled", OSError("gone"), 1),
        ("handled", OSError("busy"), 9),
        ("broken", OSError("no"), 1),
    ],
)
async def test_some_failures_are_not_retried(
    store: Store, policy: str, error: Exception, attempted: int
) -> None:
    async with Environment(app, store=store) as env:
        seen: list[int] = []
        env.stub(work, failing(env, seen, 99, error))
        started = await env.client.start_new(insists, policy)
        with pytest.raises(OrchestrationFailedError, match=str(error)):
            await started.result()
        assert len(seen) == attempted


async def test_the_definition_has_a_default_policy(store: Store) -> None:
    async with Environment(app, store=store) as env:
        failures: list[OSError | str] = [OSError("1"), OSError("2"), "third", OSError("only")]
        outcomes = iter(failures)

        def outcome() -> str:
            found = next(outcomes)
            if isinstance(found, Exception):
                raise found
            return found

        env.stub(insistent, outcome)
        started = await env.client.start_new(default_and_none)
        assert await started.result() == ["third", "only"]


async def test_attempts_share_their_call_and_tags(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(third_time, instance_id="t")
        attempt, task_id, key, tags = await started.result()
        assert (attempt, task_id, tags) == (3, 1, {"team": "red"})
        assert str(key).startswith("t/")


@pytest.mark.parametrize("crashes", [0, 3])
async def test_a_retry_inside_any_inside_all(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        seen: list[int] = []
        env.stub(work, failing(env, seen, 3, OSError("busy")))
        started = await env.client.start_new(nested)
        for _ in range(crashes):
            await env.settle()
            await env.crash()
            await env.advance(6 * SECOND)
        result = await env.client.instance(started.instance_id).result()
        assert result == ["flaky", "steady", "flaky"]
        assert seen == [0, 5, 15, 35]


async def test_the_timeout_bounds_each_attempt(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(slow, anyio.sleep_forever)
        started = await env.client.start_new(impatient)
        assert await started.result() == "TimeoutError at 00:02:03"
        assert len(env.calls_of(slow)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": 2, "first_interval": timedelta(0)},
        {"max_attempts": 2, "backoff": 0.5},
        {"max_attempts": 2, "max_interval": timedelta(milliseconds=1)},
        {"max_attempts": 2, "retry_timeout": timedelta(milliseconds=1)},
    ],
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
