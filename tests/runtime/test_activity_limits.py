"""Places for threads, processes and definitions: who waits where, and for how long."""

import threading
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from perdure import (
    ActivityContext,
    App,
    OrchestrationContext,
    OrchestrationFailedError,
    Runtime,
)
from perdure.testing import Environment

LONG = 10.0
"""Nothing ever waits so long in a thread, unless something is broken."""


class Busy:
    """A sync body that waits to be let go, and knows how many were in it at once."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.lock = threading.Lock()
        self.now = self.most = self.begun = 0

    def __call__(self, number: int) -> int:
        with self.lock:
            self.now += 1
            self.begun += 1
            self.most = max(self.most, self.now)
        self.let_go.wait(LONG)
        with self.lock:
            self.now -= 1
        return number


def all_of(app: App, activity: Any, count: int) -> Any:
    """Register an orchestration that calls this activity many times at once."""

    @app.orchestration
    async def many(ctx: OrchestrationContext) -> list[Any]:
        calls = [ctx.call_activity(activity, number) for number in range(count)]
        return await ctx.task_all(calls)

    return many


async def until_begun(busy: Busy, count: int) -> None:
    with anyio.fail_after(LONG):
        while busy.begun < count:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("limit", ["own", "threads"])
async def test_no_more_threads_run_than_may(limit: str) -> None:
    app, busy = App(), Busy()
    app.activity(name="busy", max_concurrency=2 if limit == "own" else None)(busy.__call__)
    many = all_of(app, "busy", 6)
    async with Runtime(app, activity_threads_max=9 if limit == "own" else 2) as runtime:
        instance = await runtime.client.start_new(many)
        await until_begun(busy, 2)
        busy.let_go.set()
        assert await instance.result() == list(range(6))
    assert busy.most == 2


async def test_waiting_for_threads_starves_no_others() -> None:
    app, busy = App(), Busy()
    app.activity(name="busy")(busy.__call__)
    many = all_of(app, "busy", 5)

    @app.activity
    async def quick() -> str:
        return "quick"

    @app.orchestration
    async def other(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(quick)

    async with Runtime(app, activity_threads_max=1, activities_max=2) as runtime:
        instance = await runtime.client.start_new(many)
        await until_begun(busy, 1)
        with anyio.fail_after(LONG / 2):
            assert await (await runtime.client.start_new(other)).result() == "quick"
        busy.let_go.set()
        await instance.result()


async def test_waiting_for_a_thread_is_not_timed() -> None:
    app, busy = App(), Busy()
    app.activity(name="busy")(busy.__call__)
    many = all_of(app, "busy", 1)

    @app.activity(timeout=timedelta(minutes=1))
    def timed() -> str:
        return "in time"

    @app.orchestration
    async def waits(ctx: OrchestrationContext) -> str:
        return await ctx.call_activity(timed)

    async with Environment(app, activity_threads_max=1, patience=LONG) as env:
        first = await env.client.start_new(many)
        await until_begun(busy, 1)
        second = await env.client.start_new(waits)
        while not env.runtime.partition.quiet:
            await anyio.lowlevel.checkpoint()
        env.clock.advance_to(env.clock.now() + 3_600_000_000)
        busy.let_go.set()
        assert await second.result() == "in time"
        await first.result()


@pytest.mark.parametrize("limit", ["own", "threads"])
async def test_an_abandoned_thread_keeps_its_place(limit: str) -> None:
    app, busy = App(), Busy()
    own = 1 if limit == "own" else None
    app.activity(name="busy", timeout=0.01, max_concurrency=own)(busy.__call__)
    many = all_of(app, "busy", 3)
    async with Runtime(app, activity_threads_max=9 if own else 1) as runtime:
        instance = await runtime.client.start_new(many)
        await until_begun(busy, 1)
        with anyio.fail_after(LONG / 2):
            while runtime.activities.executing:
                await anyio.lowlevel.checkpoint()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert busy.begun == 1
        busy.let_go.set()
        with pytest.raises(OrchestrationFailedError, match="longer"), anyio.fail_after(LONG / 2):
            await instance.result()
    assert busy.most == 1


@pytest.mark.parametrize("how", ["terminated", "timed out"])
async def test_a_thread_learns_that_nobody_waits(how: str) -> None:
    app, started = App(), threading.Event()
    look, looked = threading.Event(), threading.Event()
    seen: list[bool] = []

    @app.activity(timeout=0.02 if how == "timed out" else None)
    def asks(context: ActivityContext, number: int) -> None:
        seen.append(context.cancelled())
        started.set()
        look.wait(LONG)
        seen.append(context.cancelled())
        looked.set()

    many = all_of(app, asks, 1)
    async with Runtime(app) as runtime:
        instance = await runtime.client.start_new(many)
        await anyio.to_thread.run_sync(started.wait, LONG)
        if how == "terminated":
            await instance.terminate()
        await runtime.client.wait_for_completion(instance.instance_id)
        while runtime.activities.executing:
            await anyio.lowlevel.checkpoint()
        look.set()
        await anyio.to_thread.run_sync(looked.wait, LONG)
    assert seen == [False, True]


async def test_finished_activities_leave_no_timer() -> None:
    app = App()

    @app.activity(timeout=timedelta(hours=1))
    async def short(number: int) -> int:
        return number

    many = all_of(app, short, 500)
    async with Environment(app) as env:
        await (await env.client.start_new(many)).result()
        assert len(env.runtime.timers) < 150


async def test_activities_let_other_tasks_run() -> None:
    app, ticks, seen = App(), [0], set[int]()

    @app.activity
    async def looks(number: int) -> None:
        seen.add(ticks[0])

    many = all_of(app, looks, 200)

    async def tick() -> None:
        while True:
            ticks[0] += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        async with Environment(app, turns_between_breaths=4) as env:
            group.start_soon(tick)
            await (await env.client.start_new(many)).result()
        group.cancel_scope.cancel()
    assert len(seen) > 20
