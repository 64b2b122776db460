"""Starting: exactly once for an id, replacing by choice, later, and anew."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import anyio
import pytest

from perdure import (
    App,
    ArityError,
    DefinitionNotFoundError,
    InstanceAlreadyExistsError,
    InstanceIdError,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationContext,
    PayloadError,
    Reuse,
    Status,
)
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("starting")


@app.orchestration
async def echo(ctx: OrchestrationContext, text: str) -> str:
    return text


@app.orchestration(version="1")
async def dated(ctx: OrchestrationContext, text: str) -> str:
    return text


@app.orchestration
async def waits(ctx: OrchestrationContext, text: str) -> str:
    return f"{text} {await ctx.wait_for_external_event('go', str)}"


@app.orchestration
async def fails(ctx: OrchestrationContext, text: str) -> str:
    raise ValueError(text)


async def pending(env: Environment) -> None:
    later = env.now + timedelta(days=1)
    await env.client.start_new(waits, "old", instance_id="x", start_at=later)


async def running(env: Environment) -> None:
    await env.client.start_new(waits, "old", instance_id="x")
    await env.client.wait_for_start("x")


async def suspended(env: Environment) -> None:
    await running(env)
    await env.client.suspend("x")
    await env.settle()


async def completed(env: Environment) -> None:
    await (await env.client.start_new(echo, "old", instance_id="x")).result()


async def failed(env: Environment) -> None:
    await env.client.start_new(fails, "old", instance_id="x")
    await env.client.wait_for_completion("x")


async def terminated(env: Environment) -> None:
    await running(env)
    await env.client.terminate("x")
    await env.client.wait_for_completion("x")


Arrange = Callable[[Environment], Awaitable[None]]

STATUSES: dict[Status, Arrange] = {
    Status.PENDING: pending,
    Status.RUNNING: running,
    Status.SUSPENDED: suspended,
    Status.COMPLETED: completed,
    Status.FAILED: failed,
    Status.TERMINATED: terminated,
}


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.label)
@pytest.mark.parametrize("policy", ["NON_RUNNING", "ANY_STATE", "NEVER", "ONLY"])
async def test_reuse_policies_by_status(status: Status, policy: str) -> None:
    reuse = {Status.FAILED} if policy == "ONLY" else getattr(Reuse, policy)
    async with Environment(app) as env:
        await STATUSES[status](env)
        before = await env.client.get_status("x")
        assert before is not None
        assert before.runtime_status is status
        if status in reuse:
            instance = await env.client.start_new(echo, "new", instance_id="x", reuse=reuse)
            assert await instance.result() == "new"
            after = await env.client.get_status("x")
            assert after is not None
            assert after.execution_id != before.execution_id
        else:
            with pytest.raises(InstanceAlreadyExistsError) as caught:
                await env.client.start_new(echo, "new", instance_id="x", reuse=reuse)
            assert caught.value.status is status


async def test_replacing_forgets_the_old_history(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await running(env)
        await env.client.raise_event("x", "other", "for the old one")
        await env.client.start_new(waits, "new", instance_id="x", reuse=Reuse.ANY_STATE)
        await env.crash()
        await env.client.raise_event("x", "go", "now")
        assert await env.client.instance("x", str).result() == "new now"
        names = [event.event_type for event in await env.client.get_history("x")]
        assert names.count("ExecutionStarted") == 1
        assert names.count("EventRaised") == 1


async def test_one_of_many_starters_wins(store: Store) -> None:
    outcomes: list[str] = []

    async def start(env: Environment, number: int) -> None:
        try:
            await env.client.start_new(waits, str(number), instance_id="x")
        except InstanceAlreadyExistsError:
            outcomes.append("refused")
        else:
            outcomes.append(str(number))

    async with Environment(app, store=store) as env:
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(start, env, number)
        (winner,) = [outcome for outcome in outcomes if outcome != "refused"]
        assert len(outcomes) == 50
        await env.client.raise_event("x", "go", "on")
        assert await env.client.instance("x", str).result() == f"{winner} on"


async def test_scheduled_start_waits_until_then(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        later = env.now + timedelta(days=3)
        await env.client.start_new(echo, "late", instance_id="x", start_at=later)
        status = await env.client.get_status("x")
        assert status is not None
        assert (status.runtime_status, status.scheduled_start_time) == (Status.PENDING, later)
        await env.crash()
        await env.advance(timedelta(days=2))
        status = await env.client.get_status("x")
        assert status is not None
        assert status.runtime_status is Status.PENDING
        await env.advance(timedelta(days=2))
        assert await env.client.instance("x", str).result() == "late"


async def test_past_start_times_mean_now() -> None:
    async with Environment(app, auto_advance=False) as env:
        instance = await env.client.start_new(echo, "x", start_at=env.now - timedelta(days=1))
        assert await instance.result() == "x"


async def test_events_before_a_scheduled_start_are_kept(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await pending(env)
        await env.client.raise_event("x", "go", "early")
        await env.crash()
        assert await env.client.instance("x", str).result() == "old early"


async def test_scheduled_start_can_be_terminated(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await pending(env)
        await env.client.terminate("x", "never mind")
        status = await env.client.wait_for_completion("x")
        assert (status.runtime_status, status.output) == (Status.TERMINATED, "never mind")
        await env.advance(timedelta(days=2))
        status = await env.client.wait_for_completion("x")
        assert status.runtime_status is Status.TERMINATED


@pytest.mark.parametrize(
    "bad", ["", "@x", "@x@y", "a/b", "a\\b", "a#b", "a?b", "a\nb", "a\x85b", "a" * 257, ".", ".."]
)
async def test_illegal_ids_are_refused(bad: str) -> None:
    async with Environment(app) as env:
        with pytest.raises(InstanceIdError) as caught:
            await env.client.start_new(echo, "x", instance_id=bad)
        assert caught.value.instance_id == bad


async def test_unusual_ids_are_allowed(store: Store) -> None:
    ids = ["a@b", "ü", "日本", "a b", "'; DROP TABLE instance --", "%", "_", "a" * 256]
    async with Environment(app, store=store) as env:
        for instance_id in ids:
            instance = await env.client.start_new(echo, instance_id, instance_id=instance_id)
            assert await instance.result() == instance_id


async def test_bad_starts_change_nothing(store: Store) -> None:
    async with Environment(app, store=store) as env:
        with pytest.raises(DefinitionNotFoundError, match="nowhere"):
            await env.client.start_new("nowhere")
        with pytest.raises(DefinitionNotFoundError, match="version 2"):
            await env.client.start_new(dated, "x", version="2")
        with pytest.raises(ArityError, match="text"):
            await env.client.start_new("echo")
        with pytest.raises(PayloadError, match="echo"):
            await env.client.start_new("echo", object())
        with pytest.raises(TypeError, match="tags"):
            await env.client.start_new(echo, "x", tags={"a": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
        assert (await env.client.query()).instances == []


async def test_default_ids_are_32_hex_digits() -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(echo, "x")
        assert len(instance.instance_id) == 32
        assert int(instance.instance_id, 16) > 0


async def test_restart_keeps_what_it_was_given(store: Store) -> None:
    async with Environment(app, store=store) as env:
        tags = {"team": "blue"}
        first = await env.client.start_new(echo, "again", instance_id="x", tags=tags)
        await first.result()
        other = await env.client.restart("x")
        assert other.instance_id != "x"
        assert await other.result() == "again"
        same = await env.client.restart("x", restart_with_new_instance_id=False)
        assert same.instance_id == "x"
        assert await same.result() == "again"
        for instance_id in ("x", other.instance_id):
            status = await env.client.get_status(instance_id)
            assert status is not None
            assert (status.tags, status.input) == (tags, "again")


async def test_restart_refuses_what_still_runs() -> None:
    async with Environment(app) as env:
        await running(env)
        with pytest.raises(InstanceStateError, match="Running"):
            await env.client.restart("x", restart_with_new_instance_id=False)
        with pytest.raises(InstanceNotFoundError):
            await env.client.restart("nobody")
        copy = await env.client.restart("x")
        await copy.raise_event("go", "on")
        assert await copy.result() == "old on"
