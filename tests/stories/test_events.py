"""External events: buffered, in order, in any case, typed, bounded in time, never lost."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import frozen

from perdure import (
    App,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationContext,
    OrchestrationFailedError,
    PayloadError,
    Status,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("events")

HOUR = timedelta(hours=1)
NO_NAMES: list[str] = []


@frozen
class Vote:
    voter: str
    weight: int = 1


@app.orchestration
async def takes(ctx: OrchestrationContext, names: list[str]) -> list[object]:
    await ctx.create_timer(HOUR)
    return [await ctx.wait_for_external_event(name) for name in names]


@app.orchestration
async def takes_at_once(ctx: OrchestrationContext, names: list[str]) -> list[object]:
    return await ctx.task_all([ctx.wait_for_external_event(name) for name in names])


@app.orchestration
async def typed(ctx: OrchestrationContext) -> list[object]:
    found: list[object] = []
    for _ in range(3):
        try:
            vote = await ctx.wait_for_external_event("vote", Vote)
            found.append(vote.weight)
        except PayloadError as error:
            found.append(error.path)
    return found


@app.orchestration
async def bounded(ctx: OrchestrationContext) -> list[object]:
    found: list[object] = []
    try:
        await ctx.wait_for_external_event("Go", str, timeout=HOUR)
    except TimeoutError as error:
        found.append(str(error))
    found.append(await ctx.wait_for_external_event("go", str, timeout=7200))
    return [*found, round((ctx.current_utc_datetime - START).total_seconds())]


START = datetime(2030, 1, 1, tzinfo=UTC)


@app.orchestration
async def gives_up(ctx: OrchestrationContext) -> list[object]:
    first, second = (ctx.wait_for_external_event("go") for _ in range(2))
    await ctx.wait_for_external_event("cancel")
    first.cancel()
    return [await second, first.cancelled]


@app.orchestration
async def teller(ctx: OrchestrationContext, target: str, count: int) -> None:
    for number in range(count):
        ctx.send_event(target, "Told", number)


@app.orchestration
async def tells_badly(ctx: OrchestrationContext, target: str, name: str) -> str:
    try:
        ctx.send_event(target, name, 1)
    except ValueError as error:
        return str(error)
    return "accepted"


@pytest.mark.parametrize("crashes", [0, 1])
async def test_events_wait_in_order_for_takers(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(takes, ["a", "B", "a", "b", "A"])
        for number, name in enumerate(["A", "a", "b", "a", "B"]):
            await started.raise_event(name, number)
        for _ in range(crashes):
            await env.settle()
            await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result == [0, 2, 1, 4, 3]


async def test_each_event_goes_to_one_wait(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(takes_at_once, ["x", "X", "y", "x"])
        for number, name in enumerate(["x", "Y", "X", "x"]):
            await env.client.raise_event(started.instance_id, name, number)
            await env.settle()
            await env.crash()
        assert await env.client.instance(started.instance_id).result() == [0, 2, 1, 3]


async def test_a_hundred_events_keep_their_order(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(takes, ["told"] * 100)
        await env.settle()
        await env.client.start_new(teller, started.instance_id, 60)
        await env.settle()
        await env.crash()
        await env.client.start_new(teller, started.instance_id, 40)
        result = await env.client.instance(started.instance_id).result()
        assert result == [*range(60), *range(40)]


async def test_payloads_are_typed_where_awaited(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(typed)
        for payload in ({"voter": "a", "weight": 3}, {"weight": 3}, Vote("b")):
            await started.raise_event("vote", payload)
        assert await started.result() == [3, "event 'vote'", 1]


async def test_an_event_may_have_no_payload(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(takes_at_once, ["a"])
        await started.raise_event("a")
        assert await started.result() == [None]


async def test_a_wait_can_be_bounded_in_time(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(bounded)
        await env.advance(2 * HOUR)
        await env.crash()
        await env.client.raise_event(started.instance_id, "GO", "late")
        result = await env.client.instance(started.instance_id).result()
        assert result == ["no event 'Go' within 3600 s", "late", 7200]


async def test_a_timed_out_wait_takes_nothing(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(bounded)
        await env.settle()
        await env.client.suspend(started.instance_id)
        await env.advance(HOUR)
        await env.client.raise_event(started.instance_id, "go", "kept")
        await env.settle()
        await env.crash()
        await env.client.resume(started.instance_id)
        result = await env.client.instance(started.instance_id).result()
        assert result == ["no event 'Go' within 3600 s", "kept", 3600]


@pytest.mark.parametrize("crashes", [0, 1])
async def test_a_cancelled_wait_takes_nothing(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(gives_up)
        await env.client.raise_event(started.instance_id, "cancel")
        for _ in range(crashes):
            await env.settle()
            await env.crash()
        await env.client.raise_event(started.instance_id, "go", "first")
        result = await env.client.instance(started.instance_id).result()
        assert result == ["first", True]


async def test_events_wait_for_a_scheduled_start(store: Store) -> None:
    async with Environment(app, store=store) as env:
        names = ["a", "b"]
        started = await env.client.start_new(takes_at_once, names, start_at=env.now + 48 * HOUR)
        await started.raise_event("b", 2)
        await env.settle()
        await env.crash()
        await env.client.raise_event(started.instance_id, "A", 1)
        await env.advance(HOUR)
        status = await env.client.get_status(started.instance_id)
        assert status is not None
        assert status.runtime_status is Status.PENDING
        await env.crash()
        assert await env.client.instance(started.instance_id).result() == [1, 2]
        assert env.now > START + 48 * HOUR


async def test_events_wait_for_a_resumption(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(takes_at_once, ["a", "a"])
        await env.client.suspend(started.instance_id)
        await started.raise_event("a", 1)
        await env.settle()
        await env.crash()
        await env.client.raise_event(started.instance_id, "a", 2)
        await env.settle()
        await env.crash()
        await env.client.resume(started.instance_id)
        assert await env.client.instance(started.instance_id).result() == [1, 2]


async def test_an_ended_instance_refuses_events(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new("takes_at_once", NO_NAMES)
        await started.result()
        with pytest.raises(InstanceStateError, match="Completed"):
            await started.raise_event("a")
        with pytest.raises(InstanceNotFoundError):
            await env.client.raise_event("nobody", "a")
        with pytest.raises(ValueError, match="name"):
            await started.raise_event("")


async def test_events_to_nobody_are_dropped(store: Store) -> None:
    async with Environment(app, store=store) as env:
        told = await env.client.start_new(teller, "nobody", 3)
        await told.result()
        await env.settle()
        started = await env.client.start_new(takes_at_once, ["told"], instance_id="nobody")
        await env.advance(HOUR)
        status = await started.status()
        assert status is not None
        assert status.is_running


@pytest.mark.parametrize(("target", "name"), [("@e@k", "a"), ("x", ""), ("", "a"), ("a/b", "a")])
async def test_a_bad_target_is_refused(store: Store, target: str, name: str) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(tells_badly, target, name)
        assert await started.result() != "accepted"


async def test_an_unwritable_payload_is_refused(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(takes_at_once, ["a"])
        with pytest.raises(PayloadError, match="event 'a'"):
            await started.raise_event("a", object())
        await started.raise_event("a", 1)
        assert await started.result() == [1]


async def test_an_uncaught_timeout_fails_the_instance(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(bounded)
        with pytest.raises(OrchestrationFailedError, match="within 7200 s"):
            await started.result()
