"""Changed code is found out before anything is committed, and there are ways out."""

import inspect
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

import anyio
import pytest
from attrs import evolve, frozen

from perdure import (
    App,
    DefinitionNotFoundError,
    InstanceStatus,
    NonDeterminismError,
    OrchestrationContext,
    Parked,
    Status,
)
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Stored, TurnRow
from perdure.testing import Environment, replay

Orchestrator = Callable[[OrchestrationContext], Any]
BLAMED = "# blamed"


async def recorded(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("charge")
    await ctx.call_activity("ship")
    ctx.send_event("shop", "shipped")
    await ctx.wait_for_external_event("go")
    return "done"


async def removed(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("ship")  # blamed
    ctx.send_event("shop", "shipped")
    await ctx.wait_for_external_event("go")
    return "done"


async def removed_at_the_end(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("charge")
    await ctx.call_activity("ship")
    await ctx.wait_for_external_event("go")  # blamed
    return "done"


async def added_before(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("audit")  # blamed
    return await recorded(ctx)


async def swapped(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("ship")  # blamed
    await ctx.call_activity("charge")
    await ctx.wait_for_external_event("go")
    return "done"


async def renamed(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("bill")  # blamed
    await ctx.call_activity("ship")
    await ctx.wait_for_external_event("go")
    return "done"


async def of_another_kind(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("charge")
    await ctx.create_timer(timedelta(hours=1))  # blamed
    await ctx.wait_for_external_event("go")
    return "done"


async def a_child_instead(ctx: OrchestrationContext) -> str:
    await ctx.call_sub_orchestrator("charge")  # blamed
    return "done"


async def returning_early(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("charge")
    return "done"


async def raising_early(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("charge")
    raise ValueError("not today")


async def for_another_target(ctx: OrchestrationContext) -> str:
    await ctx.call_activity("charge")
    await ctx.call_activity("ship")
    ctx.send_event("depot", "shipped")  # blamed
    await ctx.wait_for_external_event("go")
    return "done"


async def pay(ctx: OrchestrationContext, activity: str) -> None:
    await ctx.call_activity(activity)  # blamed


async def through_a_helper(ctx: OrchestrationContext) -> str:
    await pay(ctx, "bill")
    return "done"


async def through_a_task_group(ctx: OrchestrationContext) -> str:
    async with anyio.create_task_group() as group:
        group.start_soon(pay, ctx, "bill")
    return "done"


async def under_a_deadline(ctx: OrchestrationContext) -> str:
    with anyio.move_on_after(60):  # blamed
        await ctx.call_activity("charge")
    return "done"


def as_a_generator(ctx: OrchestrationContext) -> Any:
    yield ctx.call_activity("charge")
    yield ctx.call_activity("bill")  # blamed
    return "done"


@frozen
class Change:
    """A deployment, and what is to be said of it."""

    code: Orchestrator
    was: str
    """Recorded."""
    does: str
    """Actual."""
    blamed: Callable[..., Any] | None
    """The function with the marked line."""

    @property
    def name(self) -> str:
        return self.code.__name__

    @property
    def source(self) -> str | None:
        """File and line of the call to blame."""
        if self.blamed is None:
            return None
        lines, first = inspect.getsourcelines(self.blamed)
        number = next(n for n, line in enumerate(lines) if BLAMED in line)
        return f"{inspect.getsourcefile(self.blamed)}:{first + number}"


CHARGE, SHIP = "activity 'charge' (task 1)", "activity 'ship' (task 2)"
SENT = "sent event 'shipped' to 'shop' (task 3)"

CHANGES = [
    Change(removed, CHARGE, "activity 'ship' (task 1)", removed),
    Change(removed_at_the_end, SENT, "nothing for task 3: it waits", removed_at_the_end),
    Change(added_before, CHARGE, "activity 'audit' (task 1)", added_before),
    Change(swapped, CHARGE, "activity 'ship' (task 1)", swapped),
    Change(renamed, CHARGE, "activity 'bill' (task 1)", renamed),
    Change(of_another_kind, SHIP, "timer (task 2)", of_another_kind),
    Change(a_child_instead, CHARGE, "sub-orchestration 'charge' (task 1)", a_child_instead),
    Change(returning_early, SHIP, "nothing for task 2: it has returned", None),
    Change(raising_early, SHIP, "nothing for task 2: it has raised ValueError: not today", None),
    Change(
        for_another_target, SENT, "sent event 'shipped' to 'depot' (task 3)", for_another_target
    ),
    Change(through_a_helper, CHARGE, "activity 'bill' (task 1)", pay),
    Change(through_a_task_group, CHARGE, "activity 'bill' (task 1)", pay),
    Change(under_a_deadline, CHARGE, "timer (task 1)", under_a_deadline),
    Change(as_a_generator, SHIP, "activity 'bill' (task 2)", as_a_generator),
]


def deployed(code: Orchestrator | None) -> App:
    """The shop's App with this code for its orders, or without any."""
    app = App("shop")
    for name in ("charge", "ship", "audit", "bill"):
        app.activity(name=name)(_nothing)
    if code is not None:
        app.orchestration(name="order")(code)
    return app


async def _nothing() -> None:
    return None


every_change = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)


async def record(store: MemoryStore) -> str:
    """Leave an order that waits for its event, and give its exported history."""
    async with Environment(deployed(recorded), store=store) as env:
        await env.client.start_new("order", instance_id="o-1")
        await env.settle()
        return await env.client.export_history("o-1")


async def seen(env: Environment) -> InstanceStatus:
    await env.settle()
    status = await env.client.get_status("o-1", show_history=True, show_waiting=True)
    assert status is not None
    return status


async def parked_by(env: Environment) -> Parked:
    await env.client.raise_event("o-1", "go")
    parked = (await seen(env)).parked
    assert parked is not None
    return parked


@every_change
async def test_a_change_parks_before_anything_is_committed(change: Change) -> None:
    store = MemoryStore()
    before = await record(store)
    async with Environment(deployed(change.code), store=store) as env:
        parked = await parked_by(env)
        assert parked.reason == "non-determinism"
        assert (parked.recorded, parked.actual) == (change.was, change.does)
        assert parked.source == change.source
        assert (await seen(env)).runtime_status is Status.RUNNING
        assert await env.client.export_history("o-1") == before
        assert not env.runtime.activities.executing


@every_change
async def test_offline_replay_says_the_same(change: Change) -> None:
    store = MemoryStore()
    exported = await record(store)
    app = deployed(change.code)
    async with Environment(app, store=store) as env:
        parked = await parked_by(env)
        for history in (exported, exported.encode(), await env.client.get_history("o-1")):
            with pytest.raises(NonDeterminismError) as refused:
                replay(app, history, instance_id="o-1")
            found = refused.value
            assert (found.recorded, found.actual) == (parked.recorded, parked.actual)
            assert found.source == parked.source
            assert list(found.listing) == parked.listing
            assert str(found) == parked.message


@every_change
async def test_the_former_code_lets_it_go_on(change: Change) -> None:
    store = MemoryStore()
    await record(store)
    async with Environment(deployed(change.code), store=store) as env:
        await parked_by(env)
    async with Environment(deployed(recorded), store=store) as env:
        assert await env.client.instance("o-1").result() == "done"
        assert (await seen(env)).parked is None


async def test_a_parked_order_says_why_it_waits() -> None:
    store = MemoryStore()
    await record(store)
    async with Environment(deployed(renamed), store=store) as env:
        parked = await parked_by(env)
        mend, event = (await seen(env)).waiting_for or []
        assert (mend.kind, mend.name, mend.detail) == ("mend", "order", parked.message)
        assert (event.kind, event.name) == ("event", "go")
        assert "renamed" not in parked.message
        for part in (CHARGE, "activity 'bill' (task 1)", __file__):
            assert part in parked.message


async def test_recorded_and_actual_stand_side_by_side() -> None:
    store = MemoryStore()
    await record(store)
    async with Environment(deployed(for_another_target), store=store) as env:
        assert (await parked_by(env)).listing == [
            (CHARGE, CHARGE),
            (SHIP, SHIP),
            (SENT, "sent event 'shipped' to 'depot' (task 3)"),
        ]


async def test_a_restart_with_wrong_code_keeps_it_parked() -> None:
    store = MemoryStore()
    await record(store)
    async with Environment(deployed(renamed), store=store) as env:
        parked = await parked_by(env)
        await env.crash()
        assert (await seen(env)).parked == parked


async def test_resume_with_wrong_code_parks_it_again() -> None:
    store = MemoryStore()
    before = await record(store)
    async with Environment(deployed(renamed), store=store) as env:
        parked = await parked_by(env)
        await env.client.resume("o-1")
        assert (await seen(env)).parked == parked
        assert await env.client.export_history("o-1") == before


async def test_resume_with_mended_code_lets_it_go_on() -> None:
    store = MemoryStore()
    await record(store)
    mended = False

    async def order(ctx: OrchestrationContext) -> str:
        return await (recorded(ctx) if mended else renamed(ctx))

    async with Environment(deployed(order), store=store) as env:
        await parked_by(env)
        mended = True
        await env.client.resume("o-1")
        assert await env.client.instance("o-1").result() == "done"
        assert (await seen(env)).parked is None


async def test_a_parked_order_can_be_terminated_and_purged() -> None:
    store = MemoryStore()
    await record(store)
    async with Environment(deployed(renamed), store=store) as env:
        await parked_by(env)
        await env.client.terminate("o-1", "given up")
        status = await seen(env)
        assert (status.runtime_status, status.output) == (Status.TERMINATED, "given up")
        assert (status.parked, status.waiting_for) == (None, [])
        await env.client.purge("o-1")
        assert await env.client.get_status("o-1") is None


async def test_a_termination_overtakes_what_would_park() -> None:
    store = MemoryStore()
    await record(store)
    async with Environment(deployed(renamed), store=store) as env:
        async with anyio.create_task_group() as group:
            group.start_soon(env.client.raise_event, "o-1", "go")
            group.start_soon(env.client.terminate, "o-1", "given up")
        status = await env.client.wait_for_completion("o-1")
        assert (status.runtime_status, status.parked) == (Status.TERMINATED, None)


async def test_others_go_on_beside_a_parked_one() -> None:
    store = MemoryStore()
    await record(store)
    app = deployed(renamed)
    app.orchestration(name="other")(recorded)
    async with Environment(app, store=store) as env:
        await parked_by(env)
        for number in range(20):
            other = await env.client.start_new("other", instance_id=f"other-{number}")
            await other.raise_event("go")
            assert await other.result() == "done"
        assert (await seen(env)).parked is not None


async def test_an_order_without_code_is_parked() -> None:
    store = MemoryStore()
    before = await record(store)
    async with Environment(deployed(None), store=store) as env:
        parked = await parked_by(env)
        assert parked.reason == "missing definition"
        assert "orchestration 'order" in parked.message
        (definition, *_) = (await seen(env)).waiting_for or []
        assert (definition.kind, definition.name) == ("definition", "order")
        with pytest.raises(DefinitionNotFoundError):
            replay(deployed(None), before)
    async with Environment(deployed(recorded), store=store) as env:
        assert await env.client.instance("o-1").result() == "done"


async def test_a_start_without_its_version_waits_for_it() -> None:
    store = MemoryStore()
    first = App("shop")
    first.orchestration(name="order", version="2")(recorded)
    async with Environment(first, store=store) as env:
        tomorrow = env.now + timedelta(days=1)
        await env.client.start_new("order", instance_id="o-1", start_at=tomorrow)
    third = deployed(None)
    third.orchestration(name="order", version="3")(recorded)
    async with Environment(third, store=store, start=tomorrow) as env:
        status = await seen(env)
        assert status.parked is not None
        assert (status.parked.reason, status.history) == ("missing definition", [])
        await env.client.resume("o-1")
        assert (await seen(env)).parked is not None
    async with Environment(_of_version_2(), store=store, start=tomorrow) as env:
        await env.client.raise_event("o-1", "go")
        assert await env.client.instance("o-1").result() == "done"


def _of_version_2() -> App:
    app = deployed(None)
    app.orchestration(name="order", version="2")(recorded)
    return app


class SpoiltStore(MemoryStore):
    """A store in which a newer version has written, as long as `spoilt` says so."""

    spoilt = False

    def load(self, ids: Collection[str]) -> dict[str, Stored]:
        found = super().load(ids)
        for stored in found.values():
            stored.turns[1:2] = [self._shown(turn) for turn in stored.turns[1:2]]
        return found

    def history(self, instance_id: str, first: int = 0) -> list[TurnRow]:
        return [self._shown(turn) for turn in super().history(instance_id, first)]

    def _shown(self, turn: TurnRow) -> TurnRow:
        if not self.spoilt or turn.sequence != 1:
            return turn
        return evolve(turn, events='[{"type":"FromTheFuture","at":1}]')


async def test_an_unreadable_event_parks_and_loses_nothing() -> None:
    store = SpoiltStore()
    await record(store)
    store.spoilt = True
    async with Environment(deployed(recorded), store=store) as env:
        await env.client.raise_event("o-1", "go")
        await env.settle()
        status = await env.client.get_status("o-1")
        assert status is not None
        assert status.parked is not None
        assert status.parked.reason == "unreadable"
        assert "FromTheFuture" in status.parked.message
        await env.crash()
        await env.client.resume("o-1")
        await env.settle()
        assert (await env.client.get_many(["o-1"]))["o-1"].parked is not None
        store.spoilt = False
        await env.crash()
        assert await env.client.instance("o-1").result() == "done"


async def test_an_unreadable_order_can_be_terminated() -> None:
    store = SpoiltStore()
    await record(store)
    store.spoilt = True
    async with Environment(deployed(recorded), store=store) as env:
        await env.client.raise_event("o-1", "go")
        await env.client.terminate("o-1", "given up")
        await env.settle()
        status = await env.client.get_status("o-1")
        assert status is not None
        assert status.runtime_status is Status.TERMINATED
        await env.client.purge("o-1")


async def test_new_work_at_the_end_is_legal() -> None:
    store = MemoryStore()
    exported = await record(store)

    async def longer(ctx: OrchestrationContext) -> str:
        await recorded(ctx)
        await ctx.call_activity("audit")
        return "audited"

    async with Environment(deployed(longer), store=store) as env:
        await env.client.raise_event("o-1", "go")
        assert await env.client.instance("o-1").result() == "audited"
    replayed = replay(deployed(longer), exported)
    assert (replayed.outcome, replayed.new_calls) == (None, [])


async def test_replay_tells_what_would_be_new() -> None:
    exported = await record(MemoryStore())

    async def eager(ctx: OrchestrationContext) -> str:
        await ctx.call_activity("charge")
        await ctx.call_activity("ship")
        ctx.send_event("shop", "shipped")
        await ctx.call_activity("audit")
        return "done"

    replayed = replay(deployed(eager), exported)
    assert replayed.new_calls == ["activity 'audit' (task 4)"]
    assert (replayed.outcome, replayed.open_calls) == (None, 1)
