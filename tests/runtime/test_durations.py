"""Durations that are none: each door refuses them and names the argument."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import pytest

from perdure import (
    App,
    OrchestrationContext,
    RegistrationError,
    Retention,
    RetryPolicy,
    Runtime,
    Status,
)
from perdure.testing import Environment

INFINITE, NO_NUMBER, A_TEXT = float("inf"), float("nan"), "5"

app = App("durations")


@app.activity
async def act() -> None:
    return None


@app.orchestration
async def refused(ctx: OrchestrationContext) -> list[str]:
    told: list[str] = []
    uses: tuple[Callable[[Any], object], ...] = (
        ctx.create_timer,
        lambda wrong: ctx.call_activity(act, timeout=wrong),
        lambda wrong: ctx.wait_for_external_event("go", timeout=wrong),
        lambda wrong: ctx.call_http("GET", "http://localhost", timeout=wrong),
    )
    given: Any
    for given in (INFINITE, NO_NUMBER, 10**400, A_TEXT):
        for use in uses:
            with pytest.raises((TypeError, ValueError)) as caught:
                use(given)
            told.append(str(caught.value))
    return told


async def test_calls_refuse_durations_without_an_end() -> None:
    async with Environment(app) as env:
        told = await (await env.client.start_new(refused)).result()
    for position, text in enumerate(told):
        assert text.startswith("timeout" if position % 4 else "due")
        assert ("number of seconds, not '5'" if position >= 12 else "finite") in text


@app.orchestration
async def beyond_the_calendar(ctx: OrchestrationContext) -> bool:
    later, earlier = ctx.create_timer(1e300), ctx.create_timer(-1e300)
    await earlier
    return later.done


async def test_a_finite_timer_may_be_endlessly_far() -> None:
    async with Environment(app) as env:
        assert await (await env.client.start_new(beyond_the_calendar)).result() is False


@app.orchestration
async def deadline_of_no_number(ctx: OrchestrationContext) -> str:
    with pytest.raises(ValueError, match="deadline"):
        anyio.move_on_after(NO_NUMBER)
    return "refused"


async def test_a_scopes_deadline_is_a_number() -> None:
    async with Environment(app) as env:
        assert await (await env.client.start_new(deadline_of_no_number)).result() == "refused"


def registered(timeout: float) -> None:
    App("other").activity(timeout=timeout)(act)


@pytest.mark.parametrize("wrong", [INFINITE, NO_NUMBER])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("timeout", registered),
        ("first_interval", partial(RetryPolicy, max_attempts=2)),
        ("max_interval", partial(RetryPolicy, max_attempts=2)),
        ("retry_timeout", partial(RetryPolicy, max_attempts=2)),
        ("completed", Retention),
        ("poll_interval", partial(Runtime, app)),
        ("timer_horizon", partial(Runtime, app)),
    ],
)
def test_options_refuse_durations_without_an_end(
    name: str, make: Callable[..., object], wrong: float
) -> None:
    with pytest.raises((ValueError, RegistrationError), match=rf"{name} must be .*finite.*{wrong}"):
        make(**{name: wrong})


async def test_clients_name_a_timeout_of_no_number() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(beyond_the_calendar)
        wrong: Any = NO_NUMBER
        for wait in (
            lambda: instance.result(timeout=wrong),
            lambda: env.client.wait_for_start(instance.instance_id, timeout=wrong),
            lambda: env.client.purge_by(statuses=[Status.FAILED], timeout=wrong),
        ):
            with pytest.raises(ValueError, match="timeout must be finite"):
                await wait()
        wrong = timedelta(seconds=1)
        with pytest.raises(TypeError, match="timeout is a number of seconds"):
            await instance.result(timeout=wrong)
