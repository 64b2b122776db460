"""Lifecycle hooks: called once for what has really happened, and never in anybody's way."""

import logging
from collections.abc import Awaitable
from functools import partial
from threading import Event
from typing import Any

import anyio
import pytest
from attrs import define

from perdure import (
    App,
    Lifecycle,
    LifecycleEvent,
    OrchestrationContext,
    Reuse,
    Runtime,
    StoreError,
)
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit, MessageRow
from perdure.persistence.store import Store
from perdure.runtime.hooks import Hook
from perdure.testing import Environment

app = App("hooked")


@app.activity
async def act(number: int) -> int:
    if number < 0:
        raise ValueError("too small")
    return number


@app.orchestration
async def one_step(ctx: OrchestrationContext, number: int) -> int:
    return await ctx.call_activity(act, number)


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def counts_down(ctx: OrchestrationContext, number: int) -> str:
    if number:
        ctx.continue_as_new(number - 1)
    return "done"


@app.orchestration
async def parent(ctx: OrchestrationContext) -> int:
    return await ctx.call_sub_orchestrator(one_step, 1, instance_id="child")


@define
class Notebook:
    """A hook that writes everything down."""

    events: list[LifecycleEvent]

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(event.instance_id, event.kind.value) for event in self.events]

    async def __call__(self, event: LifecycleEvent) -> None:
        self.events.append(event)


@pytest.fixture
def notes() -> Notebook:
    return Notebook([])


async def test_a_life_is_told_from_start_to_end(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store, hooks=[notes]) as env:
        await (await env.client.start_new(one_step, 1, instance_id="a", tags={"k": "v"})).result()
        await env.settle()
        status = await env.client.get_status("a")
    started, completed = notes.events
    assert status is not None
    assert (started.kind, completed.kind) == (Lifecycle.STARTED, Lifecycle.COMPLETED)
    assert {started.execution_id, completed.execution_id} == {status.execution_id}
    assert completed.time == status.completed_time
    assert (started.name, started.version, started.tags) == ("one_step", None, {"k": "v"})
    assert started.id != completed.id


async def test_a_failure_is_told_with_its_reason(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store, hooks=[notes]) as env:
        await env.client.start_new(one_step, -1, instance_id="a")
        await env.client.wait_for_completion("a")
    failed = notes.events[-1]
    assert failed.kind is Lifecycle.FAILED
    assert failed.reason is not None
    assert "too small" in failed.reason
    assert failed.failure is not None
    assert failed.failure.is_caused_by(ValueError)


async def test_a_rewound_execution_is_told_anew(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store, hooks=[notes]) as env:
        await env.client.start_new(one_step, -1, instance_id="a")
        await env.client.wait_for_completion("a")
        env.stub(act, 5)
        await env.client.rewind("a")
        await env.client.wait_for_completion("a")
    kinds = [event.kind.value for event in notes.events]
    assert kinds == ["started", "failed", "started", "completed"]
    first, failed, second, completed = (event.execution_id for event in notes.events)
    assert first == failed != second == completed


async def test_a_termination_is_told_with_its_reason(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store, hooks=[notes]) as env:
        await env.client.start_new(waits, instance_id="a")
        await env.settle()
        await env.client.terminate("a", "enough")
        await env.client.wait_for_completion("a")
    assert notes.kinds == [("a", "started"), ("a", "terminated")]
    assert notes.events[-1].reason == "enough"


async def test_each_continuing_execution_is_told(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store, hooks=[notes]) as env:
        await env.client.start_new(counts_down, 2, instance_id="a")
        await env.client.wait_for_completion("a")
    kinds = [event.kind.value for event in notes.events]
    assert kinds == [*(["started", "continued-as-new"] * 2), "started", "completed"]
    executions = [event.execution_id for event in notes.events]
    assert executions[::2] == executions[1::2]
    assert len(set(executions)) == 3


async def test_a_child_names_its_parent(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store, hooks=[notes]) as env:
        await (await env.client.start_new(parent, instance_id="p")).result()
    assert notes.kinds[:2] == [("p", "started"), ("child", "started")]
    assert {e.parent_instance_id for e in notes.events if e.instance_id == "child"} == {"p"}


async def test_what_a_new_start_replaces_is_told(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store, hooks=[notes]) as env:
        await env.client.start_new(waits, instance_id="a")
        await env.settle()
        await env.client.start_new(waits, instance_id="a", reuse=Reuse.ANY_STATE)
        await env.settle()
    assert notes.kinds == [("a", "started"), ("a", "terminated"), ("a", "started")]


async def test_parking_is_told_whenever_it_happens(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(waits, instance_id="a")
        await env.settle()
    async with Environment(App("hooked"), store=store, hooks=[notes]) as env:
        await env.client.raise_event("a", "go", "now")
        await env.settle()
        await env.crash()
        await env.settle()
        assert notes.kinds == [("a", "parked")]
        await env.client.resume("a")
        await env.settle()
    assert notes.kinds == [("a", "parked"), ("a", "parked")]
    event = notes.events[-1]
    assert event.parked is not None
    assert event.parked.reason == "missing definition"
    assert event.reason == event.parked.message


async def test_a_parked_entity_is_told_by_its_id(store: Store, notes: Notebook) -> None:
    store.post([MessageRow(0, "@counter@k", "nonsense")])
    async with Environment(app, store=store, hooks=[notes]) as env:
        await env.settle()
    (event,) = notes.events
    assert (event.kind, event.instance_id) == (Lifecycle.PARKED, "@counter@k")
    assert (event.name, event.execution_id) == ("counter", None)


async def test_replay_tells_nothing_again(store: Store, notes: Notebook) -> None:
    async with Environment(app, store=store, hooks=[notes]) as env:
        await env.client.start_new(waits, instance_id="a")
        await env.settle()
        await env.crash()
        await env.client.raise_event("a", "go", "now")
        await env.client.wait_for_completion("a")
    assert notes.kinds == [("a", "started"), ("a", "completed")]


class FailsOnce(MemoryStore):
    """Refuses the commit that would end an instance, once."""

    refused = False

    def commit(self, commit: Commit) -> None:
        ends = any("ExecutionCompleted" in turn.events for turn in commit.turns)
        if ends and not self.refused:
            self.refused = True
            raise StoreError("the disk is full")
        super().commit(commit)


async def test_what_was_not_committed_is_not_told(notes: Notebook) -> None:
    store = FailsOnce()
    async with Environment(app, store=store, hooks=[notes]) as env:
        await env.client.start_new(one_step, 1, instance_id="a")
        await env.client.wait_for_completion("a")
    assert store.refused
    assert notes.kinds == [("a", "started"), ("a", "completed")]


async def test_hooks_of_all_kinds_are_called() -> None:
    called: list[str] = []

    def plain(event: LifecycleEvent) -> None:
        called.append("plain")

    async def coroutine(word: str, event: LifecycleEvent) -> None:
        called.append(word)

    def gives_coroutine(event: LifecycleEvent) -> Awaitable[None]:
        return coroutine("given", event)

    given: list[Hook] = [plain, partial(coroutine, "partial"), gives_coroutine]
    async with Environment(app, hooks=given) as env:
        await (await env.client.start_new(one_step, 1)).result()
        await env.settle()
    assert sorted(called) == sorted(["plain", "partial", "given"] * 2)


async def test_a_raising_hook_is_logged_and_called_again(
    notes: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    async def raises(event: LifecycleEvent) -> None:
        raise SystemExit(f"no to {event.kind}")

    async with Environment(app, hooks=[raises, notes]) as env:
        assert await (await env.client.start_new(one_step, 1, instance_id="a")).result() == 1
        await env.settle()
        line, other = env.runtime.hooks.lines
    assert (line.told, line.failed, other.told) == (0, 2, 2)
    assert [record.message for record in caplog.records if record.name == "perdure.hooks"] == [
        f"hook {line.name} failed for a {kind}" for kind in ("started", "completed")
    ]


async def test_a_slow_hook_delays_nobody_and_loses_the_newest(
    notes: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = anyio.Event()

    async def slow(event: LifecycleEvent) -> None:
        await go_on.wait()

    async with Runtime(app, hooks=[slow, notes], hook_events_max=4) as runtime:
        for number in range(5):
            instance = await runtime.client.start_new(one_step, number)
            assert await instance.result() == number
        line = runtime.hooks.lines[0]
        assert (line.told, line.dropped, len(line.waiting)) == (0, 6, 4)
        go_on.set()
    assert (line.told, line.dropped, len(notes.events)) == (4, 6, 10)
    assert sum("too slow" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_hanging_hook_lets_the_runtime_leave(
    blocking: bool, caplog: pytest.LogCaptureFixture
) -> None:
    released = Event()

    def hangs(event: LifecycleEvent) -> Any:
        return released.wait(30) if blocking else anyio.sleep_forever()

    try:
        async with Runtime(app, hooks=[hangs], drain_timeout=0.05) as runtime:
            assert await (await runtime.client.start_new(one_step, 1)).result() == 1
    finally:
        released.set()
    left = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("left before it was told of 2 events" in text for text in left)


class Careless:
    """An observer that has faults."""

    def turn_taken(self, actor: object, effects: object) -> Any:
        raise LookupError("in the turn")

    def actor_parked(self, actor: object, parked: object) -> Any:
        raise LookupError("while parking")


class Late(Careless):
    def turn_taken(self, actor: object, effects: object) -> Any:
        return partial(dict[str, str]().pop, "afterwards")


async def test_a_faulty_observer_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    runtime = Runtime(app)
    runtime.observe(Careless())
    runtime.observe(Late())
    async with runtime:
        assert await (await runtime.client.start_new(one_step, 1)).result() == 1
        with pytest.raises(RuntimeError, match="before the runtime is entered"):
            runtime.observe(Careless())
    assert {"in the turn", "'afterwards'"} == {
        str(record.exc_info[1]) for record in caplog.records if record.exc_info
    }


@pytest.mark.parametrize("hooks", ["text", print, [3], [None]])
def test_what_is_no_hook_is_refused(hooks: Any) -> None:
    with pytest.raises(TypeError, match="hooks takes"):
        Runtime(app, hooks=hooks)
