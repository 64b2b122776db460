"""anyio inside orchestrators is durable: a crash in the middle, and an identical replay."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream
from attrs import define

from perdure import App, OrchestrationContext, Status
from perdure.actors.history import ExecutionStarted, TimerCreated, TimerFired
from perdure.actors.outcomes import Returned
from perdure.actors.replay import Execution, Identity
from perdure.persistence.sqlite import SQLiteStore
from perdure.testing import Environment, replay

app = App("durable")
NOW = 1_893_456_000_123_457
ENTERED: list[str] = []
"""What activities have begun or were stopped."""


@app.activity
async def double(number: int) -> int:
    return 2 * number


@app.activity
async def stuck(name: str) -> None:
    ENTERED.append(name)
    try:
        await anyio.sleep_forever()
    finally:
        ENTERED.append(f"{name} stopped")


@app.activity
async def break_down() -> None:
    raise ValueError("broken")


@app.entity
@define
class Meter:
    total: int = 0

    def add(self, amount: int) -> int:
        self.total += amount
        return self.total


@app.orchestration
async def child(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("never", str)


def program(function: Callable[[OrchestrationContext], Any]) -> Any:
    """Register a story's orchestrator."""
    return app.orchestration(function)


async def double_into(ctx: OrchestrationContext, number: int, found: dict[int, int]) -> None:
    await anyio.sleep(number * 60)
    found[number] = await ctx.call_activity(double, number)


@program
async def fan_out(ctx: OrchestrationContext) -> list[int]:
    found: dict[int, int] = {}
    async with anyio.create_task_group() as group:
        for number in (3, 1, 2):
            group.start_soon(double_into, ctx, number, found)
    return list(found.values())


@program
async def deadlines(ctx: OrchestrationContext) -> list[bool]:
    said: list[bool] = []
    with anyio.move_on_after(3600) as hour:
        with anyio.move_on_after(60) as minute:
            await ctx.wait_for_external_event("never")
        said.append(minute.cancelled_caught)
        said.append(3500 < hour.deadline - anyio.current_time() < 3600)
        hour.deadline += 3600
        with anyio.CancelScope(shield=True):
            await anyio.sleep(3 * 3600)
        await ctx.call_activity(double, 1)
    return [*said, hour.cancelled_caught]


@program
async def timeouts(ctx: OrchestrationContext) -> str:
    try:
        with anyio.fail_after(3600):
            await ctx.call_sub_orchestrator(child, instance_id="kid")
    except TimeoutError:
        return f"{anyio.current_effective_deadline()}"
    return "in time"


@program
async def siblings(ctx: OrchestrationContext) -> list[str]:
    ended: list[str] = []

    async def breaking() -> None:
        await anyio.sleep(60)
        await ctx.call_activity(break_down)

    async def sleeping() -> None:
        try:
            await anyio.sleep(3600)
        finally:
            ended.append("cancelled")

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(breaking)
            group.start_soon(sleeping)
            await ctx.wait_for_external_event("never")
    except ExceptionGroup as failed:
        ended.extend(type(error).__name__ for error in failed.exceptions)
    return ended


async def consume(
    stream: MemoryObjectReceiveStream[int], ctx: OrchestrationContext, found: list[int]
) -> None:
    async with stream:
        async for number in stream:
            doubled = await ctx.call_activity(double, number)
            found.append(doubled)


@program
async def pipeline(ctx: OrchestrationContext) -> list[int]:
    found: list[int] = []
    sending, receiving = anyio.create_memory_object_stream[int](1)
    async with anyio.create_task_group() as group, sending:
        group.start_soon(consume, receiving, ctx, found)
        group.start_soon(consume, receiving.clone(), ctx, found)
        for number in range(4):
            await anyio.sleep(60)
            await sending.send(number)
    return sorted(found)


@program
async def primitives(ctx: OrchestrationContext) -> list[str]:
    said: list[str] = []
    lock, gate, two = anyio.Lock(), anyio.Event(), anyio.Semaphore(2)
    changed = anyio.Condition()

    async def enter(word: str) -> None:
        await gate.wait()
        async with two, lock:
            await anyio.sleep(60)
            said.append(word)
        async with changed:
            changed.notify_all()

    async with anyio.create_task_group() as group:
        for word in "abc":
            group.start_soon(enter, word)
        await ctx.call_activity(double, 1)
        gate.set()
        async with changed:
            while len(said) < len("abc"):
                await changed.wait()
    return said


@program
async def served(ctx: OrchestrationContext) -> list[Any]:
    async def serve(*, task_status: anyio.abc.TaskStatus[int]) -> str:
        task_status.started(await ctx.call_activity(double, 4))
        await anyio.sleep(600)
        return "served"

    handles: list[anyio.TaskHandle[Any, Any]] = []
    async with anyio.create_task_group() as group:
        handles.append(await group.start(serve, return_handle=True))
    return [handles[0].start_value, handles[0].return_value]


@program
async def cleaned_up(ctx: OrchestrationContext) -> int:
    meter = ctx.entity(Meter, "m")
    with anyio.move_on_after(60):
        try:
            await ctx.call_activity(stuck, "work")
        finally:
            with anyio.CancelScope(shield=True):
                await meter.call(Meter.add, 5)
    return await meter.call(Meter.add, 1)


OUTCOMES: dict[str, Any] = {
    "fan_out": [2, 4, 6],
    "deadlines": [True, True, True],
    "timeouts": "inf",
    "siblings": ["cancelled", "TaskFailedError"],
    "pipeline": [0, 2, 4, 6],
    "primitives": ["a", "b", "c"],
    "served": [8, "served"],
    "cleaned_up": 6,
}


async def played(env: Environment, name: str) -> tuple[Any, str]:
    status = await env.client.wait_for_completion(name)
    assert status.runtime_status is Status.COMPLETED, status.failure_details
    exported = await env.client.export_history(name)
    assert replay(app, exported).new_calls == []
    return status.output, exported


@pytest.mark.parametrize("name", OUTCOMES)
async def test_it_does_what_it_does_without_crash(name: str) -> None:
    async with Environment(app) as env:
        await env.client.start_new(name, instance_id=name)
        output, exported = await played(env, name)
        assert output == OUTCOMES[name]
        assert '"type": "TimerFired"' in exported


@pytest.mark.parametrize("seconds", [0, 30, 90, 4000])
@pytest.mark.parametrize("name", OUTCOMES)
async def test_it_does_the_same_after_a_crash(name: str, seconds: int) -> None:
    async with Environment(app, auto_advance=False) as env:
        await env.client.start_new(name, instance_id=name)
        await env.advance(timedelta(seconds=seconds))
        await env.crash()
        await env.advance(timedelta(days=1))
        output, _ = await played(env, name)
        assert output == OUTCOMES[name]


async def test_a_deadline_stops_the_activity_it_covers() -> None:
    ENTERED.clear()
    async with Environment(app) as env:
        await env.client.start_new("cleaned_up", instance_id="c")
        await played(env, "c")
        await env.settle()
        assert ENTERED == ["work", "work stopped"]


@pytest.mark.parametrize("crashing", [False, True])
async def test_cancelled_waits_leave_nothing_open(crashing: bool) -> None:
    async with Environment(app, auto_advance=False) as env:
        await env.client.start_new(waiting_for_all, instance_id="w")
        await env.settle()
        if crashing:
            await env.crash()
        before = await env.client.get_status("w", show_waiting=True)
        assert before is not None
        kinds = [waiting.kind for waiting in before.waiting_for or []]
        assert sorted(kinds) == [
            "activity",
            "event",
            "event",
            "sub-orchestration",
            "timer",
            "timer",
        ]
        await env.advance(timedelta(hours=2))
        after = await env.client.get_status("w", show_waiting=True)
        assert after is not None
        assert [str(waiting) for waiting in after.waiting_for or []] == ["event done"]
        await env.client.raise_event("w", "never", "kept")
        await env.client.raise_event("w", "done")
        assert await env.client.instance("w").result() == "kept"


@app.orchestration
async def waiting_for_all(ctx: OrchestrationContext) -> str:
    with anyio.move_on_after(3600):
        async with anyio.create_task_group() as group:
            lock = anyio.Lock()
            group.start_soon(lock.acquire)
            group.start_soon(lock.acquire)
            group.start_soon(partial(anyio.sleep, 7200))
            calls = [
                ctx.call_activity(stuck, "w"),
                ctx.wait_for_external_event("never"),
                ctx.call_sub_orchestrator(child),
                ctx.wait_for_external_event("other"),
            ]
            await ctx.task_all(calls)
    await ctx.wait_for_external_event("done")
    return await ctx.wait_for_external_event("never", str)


@app.orchestration
async def far_away(ctx: OrchestrationContext) -> str:
    timer = ctx.create_timer(timedelta.max)
    with anyio.move_on_after(1e300), anyio.move_on_after(1e13):
        await ctx.wait_for_external_event("go")
    return "in time" if not timer.done else "too late"


async def test_times_beyond_the_calendar_are_kept(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "far.db")
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(far_away)
        await env.settle()
        status = await env.client.get_status(instance.instance_id, show_waiting=True)
        assert status is not None
        dues = {waiting.due.year for waiting in status.waiting_for or [] if waiting.due}
        assert dues == {9999}
        await instance.raise_event("go")
        assert await instance.result() == "in time"
    store.close()


@app.orchestration
async def exactly(ctx: OrchestrationContext, seconds: float) -> bool:
    try:
        with anyio.fail_after(seconds):
            await anyio.sleep_forever()
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1.7, 12345.678901, 1 / 3])
def test_fail_after_fails_exactly_when_due(seconds: float) -> None:
    """The timer fires on the very microsecond, the earliest that any clock may say."""
    started = ExecutionStarted(NOW, "exactly", "1", input=str(seconds))
    definition = app.recorded_orchestration("exactly", None)
    execution = Execution(app, definition, Identity("i", "1", "exactly"), OrchestrationContext)
    execution.now = NOW
    execution.apply(started)
    (timer,) = execution.take_asked()
    assert isinstance(timer, TimerCreated)
    execution.now = timer.fire_at
    execution.apply(TimerFired(timer.fire_at, timer.id, timer.fire_at))
    assert execution.outcome == Returned("true")


async def acquired_in_a_cancelled_scope() -> list[bool]:
    acquired: list[bool] = []
    for make in (anyio.Lock, partial(anyio.Semaphore, 1), anyio.Condition):
        guard: Any = make()
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with guard:
                acquired.append(True)
        acquired.append(not scope.cancelled_caught)
    return acquired


@app.orchestration
async def too_late_for_locks(ctx: OrchestrationContext) -> list[bool]:
    return await acquired_in_a_cancelled_scope()


async def test_a_cancelled_scope_acquires_nothing() -> None:
    async with Environment(app) as env:
        durable = await (await env.client.start_new(too_late_for_locks)).result()
    assert durable == await acquired_in_a_cancelled_scope() == [False] * 3
