"""Termination: at once, with or without the children, and with nothing left behind."""

from datetime import timedelta

import anyio
import pytest
from attrs import define

from perdure import (
    App,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationContext,
    OrchestrationFailedError,
    Status,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("termination")

HOUR = timedelta(hours=1)


@app.activity
async def work(name: str) -> str:
    return name


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, number: int) -> int:
        self.value += number
        return self.value


@app.orchestration
async def waiter(ctx: OrchestrationContext) -> str:
    ctx.create_timer(9 * HOUR)
    await ctx.wait_for_external_event("go")
    return await ctx.call_activity(work, "late")


@app.orchestration
async def works(ctx: OrchestrationContext) -> str:
    return await ctx.call_activity(work, "slow")


@app.orchestration
async def middle(ctx: OrchestrationContext) -> str:
    return await ctx.call_sub_orchestrator(waiter, instance_id="bottom")


@app.orchestration
async def top(ctx: OrchestrationContext) -> str:
    ctx.start_new(waiter, instance_id="free")
    return await ctx.call_sub_orchestrator(middle, instance_id="middle")


@app.orchestration
async def locks(ctx: OrchestrationContext, name: str) -> str:
    async with ctx.lock_entities(ctx.entity(Counter, "a"), ctx.entity(Counter, "b")):
        await ctx.wait_for_external_event("go")
    return name


def same(name: str) -> str:
    return name


async def statuses(env: Environment, *names: str) -> list[Status]:
    found = await env.client.get_many(names)
    return [found[name].runtime_status for name in names]


T, R = Status.TERMINATED, Status.RUNNING


@pytest.mark.parametrize(("recursive", "expected"), [(False, [T, R, R, R]), (True, [T, T, T, R])])
async def test_children_end_only_if_asked(
    store: Store, *, recursive: bool, expected: list[Status]
) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(top, instance_id="top")
        await env.settle()
        await env.crash()
        await env.client.terminate(started.instance_id, "enough", recursive=recursive)
        await env.settle()
        await env.crash()
        await env.settle()
        assert await statuses(env, "top", "middle", "bottom", "free") == expected


async def test_the_reason_becomes_the_output(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(waiter)
        await started.terminate("enough")
        with pytest.raises(OrchestrationFailedError, match="enough") as caught:
            await started.result()
        assert caught.value.status is Status.TERMINATED
        await env.crash()
        status = await env.client.get_status(started.instance_id)
        assert status is not None
        assert (status.output, status.failure_details) == ("enough", None)
        assert status.completed_time is not None


async def test_nothing_happens_after_termination(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, "unused")
        started = await env.client.start_new(waiter)
        await started.raise_event("not awaited")
        await started.terminate()
        with pytest.raises(InstanceStateError):
            await started.raise_event("go")
        await env.advance(10 * HOUR)
        await env.crash()
        assert env.calls_of(work) == []
        pending = store.recover(2**62)
        assert (pending.timers, pending.messages) == ([], [])


async def test_running_activities_are_cancelled(store: Store) -> None:
    async with Environment(app, store=store) as env:
        began, cancelled = anyio.Event(), anyio.Event()

        async def outcome(_: str) -> None:
            began.set()
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.set()

        env.stub(work, outcome)
        started = await env.client.start_new(works)
        await began.wait()
        await started.terminate()
        await cancelled.wait()
        status = await env.client.wait_for_completion(started.instance_id)
        assert status.runtime_status is T


@pytest.mark.parametrize("crash", [False, True])
async def test_a_scheduled_instance_never_starts(store: Store, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, "unused")
        started = await env.client.start_new(works, start_at=env.now + HOUR)
        await started.raise_event("early")
        await started.terminate("changed my mind")
        await env.settle()
        if crash:
            await env.crash()
        await env.advance(2 * HOUR)
        assert await statuses(env, started.instance_id) == [T]
        assert env.calls_of(work) == []
        assert store.recover(2**62).messages == []


async def test_a_scheduled_instance_stays_replaced(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, same)
        first = await env.client.start_new(works, instance_id="x", start_at=env.now + HOUR)
        await first.terminate()
        second = await env.client.start_new(works, instance_id="x")
        assert await second.result() == "slow"
        await env.advance(2 * HOUR)
        await env.settle()
        assert env.calls_of(work) == [("slow",)]
        assert await statuses(env, "x") == [Status.COMPLETED]


async def test_a_purged_scheduled_instance_stays_away(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, "unused")
        started = await env.client.start_new(works, start_at=env.now + HOUR)
        await started.terminate()
        await env.settle()
        await env.client.purge(started.instance_id)
        await env.advance(2 * HOUR)
        assert await started.status() is None
        assert env.calls_of(work) == []


async def test_a_suspended_instance_can_be_ended(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(waiter)
        await env.client.suspend(started.instance_id)
        await env.settle()
        await env.crash()
        await env.client.terminate(started.instance_id)
        await env.settle()
        assert await statuses(env, started.instance_id) == [T]


async def test_locks_are_freed_with_their_holder(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(locks, "first", instance_id="first")
        await env.settle()
        await env.client.start_new(locks, "second", instance_id="second")
        await env.client.start_new(locks, "third", instance_id="third")
        await env.settle()
        await env.crash()
        await env.client.terminate("second", "while it waits")
        await env.client.terminate("first", "while it holds")
        await env.client.raise_event("third", "go")
        assert await env.client.instance("third").result() == "third"
        assert await env.client.entity(Counter, "b").call(Counter.add, 1) == 1


async def test_only_what_runs_can_be_ended(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(works)
        await started.result()
        with pytest.raises(InstanceStateError, match="Completed"):
            await started.terminate()
        for name in ("nobody", "@counter@a"):
            with pytest.raises(InstanceNotFoundError):
                await env.client.terminate(name)
