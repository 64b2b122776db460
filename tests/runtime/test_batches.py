"""What a batch makes of things that happen twice, and how often a store that fails is asked."""

from datetime import timedelta

import pytest

from perdure import App, OrchestrationContext, StoreError
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import TimerRow
from perdure.runtime.engine.batch import Batch
from perdure.testing import Environment
from perdure.testing.disturbed import DisturbedStore, undisturbed

app = App("batches")


@app.orchestration
async def nap(ctx: OrchestrationContext) -> str:
    await ctx.create_timer(timedelta(seconds=1))
    return "awake"


def test_a_timer_set_after_a_cut_stays() -> None:
    batch = Batch()
    batch.cut_timer("i", 1)
    batch.set_timer(TimerRow("i", 1, "e", 5))
    commit = batch.sealed(1)
    assert (commit.timers_cut, len(commit.timers_set)) == ([], 1)


def test_a_timer_cut_where_it_was_set_leaves_nothing() -> None:
    batch = Batch()
    batch.set_timer(TimerRow("i", 1, "e", 5))
    batch.cut_timer("i", 1)
    commit = batch.sealed(1)
    assert (commit.timers_cut, commit.timers_set) == ([], [])


async def test_a_failing_store_is_asked_ever_less_often() -> None:
    disturbed = DisturbedStore(MemoryStore())

    def refuse(method: str, _: int) -> None:
        if method == "commit":
            raise StoreError("the disk is full")

    async with Environment(app, store=disturbed.store) as env:
        instance = await env.client.start_new(nap)
        await env.settle()
        before, disturbed.before = disturbed.calls["commit"], refuse
        await env.advance(timedelta(minutes=1))
        assert 5 < disturbed.calls["commit"] - before < 20
        with pytest.raises(StoreError, match="the disk is full"):
            await env.client.start_new(nap)
        disturbed.before = undisturbed
        await env.advance(timedelta(seconds=20))
        assert await instance.result() == "awake"
