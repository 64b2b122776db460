"""Suspension: nothing reaches the code, nothing is lost, and the order stays."""

from datetime import timedelta

import anyio
import pytest

from perdure import App, InstanceNotFoundError, InstanceStateError, OrchestrationContext, Status
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("suspension")

HOUR = timedelta(hours=1)


@app.activity
async def work(name: str) -> str:
    return name


@app.orchestration
async def steps(ctx: OrchestrationContext) -> list[str]:
    return [await ctx.call_activity(work, name) for name in "ab"]


@app.orchestration
async def race(ctx: OrchestrationContext) -> list[str]:
    order: list[str] = []
    tasks = {
        ctx.create_timer(HOUR): "timer",
        ctx.wait_for_external_event("first"): "first",
        ctx.wait_for_external_event("second"): "second",
    }
    open_tasks = list(tasks)
    while open_tasks:
        winner = await ctx.task_any(open_tasks)
        open_tasks.remove(winner)
        order.append(tasks[winner])
    return order


@app.orchestration
async def child(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def parent(ctx: OrchestrationContext) -> str:
    return await ctx.call_sub_orchestrator(child, instance_id="child")


async def status_of(env: Environment, instance_id: str) -> Status:
    status = await env.client.get_status(instance_id)
    assert status is not None
    return status.runtime_status


@pytest.mark.parametrize("crashes", [0, 1])
async def test_a_result_is_seen_once_after_resuming(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        began, go = anyio.Event(), anyio.Event()

        async def outcome(name: str) -> str:
            began.set()
            await go.wait()
            return name

        env.stub(work, outcome)
        started = await env.client.start_new(steps)
        await began.wait()
        await env.client.suspend(started.instance_id, "hold it")
        go.set()
        await env.settle()
        for _ in range(crashes):
            await env.crash()
        assert await status_of(env, started.instance_id) is Status.SUSPENDED
        assert env.calls_of(work) == [("a",)]
        await env.client.resume(started.instance_id)
        assert await env.client.instance(started.instance_id).result() == ["a", "b"]
        assert env.calls_of(work) == [("a",), ("b",)]


@pytest.mark.parametrize("crashes", [0, 1])
async def test_what_came_meanwhile_keeps_its_order(store: Store, crashes: int) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(race)
        await env.client.suspend(started.instance_id)
        await env.client.raise_event(started.instance_id, "second")
        await env.advance(2 * HOUR)
        for _ in range(crashes):
            await env.crash()
        await env.client.raise_event(started.instance_id, "first")
        await env.client.resume(started.instance_id)
        result = await env.client.instance(started.instance_id).result()
        assert result == ["second", "timer", "first"]


async def test_suspending_twice_needs_one_resumption(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(child)
        for _ in range(2):
            await env.client.suspend(started.instance_id)
            await env.settle()
            await env.crash()
        await env.client.resume(started.instance_id)
        await env.client.raise_event(started.instance_id, "go", "on")
        assert await env.client.instance(started.instance_id).result() == "on"


async def test_it_can_be_suspended_again_and_again(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(race)
        for name in ("first", "second"):
            await env.client.suspend(started.instance_id)
            await env.client.raise_event(started.instance_id, name)
            await env.client.resume(started.instance_id)
            await env.settle()
            await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result == ["first", "second", "timer"]


async def test_a_pending_instance_can_be_suspended(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(child, start_at=env.now + HOUR)
        await env.client.suspend(started.instance_id)
        await env.settle()
        await env.crash()
        await env.advance(2 * HOUR)
        assert await status_of(env, started.instance_id) is Status.SUSPENDED
        await env.client.raise_event(started.instance_id, "go", "on")
        await env.crash()
        await env.client.resume(started.instance_id)
        assert await env.client.instance(started.instance_id).result() == "on"


async def test_it_resumes_before_a_scheduled_start(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(child, start_at=env.now + HOUR)
        await env.client.suspend(started.instance_id)
        await env.client.resume(started.instance_id)
        await env.settle()
        await env.crash()
        assert await status_of(env, started.instance_id) is Status.PENDING
        await env.client.raise_event(started.instance_id, "go", "on")
        assert await env.client.instance(started.instance_id).result() == "on"


async def test_children_go_on_while_a_parent_waits(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(parent)
        await env.settle()
        await env.client.suspend(started.instance_id)
        await env.client.raise_event("child", "go", "on")
        assert await env.client.instance("child").result() == "on"
        await env.crash()
        assert await status_of(env, started.instance_id) is Status.SUSPENDED
        await env.client.resume(started.instance_id)
        assert await env.client.instance(started.instance_id).result() == "on"


async def test_history_and_status_show_it(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(child)
        await env.client.suspend(started.instance_id, "hold it")
        await env.client.resume(started.instance_id, "go on")
        await env.settle()
        history = await env.client.get_history(started.instance_id)
        reasons = [getattr(item.event, "reason", None) for item in history]
        assert [reason for reason in reasons if reason] == ["hold it", "go on"]
        await env.client.suspend(started.instance_id)
        await env.settle()
        status = await env.client.get_status(started.instance_id, show_waiting=True)
        assert status is not None
        assert [item.kind for item in status.waiting_for or []] == ["resume", "event"]


async def test_only_what_runs_can_be_suspended(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(steps)
        await started.result()
        with pytest.raises(InstanceStateError):
            await env.client.suspend(started.instance_id)
        other = await env.client.start_new(child)
        with pytest.raises(InstanceStateError, match="Running"):
            await env.client.resume(other.instance_id)
        with pytest.raises(InstanceNotFoundError):
            await env.client.suspend("nobody")
