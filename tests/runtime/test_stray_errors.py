"""Errors that would steer somebody else: a worker, a coroutine, a mailbox."""

import math

import pytest

from perdure import App, OrchestrationContext, TaskFailedError
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit, MessageRow
from perdure.testing import Environment

app = App("stray")


@app.activity
def throw(name: str) -> None:
    raise {"exit": GeneratorExit, "stop": StopIteration, "astop": StopAsyncIteration}[name]


@app.orchestration
async def call(ctx: OrchestrationContext, name: str) -> str:
    try:
        await ctx.call_activity(throw, name)
    except TaskFailedError as error:
        return error.details.type
    return "nothing"


@app.orchestration
async def listen(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def hurry(ctx: OrchestrationContext, seconds: float) -> None:
    await ctx.wait_for_external_event("go", timeout=math.inf if seconds < 0 else seconds)


@pytest.mark.parametrize("name", ["exit", "stop", "astop"])
async def test_control_flow_of_a_thread_is_a_failure(name: str) -> None:
    async with Environment(app) as env:
        assert await (await env.client.start_new(call, name)).result() == "RuntimeError"


@pytest.mark.parametrize("seconds", [-1.0, 0.0])
async def test_a_timeout_is_positive_and_finite(seconds: float) -> None:
    async with Environment(app) as env:
        instance = await env.client.start_new(hurry, seconds)
        status = await env.client.wait_for_completion(instance.instance_id)
        assert status.failure_details is not None
        assert status.failure_details.type == "ValueError"


async def test_an_unreadable_message_parks_its_instance() -> None:
    store = MemoryStore()
    async with Environment(app, store=store) as env:
        instance = await env.client.start_new(listen)
        await env.settle()
    row = MessageRow(900, instance.instance_id, '{"type": "FromTheFuture"}')
    store.commit(Commit(store.own(), sent=[row]))
    store.disown()
    async with Environment(app, store=store) as env:
        await env.settle()
        await env.crash()
        await env.settle()
        status = await env.client.get_status(instance.instance_id)
        assert status is not None
        assert status.parked is not None
        assert "message 900" in status.parked.message
        await env.client.terminate(instance.instance_id)
        assert (await env.client.wait_for_completion(instance.instance_id)).is_completed
