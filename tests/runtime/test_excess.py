"""Too much of something, or of the wrong kind: an error for who did it, and for nobody else."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import define

from perdure import App, EntityOperationFailedError, OrchestrationContext, Status
from perdure.actors import orchestration, replay
from perdure.testing import Environment

app = App("excess")


@app.activity
async def echo(text: str) -> str:
    return text


@app.entity
@define
class Counter:
    n: int = 0

    def leave(self) -> None:
        raise SystemExit(4)

    def add(self) -> int:
        self.n += 1
        return self.n


@app.orchestration
async def endless(ctx: OrchestrationContext) -> None:
    while True:
        ctx.call_activity(echo, "x")


@app.orchestration
async def wide(ctx: OrchestrationContext, width: int) -> int:
    await ctx.create_timer(1)
    texts = [ctx.call_activity(echo, "x" * 1_000) for _ in range(width)]
    return len(await ctx.task_all(texts))


@app.orchestration
async def wrong(ctx: OrchestrationContext, what: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "lock": lambda: ctx.lock_entities("x"),  # type: ignore[arg-type]
        "lock kind": lambda: ctx.lock_entities(5),  # type: ignore[arg-type]
        "retry": lambda: ctx.call_activity(echo, "x", retry=True),  # type: ignore[call-overload]
        "event": lambda: ctx.wait_for_external_event(""),
    }
    calls[what]()
    await ctx.create_timer(timedelta(days=1))


@app.orchestration
async def nested(ctx: OrchestrationContext, depth: int) -> int:
    return depth and await ctx.call_sub_orchestrator(nested, depth - 1)


async def test_leaving_from_an_operation_is_its_failure() -> None:
    async with Environment(app) as env:
        entity = env.client.entity(Counter, "a")
        with pytest.raises(EntityOperationFailedError, match="SystemExit"):
            await entity.call(Counter.leave)
        assert await entity.call(Counter.add) == 1


async def test_a_turn_makes_only_so_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "ACTIONS_MAX", 50)
    async with Environment(app) as env:
        instance = await env.client.start_new(endless)
        status = await env.client.wait_for_completion(instance.instance_id)
        assert status.failure_details is not None
        assert "50 things in one turn" in status.failure_details.message


async def test_a_turn_asks_for_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "TURN_BYTES_MAX", 10_000)
    async with Environment(app) as env:
        instance = await env.client.start_new(wide, 20)
        status = await env.client.wait_for_completion(instance.instance_id)
        assert status.failure_details is not None
        assert status.failure_details.type == "perdure.PayloadTooLargeError"


async def test_large_outcomes_are_taken_over_several_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orchestration, "TURN_BYTES_MAX", 2_000)
    async with Environment(app) as env:
        instance = await env.client.start_new(wide, 20)
        assert await instance.result() == 20
        history = await env.client.get_history(instance.instance_id)
        assert sum(event.event_type == "OrchestratorStarted" for event in history) > 5


@pytest.mark.parametrize("what", ["lock", "lock kind", "retry", "event"])
async def test_a_wrong_kind_is_refused_at_the_call(what: str) -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(wrong, what)
        status = await env.client.wait_for_completion(instance.instance_id)
        assert status.runtime_status is Status.FAILED


async def test_a_deep_tree_is_purged_as_a_whole() -> None:
    async with Environment(app) as env:
        root = await env.client.start_new(nested, 1_200)
        assert await root.result() == 0
        purged = await env.client.purge(root.instance_id, recursive=True)
        assert purged.deleted_instance_count == 1_201


async def test_resume_reaches_a_suspension_before_a_parked_actor() -> None:
    listens = App("listens")

    @listens.orchestration(name="o")
    async def listen(ctx: OrchestrationContext) -> int:
        return await ctx.wait_for_external_event("w", int)

    async with Environment(listens) as env:
        await env.client.start_new("o", instance_id="e")
        await env.settle()
        store = env.store
    async with Environment(App("without"), store=store) as env:
        await env.client.suspend("e")
        await env.settle()
        await env.client.resume("e")
        await env.settle()
    async with Environment(listens, store=store) as env:
        await env.client.raise_event("e", "w", 5)
        assert await env.client.instance("e").result() == 5
