"""Who waits for an instance that was rewound just now never sees the old failure."""

import anyio
import pytest

from perdure import App, Client, OrchestrationContext, Runtime, Status, StoreError
from perdure.persistence.memory import MemoryStore
from perdure.testing.disturbed import DisturbedStore

app = App("failing")


@app.orchestration
async def told(ctx: OrchestrationContext) -> str:
    return await ctx.call_activity("answer", returns=str)


async def failed(store: MemoryStore, ids: list[str]) -> None:
    """Instances that fail for want of an activity, which every later program has."""
    async with Runtime(app, store=store) as runtime:
        for instance_id in ids:
            await runtime.client.start_new(told, instance_id=instance_id)
        for instance_id in ids:
            status = await runtime.client.wait_for_completion(instance_id)
            assert status.runtime_status is Status.FAILED


def mended() -> App:
    program = App("mended")
    program.orchestration(told)

    @program.activity
    async def answer() -> str:
        return "forty-two"

    return program


async def results(client: Client, ids: list[str], *, rewind: bool) -> list[str]:
    """What these are worth, once all are rewound at a time."""
    found: list[str] = []

    async def again(instance_id: str) -> None:
        if rewind:
            await client.rewind(instance_id)
        found.append(await client.instance(instance_id, str).result())

    async with anyio.create_task_group() as group:
        for instance_id in ids:
            group.start_soon(again, instance_id)
    return found


async def test_many_rewinds_wait_for_their_turns() -> None:
    store, ids = MemoryStore(), [f"i{number}" for number in range(20)]
    await failed(store, ids)
    async with Runtime(mended(), store=store, turns_between_breaths=1) as runtime:
        assert await results(runtime.client, ids, rewind=True) == ["forty-two"] * len(ids)


@pytest.mark.parametrize("refused", [1, 2, 3, 4])
async def test_rewinds_outlive_a_failed_commit(refused: int) -> None:
    """They are durable, and the commit that acts upon some is lost while clients wait."""
    store, ids = MemoryStore(), ["a", "b", "c", "d"]
    await failed(store, ids)
    async with Client(store, app) as client:
        for instance_id in ids:
            await client.rewind(instance_id)
    disturbed = DisturbedStore(store)

    def refuse(method: str, call: int) -> None:
        if method == "commit" and call == refused:
            raise StoreError("the disk is full")

    disturbed.before = refuse
    async with Runtime(mended(), store=disturbed.store, turns_between_breaths=1) as runtime:
        assert await results(runtime.client, ids, rewind=False) == ["forty-two"] * len(ids)
