"""What clients learn when a commit fails while they wait."""

from datetime import timedelta

import anyio
import pytest
from attrs import define

from perdure import App, OrchestrationContext, StoreError
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit
from perdure.testing import Environment

app = App("lost")


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


@app.orchestration
async def holds(ctx: OrchestrationContext) -> str:
    async with ctx.lock_entities(ctx.entity(Counter, "c")):
        return await ctx.wait_for_external_event("go", str)


class Breaking(MemoryStore):
    """A store that refuses as many of the next commits as `refusals` says."""

    refusals = 0

    def commit(self, commit: Commit) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("no room")
        super().commit(commit)


async def test_durable_calls_are_answered_after_recovery() -> None:
    store, answers = Breaking(), list[int]()

    async def call(env: Environment) -> None:
        answers.append(await env.client.entity(Counter, "c").call(Counter.add, 1))

    async with Environment(app, store=store) as env:
        await env.client.start_new(holds, instance_id="h")
        async with anyio.create_task_group() as group:
            group.start_soon(call, env)
            await env.settle()
            store.refusals = 1
            with pytest.raises(StoreError, match="no room"):
                await env.client.raise_event("h", "go", "lost")
            await env.advance(timedelta(seconds=1))
            assert answers == []
            await env.client.raise_event("h", "go", "kept")
        assert answers == [1]
        assert await env.client.instance("h", str).result() == "kept"


async def test_lost_calls_are_not_kept_waiting() -> None:
    store = Breaking()
    async with Environment(app, store=store) as env:
        counter = env.client.entity(Counter, "c")
        assert await counter.call(Counter.add, 1) == 1
        store.refusals = 1
        with pytest.raises(StoreError, match="no room"):
            await counter.call(Counter.add, 1)
        await env.advance(timedelta(seconds=1))
        assert await counter.read() == Counter(1)
