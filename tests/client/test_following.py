"""Following an instance: its status and each event of its history, once, as they become durable."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from perdure import (
    App,
    Client,
    Follower,
    HistoryEvent,
    HistoryMark,
    InstanceNotFoundError,
    OrchestrationContext,
    Progress,
    Runtime,
    RuntimeClosedError,
    Status,
    StoreError,
)
from perdure.runtime.host import real_seams
from perdure.testing import Environment
from perdure.testing.disturbed import HeldLane

app = App("following")


@app.activity
async def double(number: int) -> int:
    return 2 * number


@app.orchestration
async def steps(ctx: OrchestrationContext, number: int) -> int:
    """Show what it does, and double what comes in, up to a zero."""
    while number:
        ctx.set_custom_status(await ctx.call_activity(double, number))
        number = await ctx.wait_for_external_event("next", int)
    return number


@app.orchestration
async def rounds(ctx: OrchestrationContext, left: int) -> int:
    await ctx.wait_for_external_event("next")
    if left:
        ctx.continue_as_new(left - 1)
    return left


@asynccontextmanager
async def clients(place: str, folder: Path) -> AsyncGenerator[Client]:
    """A client beside the runtime, or one that has nothing but its file."""
    url = f"sqlite:///{folder}/hub.db"
    async with Runtime(app, store=url, poll_interval=0.005) as runtime:
        if place == "inside":
            yield runtime.client
        else:
            async with Client(url, app) as client:
                yield client


async def to_the_end(follower: Follower) -> list[Progress]:
    with anyio.fail_after(20):
        return [progress async for progress in follower]


async def up_to(custom_status: object, follower: Follower) -> list[Progress]:
    told: list[Progress] = []
    with anyio.fail_after(20):
        while not told or told[-1].status.custom_status != custom_status:
            told.append(await anext(follower))
    return told


def events_of(told: list[Progress]) -> list[HistoryEvent]:
    return [event for progress in told for _, event in progress.events]


@pytest.mark.parametrize("place", ["inside", "outside"])
async def test_each_event_is_told_once(place: str, tmp_path: Path) -> None:
    async with clients(place, tmp_path) as client:
        await client.start_new(steps, 1, instance_id="x")
        follower = client.follow("x")
        told = await up_to(2, follower)
        await client.raise_event("x", "next", 3)
        told += await up_to(6, follower)
        await client.raise_event("x", "next", 0)
        told += await to_the_end(follower)
        history = await client.get_history("x")
        assert events_of(told) == history
        assert told[-1].status.runtime_status is Status.COMPLETED
        assert "TaskCompleted" in [event.event_type for event in history]
        assert await to_the_end(follower) == []


async def test_a_turn_is_news_without_a_status() -> None:
    async with Environment(app) as env:
        await env.client.start_new(rounds, 0, instance_id="x")
        follower = env.client.follow("x")
        await env.settle()
        first = await anext(follower)
        await env.client.raise_event("x", "other")
        second = await anext(follower)
        assert (first.status_changed, second.status_changed) == (True, False)
        assert [event.event_type for _, event in second.events][1] == "EventRaised"


async def test_following_goes_on_behind_a_mark() -> None:
    async with Environment(app) as env:
        await env.client.start_new(steps, 1, instance_id="x")
        await up_to(2, env.client.follow("x"))
        await env.client.raise_event("x", "next", 0)
        told = await to_the_end(env.client.follow("x"))
        marks = [mark for progress in told for mark, _ in progress.events]
        for place, mark in enumerate(marks):
            after = HistoryMark.parse(str(mark))
            later = await to_the_end(env.client.follow("x", after=after))
            assert events_of(later) == events_of(told)[place + 1 :]
            assert later[-1].status_changed


@pytest.mark.parametrize("text", ["", "x", "1-2-3", f"{'0' * 32}-1", f"{'0' * 32}-\u0661-1"])
def test_what_is_no_mark_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no place in a history"):
        HistoryMark.parse(text)


async def test_a_new_execution_is_told_anew() -> None:
    async with Environment(app) as env:
        await env.client.start_new(rounds, 1, instance_id="x")
        follower = env.client.follow("x")
        await env.settle()
        first = await anext(follower)
        await env.client.raise_event("x", "next")
        await env.settle()
        second = await anext(follower)
        assert first.status.execution_id != second.status.execution_id
        assert events_of([second]) == await env.client.get_history("x")
        old = first.events[-1][0]
        assert events_of([await anext(env.client.follow("x", after=old))]) == events_of([second])


async def test_a_cancelled_wait_loses_nothing() -> None:
    async with Environment(app) as env:
        await env.client.start_new(steps, 1, instance_id="x")
        follower = env.client.follow("x")
        told = await up_to(2, follower)
        with anyio.move_on_after(0) as scope:
            await anext(follower)
        assert scope.cancelled_caught
        await env.client.raise_event("x", "next", 0)
        told += await to_the_end(follower)
        assert events_of(told) == await env.client.get_history("x")


async def test_a_pending_instance_shows_no_others_events(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    async with Runtime(app, store=url) as runtime:
        await (await runtime.client.start_new(steps, 0, instance_id="x")).result()
    async with Client(url, app) as client:
        await client.start_new(steps, 0, instance_id="x")
        progress = await anext(client.follow("x"))
        assert (progress.status.runtime_status, progress.events) == (Status.PENDING, [])


async def test_there_has_to_be_an_instance() -> None:
    async with Environment(app) as env:
        with pytest.raises(InstanceNotFoundError):
            await anext(env.client.follow("x"))


async def test_a_purge_ends_the_following() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(steps, 1, instance_id="x")
        follower = env.client.follow("x")
        await up_to(2, follower)
        await instance.terminate()
        await env.client.purge("x")
        with pytest.raises(InstanceNotFoundError):
            await anext(follower)


async def test_leaving_the_runtime_ends_the_following() -> None:
    ended: list[str] = []

    async def follow(follower: Follower) -> None:
        with pytest.raises(RuntimeClosedError):
            await anext(follower)
        ended.append("closed")

    async with anyio.create_task_group() as group, Runtime(app) as runtime:
        await runtime.client.start_new(steps, 1, instance_id="x")
        follower = runtime.client.follow("x")
        await up_to(2, follower)
        group.start_soon(follow, follower)
        await anyio.wait_all_tasks_blocked()
    assert ended == ["closed"]


async def test_news_of_a_doubtful_commit_come() -> None:
    """A commit that is written after memory was dropped: only the recovery can tell of it."""
    told: list[Progress] = []
    lanes: dict[str, HeldLane] = {}
    seams = real_seams()
    seams.lane = lambda name: lanes.setdefault(name, HeldLane(name))
    async with Runtime(app, seams=seams) as runtime, anyio.create_task_group() as group:
        await runtime.client.start_new(steps, 1, instance_id="x")
        follower = runtime.client.follow("x")
        await up_to(2, follower)

        async def follow() -> None:
            told.extend(await to_the_end(follower))

        async def end() -> None:
            with pytest.raises(StoreError, match="nobody knows"):
                await runtime.client.raise_event("x", "next", 0)

        lanes["commit"].held = True
        group.start_soon(follow)
        group.start_soon(end)
        await anyio.wait_all_tasks_blocked()
        runtime.partition.fail(StoreError("nobody knows"))
        await anyio.wait_all_tasks_blocked()
        lanes["commit"].let_go()
    assert told[-1].status.runtime_status is Status.COMPLETED
