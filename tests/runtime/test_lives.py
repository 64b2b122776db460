"""The life of a runtime: entering, draining, leaving, being cancelled, and what is left behind."""

import asyncio
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import sniffio

from perdure import (
    App,
    OrchestrationContext,
    Runtime,
    RuntimeClosedError,
    Status,
    StoreError,
    StoreInUseError,
)
from perdure.persistence.memory import MemoryStore
from perdure.testing.disturbed import DisturbedStore

app = App("lives")


class Gate:
    """Where an activity waits, and says that it does."""

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self.opened = anyio.Event()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


gates: dict[str, Gate] = {}


@app.activity
async def gated(name: str) -> str:
    await gates[name].pass_through()
    return name


@app.orchestration
async def through(ctx: OrchestrationContext, name: str) -> str:
    return await ctx.call_activity(gated, name)


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("perdure-")]


async def test_leaving_waits_for_running_activities() -> None:
    store = MemoryStore()
    gates["drain"] = gate = Gate()
    async with Runtime(app, store) as runtime:
        await runtime.client.start_new(through, "drain", instance_id="a")
        await gate.reached.wait()
        gate.opened.set()
    row = store.instance("a")
    assert row is not None
    assert row.status is Status.COMPLETED


async def test_what_outlasts_the_drain_resumes_at_the_next_start() -> None:
    store = MemoryStore()
    gates["late"] = gate = Gate()
    async with Runtime(app, store, drain_timeout=0) as runtime:
        await runtime.client.start_new(through, "late", instance_id="a")
        await gate.reached.wait()
    gate.opened.set()
    async with Runtime(app, store) as runtime:
        assert await runtime.client.instance("a").result() == "late"


async def test_cancellation_from_outside_goes_out_again(tmp_path: Path) -> None:
    gates["cut"] = gate = Gate()
    with anyio.CancelScope() as scope:
        async with Runtime(app, tmp_path / "hub.db") as runtime:
            await runtime.client.start_new(through, "cut", instance_id="a")
            await gate.reached.wait()
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert threads() == []
    gate.opened.set()
    async with Runtime(app, tmp_path / "hub.db") as runtime:
        assert await runtime.client.instance("a").result() == "cut"


async def test_cancellation_while_draining_goes_out_again(tmp_path: Path) -> None:
    gates["drained"] = gate = Gate()
    with anyio.move_on_after(0.1) as scope:
        async with Runtime(app, tmp_path / "hub.db") as runtime:
            await runtime.client.start_new(through, "drained")
            await gate.reached.wait()
    assert scope.cancelled_caught
    assert threads() == []


async def test_a_loops_own_cancellation_goes_out_again() -> None:
    if sniffio.current_async_library() != "asyncio":
        with anyio.move_on_after(0) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        return
    entered = asyncio.Event()

    async def live() -> None:
        async with Runtime(app):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(live())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    error = LookupError("mine")
    with pytest.raises(LookupError) as caught:
        async with Runtime(app):
            raise error
    assert caught.value is error
    assert threads() == []


async def test_two_runtimes_live_side_by_side(tmp_path: Path) -> None:
    async with Runtime(app, tmp_path / "a.db") as a, Runtime(app, tmp_path / "b.db") as b:
        await a.client.start_new(waits, instance_id="same")
        assert await b.client.get_status("same") is None
        await b.client.start_new(waits, instance_id="same")
        await b.client.raise_event("same", "go", "b")
        assert await b.client.instance("same").result() == "b"
        status = await a.client.get_status("same")
        assert status is not None
        assert status.runtime_status is Status.RUNNING


async def test_a_second_runtime_on_a_file_is_refused(tmp_path: Path) -> None:
    async with Runtime(app, tmp_path / "hub.db"):
        with pytest.raises(StoreInUseError, match="pid"):
            await Runtime(app, tmp_path / "hub.db").__aenter__()
    async with Runtime(app, tmp_path / "hub.db"):
        assert len(threads()) == 3
    assert threads() == []


async def test_embedding_takes_one_line() -> None:
    async with anyio.create_task_group() as group:
        client = await group.start(Runtime(app).run)
        instance = await client.start_new(waits)
        await instance.raise_event("go", "embedded")
        assert await instance.result() == "embedded"
        group.cancel_scope.cancel()


async def test_a_runtime_is_entered_only_once() -> None:
    runtime = Runtime(app)
    with pytest.raises(RuntimeClosedError, match="inside `async with"):
        _ = runtime.client
    async with runtime:
        with pytest.raises(RuntimeClosedError, match="entered once"):
            await runtime.__aenter__()
    with pytest.raises(RuntimeClosedError):
        _ = runtime.client


async def test_a_kept_client_learns_that_the_runtime_was_left() -> None:
    async with Runtime(app) as runtime:
        client = runtime.client
        instance = await client.start_new(waits)
    with pytest.raises(RuntimeClosedError):
        await client.start_new(waits)
    with pytest.raises(RuntimeClosedError):
        await instance.result()
    with pytest.raises(RuntimeClosedError):
        await client.get_status(instance.instance_id)


async def test_who_waits_learns_that_the_runtime_was_left() -> None:
    told: list[str] = []

    async def wait(runtime: Runtime, instance_id: str) -> None:
        with pytest.raises(RuntimeClosedError):
            await runtime.client.instance(instance_id).result()
        told.append(instance_id)

    async with anyio.create_task_group() as group, Runtime(app) as runtime:
        await runtime.client.start_new(waits, instance_id="a")
        group.start_soon(wait, runtime, "a")
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
    assert told == ["a"]


async def test_a_store_that_cannot_be_read_stops_the_start() -> None:
    store = DisturbedStore(MemoryStore())

    def fail(method: str, _: int) -> None:
        if method == "recover":
            raise StoreError("unreadable today")

    store.before = fail
    with pytest.raises(StoreError, match="unreadable today"):
        await Runtime(app, store.store).__aenter__()
    assert threads() == []
