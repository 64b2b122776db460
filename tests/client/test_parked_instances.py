"""An instance whose log cannot be read: it waits, says why, and can be ended."""

import orjson

from perdure import App, OrchestrationContext, Status
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit
from perdure.testing import Environment

app = App("parked")


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


async def damaged(store: MemoryStore) -> None:
    """Let an instance `w` wait, and write something into its log that nobody knows."""
    async with Environment(app, store=store) as env:
        await env.client.start_new(waits, instance_id="w")
        await env.settle()
    row, (turn,) = store.instance("w"), store.history("w")
    assert row is not None
    turn.events = orjson.dumps([{"type": "FromTheFuture"}]).decode()
    row.parked = None
    epoch = store.own()
    store.commit(Commit(epoch, resets={"w"}, instances={"w": row}, turns=[turn]))
    store.disown()


async def test_unreadable_log_parks_and_keeps_messages() -> None:
    store = MemoryStore()
    await damaged(store)
    async with Environment(app, store=store) as env:
        await env.client.raise_event("w", "go", "now")
        await env.settle()
        for _ in range(2):
            status = await env.client.get_status("w")
            assert status is not None
            assert status.parked is not None
            assert status.parked.reason == "unreadable"
            assert "FromTheFuture" in status.parked.message
            assert store.backlog("w") == 1
            await env.crash()


async def test_resuming_an_unreadable_log_changes_nothing() -> None:
    store = MemoryStore()
    await damaged(store)
    async with Environment(app, store=store) as env:
        await env.client.raise_event("w", "go", "now")
        await env.settle()
        await env.client.resume("w")
        await env.settle()
        status = await env.client.get_status("w")
        assert status is not None
        assert status.parked is not None
        assert store.backlog("w") == 1


async def test_unreadable_instance_can_be_terminated() -> None:
    store = MemoryStore()
    await damaged(store)
    async with Environment(app, store=store) as env:
        await env.client.raise_event("w", "go", "now")
        await env.settle()
        await env.client.terminate("w", "given up")
        status = await env.client.wait_for_completion("w")
        assert status.runtime_status is Status.TERMINATED
        assert (status.output, status.parked) == ("given up", None)
