"""Whoever waits for an instance that memory has and the store never gets learns of it."""

import anyio
import pytest

from perdure import App, InstanceNotFoundError, OrchestrationContext, StoreError
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Commit
from perdure.testing import Environment

app = App()


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


class FailsOnce(MemoryStore):
    """Refuses its first commit."""

    refused = False

    def commit(self, commit: Commit) -> None:
        if not self.refused:
            self.refused = True
            raise StoreError("the disk is full")
        super().commit(commit)


async def test_a_lost_start_ends_the_wait() -> None:
    async with Environment(app, store=FailsOnce()) as env, anyio.create_task_group() as group:
        begun = env.client.start_new(waits, instance_id="x")

        async def start() -> None:
            with pytest.raises(StoreError, match="disk is full"):
                await begun

        async def wait() -> None:
            with pytest.raises(InstanceNotFoundError):
                await env.client.wait_for_completion("x")

        group.start_soon(start)
        group.start_soon(wait)
