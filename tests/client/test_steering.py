"""Steering: events, suspension, termination, rewinding and purging."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from perdure import (
    App,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationContext,
    RetryPolicy,
    Status,
    TaskFailedError,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("steering")

RETRY = RetryPolicy(max_attempts=2, first_interval=timedelta(seconds=5))


@app.activity
async def work(item: str) -> str:
    return item


@app.orchestration
async def waits(ctx: OrchestrationContext, text: str = "") -> str:
    return f"{text}{await ctx.wait_for_external_event('go', str)}"


@app.orchestration
async def parent(ctx: OrchestrationContext) -> str:
    try:
        return await ctx.call_sub_orchestrator(middle, instance_id="middle")
    except TaskFailedError as error:
        return error.details.message


@app.orchestration
async def middle(ctx: OrchestrationContext) -> str:
    return await ctx.call_sub_orchestrator(waits, "", instance_id="leaf")


@app.orchestration
async def fans_out(ctx: OrchestrationContext, retried: bool) -> list[str]:
    retry = RETRY if retried else None
    return await ctx.task_all([ctx.call_activity(work, item, retry=retry) for item in "abc"])


@app.orchestration
async def delegates(ctx: OrchestrationContext) -> list[str]:
    own = await ctx.call_activity(work, "own")
    return [own, *await ctx.call_sub_orchestrator(fans_out, False, instance_id="child")]


async def status_of(env: Environment, instance_id: str) -> Status | None:
    status = await env.client.get_status(instance_id)
    return status.runtime_status if status else None


async def ended(env: Environment, *instance_ids: str) -> None:
    for instance_id in instance_ids:
        await env.client.start_new(waits, instance_id=instance_id)
        await env.client.raise_event(instance_id, "go", "x")
        await env.client.wait_for_completion(instance_id)


async def test_events_reach_only_running_instances() -> None:
    async with Environment(app) as env:
        with pytest.raises(InstanceNotFoundError):
            await env.client.raise_event("nobody", "go")
        await ended(env, "x")
        with pytest.raises(InstanceStateError, match="Completed") as caught:
            await env.client.raise_event("x", "go")
        assert caught.value.instance_id == "x"
        with pytest.raises(ValueError, match="name"):
            await env.client.raise_event("x", "")


async def test_suspended_instance_takes_nothing(store: Store) -> None:
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(waits, "got ", instance_id="w")
        await env.client.suspend("w", "a break")
        await env.client.suspend("w")
        await env.client.raise_event("w", "go", "first")
        await env.client.raise_event("w", "go", "second")
        await env.crash()
        await env.settle()
        assert await status_of(env, "w") is Status.SUSPENDED
        await env.client.resume("w")
        assert await env.client.instance(instance.instance_id, str).result() == "got first"


async def test_suspended_activity_result_comes_once(store: Store) -> None:
    gate = anyio.Event()

    async def slow(item: str) -> str:
        await gate.wait()
        return "done"

    async with Environment(app, store=store) as env:
        env.stub(work, slow)
        await env.client.start_new(fans_out, False, instance_id="f")
        await env.client.suspend("f")
        gate.set()
        await env.settle()
        await env.crash()
        await env.client.resume("f")
        assert await env.client.instance("f", list).result() == ["done"] * 3
        assert len(env.calls_of(work)) == 3


async def test_resuming_the_unsuspended_is_refused() -> None:
    async with Environment(app) as env:
        await env.client.start_new(waits, instance_id="w")
        with pytest.raises(InstanceStateError, match="Running"):
            await env.client.resume("w")
        with pytest.raises(InstanceNotFoundError):
            await env.client.resume("nobody")
        await ended(env, "x")
        for refuse in (env.client.suspend, env.client.resume, env.client.terminate):
            with pytest.raises(InstanceStateError, match="Completed"):
                await refuse("x")


async def test_suspending_before_the_start_holds_it(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        later = env.now + timedelta(hours=1)
        await env.client.start_new(waits, instance_id="w", start_at=later)
        await env.client.suspend("w")
        await env.client.raise_event("w", "go", "on")
        await env.advance(timedelta(hours=2))
        assert await status_of(env, "w") is Status.SUSPENDED
        await env.crash()
        await env.client.resume("w")
        assert await env.client.instance("w", str).result() == "on"


async def test_terminating_the_child_fails_the_parent(store: Store) -> None:
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(parent, instance_id="p")
        await env.settle()
        await env.client.terminate("middle", "enough")
        assert "was terminated" in await instance.result()
        assert await status_of(env, "leaf") is Status.RUNNING


@pytest.mark.parametrize("recursive", [False, True])
async def test_termination_reaches_children_if_asked(
    store: Store,
    recursive: bool,
) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(parent, instance_id="p")
        await env.settle()
        await env.crash()
        await env.client.terminate("p", "stop", recursive=recursive)
        await env.settle()
        expected = Status.TERMINATED if recursive else Status.RUNNING
        assert await status_of(env, "p") is Status.TERMINATED
        assert await status_of(env, "middle") is expected
        assert await status_of(env, "leaf") is expected


async def test_terminated_stays_terminated(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(waits, instance_id="w")
        await env.client.terminate("w", {"why": "odd"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await env.crash()
        status = await env.client.wait_for_completion("w")
        assert (status.runtime_status, status.output) == (Status.TERMINATED, {"why": "odd"})


async def broken_then_fine(env: Environment, instance_id: str, *args: Any) -> None:
    """Run `fans_out` or `delegates` to its failure in item b, then mend the activity."""

    def breaks(item: str) -> str:
        if item == "b":
            raise ConnectionError(item)
        return item.upper()

    env.stub(work, breaks)
    name = "fans_out" if args else "delegates"
    await env.client.start_new(name, *args, instance_id=instance_id)
    await env.client.wait_for_completion(instance_id)
    assert await status_of(env, instance_id) is Status.FAILED
    env.calls_of(work).clear()
    env.stub(work, str.upper)


@pytest.mark.parametrize("retried", [False, True])
async def test_rewind_repeats_only_failed_work(store: Store, retried: bool) -> None:
    async with Environment(app, store=store) as env:
        await broken_then_fine(env, "f", retried)
        await env.client.rewind("f", "mended")
        assert await env.client.instance("f", list).result() == ["A", "B", "C"]
        assert env.calls_of(work) == [("b",)]


async def test_rewind_reaches_failed_children(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await broken_then_fine(env, "d")
        await env.client.rewind("d")
        assert await env.client.instance("d", list).result() == ["OWN", "A", "B", "C"]
        assert env.calls_of(work) == [("b",)]


async def test_rewind_is_for_failed_instances() -> None:
    async with Environment(app) as env:
        await ended(env, "x")
        with pytest.raises(InstanceStateError, match="Completed"):
            await env.client.rewind("x")
        with pytest.raises(InstanceNotFoundError):
            await env.client.rewind("nobody")


async def test_purge_deletes_what_has_ended(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await ended(env, "x")
        await env.client.start_new(waits, instance_id="w")
        with pytest.raises(InstanceStateError, match="Running"):
            await env.client.purge("w")
        purged = await env.client.purge("x")
        assert (purged.deleted_instance_count, purged.instance_ids) == (1, ["x"])
        assert await status_of(env, "x") is None
        assert store.history("x") == []
        with pytest.raises(InstanceNotFoundError):
            await env.client.purge("x")
        await env.client.start_new(waits, "again ", instance_id="x")
        await env.client.raise_event("x", "go", "x")
        assert await env.client.instance("x", str).result() == "again x"


async def test_recursive_purge_takes_the_children(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(parent, instance_id="p")
        await env.settle()
        await env.client.terminate("p", recursive=True)
        await env.settle()
        purged = await env.client.purge("p", recursive=True)
        assert sorted(purged.instance_ids) == ["leaf", "middle", "p"]
        assert (await env.client.query()).instances == []


async def test_recursive_purge_spares_what_runs(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(parent, instance_id="p")
        await env.settle()
        await env.client.terminate("p")
        await env.settle()
        purged = await env.client.purge("p", recursive=True)
        assert purged.instance_ids == ["p"]
        assert await status_of(env, "leaf") is Status.RUNNING


async def test_purge_by_filters_what_ended(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await ended(env, "old-1", "old-2")
        await env.advance(timedelta(hours=1))
        border = env.now
        await ended(env, "new-1")
        await env.client.start_new(waits, instance_id="w", tags={"k": "v"})
        await env.client.terminate("w")
        await env.client.wait_for_completion("w")
        with pytest.raises(ValueError, match="Running"):
            await env.client.purge_by(statuses=[Status.RUNNING])
        purged = await env.client.purge_by(created_to=border)
        assert sorted(purged.instance_ids) == ["old-1", "old-2"]
        assert (await env.client.purge_by(names=["nothing"])).deleted_instance_count == 0
        assert (await env.client.purge_by(tags={"k": "v"})).instance_ids == ["w"]
        assert (await env.client.purge_by(statuses=[Status.FAILED])).instance_ids == []
        assert (await env.client.purge_by()).instance_ids == ["new-1"]


async def test_purge_by_goes_through_all_pages(store: Store) -> None:
    async with Environment(app, store=store) as env:
        for number in range(130):
            await env.client.start_new(waits, instance_id=f"x{number}")
            await env.client.terminate(f"x{number}")
        await env.settle()
        purged = await env.client.purge_by()
        assert purged.deleted_instance_count == len(purged.instance_ids) == 130
        assert await env.client.count() == {}
