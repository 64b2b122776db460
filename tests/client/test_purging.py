"""Purging: in steps that can be watched and interrupted, and not before a decided end."""

import itertools
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import define, field

from perdure import (
    App,
    Client,
    InstanceAlreadyExistsError,
    InstanceStateError,
    OrchestrationContext,
    PurgeResult,
    Runtime,
    Status,
)
from perdure.actors.moments import moment
from perdure.persistence.contract.rows import Owner, instance
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Query
from perdure.persistence.store import Store
from perdure.runtime.client import store_gateway
from perdure.runtime.clock import SystemClock
from perdure.runtime.host import Seams
from perdure.testing import Environment
from perdure.testing.disturbed import HeldLane

MANY = 250

app = App("purged")


@app.orchestration
async def ends(ctx: OrchestrationContext, well: bool) -> None:
    if not well:
        raise ValueError("badly")


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def parent(ctx: OrchestrationContext) -> None:
    for name, well in (("good", True), ("bad", False)):
        child = ctx.call_sub_orchestrator(ends, well, instance_id=name)
        ctx.set_custom_status(await ctx.task_any([child]) is child)


def fill(store: Store) -> None:
    """Let many have ended."""
    owner = Owner(store)
    ended = (instance(f"i{n:03}", status=Status.COMPLETED, completed=n) for n in range(MANY))
    owner.keep(*ended)
    store.disown()


def left(store: Store) -> int:
    return sum(store.count(Query()).values())


@pytest.fixture(params=["inside", "outside"])
def outside(request: pytest.FixtureRequest) -> bool:
    """Whether the client reaches the runtime through the store only."""
    return bool(request.param == "outside")


async def test_a_purge_tells_how_far_it_is(store: Store, outside: bool) -> None:
    fill(store)
    told: list[tuple[int, int]] = []

    def progress(result: PurgeResult) -> None:
        told.append((result.deleted_instance_count, left(store)))

    async with Runtime(app, store) as runtime, Client(store, app) as client:
        purging = client if outside else runtime.client
        result = await purging.purge_by(progress=progress)
    assert len(told) >= 3
    assert {deleted + remaining for deleted, remaining in told} == {MANY}
    assert told == sorted(told)
    assert (result.deleted_instance_count, result.is_complete) == (MANY, True)
    assert len(set(result.instance_ids)) == MANY


async def test_an_interrupted_purge_has_told_what_it_did(store: Store, outside: bool) -> None:
    fill(store)
    told: list[int] = []
    with anyio.CancelScope() as scope:

        def progress(result: PurgeResult) -> None:
            told.append(result.deleted_instance_count)
            scope.cancel()

        async with Runtime(app, store) as runtime, Client(store, app) as client:
            await (client if outside else runtime.client).purge_by(progress=progress)
    assert scope.cancelled_caught
    assert len(told) == 1
    assert 0 < told[0] == MANY - left(store)


async def test_a_timeout_leaves_the_rest(store: Store, outside: bool) -> None:
    fill(store)
    async with Runtime(app, store) as runtime, Client(store, app) as client:
        purging = client if outside else runtime.client
        none = await purging.purge_by(timeout=0)
        assert (none, left(store)) == (PurgeResult(is_complete=False), MANY)
        everything = await purging.purge_by(timeout=60)
        assert (everything.is_complete, left(store)) == (True, 0)


async def test_turns_are_taken_between_the_steps(store: Store) -> None:
    fill(store)
    lasting: list[int] = []
    async with Environment(app, store=store) as env, anyio.create_task_group() as group:

        async def work() -> None:
            waiting = await env.client.start_new(waits, instance_id="a")
            await env.client.raise_event("a", "go", "now")
            assert await waiting.result() == "now"
            lasting.append(left(store))

        group.start_soon(work)
        await env.client.purge_by(names=["hello"])
    assert 1 < lasting[0] < MANY
    assert left(store) == 1


async def test_children_go_before_their_parent(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await (await env.client.start_new(parent, instance_id="p")).result()
        purged = await env.client.purge_by(statuses=[Status.FAILED])
        assert purged.instance_ids == ["bad"]
        purged = await env.client.purge_by(names=["parent"], recursive=True)
    assert purged.instance_ids == ["good", "p"]


@pytest.mark.parametrize(
    ("filters", "gone"),
    [
        ({"instance_id_prefix": "p-"}, ["p-1", "p-2"]),
        ({"parent_instance_id": "p-1"}, ["c"]),
        ({"completed_from": moment(20), "completed_to": moment(30)}, ["c", "p-2"]),
        ({"tags": {"k": "v"}, "names": ["hello"]}, ["p-2"]),
        ({"created_from": moment(5), "created_to": moment(5)}, ["c"]),
    ],
)
async def test_filters_choose_what_is_purged(
    store: Store, filters: dict[str, Any], gone: list[str]
) -> None:
    owner, status = Owner(store), Status.COMPLETED
    owner.keep(
        instance("p-1", status=status, completed=10),
        instance("p-2", status=status, completed=20, tags={"k": "v"}),
        instance("c", status=status, completed=30, created=5, parent_id="p-1"),
    )
    store.disown()
    async with Runtime(app, store) as runtime:
        purged = await runtime.client.purge_by(**filters)
    assert sorted(purged.instance_ids) == gone


async def test_no_status_means_all_ended_ones(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(waits, instance_id="running")
        await (await env.client.start_new(parent)).result()
        purged = await env.client.purge_by(statuses=[])
    assert (purged.deleted_instance_count, left(store)) == (3, 1)


@define
class Slow:
    """A runtime whose actors are loaded only when a test lets them be."""

    loads: HeldLane = field(factory=lambda: HeldLane("load"))

    def runtime(self, store: Store) -> Runtime:
        ids = map("{:032x}".format, itertools.count(100))
        seams = Seams(clock=SystemClock(), new_id=partial(next, ids), lane=self.lane)
        return Runtime(app, store, seams=seams)

    def lane(self, name: str) -> HeldLane:
        return self.loads if name == "load" else HeldLane(name)


async def pass_on() -> None:
    """Let everything happen that can."""
    for _ in range(40):
        await anyio.lowlevel.checkpoint()


async def test_what_is_being_terminated_gives_way_at_once() -> None:
    store, slow = MemoryStore(), Slow()
    async with Environment(app, store=store) as env:
        for name in ("purged", "started", "restarted"):
            await env.client.start_new(waits, instance_id=name)
    async with slow.runtime(store) as runtime, anyio.create_task_group() as group:
        client, slow.loads.held = runtime.client, True
        for name in ("purged", "started", "restarted"):
            group.start_soon(client.terminate, name)
        await pass_on()
        group.start_soon(client.purge, "purged")
        group.start_soon(partial(client.start_new, waits, instance_id="started"))
        again = partial(client.restart, restart_with_new_instance_id=False)
        group.start_soon(again, "restarted")
        await pass_on()
        slow.loads.let_go()
    assert store.count(Query()) == {Status.RUNNING: 2}


async def test_a_termination_from_outside_counts_at_once(store: Store) -> None:
    async with Runtime(app, store, poll_interval=0.02), Client(store, app) as client:
        for _ in range(3):
            await client.start_new(waits, instance_id="a")
            await client.terminate("a", "enough")
            again = await client.start_new(waits, instance_id="a")
            await client.terminate("a")
            await client.restart("a", restart_with_new_instance_id=False)
            await again.raise_event("go", "on")
            assert await again.result(timeout=10) == "on"
            await client.start_new(waits, instance_id="a")
            await client.terminate("a")
            assert (await client.purge("a")).instance_ids == ["a"]
    assert left(store) == 0


async def test_a_rewind_from_outside_counts_at_once(store: Store) -> None:
    own, tries, gate = App("own"), list[int](), anyio.Event()

    @own.activity
    async def fragile() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError
        await gate.wait()

    @own.orchestration
    async def works(ctx: OrchestrationContext) -> None:
        await ctx.call_activity(fragile)

    async with Runtime(own, store), Client(store, own) as client:
        await client.start_new(works, instance_id="a")
        await client.wait_for_completion("a", timeout=10)
        await client.rewind("a")
        with pytest.raises(InstanceStateError, match="cannot purge instance 'a': it is Running"):
            await client.purge("a")
        gate.set()
        ended = await client.wait_for_completion("a", timeout=10)
    assert ended.runtime_status is Status.COMPLETED


async def test_nobody_waits_for_a_runtime_to_start(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_gateway, "OWNER_PATIENCE", 0.05)
    async with Client(store, app) as client:
        await client.start_new(waits, instance_id="a")
        await client.terminate("a")
        with pytest.raises(InstanceStateError, match="cannot purge instance 'a': it is Pending"):
            await client.purge("a")
        with pytest.raises(InstanceAlreadyExistsError):
            await client.start_new(waits, instance_id="a")
    async with Runtime(app, store) as runtime:
        ended = await runtime.client.wait_for_completion("a", timeout=10)
    assert ended.runtime_status is Status.TERMINATED
