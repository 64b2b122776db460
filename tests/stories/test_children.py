"""Sub-orchestrations: ids, failures, retries, tags, and children that nobody waits for."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from perdure import (
    App,
    InstanceIdError,
    OrchestrationContext,
    OrchestrationFailedError,
    RetryPolicy,
    Status,
    TaskFailedError,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("children")

DAY = timedelta(days=1)
THRICE = RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=5))


@app.activity
async def work(name: str) -> str:
    return name


@app.orchestration
async def child(ctx: OrchestrationContext, name: str) -> list[object]:
    found = await ctx.call_activity(work, name)
    return [found, ctx.instance_id, ctx.parent_instance_id, dict(ctx.tags)]


@app.orchestration
async def waiter(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def parent(ctx: OrchestrationContext, name: str, child_id: str | None) -> list[object]:
    await ctx.create_timer(timedelta(hours=1))
    return await ctx.call_sub_orchestrator(child, name, instance_id=child_id, tags={"own": "1"})


@app.orchestration
async def two(ctx: OrchestrationContext) -> list[object]:
    first = ctx.call_sub_orchestrator(child, "a")
    second = ctx.call_sub_orchestrator("child", "b", returns=list[object])
    return [found[1] for found in await ctx.task_all([second, first])]


@app.orchestration
async def insists(ctx: OrchestrationContext, child_id: str | None) -> list[object]:
    return await ctx.call_sub_orchestrator(child, "x", instance_id=child_id, retry=THRICE)


@app.orchestration
async def catches(
    ctx: OrchestrationContext, name: str, child_id: str | None = None
) -> list[object]:
    try:
        await ctx.call_sub_orchestrator(name, "x", instance_id=child_id, retry=THRICE)
    except TaskFailedError as error:
        inner = error.details.inner
        return [error.name, error.details.type, inner.type if inner else "", error.details.message]
    return []


@app.orchestration
async def own_id(ctx: OrchestrationContext, child_id: str) -> str:
    try:
        ctx.call_sub_orchestrator(waiter, instance_id=child_id)
    except InstanceIdError as error:
        return str(error)
    return "accepted"


@app.orchestration
async def starter(ctx: OrchestrationContext, child_id: str | None) -> list[object]:
    begun = ctx.start_new(child, "free", instance_id=child_id, tags={"own": "2"})
    later = ctx.start_new(child, "later", start_at=ctx.current_utc_datetime + DAY)
    return [begun, later]


@app.orchestration
async def starts_and_tells(ctx: OrchestrationContext) -> str:
    begun = ctx.start_new(waiter, start_at=ctx.current_utc_datetime + DAY)
    ctx.send_event(begun, "go", "on")
    return begun


@app.orchestration
async def generations(ctx: OrchestrationContext, left: int) -> int:
    if left:
        await ctx.create_timer(timedelta(seconds=1))
        ctx.continue_as_new(left - 1)
    return left


@app.orchestration
async def waits_for_generations(ctx: OrchestrationContext) -> int:
    return await ctx.call_sub_orchestrator(generations, 5)


@pytest.mark.parametrize("child_id", [None, "explicit"])
async def test_a_child_runs_under_its_id(store: Store, child_id: str | None) -> None:
    async with Environment(app, store=store) as env:
        tags = {"team": "red", "own": "0"}
        started = await env.client.start_new(parent, "n", child_id, instance_id="p", tags=tags)
        await env.advance(timedelta(hours=1))
        await env.crash()
        status = await env.client.wait_for_completion(started.instance_id)
        expected = child_id or f"{status.execution_id}:2"
        assert status.output == ["n", expected, "p", {"team": "red", "own": "1"}]


async def test_ids_of_children_are_deterministic(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(two)
        result = await started.result()
        status = await started.status()
        assert status is not None
        assert result == [f"{status.execution_id}:2", f"{status.execution_id}:1"]
        children = await env.client.query(parent_instance_id=started.instance_id)
        assert {c.instance_id for c in children.instances} == set(result)


@pytest.mark.parametrize("child_id", [None, "same"])
async def test_a_retried_child_keeps_its_id(store: Store, child_id: str | None) -> None:
    async with Environment(app, store=store) as env:
        outcomes: Iterator[OSError | str] = iter([OSError("1"), OSError("2"), "third"])

        def outcome(_: str) -> str:
            found = next(outcomes)
            if isinstance(found, Exception):
                raise found
            return found

        env.stub(work, outcome)
        started = await env.client.start_new(insists, child_id)
        for _ in range(3):
            await env.settle()
            await env.crash()
            await env.advance(timedelta(seconds=5))
        result = await env.client.instance(started.instance_id).result()
        assert result[:3] == ["third", child_id or result[1], started.instance_id]
        assert len((await env.client.query(names=["child"])).instances) == 1


async def test_a_childs_failure_reaches_its_parent(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, OSError("broken"))
        started = await env.client.start_new(catches, "child", "c")
        name, kind, inner, message = await started.result()
        assert (name, kind) == ("child", "SubOrchestrationFailed")
        assert str(inner).endswith("TaskFailedError")
        assert "'child' with id 'c' failed" in str(message)
        assert "broken" in str(message)
        assert len(env.calls_of(work)) == 3


async def test_the_id_of_a_running_instance_fails(store: Store) -> None:
    async with Environment(app, store=store) as env:
        other = await env.client.start_new(waiter, instance_id="taken")
        await env.settle()
        started = await env.client.start_new(catches, "child", "taken")
        *_, message = await started.result()
        assert "'taken' already exists and is Running" in str(message)
        await other.raise_event("go", "unharmed")
        assert await other.result() == "unharmed"


@pytest.mark.parametrize("child_id", ["me", "@entity@key", "a/b", ""])
async def test_an_impossible_id_is_refused(store: Store, child_id: str) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(own_id, child_id, instance_id="me")
        assert "cannot be an id" in await started.result()


async def test_the_parents_id_is_refused(store: Store) -> None:
    async with Environment(app, store=store) as env:

        @env.app.orchestration
        async def above(ctx: OrchestrationContext) -> str:
            return await ctx.call_sub_orchestrator(own_id, "top")

        started = await env.client.start_new(above, instance_id="top")
        assert "or its parent" in await started.result()


async def test_an_unknown_child_fails_its_parent(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(catches, "nobody")
        name, kind, *_, message = await started.result()
        assert name == "nobody"
        assert str(kind).endswith("DefinitionNotFoundError")
        assert "no orchestration 'nobody'" in str(message)


async def test_a_terminated_child_fails_its_parent(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(catches, "waiter", "c")
        await env.settle()
        await env.crash()
        await env.client.terminate("c", "enough")
        await env.settle()
        await env.crash()
        for _ in range(2):
            await env.advance(timedelta(seconds=5))
            await env.client.terminate("c", "enough")
        result = await env.client.instance(started.instance_id).result()
        assert result[:3] == ["waiter", "SubOrchestrationFailed", "Terminated"]
        assert "was terminated" in str(result[3])
        assert "enough" in str(result[3])


async def test_a_start_without_waiting_goes_on_alone(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(starter, "free", tags={"team": "red"})
        begun, later = await started.result()
        assert begun == "free"
        result = await env.client.instance("free").result()
        assert result == ["free", "free", None, {"team": "red", "own": "2"}]
        await env.crash()
        before = env.now
        assert (await env.client.instance(str(later)).result())[0] == "later"
        assert env.now - before > timedelta(hours=23)


async def test_a_start_for_later_is_pending_at_once(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(starts_and_tells)
        begun = await started.result()
        await env.settle()
        await env.crash()
        status = await env.client.get_status(begun)
        assert status is not None
        assert status.runtime_status is Status.PENDING
        assert await env.client.instance(begun).result() == "on"


async def test_a_start_of_a_running_id_does_nothing(store: Store) -> None:
    async with Environment(app, store=store) as env:
        other = await env.client.start_new(waiter, instance_id="taken")
        await env.settle()
        await (await env.client.start_new(starter, "taken")).result()
        await other.raise_event("go", "unharmed")
        assert await other.result() == "unharmed"


async def test_a_parent_waits_for_all_generations(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(waits_for_generations)
        await env.advance(timedelta(seconds=3))
        await env.crash()
        assert await env.client.instance(started.instance_id).result() == 0


async def test_a_failed_child_gives_all_its_causes(store: Store) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, KeyError("lost"))
        started = await env.client.start_new(insists, None)
        with pytest.raises(OrchestrationFailedError) as caught:
            await started.result()
        assert caught.value.details.is_caused_by("SubOrchestrationFailed")
        assert caught.value.details.is_caused_by(KeyError)
