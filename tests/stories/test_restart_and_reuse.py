"""Restarting, and what happens to an id that is taken."""

import anyio
import pytest

from perdure import (
    App,
    InstanceAlreadyExistsError,
    InstanceIdError,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationContext,
    Reuse,
    Status,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("restarting")


@app.activity
async def work(name: str) -> str:
    return name


@app.orchestration(version="7")
async def echo(ctx: OrchestrationContext, value: str) -> list[object]:
    found = await ctx.call_activity(work, value)
    return [found, ctx.version, dict(ctx.tags), ctx.execution_id]


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def ends(ctx: OrchestrationContext, how: str) -> str:
    if how == "Failed":
        raise RuntimeError(how)
    if how != "Completed":
        await ctx.wait_for_external_event("never")
    return how


@app.orchestration
async def leaves_work(ctx: OrchestrationContext, name: str, wait: bool) -> str:
    task = ctx.call_activity(work, name)
    return await task if wait else "left"


async def bring_to(env: Environment, status: Status) -> None:
    """Make an instance `x` of this status."""
    label = status.label
    later = env.now.replace(year=2031) if status is Status.PENDING else None
    await env.client.start_new(ends, label, instance_id="x", start_at=later)
    if status is Status.SUSPENDED:
        await env.client.suspend("x")
    elif status is Status.TERMINATED:
        await env.client.terminate("x")
    await env.settle()
    await env.crash()
    found = await env.client.get_status("x")
    assert found is not None
    assert found.runtime_status is status


REACHABLE = [
    Status.PENDING,
    Status.RUNNING,
    Status.SUSPENDED,
    Status.COMPLETED,
    Status.FAILED,
    Status.TERMINATED,
]
POLICIES = {
    "default": Reuse.NON_RUNNING,
    "any": Reuse.ANY_STATE,
    "never": Reuse.NEVER,
    "failed": {Status.FAILED},
    "pending": {Status.PENDING},
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("status", REACHABLE, ids=lambda status: status.label)
async def test_the_policy_decides_about_a_taken_id(
    store: Store, status: Status, policy: str
) -> None:
    async with Environment(app, store=store) as env:
        await bring_to(env, status)
        reuse = POLICIES[policy]
        if status in reuse:
            started = await env.client.start_new(waits, instance_id="x", reuse=reuse)
            await started.raise_event("go", "new")
            await env.settle()
            await env.crash()
            assert await env.client.instance("x").result() == "new"
        else:
            with pytest.raises(InstanceAlreadyExistsError) as caught:
                await env.client.start_new(waits, instance_id="x", reuse=reuse)
            assert (caught.value.instance_id, caught.value.status) == ("x", status)
            after = await env.client.get_status("x")
            assert after is not None
            assert (after.name, after.runtime_status) == ("ends", status)


async def test_of_many_starters_one_wins(store: Store) -> None:
    async with Environment(app, store=store) as env:
        outcomes: list[bool] = []

        async def start() -> None:
            try:
                await env.client.start_new(waits, instance_id="x")
                outcomes.append(True)
            except InstanceAlreadyExistsError:
                outcomes.append(False)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(start)
        assert sorted(outcomes) == [False] * 19 + [True]


async def test_a_replaced_instance_leaves_nothing_behind(store: Store) -> None:
    async with Environment(app, store=store) as env:
        first = await env.client.start_new(waits, instance_id="x")
        await env.client.suspend("x")
        await first.raise_event("go", "old")
        await env.settle()
        second = await env.client.start_new(waits, instance_id="x", reuse=Reuse.ANY_STATE)
        await env.settle()
        await env.crash()
        await env.client.raise_event("x", "go", "new")
        assert await env.client.instance(second.instance_id).result() == "new"


async def test_work_of_a_replaced_instance_is_not_mistaken(store: Store) -> None:
    async with Environment(app, store=store) as env:
        began, go = anyio.Event(), anyio.Event()

        async def outcome(name: str) -> str:
            if name == "old":
                began.set()
                await go.wait()
            return name

        env.stub(work, outcome)
        first = await env.client.start_new(leaves_work, "old", False, instance_id="x")
        assert await first.result() == "left"
        await began.wait()
        second = await env.client.start_new(leaves_work, "new", True, instance_id="x")
        assert await second.result() == "new"
        go.set()


@pytest.mark.parametrize("new_id", [True, False])
async def test_a_restart_repeats_input_version_tags(store: Store, *, new_id: bool) -> None:
    async with Environment(app, store=store) as env:
        tags = {"team": "red"}
        started = await env.client.start_new(echo, "value", instance_id="x", tags=tags)
        first = await started.result()
        await env.crash()
        again = await env.client.restart("x", restart_with_new_instance_id=new_id)
        assert (again.instance_id == "x") is not new_id
        await env.settle()
        await env.crash()
        second = await env.client.instance(again.instance_id).result()
        assert first[:3] == second[:3] == ["value", "7", tags]
        assert first[3] != second[3]


async def test_a_running_instance_restarts_only_beside(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.start_new(waits, instance_id="x")
        with pytest.raises(InstanceStateError, match="restart"):
            await env.client.restart("x", restart_with_new_instance_id=False)
        again = await env.client.restart("x")
        await again.raise_event("go", "beside")
        assert await again.result() == "beside"
        with pytest.raises(InstanceNotFoundError):
            await env.client.restart("nobody")


@pytest.mark.parametrize(
    "wrong", ["", "@entity@key", "a/b", "a\\b", "a#b", "a?b", "a\nb", "x" * 257]
)
async def test_an_illegal_id_is_refused(store: Store, wrong: str) -> None:
    async with Environment(app, store=store) as env:
        with pytest.raises(InstanceIdError, match="cannot be an id"):
            await env.client.start_new(waits, instance_id=wrong)
        assert (await env.client.query()).instances == []
