"""The ten invariants of the design, each by a test that fails without it."""

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import Factory, define

from perdure import (
    App,
    EntityContext,
    EntityId,
    OrchestrationContext,
    Runtime,
    Status,
)
from perdure.actors.errors import StaleOwnerError
from perdure.actors.history import EventRaised
from perdure.actors.moments import micros
from perdure.actors.wire import write_event
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit, MessageRow
from perdure.persistence.store import Store
from perdure.runtime.host import Seams
from perdure.testing import Environment, VirtualClock, replay
from perdure.testing.disturbed import DisturbedStore, HeldLane

app = App("invariants")
LONG_AGO = datetime(2030, 1, 1, tzinfo=UTC)
begun: list[int] = []
gates: dict[str, anyio.Event] = {}


@app.activity
async def begin(number: int) -> int:
    begun.append(number)
    return number


@app.orchestration
async def one_step(ctx: OrchestrationContext, number: int) -> int:
    return await ctx.call_activity(begin, number)


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def sleeps(ctx: OrchestrationContext, seconds: float) -> str:
    await ctx.create_timer(timedelta(seconds=seconds))
    return "awake"


@app.orchestration
async def step_then_wait(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(begin, 7)
    await ctx.wait_for_external_event("go")


@app.orchestration
async def sends_many(ctx: OrchestrationContext) -> None:
    for number in range(50):
        ctx.entity(Log, "many").signal(Log.add, str(number))


@app.orchestration
async def fails(ctx: OrchestrationContext) -> None:
    raise LookupError("nothing there")


@app.entity
@define
class Log:
    entries: list[str] = Factory(list[str])
    running: int = 0

    def add(self, entry: str) -> int:
        self.entries.append(entry)
        return len(self.entries)

    def pass_on(self, ctx: EntityContext, entry: str) -> None:
        self.entries.append(entry)
        ctx.signal_entity(EntityId("log", "second"), "add", entry)

    async def gated(self, entry: str) -> int:
        self.running += 1
        assert self.running == 1
        await gates["operation"].wait()
        self.running -= 1
        return self.add(entry)


class Held:
    """A runtime over a memory store whose commits wait until a test lets them go."""

    def __init__(self, store: Store) -> None:
        self.commits: HeldLane = HeldLane("commit")
        ids = map("{:032x}".format, itertools.count(1))
        seams = Seams(clock=VirtualClock(LONG_AGO), new_id=partial(next, ids), lane=self.lane)
        self.runtime = Runtime(app, store, seams=seams)

    def lane(self, name: str) -> HeldLane:
        return self.commits if name == "commit" else HeldLane(name)


async def pass_on() -> None:
    """Let everything happen that can."""
    for _ in range(40):
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def held(store: Store) -> AsyncGenerator[tuple[Runtime, HeldLane]]:
    world = Held(store)
    async with world.runtime:
        yield world.runtime, world.commits
        world.commits.let_go()


async def noting(done: list[str], name: str, call: Any, *args: Any, **options: Any) -> None:
    await call(*args, **options)
    done.append(name)


async def test_1_nothing_is_visible_before_its_commit() -> None:
    begun.clear()
    done: list[str] = []
    async with held(MemoryStore()) as (runtime, commits), anyio.create_task_group() as group:
        commits.held = True
        start = runtime.client.start_new
        group.start_soon(partial(noting, done, "started", start, one_step, 1, instance_id="a"))
        await pass_on()
        assert (done, begun, len(commits)) == ([], [], 1)
        commits.let_go()
        await runtime.client.wait_for_completion("a")
    assert (done, begun) == (["started"], [1])


async def test_1_a_refusal_waits_for_what_it_is_due_to() -> None:
    done: list[str] = []

    async def start_again(runtime: Runtime) -> None:
        with pytest.raises(Exception, match="already exists"):
            await runtime.client.start_new(waits, instance_id="a")
        done.append("refused")

    async with held(MemoryStore()) as (runtime, commits), anyio.create_task_group() as group:
        commits.held = True
        group.start_soon(partial(runtime.client.start_new, waits, instance_id="a"))
        await pass_on()
        group.start_soon(start_again, runtime)
        await pass_on()
        assert done == []
        commits.let_go()
        await pass_on()
        assert done == ["refused"]


class Recorded:
    """What a store was given to commit."""

    def __init__(self, store: MemoryStore) -> None:
        self.commits: list[Commit] = []
        self._commit = store.commit
        store.commit = self.note  # type: ignore[method-assign]

    def note(self, commit: Commit) -> None:
        self.commits.append(commit)
        self._commit(commit)


async def test_2_a_turn_is_in_one_commit() -> None:
    store = MemoryStore()
    recorded = Recorded(store)
    async with Environment(app, store=store) as env:
        await env.client.start_new(waits, instance_id="a")
        await env.client.raise_event("a", "go", "now")
        await env.client.wait_for_completion("a")
    (ending,) = [c for c in recorded.commits if any("EventRaised" in t.events for t in c.turns)]
    row = ending.instances["a"]
    assert row is not None
    assert row.status is Status.COMPLETED
    assert "ExecutionCompleted" in ending.turns[-1].events
    assert not [m for c in recorded.commits for m in c.sent if "EventRaised" in m.body]


async def test_3_messages_of_one_sender_arrive_in_order() -> None:
    async with Environment(app) as env:
        log = env.client.entity(Log, "first")
        for number in range(50):
            await log.signal(Log.pass_on, str(number))
        await env.settle()
        second = await env.client.entity(Log, "second").read()
        assert second is not None
        assert second.entries == [str(number) for number in range(50)]


async def test_3_many_messages_of_one_turn_keep_their_order() -> None:
    async with Environment(app) as env:
        await (await env.client.start_new(sends_many)).result()
        await env.settle()
        log = await env.client.entity(Log, "many").read()
        assert log is not None
        assert log.entries == [str(number) for number in range(50)]


async def test_3_a_commit_waits_for_the_one_before_it() -> None:
    async with held(MemoryStore()) as (runtime, commits), anyio.create_task_group() as group:
        commits.held = True
        for name in ("first", "second", "third"):
            group.start_soon(runtime.client.entity(Log, name).call, Log.add, "x")
            await pass_on()
            assert len(commits) == 1
        commits.let_go()


async def test_3_turns_become_durable_in_their_order() -> None:
    store = MemoryStore()
    recorded = Recorded(store)
    async with Environment(app, store=store) as env:
        for number in range(5):
            await env.client.start_new(one_step, number, instance_id=f"i{number}")
        for number in range(5):
            await env.client.wait_for_completion(f"i{number}")
    moments = [turn.at for commit in recorded.commits for turn in commit.turns]
    assert moments == sorted(moments)
    assert len(moments) == 10


async def test_4_what_is_lost_is_lost_together() -> None:
    store = MemoryStore()
    async with held(store) as (runtime, commits):
        await runtime.client.entity(Log, "first").call(Log.add, "before")
        commits.held = True
        async with anyio.create_task_group() as group:
            signal = runtime.client.entity(Log, "first").signal
            group.start_soon(signal, Log.pass_on, "lost")
            await pass_on()
            slot = runtime.partition.residents.slots["@log@second"]
            assert slot.actor is not None
            assert '"lost"' in str(getattr(slot.actor, "state", None))
            assert store.entity("@log@second") is None
            group.cancel_scope.cancel()
        runtime.die()
        await pass_on()
        commits.drop()
    async with Environment(app, store=store) as env:
        first = await env.client.entity(Log, "first").read()
        assert first is not None
        assert first.entries == ["before"]
        assert await env.client.entity(Log, "second").read() is None


async def test_5_a_failed_commit_is_recovered_from_the_store() -> None:
    disturbed = DisturbedStore(MemoryStore())

    def fail(method: str, call: int) -> None:
        if (method, call) == ("commit", 2):
            raise OSError("the disk is gone for a moment")

    disturbed.before = fail
    async with Environment(app, store=disturbed.store) as env:
        instance = await env.client.start_new(one_step, 5)
        assert await instance.result() == 5
        assert disturbed.calls["recover"] == 2


async def test_6_a_former_owner_can_not_write() -> None:
    store = MemoryStore()
    with pytest.raises(StaleOwnerError):  # noqa: PT012 - it ends while the block runs
        async with held(store) as (runtime, _):
            await runtime.client.start_new(waits, instance_id="a")
            store.disown()
            store.own()
            await runtime.client.raise_event("a", "go", "too late")
    row = store.instance("a")
    assert row is not None
    assert row.status is not Status.COMPLETED


async def test_6_a_former_owner_ends_by_itself() -> None:
    store = MemoryStore()
    with pytest.raises(StaleOwnerError):  # noqa: PT012 - it ends while the block runs
        async with held(store) as (runtime, _):
            store.disown()
            store.own()
            with pytest.raises(StaleOwnerError):
                await runtime.client.start_new(waits, instance_id="a")
            await anyio.sleep_forever()
    assert store.instance("a") is None


async def test_7_what_nobody_announced_is_found() -> None:
    store = MemoryStore()
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(waits, instance_id="a")
        event = EventRaised(micros(env.now), "go", '"unannounced"')
        store.post([MessageRow(0, "a", write_event(event))])
        await env.advance(timedelta(seconds=1))
        assert await instance.result() == "unannounced"


async def test_7_a_timer_that_memory_forgot_still_fires() -> None:
    async with Environment(app, timer_horizon=60.0) as env:
        instance = await env.client.start_new(sleeps, 3 * 3600.0)
        await env.settle()
        assert len(env.runtime.partition.residents.slots) == 1
        assert await instance.result() == "awake"


async def test_8_an_actor_never_takes_two_turns_at_once() -> None:
    gates["operation"] = anyio.Event()
    done: list[str] = []
    async with Environment(app) as env, anyio.create_task_group() as group:
        slow, quick = env.client.entity(Log, "slow"), env.client.entity(Log, "quick")
        for number in "ab":
            group.start_soon(noting, done, f"slow {number}", slow.call, Log.gated, number)
            await pass_on()
        assert env.runtime.partition.operations.running == 1
        await quick.call(Log.add, "meanwhile")
        assert done == []
        gates["operation"].set()
    assert sorted(done) == ["slow a", "slow b"]


async def test_9_a_replay_does_nothing_again() -> None:
    begun.clear()
    async with Environment(app) as env:
        await env.client.start_new(step_then_wait, instance_id="a")
        await env.settle()
        before = await env.client.get_history("a")
        await env.crash()
        await env.client.raise_event("a", "go")
        await env.client.wait_for_completion("a")
        after = await env.client.get_history("a")
        exported = await env.client.export_history("a")
    assert begun == [7]
    assert after[: len(before)] == before
    assert replay(app, exported).new_calls == []


async def test_9_a_difference_is_found_before_any_commit() -> None:
    store = MemoryStore()
    async with Environment(app, store=store) as env:
        await env.client.start_new(step_then_wait, instance_id="a")
        await env.settle()
    recorded = store.history("a")
    changed = App("changed")

    @changed.orchestration(name="step_then_wait")
    async def differently(ctx: OrchestrationContext) -> None:
        await ctx.create_timer(timedelta(hours=1))

    async with Environment(changed, store=store) as env:
        await env.client.raise_event("a", "go")
        await env.settle()
        status = await env.client.get_status("a")
        assert status is not None
        assert status.parked is not None
        assert "begin" in str(status.parked.recorded)
        assert "timer" in str(status.parked.actual).lower()
        assert "test_invariants.py" in str(status.parked.source)
    assert store.history("a") == recorded


async def test_10_an_error_in_user_code_is_the_instances() -> None:
    async with Environment(app) as env:
        status = await env.client.wait_for_completion(
            (await env.client.start_new(fails)).instance_id
        )
        assert status.runtime_status is Status.FAILED
        assert status.parked is None


async def test_10_a_problem_of_the_deployment_parks() -> None:
    store = MemoryStore()
    async with Environment(app, store=store) as env:
        await env.client.start_new(waits, instance_id="a")
    other = App("other")
    other.include(App("nothing"))
    async with Environment(other, store=store) as env:
        await env.client.raise_event("a", "go", "later")
        await env.settle()
        status = await env.client.get_status("a")
        assert status is not None
        assert (status.runtime_status, status.parked is None) == (Status.RUNNING, False)
    async with Environment(app, store=store) as env:
        assert await env.client.instance("a").result() == "later"
