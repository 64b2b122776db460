"""Retry policies may change between deployments: the history has decided about the past."""

from datetime import timedelta

import pytest

from perdure import App, OrchestrationContext, RetryPolicy, TaskFailedError
from perdure.testing import Environment, replay


def made_with(attempts: int, seconds: int = 1) -> App:
    app = App("policies")
    policy = RetryPolicy(max_attempts=attempts, first_interval=timedelta(seconds=seconds))

    @app.activity(retry=policy)
    async def charge() -> None:
        raise ConnectionError("no line")

    @app.orchestration
    async def order(ctx: OrchestrationContext) -> str:
        try:
            await ctx.call_activity(charge)
        except TaskFailedError:
            return str(await ctx.wait_for_external_event("by hand"))
        return "charged"

    return app


@pytest.mark.parametrize("attempts", [1, 2, 3, 5])
async def test_other_policies_follow_the_old_history(attempts: int) -> None:
    async with Environment(made_with(3)) as env:
        instance = await env.client.start_new("order")
        await env.advance(timedelta(seconds=20))
        history = await env.client.export_history(instance.instance_id)
        store = env.store
    assert replay(made_with(attempts, seconds=7), history).new_calls == []
    async with Environment(made_with(attempts, seconds=7), store=store) as env:
        await env.client.raise_event(instance.instance_id, "by hand", "done")
        assert await env.client.instance(instance.instance_id).result() == "done"


async def test_a_new_policy_counts_from_the_next_failure() -> None:
    async with Environment(made_with(10, seconds=60)) as env:
        instance = await env.client.start_new("order")
        await env.advance(timedelta(seconds=90))
        store, start = env.store, env.now
    async with Environment(made_with(3), store=store, start=start) as env:
        await env.advance(timedelta(seconds=60))
        status = await env.client.get_status(instance.instance_id, show_waiting=True)
        assert status is not None
        assert [str(waiting) for waiting in status.waiting_for or []] == ["event by hand"]
