"""A rewind behind failures that the code had caught and acted upon."""

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
