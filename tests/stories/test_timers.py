"""Timers: of any length, in any number, cancellable, and durable."""

from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest

from perdure import App, OrchestrationContext, TaskCancelledError
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("timers")

DAY = timedelta(days=1)


@app.orchestration
async def sleeper(ctx: OrchestrationContext, days: int) -> int:
    before = ctx.current_utc_datetime
    await ctx.create_timer(timedelta(days=days))
    return round((ctx.current_utc_datetime - before).total_seconds())


@app.orchestration
async def until(ctx: OrchestrationContext, when: datetime) -> datetime:
    await ctx.create_timer(when)
    return ctx.current_utc_datetime


@app.orchestration
async def zoned(ctx: OrchestrationContext) -> list[datetime]:
    found: list[datetime] = []
    for when in (
        datetime(2030, 1, 1, 1),  # noqa: DTZ001 - a naive time means UTC
        datetime(2030, 1, 1, 4, tzinfo=timezone(2 * timedelta(hours=1))),
    ):
        await ctx.create_timer(when)
        found.append(ctx.current_utc_datetime.replace(microsecond=0))
    return found


@app.orchestration
async def past(ctx: OrchestrationContext) -> list[object]:
    timers = [ctx.create_timer(due) for due in (timedelta(0), -DAY, ctx.current_utc_datetime)]
    before = [timer.done for timer in timers]
    await ctx.task_all(timers)
    return [before, [timer.done for timer in timers]]


@app.orchestration
async def cancelling(ctx: OrchestrationContext) -> list[object]:
    timer, kept = ctx.create_timer(365 * DAY), ctx.create_timer(DAY)
    await ctx.wait_for_external_event("cancel")
    found: list[object] = [timer.cancel(), timer.cancel(), timer.cancelled]
    try:
        await timer
    except TaskCancelledError as error:
        found.append(str(error))
    await kept
    return [*found, kept.cancel(), kept.cancelled]


@app.orchestration
async def many(ctx: OrchestrationContext, width: int) -> list[int]:
    order: list[int] = []

    async def wait(number: int) -> None:
        await ctx.create_timer(timedelta(hours=(number * 7) % width))
        order.append(number * 7 % width)

    async with anyio.create_task_group() as group:
        for number in range(width):
            group.start_soon(wait, number)
    return order


@app.orchestration
async def loser_left_open(ctx: OrchestrationContext) -> str:
    ctx.create_timer(1000 * DAY)
    return "left"


@pytest.mark.parametrize("days", [1, 7, 365, 20 * 365])
async def test_a_timer_may_take_years(store: Store, days: int) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(sleeper, days)
        assert await started.result() == days * 86_400


async def test_a_timer_outlives_crashes_on_its_way(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(sleeper, 50)
        for _ in range(5):
            await env.advance(9 * DAY)
            await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result == 50 * 86_400


async def test_a_timer_due_while_down_fires_late(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(sleeper, 1)
        await env.settle()
        env.runtime.die()
        later = Environment(app, store=store, start=env.now + 9 * DAY)
    async with later:
        result = await later.client.instance(started.instance_id).result()
        assert result == 9 * 86_400


async def test_a_timer_beyond_memorys_horizon_fires(store: Store) -> None:
    async with Environment(app, store=store, timer_horizon=3600) as env:
        near = await env.client.start_new(sleeper, 1)
        far = await env.client.start_new(sleeper, 3)
        await env.advance(DAY / 2)
        await env.crash()
        assert await env.client.instance(far.instance_id).result() == 3 * 86_400
        assert await env.client.instance(near.instance_id).result() == 86_400


async def test_a_timer_takes_a_point_in_time(store: Store) -> None:
    async with Environment(app, store=store) as env:
        when = datetime(2031, 6, 1, 12, tzinfo=UTC)
        woken = await (await env.client.start_new(until, when)).result()
        assert timedelta(0) <= woken - when < timedelta(seconds=1)


async def test_time_zones_are_understood(store: Store) -> None:
    async with Environment(app, store=store) as env:
        found = await (await env.client.start_new(zoned)).result()
        assert found == [datetime(2030, 1, 1, hour, tzinfo=UTC) for hour in (1, 2)]


async def test_a_timer_in_the_past_fires_next(store: Store) -> None:
    async with Environment(app, store=store) as env:
        found = await (await env.client.start_new(past)).result()
        assert found == [[False] * 3, [True] * 3]


@pytest.mark.parametrize("crashes", [0, 2])
async def test_a_cancelled_timer_never_fires(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(cancelling)
        await env.settle()
        await env.client.raise_event(started.instance_id, "cancel")
        for _ in range(crashes):
            await env.settle()
            await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result == [True, False, True, "timer was cancelled", False, False]
        assert env.now < datetime(2030, 1, 3, tzinfo=UTC)
        fired = [
            item.event_type
            for item in await env.client.get_history(started.instance_id)
            if item.event_type == "TimerFired"
        ]
        assert len(fired) == 1


async def test_many_timers_fire_in_order(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(many, 50)
        await env.advance(timedelta(hours=20))
        await env.crash()
        assert await env.client.instance(started.instance_id).result() == list(range(50))


async def test_an_open_timer_does_not_hold_the_end(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(loser_left_open)
        assert await started.result() == "left"
        assert env.now < datetime(2030, 1, 2, tzinfo=UTC)
        await env.crash()
        pending = store.recover(2**62)
        assert pending.timers == []
