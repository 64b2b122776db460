"""Retention: what has ended goes when its time is over, and nothing else does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from attrs import define

from perdure import App, OrchestrationContext, Retention, Runtime, Status
from perdure.actors.moments import micros
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Query
from perdure.persistence.store import Store
from perdure.testing import Environment
from perdure.testing.disturbed import DisturbedStore

DAY = timedelta(days=1)
START = datetime(2030, 1, 1, tzinfo=UTC)
MOMENT = timedelta(minutes=2)

app = App("kept")


@app.orchestration
async def ends(ctx: OrchestrationContext, well: bool) -> None:
    if not well:
        raise ValueError("badly")


@app.orchestration
async def waits(ctx: OrchestrationContext) -> None:
    await ctx.wait_for_external_event("go")


@app.orchestration
async def parent(ctx: OrchestrationContext, waiting: bool) -> None:
    if waiting:
        waiter = ctx.call_sub_orchestrator(waits, instance_id="waiter")
        await ctx.task_any([waiter, ctx.create_timer(DAY)])
    try:
        await ctx.call_sub_orchestrator(ends, False, instance_id="child")
    except Exception:  # noqa: BLE001 - whatever became of the child, the parent ends well
        ctx.set_custom_status("the child failed")


@app.entity
@define
class Counter:
    count: int = 0

    def add(self, number: int) -> int:
        self.count += number
        return self.count


@app.orchestration
async def holds(ctx: OrchestrationContext) -> None:
    async with ctx.lock_entities(ctx.entity(Counter, "locked")):
        await ctx.wait_for_external_event("go")


def ids(store: Store) -> list[str]:
    return [row.id for row in store.query(Query(), 1_000).rows]


def sweeping(store: Store, retention: Retention | None, start: datetime = START) -> Environment:
    return Environment(app, store=store, retention=retention, auto_advance=False, start=start)


def fill(store: Store) -> None:
    """Let 250 have ended at the start."""
    owner, ended = Owner(store), micros(START)
    status = Status.COMPLETED
    owner.keep(*(instance(f"i{n:03}", status=status, completed=ended) for n in range(250)))
    store.disown()


async def test_each_status_has_its_own_period(store: Store) -> None:
    retention = Retention(completed=DAY, failed=3 * DAY, terminated=2 * DAY)
    async with sweeping(store, retention) as env:
        await env.client.start_new(ends, True, instance_id="completed")
        await env.client.start_new(ends, False, instance_id="failed")
        await env.client.start_new(waits, instance_id="terminated")
        await env.client.terminate("terminated")
        await env.client.start_new(waits, instance_id="running")
        kept: list[list[str]] = []
        for days in (DAY - MOMENT, 2 * MOMENT, DAY, DAY):
            await env.advance(days)
            kept.append(sorted(ids(store)))
    everything = ["completed", "failed", "running", "terminated"]
    assert kept == [everything, everything[1:], ["failed", "running"], ["running"]]


async def test_histories_go_with_their_instances(store: Store) -> None:
    async with sweeping(store, Retention(completed=DAY)) as env:
        await env.client.start_new(ends, True, instance_id="a")
        await env.settle()
        assert store.history("a")
        await env.advance(DAY + MOMENT)
    assert store.history("a") == []


async def test_without_a_period_everything_stays(store: Store) -> None:
    for name, retention in {"a": None, "b": Retention(), "c": Retention(failed=DAY)}.items():
        async with sweeping(store, retention) as env:
            await env.client.start_new(ends, True, instance_id=name)
            await env.advance(1_000 * DAY)
    assert sorted(ids(store)) == ["a", "b", "c"]


async def test_ended_children_go_with_their_parent(store: Store) -> None:
    async with sweeping(store, Retention(completed=DAY)) as env:
        await env.client.start_new(parent, False, instance_id="p")
        await env.settle()
        assert sorted(ids(store)) == ["child", "p"]
        await env.advance(DAY + MOMENT)
        assert ids(store) == []


async def test_a_child_that_goes_on_survives_its_parent(store: Store) -> None:
    async with sweeping(store, Retention(completed=DAY)) as env:
        await env.client.start_new(parent, True, instance_id="p")
        await env.advance(DAY + MOMENT)
        assert sorted(ids(store)) == ["child", "p", "waiter"]
        await env.advance(DAY + MOMENT)
        assert ids(store) == ["waiter"]
        await env.client.raise_event("waiter", "go")
        await env.settle()
        status = await env.client.get_status("waiter")
    assert status is not None
    assert status.runtime_status is Status.COMPLETED


async def test_what_is_parked_is_never_deleted(store: Store) -> None:
    retention = Retention(completed=DAY, failed=DAY, terminated=DAY)
    async with sweeping(store, None) as env:
        await env.client.start_new(ends, False, instance_id="failed")
        await env.client.start_new(waits, instance_id="parked")
    async with Environment(App(), store=store, retention=retention, auto_advance=False) as env:
        await env.client.raise_event("parked", "go")
        await env.client.rewind("failed")
        await env.advance(10 * DAY)
        assert sorted(ids(store)) == ["failed", "parked"]
    async with sweeping(store, retention) as env:
        await env.settle()
        parked = await env.client.get_status("parked")
        assert parked is not None
        assert parked.runtime_status is Status.COMPLETED


async def test_a_restarted_instance_begins_a_new_period(store: Store) -> None:
    async with sweeping(store, Retention(completed=DAY)) as env:
        await env.client.start_new(ends, True, instance_id="a")
        await env.advance(DAY / 2)
        await env.client.start_new(ends, True, instance_id="a")
        await env.advance(DAY / 2 + MOMENT)
        assert ids(store) == ["a"]
        await env.advance(DAY / 2)
        assert ids(store) == []


async def test_a_backlog_goes_in_short_steps_between_turns() -> None:
    disturbed = DisturbedStore(MemoryStore())
    calls: list[str] = []
    fill(disturbed.store)
    disturbed.before = lambda method, _: calls.append(method)
    async with sweeping(disturbed.store, Retention(completed=DAY), START + 2 * DAY) as env:
        await env.advance(timedelta(seconds=1))
        assert ids(disturbed.store) == []
    purges = [place for place, method in enumerate(calls) if method == "purge"]
    assert len(purges) >= 3
    assert all("commit" in calls[one:other] for one, other in pairwise(purges))


@pytest.mark.parametrize("fails", ["before", "after"])
async def test_a_crash_in_a_sweep_is_made_up_for(store: Store, fails: str) -> None:
    fill(store)
    disturbed = DisturbedStore(store)

    def fail(method: str, call: int) -> None:
        if (method, call) == ("purge", 2):
            raise OSError("the disk is gone for a moment")

    setattr(disturbed, fails, fail)
    async with sweeping(disturbed.store, Retention(completed=DAY), START + 2 * DAY) as env:
        await env.advance(timedelta(seconds=1))
        assert 0 < len(ids(store)) < 250
        await env.crash()
        await env.advance(timedelta(seconds=1))
    assert ids(store) == []


async def test_idle_entities_are_let_go(store: Store) -> None:
    async with sweeping(store, Retention(entities=DAY)) as env:
        old, busy = env.client.entity(Counter, "old"), env.client.entity(Counter, "busy")
        await old.call(Counter.add, 1)
        await busy.call(Counter.add, 1)
        await env.client.start_new(holds, instance_id="holder")
        await env.client.entity(Counter, "locked").signal(Counter.add, 1)
        await env.advance(DAY / 2)
        await busy.call(Counter.add, 1)
        await env.advance(DAY / 2 + MOMENT)
        assert [row.id for row in store.entities("@", 9, transient=True).rows] == [
            "@counter@busy",
            "@counter@locked",
        ]
        assert await old.call(Counter.add, 5) == 5
        assert await busy.call(Counter.add, 5) == 7


async def test_nothing_goes_early_by_the_real_clock(store: Store) -> None:
    async with Runtime(app, store, retention=Retention(completed=3_600)) as runtime:
        for _ in range(3):
            instance = await runtime.client.start_new(ends, True)
            await instance.result()
    assert len(ids(store)) == 3


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Retention(completed=timedelta(-1)), "completed must not be negative"),
        (
            lambda: Retention(failed=LookupError),  # type: ignore[arg-type]
            "failed is a timedelta or a number of seconds",
        ),
        (lambda: Retention(entities=float("inf")), "entities must be finite"),
        (lambda: Runtime(app, retention=DAY), "retention"),
    ],
)
def test_a_wrong_retention_is_named(make: Callable[[], Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        make()
