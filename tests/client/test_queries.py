"""Looking: status, queries with exact paging, counts, histories and entities."""

from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from attrs import define, evolve, frozen

from perdure import (
    App,
    InstanceNotFoundError,
    OrchestrationContext,
    OrchestrationFailedError,
    PayloadError,
    Status,
)
from perdure.actors.outcomes import Returned
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import InstanceRow
from perdure.persistence.store import Store
from perdure.testing import Environment, replay

app = App("queries")

NONSENSE = "nonsense"


@frozen
class Order:
    item: str
    count: int


@app.orchestration
async def buy(ctx: OrchestrationContext, order: Order) -> Order:
    ctx.set_custom_status({"buying": order.item})
    return Order(order.item, order.count * 2)


@app.orchestration
async def echoes(ctx: OrchestrationContext, value: object) -> object:
    return value


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def fails(ctx: OrchestrationContext) -> None:
    raise ValueError("no")


@app.orchestration
async def family(ctx: OrchestrationContext) -> None:
    await ctx.task_all([ctx.call_sub_orchestrator(waits, instance_id=f"child-{n}") for n in (1, 2)])


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


async def ids(env: Environment, **filters: Any) -> list[str]:
    return [status.instance_id async for status in env.client.query_all(**filters)]


async def test_status_shows_all_fields(store: Store) -> None:
    async with Environment(app, store=store) as env:
        before = env.now
        instance = await env.client.start_new(buy, Order("egg", 3), tags={"k": "v"})
        assert await instance.result() == Order("egg", 6)
        status = await instance.status()
        assert status is not None
        assert (status.name, status.runtime_status) == ("buy", Status.COMPLETED)
        assert before < status.created_time < status.last_updated_time < env.now
        assert status.completed_time is not None
        assert (status.input, status.output) == (
            {"item": "egg", "count": 3},
            {"item": "egg", "count": 6},
        )
        assert status.custom_status == {"buying": "egg"}
        assert status.read_input(Order) == Order("egg", 3)
        assert status.read_output(Order) == Order("egg", 6)
        assert status.tags == {"k": "v"}
        assert (status.is_completed, status.is_running) == (True, False)
        with pytest.raises(PayloadError):
            status.read_output(int)


async def test_payloads_are_left_out_on_demand() -> None:
    async with Environment(app) as env:
        await (await env.client.start_new(buy, Order("egg", 3), instance_id="x")).result()
        status = await env.client.get_status("x", show_input=False)
        assert status is not None
        assert status.input is None
        assert status.output is not None
        page = await env.client.query(show_payloads=False)
        assert [(s.input, s.output) for s in page.instances] == [(None, None)]


async def test_missing_instances_are_none_or_raise() -> None:
    async with Environment(app) as env:
        assert await env.client.get_status("nobody") is None
        assert await env.client.get_many(["nobody"]) == {}
        with pytest.raises(InstanceNotFoundError):
            await env.client.get_history("nobody")
        with pytest.raises(InstanceNotFoundError):
            await env.client.wait_for_start("nobody")
        with pytest.raises(InstanceNotFoundError):
            await env.client.instance("nobody").result()


async def test_failed_result_carries_the_details() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(fails)
        with pytest.raises(OrchestrationFailedError) as caught:
            await instance.result()
        assert caught.value.status is Status.FAILED
        assert (caught.value.details.type, caught.value.details.message) == ("ValueError", "no")
        assert "fails" in (caught.value.details.stack or "")


async def test_waiting_ends_with_a_timeout(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        later = env.now + timedelta(hours=1)
        instance = await env.client.start_new(waits, instance_id="w", start_at=later)
        with pytest.raises(TimeoutError):
            await env.client.wait_for_start("w", timeout=0.02)
        with pytest.raises(TimeoutError):
            await instance.result(timeout=0.02)
        await env.advance(timedelta(hours=2))
        status = await env.client.wait_for_start("w", timeout=5)
        assert status.runtime_status is Status.RUNNING
        await instance.raise_event("go", "on")
        assert await instance.result(timeout=5) == "on"


async def test_many_may_wait_for_one() -> None:
    results: list[str] = []

    async def wait(env: Environment) -> None:
        results.append(await env.client.instance("w", str).result())

    async with Environment(app) as env:
        await env.client.start_new(waits, instance_id="w")
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(wait, env)
            await env.settle()
            await env.client.raise_event("w", "go", "on")
        assert results == ["on"] * 10


async def arrange(env: Environment) -> list[datetime]:
    """Start b0 to b4 that end, w0 to w2 that wait, f0 that fails; one a minute."""
    moments: list[datetime] = []
    for label, orchestration, number in (("b", "buy", 5), ("w", "waits", 3), ("f", "fails", 1)):
        for index in range(number):
            moments.append(env.now)
            args = (Order("egg", index),) if label == "b" else ()
            tags = {"kind": label, "even": str(index % 2 == 0)}
            instance_id = f"{label}{index}"
            await env.client.start_new(orchestration, *args, instance_id=instance_id, tags=tags)
            await env.advance(timedelta(minutes=1))
    return moments


async def test_queries_filter_by_everything(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        moments = await arrange(env)
        everything = [f"b{n}" for n in range(5)] + ["w0", "w1", "w2", "f0"]
        assert await ids(env) == everything
        assert await ids(env, statuses=[Status.RUNNING]) == ["w0", "w1", "w2"]
        assert await ids(env, statuses=[Status.FAILED, Status.RUNNING]) == everything[5:]
        assert await ids(env, names=["fails", "waits"]) == everything[5:]
        assert await ids(env, instance_id_prefix="w") == ["w0", "w1", "w2"]
        assert await ids(env, tags={"even": "True"}) == ["b0", "b2", "b4", "w0", "w2", "f0"]
        assert await ids(env, tags={"even": "True", "kind": "w"}) == ["w0", "w2"]
        assert await ids(env, created_from=moments[2], created_to=moments[4]) == ["b2", "b3"]
        assert await ids(env, completed_from=moments[1]) == ["b1", "b2", "b3", "b4", "f0"]
        assert await ids(env, completed_to=moments[1]) == ["b0"]
        assert await ids(env, names=["Waits"]) == []


async def test_counts_are_by_status(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await arrange(env)
        counts = await env.client.count()
        assert counts == {Status.COMPLETED: 5, Status.RUNNING: 3, Status.FAILED: 1}
        assert await env.client.count(tags={"kind": "w"}) == {Status.RUNNING: 3}
        assert await env.client.count(names=["none"]) == {}


async def test_pages_are_exact_while_instances_come(store: Store) -> None:
    async with Environment(app, store=store) as env:
        for number in range(10):
            await env.client.start_new(waits, instance_id=f"old-{number}")
        found: list[str] = []
        token: str | None = None
        sizes: list[int] = []
        while True:
            page = await env.client.query(page_size=3, continuation_token=token)
            found += [status.instance_id for status in page.instances]
            sizes.append(len(page.instances))
            token = page.continuation_token
            if token is None:
                break
            if len(sizes) < 4:
                await env.client.start_new(waits, instance_id=f"new-{len(sizes)}")
                await env.client.purge_by()
        assert found == [f"old-{n}" for n in range(10)] + ["new-1", "new-2", "new-3"]
        assert sizes == [3, 3, 3, 3, 1]


async def test_last_full_page_has_no_token(store: Store) -> None:
    async with Environment(app, store=store) as env:
        for _ in range(4):
            await env.client.start_new(waits)
        first = await env.client.query(page_size=2)
        last = await env.client.query(page_size=2, continuation_token=first.continuation_token)
        assert (len(last.instances), last.continuation_token) == (2, None)


async def test_bad_paging_is_refused() -> None:
    async with Environment(app) as env:
        with pytest.raises(ValueError, match="page_size"):
            await env.client.query(page_size=0)
        with pytest.raises(ValueError, match="continuation token"):
            await env.client.query(continuation_token=NONSENSE)
        with pytest.raises(ValueError, match="continuation token"):
            await env.client.query_entities(continuation_token=NONSENSE)


async def test_get_many_leaves_out_unknown_ids(store: Store) -> None:
    async with Environment(app, store=store) as env:
        for number in range(3):
            await env.client.start_new(waits, instance_id=f"w{number}")
        found = await env.client.get_many(["w2", "nobody", "w0", "w2"])
        assert sorted(found) == ["w0", "w2"]
        assert found["w0"].name == "waits"


async def test_children_are_found_by_parent(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(family, instance_id="parent")
        await env.settle()
        children = await ids(env, parent_instance_id="parent")
        assert children == ["child-1", "child-2"]
        status = await env.client.get_status("child-1")
        assert status is not None
        assert status.parent_instance_id == "parent"


async def test_history_tells_what_happened(store: Store) -> None:
    async with Environment(app, store=store) as env:
        start = env.now
        await (await env.client.start_new(buy, Order("egg", 1), instance_id="b")).result()
        history = await env.client.get_history("b")
        assert [event.event_type for event in history] == [
            "OrchestratorStarted",
            "ExecutionStarted",
            "ExecutionCompleted",
            "OrchestratorCompleted",
        ]
        assert all(start < event.timestamp < env.now for event in history)


async def test_exported_history_can_be_replayed(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(waits, instance_id="w")
        await env.client.raise_event("w", "go", "on")
        await env.client.wait_for_completion("w")
        replayed = replay(app, await env.client.export_history("w"))
    assert isinstance(replayed.outcome, Returned)
    assert (replayed.outcome.result, replayed.open_calls, replayed.new_calls) == ('"on"', 0, [])


async def test_entities_are_queried_by_page(store: Store) -> None:
    async with Environment(app, store=store) as env:
        for number in range(5):
            await env.client.entity(Counter, f"k{number}").call(Counter.add, number)
        await env.client.entity(Counter, "k1").call("delete")
        page = await env.client.query_entities(name="COUNTER", page_size=3)
        assert [found.id.key for found in page.entities] == ["k0", "k2", "k3"]
        assert [found.state for found in page.entities] == [{"value": n} for n in (0, 2, 3)]
        rest = await env.client.query_entities(
            name="counter", page_size=3, continuation_token=page.continuation_token
        )
        assert [found.id.key for found in rest.entities] == ["k4"]
        assert rest.continuation_token is None
        named = await env.client.query_entities(name="counter", key_prefix="k2")
        assert [found.id.key for found in named.entities] == ["k2"]
        bare = await env.client.query_entities(include_state=False)
        assert [(found.exists, found.state) for found in bare.entities] == [(True, None)] * 4
        with pytest.raises(ValueError, match="key_prefix"):
            await env.client.query_entities(key_prefix="k")


async def test_entities_are_queried_by_time(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        moments: list[datetime] = []
        for number in range(3):
            moments.append(env.now)
            await env.client.entity(Counter, f"k{number}").call(Counter.add, number)
            await env.advance(timedelta(minutes=1))
        page = await env.client.query_entities(
            last_modified_from=moments[1], last_modified_to=moments[2]
        )
        assert [found.id.key for found in page.entities] == ["k1"]


async def test_instance_queries_hide_entities(store: Store) -> None:
    async with Environment(app, store=store) as env:
        counter = env.client.entity(Counter, "c")
        await counter.call(Counter.add, 1)
        assert await ids(env) == []
        assert await env.client.get_status(str(counter.id)) is None
        for refuse in (env.client.terminate, env.client.suspend, env.client.purge):
            with pytest.raises(InstanceNotFoundError):
                await refuse(str(counter.id))
        assert await counter.read() == Counter(1)


async def test_status_keeps_whole_numbers_of_any_size() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(echoes, 2**70)
        assert await instance.result() == 2**70
        status = await instance.status()
        assert status is not None
        assert (status.input, status.output) == (2**70, 2**70)


class Overtaken(MemoryStore):
    """One that is written to between the reading of a row and of its turns."""

    before: InstanceRow | None = None

    def instance(self, instance_id: str) -> InstanceRow | None:
        before, self.before = self.before, None
        return before if before is not None else super().instance(instance_id)


async def test_status_and_waiting_are_of_one_moment() -> None:
    own, store = App(), Overtaken()

    @own.orchestration
    async def steps(ctx: OrchestrationContext) -> None:
        await ctx.wait_for_external_event("first")
        ctx.set_custom_status("half way")
        await ctx.wait_for_external_event("second")

    async with Environment(own, store=store) as env:
        await env.client.start_new(steps, instance_id="x")
        await env.settle()
        before = evolve(store.instances(["x"])["x"])
        await env.client.raise_event("x", "first")
        await env.settle()
        store.before = before
        status = await env.client.get_status("x", show_waiting=True)
    assert status is not None
    assert [waiting.name for waiting in status.waiting_for or []] == ["second"]
    assert status.custom_status == "half way"
