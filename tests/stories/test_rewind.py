"""Rewinding a failed instance: what succeeded stays, what failed is done again."""

from collections import Counter as Tally
from collections.abc import Callable
from datetime import timedelta

import anyio
import pytest
from attrs import define

from perdure import (
    App,
    EntityOperationFailedError,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationContext,
    OrchestrationFailedError,
    RetryPolicy,
    Status,
    TaskFailedError,
)
from perdure.actors.history import EventRaised, ExecutionRewound
from perdure.actors.messages import Message
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("rewinding")

SECOND = timedelta(seconds=1)
TWICE = RetryPolicy(max_attempts=2)
RUNS: list[list[object]] = []


@app.activity
async def work(name: str) -> str:
    return name


@app.entity
@define
class Account:
    balance: int = 0

    def add(self, amount: int) -> int:
        if amount + self.balance < 0:
            raise ValueError("too little")
        self.balance += amount
        return self.balance


@app.orchestration
async def fan_out(ctx: OrchestrationContext, width: int) -> list[str]:
    calls = [ctx.call_activity(work, f"{n}", retry=TWICE if n % 2 else None) for n in range(width)]
    return await ctx.task_all(calls)


@app.orchestration
async def chain(ctx: OrchestrationContext) -> list[object]:
    found: list[object] = [ctx.random.random(), str(ctx.new_guid())]
    RUNS.append(found)
    for name in "abc":
        found.append(await ctx.call_activity(work, name, retry=TWICE))
        found.append(ctx.random.random())
    return found


@app.orchestration
async def child(ctx: OrchestrationContext, name: str) -> str:
    await ctx.call_activity(work, f"before {name}")
    return await ctx.call_activity(work, name)


@app.orchestration
async def parent(ctx: OrchestrationContext, child_id: str | None) -> list[str]:
    good = ctx.call_sub_orchestrator(child, "good")
    bad = ctx.call_sub_orchestrator(child, "bad", instance_id=child_id)
    return await ctx.task_all([good, bad])


@app.orchestration
async def insists(ctx: OrchestrationContext) -> str:
    return await ctx.call_sub_orchestrator(child, "bad", retry=TWICE)


@app.orchestration
async def grandparent(ctx: OrchestrationContext) -> list[str]:
    return await ctx.call_sub_orchestrator(parent, None)


@app.orchestration
async def compensates(ctx: OrchestrationContext) -> str:
    ctx.entity(Account, "log").signal(Account.add, 1)
    await ctx.call_activity(work, "a")
    ctx.entity(Account, "log").signal(Account.add, 10)
    first, second = ctx.call_activity(work, "ok"), ctx.call_activity(work, "bad")
    try:
        await ctx.task_all([first, second])
    except TaskFailedError:
        await ctx.call_activity(work, "undo")
        raise
    return "done"


@app.orchestration
async def pays(ctx: OrchestrationContext, amount: int) -> list[int]:
    account = ctx.entity(Account, "a")
    before = await account.call(Account.add, 5)
    after = await account.call(Account.add, -amount)
    await ctx.call_activity(work, "receipt")
    return [before, after]


@app.orchestration
async def transfers(ctx: OrchestrationContext) -> list[int]:
    source, target = ctx.entity(Account, "a"), ctx.entity(Account, "b")
    async with ctx.lock_entities(source, target):
        left = await source.call(Account.add, -10)
        await ctx.call_activity(work, "audit")
        return [left, await target.call(Account.add, 10)]


@app.orchestration
async def takes_events(ctx: OrchestrationContext) -> list[str]:
    first = await ctx.wait_for_external_event("step", str)
    await ctx.call_activity(work, "bad")
    return [first, await ctx.wait_for_external_event("step", str)]


@app.orchestration
async def with_deadline(ctx: OrchestrationContext) -> str:
    ctx.call_activity(work, "aside")
    with anyio.move_on_after(60):
        await ctx.call_activity(work, "bad")
        return "in time"
    return "late"


@app.orchestration
async def raises(ctx: OrchestrationContext) -> None:
    await ctx.call_activity(work, "a")
    raise LookupError("of its own")


@app.orchestration
async def raises_when_told(ctx: OrchestrationContext) -> None:
    await ctx.wait_for_external_event("go")
    raise LookupError("told")


def failing(names: set[str]) -> Callable[[str], str]:
    """Fail as long as the name is in the set."""

    def outcome(name: str) -> str:
        if name in names:
            raise OSError(f"{name} is down")
        return name

    return outcome


async def fail(env: Environment, instance_id: str) -> None:
    """Wait until the instance has failed."""
    status = await env.client.wait_for_completion(instance_id)
    assert status.runtime_status is Status.FAILED


CRASHES = pytest.mark.parametrize("crash", [False, True])


@CRASHES
async def test_only_failed_work_of_a_fan_out_runs_again(store: Store, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        names = {"3", "6"}
        env.stub(work, failing(names))
        started = await env.client.start_new(fan_out, 8)
        await fail(env, started.instance_id)
        if crash:
            await env.crash()
        names.clear()
        await env.client.rewind(started.instance_id, "mended")
        if crash:
            await env.settle()
            await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result == [f"{n}" for n in range(8)]
        tally = Tally(name for (name,) in env.calls_of(work))
        assert tally == {**dict.fromkeys(result, 1), "3": 3, "6": 2}


@CRASHES
async def test_chances_stay_as_they_were(store: Store, *, crash: bool) -> None:
    RUNS.clear()
    async with Environment(app, store=store) as env:
        names = {"b"}
        env.stub(work, failing(names))
        started = await env.client.start_new(chain)
        await fail(env, started.instance_id)
        executions: list[str] = []
        for still_failing in ("c", ""):
            status = await env.client.get_status(started.instance_id)
            assert status is not None
            executions.append(status.execution_id)
            names.clear()
            names.add(still_failing)
            await env.client.rewind(started.instance_id)
            await env.client.wait_for_completion(started.instance_id)
            if crash:
                await env.crash()
        result = await env.client.instance(started.instance_id).result()
        assert result[2::2] == ["a", "b", "c"]
        assert len(set(executions)) == 2
        assert all(run == result[: len(run)] for run in RUNS)
        assert [name for (name,) in env.calls_of(work)] == ["a", "b", "b", "b", "c", "c", "c"]


async def test_retries_begin_anew(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, failing({"b"}))
        started = await env.client.start_new(chain)
        await fail(env, started.instance_id)
        await env.client.rewind(started.instance_id)
        await fail(env, started.instance_id)
        assert [name for (name,) in env.calls_of(work)] == ["a", *"bb", *"bb"]


@CRASHES
@pytest.mark.parametrize("child_id", [None, "explicit"])
async def test_failed_children_are_rewound(
    store: Store, child_id: str | None, *, crash: bool
) -> None:
    async with Environment(app, store=store) as env:
        names = {"bad"}
        env.stub(work, failing(names))
        started = await env.client.start_new(parent, child_id)
        await fail(env, started.instance_id)
        if crash:
            await env.crash()
        names.clear()
        await env.client.rewind(started.instance_id)
        if crash:
            await env.settle()
            await env.crash()
        assert await env.client.instance(started.instance_id).result() == ["good", "bad"]
        tally = Tally(name for (name,) in env.calls_of(work))
        assert tally == {"before good": 1, "good": 1, "before bad": 1, "bad": 2}
        assert len((await env.client.query(names=["child"])).instances) == 2


@CRASHES
async def test_a_retried_child_is_rewound_too(store: Store, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        names = {"bad"}
        env.stub(work, failing(names))
        started = await env.client.start_new(insists)
        await fail(env, started.instance_id)
        if crash:
            await env.crash()
        names.clear()
        await env.client.rewind(started.instance_id)
        result = await env.client.instance(started.instance_id).result()
        assert result == "bad"
        assert len(env.calls_of(work)) == 5


async def test_rewinding_reaches_all_generations(store: Store) -> None:
    async with Environment(app, store=store) as env:
        names = {"bad"}
        env.stub(work, failing(names))
        started = await env.client.start_new(grandparent)
        await fail(env, started.instance_id)
        await env.crash()
        names.clear()
        await env.client.rewind(started.instance_id)
        assert await env.client.instance(started.instance_id).result() == ["good", "bad"]
        tally = Tally(name for (name,) in env.calls_of(work))
        assert tally == {"before good": 1, "good": 1, "before bad": 1, "bad": 2}


@CRASHES
async def test_what_followed_a_failure_is_forgotten(store: Store, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        names = {"bad"}
        env.stub(work, failing(names))
        started = await env.client.start_new(compensates)
        await fail(env, started.instance_id)
        names.clear()
        await env.client.rewind(started.instance_id)
        await env.settle()
        if crash:
            await env.crash()
        assert await env.client.instance(started.instance_id).result() == "done"
        tally = Tally(name for (name,) in env.calls_of(work))
        assert tally == {"a": 1, "ok": 1, "bad": 2, "undo": 1}
        assert await env.client.entity(Account, "log").call(Account.add, 0) == 11


@CRASHES
async def test_finished_entity_calls_are_kept(store: Store, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        names = {"receipt"}
        env.stub(work, failing(names))
        started = await env.client.start_new(pays, 2)
        await fail(env, started.instance_id)
        names.clear()
        await env.client.rewind(started.instance_id)
        if crash:
            await env.settle()
            await env.crash()
        assert await env.client.instance(started.instance_id).result() == [5, 3]
        assert await env.client.entity(Account, "a").call(Account.add, 0) == 3


async def test_failed_entity_calls_are_made_again(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(pays, 100)
        with pytest.raises(OrchestrationFailedError) as caught:
            await started.result()
        assert caught.value.details.is_caused_by(EntityOperationFailedError)
        await env.client.entity(Account, "a").call(Account.add, 200)
        await env.crash()
        await env.client.rewind(started.instance_id)
        assert await env.client.instance(started.instance_id).result() == [5, 105]


@CRASHES
async def test_a_critical_section_is_entered_again(store: Store, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        names = {"audit"}
        env.stub(work, failing(names))
        account = env.client.entity(Account, "a")
        await account.call(Account.add, 100)
        started = await env.client.start_new(transfers)
        await fail(env, started.instance_id)
        assert await account.call(Account.add, 0) == 90
        if crash:
            await env.crash()
        names.clear()
        await env.client.rewind(started.instance_id)
        if crash:
            await env.settle()
            await env.crash()
        assert await env.client.instance(started.instance_id).result() == [90, 10]
        for key, balance in (("a", 90), ("b", 10)):
            assert await env.client.entity(Account, key).call(Account.add, 0) == balance


async def test_a_rewound_section_waits_for_its_locks(store: Store) -> None:
    async with Environment(app, store=store) as env:
        names = {"audit"}
        env.stub(work, failing(names))
        await env.client.entity(Account, "a").call(Account.add, 100)
        first = await env.client.start_new(transfers)
        await fail(env, first.instance_id)

        @env.app.orchestration
        async def blocks(ctx: OrchestrationContext) -> None:
            async with ctx.lock_entities(ctx.entity(Account, "b")):
                await ctx.wait_for_external_event("go")

        blocker = await env.client.start_new(blocks)
        await env.settle()
        names.clear()
        await env.client.rewind(first.instance_id)
        await env.settle()
        await env.crash()
        status = await env.client.get_status(first.instance_id, show_waiting=True)
        assert status is not None
        assert [item.holder for item in status.waiting_for or []] == [blocker.instance_id]
        await env.client.raise_event(blocker.instance_id, "go")
        assert await env.client.instance(first.instance_id).result() == [90, 10]


@CRASHES
async def test_events_are_kept(store: Store, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        names = {"bad"}
        env.stub(work, failing(names))
        started = await env.client.start_new(takes_events)
        await started.raise_event("step", "one")
        await fail(env, started.instance_id)
        names.clear()
        await env.client.rewind(started.instance_id)
        if crash:
            await env.settle()
            await env.crash()
        await env.client.raise_event(started.instance_id, "step", "two")
        assert await env.client.instance(started.instance_id).result() == ["one", "two"]


async def test_a_suspension_before_the_failure_is_over(store: Store) -> None:
    async with Environment(app, store=store) as env:
        names = {"bad"}
        env.stub(work, failing(names))
        started = await env.client.start_new(compensates)
        await env.client.suspend(started.instance_id)
        await env.settle()
        await env.client.resume(started.instance_id)
        await fail(env, started.instance_id)
        names.clear()
        await env.crash()
        await env.client.rewind(started.instance_id)
        assert await env.client.instance(started.instance_id).result() == "done"


async def test_a_rewind_right_behind_the_failure_keeps_all(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(raises_when_told)
        await env.settle()
        await env.crash()
        partition = env.runtime.partition
        partition.send(Message(started.instance_id, EventRaised(1, "go")))
        partition.send(Message(started.instance_id, ExecutionRewound(2, "soon", "f" * 32)))
        await env.settle()
        types = [item.event_type for item in await env.client.get_history(started.instance_id)]
        wanted = ("ExecutionStarted", "EventRaised", "ExecutionRewound", "ExecutionCompleted")
        assert [found for found in types if found in wanted] == list(wanted)


async def test_timers_of_the_rewound_code_run_on(store: Store) -> None:
    async with Environment(app, store=store) as env:
        names = {"bad"}
        env.stub(work, failing(names))
        started = await env.client.start_new(with_deadline)
        await fail(env, started.instance_id)
        names.clear()
        await env.client.rewind(started.instance_id)
        assert await env.client.instance(started.instance_id).result() == "in time"


async def test_an_error_of_the_code_itself_comes_again(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, failing(set()))
        started = await env.client.start_new(raises)
        await fail(env, started.instance_id)
        await env.client.rewind(started.instance_id)
        await env.settle()
        await env.crash()
        await fail(env, started.instance_id)
        assert env.calls_of(work) == [("a",)]


async def test_only_what_failed_can_be_rewound(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(fan_out, 1)
        await started.result()
        with pytest.raises(InstanceStateError, match="rewind"):
            await env.client.rewind(started.instance_id)
        with pytest.raises(InstanceNotFoundError):
            await env.client.rewind("nobody")
