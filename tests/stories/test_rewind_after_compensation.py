"""A rewind behind failures that the code had caught and acted upon."""

import anyio
import pytest

from perdure import App, OrchestrationContext, OrchestrationFailedError, TaskFailedError
from perdure.persistence.store import Store
from perdure.testing import Environment


def shop(broken: set[str], log: list[str]) -> App:
    app = App("shop")

    @app.activity
    async def work(name: str) -> str:
        log.append(name)
        if name in broken:
            raise ValueError(name)
        return name

    @app.orchestration
    async def order(ctx: OrchestrationContext) -> str:
        try:
            await ctx.call_activity(work, "voucher")
        except TaskFailedError:
            await ctx.call_activity(work, "compensate")
        await ctx.call_activity(work, "charge")
        return await ctx.call_activity(work, "send")

    return app


@pytest.mark.parametrize("crash", [False, True])
async def test_success_after_a_caught_failure_is_kept(store: Store, crash: bool) -> None:
    broken, log = {"voucher", "send"}, list[str]()
    async with Environment(shop(broken, log), store=store) as env:
        instance = await env.client.start_new("order")
        with pytest.raises(OrchestrationFailedError):
            await instance.result()
        broken.clear()
        done = len(log)
        await env.client.rewind(instance.instance_id)
        if crash:
            await env.crash()
        assert await env.client.instance(instance.instance_id).result() == "send"
        assert set(log[done:]) == {"send"}


async def test_an_uncaught_failure_alone_is_repeated(store: Store) -> None:
    broken, log = {"charge"}, list[str]()
    async with Environment(shop(broken, log), store=store) as env:
        instance = await env.client.start_new("order")
        with pytest.raises(OrchestrationFailedError):
            await instance.result()
        broken.clear()
        done = len(log)
        await env.client.rewind(instance.instance_id)
        assert await instance.result() == "send"
        assert log[done:] == ["charge", "send"]


def fair(broken: set[str]) -> App:
    app = App("fair")

    @app.activity
    async def book() -> None:
        if broken:
            raise ValueError("full")

    return app


@pytest.mark.parametrize("crash", [False, True])
async def test_work_for_the_failure_answers_no_other_call(store: Store, crash: bool) -> None:
    """What was asked for in knowledge of the failure may be under way when it is forgotten."""
    broken, undone, paid = {"book"}, anyio.Event(), anyio.Event()
    app = fair(broken)

    @app.activity
    async def undo() -> str:
        await undone.wait()
        return "undone"

    @app.activity
    async def pay() -> str:
        await paid.wait()
        return "paid"

    @app.orchestration
    async def visit(ctx: OrchestrationContext) -> str:
        try:
            await ctx.call_activity("book")
        except TaskFailedError:
            ctx.call_activity(undo)
            raise
        return await ctx.call_activity(pay)

    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(visit)
        with pytest.raises(OrchestrationFailedError):
            await instance.result()
        broken.clear()
        await env.client.rewind(instance.instance_id)
        await env.settle()
        if crash:
            await env.crash()
            await env.settle()
        undone.set()
        await env.settle()
        paid.set()
        assert await env.client.instance(instance.instance_id).result() == "paid"


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("over", [False, True])
async def test_children_for_the_failure_are_no_others(
    store: Store, *, crash: bool, over: bool
) -> None:
    broken = {"book"}
    app = fair(broken)

    @app.orchestration
    async def undo(ctx: OrchestrationContext) -> str:
        await ctx.wait_for_external_event("go")
        return "undone"

    @app.orchestration
    async def pay(ctx: OrchestrationContext) -> str:
        return "paid"

    @app.orchestration
    async def visit(ctx: OrchestrationContext) -> str:
        try:
            await ctx.call_activity("book")
        except TaskFailedError:
            ctx.call_sub_orchestrator(undo)
            raise
        return await ctx.call_sub_orchestrator(pay)

    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(visit)
        with pytest.raises(OrchestrationFailedError):
            await instance.result()
        await env.settle()
        (undoing,) = (await env.client.query(names=["undo"])).instances
        if over:
            await env.client.raise_event(undoing.instance_id, "go")
            await env.settle()
        broken.clear()
        await env.client.rewind(instance.instance_id)
        if crash:
            await env.settle()
            await env.crash()
        assert await env.client.instance(instance.instance_id).result() == "paid"
