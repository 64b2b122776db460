"""What comes while a recovery is under way is neither lost nor done twice."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from attrs import define

from perdure import App, Client, OrchestrationContext, Runtime, StoreError
from perdure.persistence.memory import MemoryStore
from perdure.runtime.clock import new_id
from perdure.runtime.host import Seams
from perdure.testing import Environment, VirtualClock
from perdure.testing.disturbed import DisturbedStore, HeldLane, undisturbed

SECOND = 1_000_000

app = App("crossing")
begun: list[int] = []
going = anyio.Event()


@app.entity
@define
class Counter:
    total: int = 0

    def add(self, amount: int) -> int:
        self.total += amount
        return self.total


@app.activity
async def work() -> None:
    begun.append(1)
    await going.wait()


@app.orchestration
async def lengthy(ctx: OrchestrationContext) -> int:
    await ctx.call_activity(work)
    return len(begun)


def fail_commits(method: str, _: int) -> None:
    if method == "commit":
        raise StoreError("the disk is full")


async def passing(clock: VirtualClock) -> None:
    """Let a second pass, and everything happen that is due."""
    await wait_all_tasks_blocked()
    clock.advance_to(clock.now() + SECOND)
    await wait_all_tasks_blocked()


async def test_a_look_that_crosses_a_recovery_delivers_nothing_twice() -> None:
    inner, clock = MemoryStore(), VirtualClock(datetime(2030, 1, 1, tzinfo=UTC))
    store, lanes = DisturbedStore(inner), dict[str, HeldLane]()

    def lane(name: str) -> HeldLane:
        return lanes.setdefault(name, HeldLane(name))

    seams = Seams(clock=clock, new_id=new_id, lane=lane)
    async with Runtime(app, store.store, seams=seams) as runtime, Client(inner, app) as outside:
        await outside.entity(Counter, "c").signal(Counter.add, 1)
        lanes["load"].held = True
        await passing(clock)
        store.before = fail_commits
        with pytest.raises(StoreError):
            await runtime.client.entity(Counter, "other").signal(Counter.add, 1)
        store.before = undisturbed
        await passing(clock)
        lanes["load"].let_go()
        await passing(clock)
        assert await runtime.client.entity(Counter, "c").call(Counter.add, 0) == 1


async def test_an_activity_that_ends_during_a_recovery_is_not_run_again() -> None:
    global going  # noqa: PLW0603 - an event belongs to one event loop
    going = anyio.Event()
    begun.clear()
    store = DisturbedStore(MemoryStore())

    def end_it(method: str, _: int) -> None:
        if method == "recover":
            going.set()

    async with Environment(app, store=store.store) as env:
        instance = await env.client.start_new(lengthy)
        await wait_all_tasks_blocked()
        store.before = fail_commits
        with pytest.raises(StoreError):
            await env.client.entity(Counter, "other").signal(Counter.add, 1)
        store.before = end_it
        await env.advance(timedelta(seconds=1))
        assert await instance.result() == 1
        await env.settle()
    assert begun == [1]
