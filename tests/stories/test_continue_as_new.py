"""continue_as_new: new executions with nothing lost and nothing stale."""

from datetime import timedelta

import anyio
import pytest
from attrs import define

from perdure import App, OrchestrationContext, OrchestrationFailedError, Status
from perdure.actors.history import EventRaised
from perdure.actors.messages import Message
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("generations")

SECOND = timedelta(seconds=1)


@app.activity
async def work(name: str) -> str:
    return name


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, number: int) -> int:
        self.value += number
        return self.value


@app.orchestration
async def sums(ctx: OrchestrationContext, generation: int, total: int) -> list[int]:
    ctx.create_timer(SECOND)
    ctx.create_timer(timedelta(days=9))
    ctx.call_activity(work, f"left behind by {generation}")
    number = await ctx.wait_for_external_event("number", int)
    if generation == LAST:
        return [generation, total + number]
    ctx.continue_as_new(generation + 1, total + number)
    return []


LAST = 999


@app.orchestration
async def feeder(ctx: OrchestrationContext, target: str, numbers: int) -> None:
    for number in range(numbers):
        ctx.send_event(target, "Number", number)


@app.orchestration
async def drops(ctx: OrchestrationContext, preserve: bool, first: bool = True) -> list[object]:  # noqa: FBT002
    if first:
        await ctx.wait_for_external_event("go")
        ctx.continue_as_new(preserve, False, preserve_events=preserve)
        return []
    last = ctx.wait_for_external_event("last")
    kept = ctx.wait_for_external_event("kept")
    more = ctx.wait_for_external_event("Kept")
    await last
    return [task.result if task.done else None for task in (kept, more)]


@app.orchestration
async def races(ctx: OrchestrationContext, generation: int) -> list[str]:
    if generation == 0:
        ctx.call_activity(work, "stale")
        ctx.continue_as_new(1)
        return []
    return [await ctx.call_activity(work, "fresh"), await ctx.call_activity(work, "more")]


@app.orchestration
async def remembers(ctx: OrchestrationContext, seen: list[list[object]]) -> list[list[object]]:
    guid = ctx.new_guid()
    seen.append([ctx.execution_id, str(guid), ctx.version, dict(ctx.tags), ctx.instance_id])
    if len(seen) == 1:
        ctx.set_custom_status("kept")
    if len(seen) == 3:
        return seen
    await ctx.create_timer(SECOND)
    ctx.continue_as_new(seen)
    return []


@app.orchestration
async def raises_after(ctx: OrchestrationContext) -> None:
    ctx.continue_as_new()
    raise RuntimeError("after all")


@app.orchestration
async def migrates(ctx: OrchestrationContext) -> list[object]:
    ctx.continue_as_new(version="2")
    return []


@app.orchestration(name="migrates", version="2")
async def migrated(ctx: OrchestrationContext) -> list[object]:
    return [ctx.version, await ctx.call_activity(work, "new")]


@app.orchestration
async def holds_lock(ctx: OrchestrationContext, generation: int) -> int:
    counter = ctx.entity(Counter, "c")
    lock = await ctx.lock_entities(counter)
    assert lock.owned
    value = await counter.call(Counter.add, 1)
    if generation < 4:
        ctx.continue_as_new(generation + 1)
    return value


@app.orchestration
async def cancels_outside(ctx: OrchestrationContext, generation: int) -> str:
    with anyio.move_on_after(1):
        await ctx.wait_for_external_event("never")
    if generation < 20:
        ctx.continue_as_new(generation + 1)
    return "done"


async def test_a_thousand_generations_lose_no_event(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(sums, 0, 0)
        for _ in range(4):
            await env.client.start_new(feeder, started.instance_id, 250)
            await env.advance(SECOND)
            await env.crash()
        generation, total = await env.client.instance(started.instance_id).result()
        assert (generation, total) == (999, 4 * sum(range(250)))


@pytest.mark.parametrize(("preserve", "expected"), [(True, [1, 2]), (False, [2, None])])
async def test_events_go_along_unless_told_otherwise(
    store: Store, *, preserve: bool, expected: list[object]
) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(drops, preserve)
        await started.raise_event("kept", 1)
        await env.settle()
        await env.crash()
        for name, data in (("go", 0), ("kept", 2), ("last", 3)):
            await env.client.raise_event(started.instance_id, name, data)
        assert await env.client.instance(started.instance_id).result() == expected


async def test_events_keep_their_order_of_arrival(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(drops, True)
        await env.settle()
        for at, data in ((10**9, '"first"'), (10**6, '"second"')):  # by the senders' clocks
            event = EventRaised(at, "kept", data)
            await env.client.gateway.send(Message(started.instance_id, event), None)
        await started.raise_event("go")
        await started.raise_event("last")
        assert await started.result() == ["first", "second"]


async def test_a_stale_result_is_not_a_new_one(store: Store) -> None:
    async with Environment(app, store=store) as env:
        began, go = anyio.Event(), anyio.Event()

        async def outcome(name: str) -> str:
            if name == "stale":
                began.set()
                await go.wait()
            elif name == "fresh":
                go.set()
                await anyio.lowlevel.checkpoint()
            return name

        env.stub(work, outcome)
        started = await env.client.start_new(races, 0)
        await began.wait()
        assert await started.result() == ["fresh", "more"]


async def test_a_new_execution_keeps_who_it_is(store: Store) -> None:
    async with Environment(app, store=store) as env:
        no_list: list[list[object]] = []
        started = await env.client.start_new(
            remembers, no_list, instance_id="r", tags={"team": "red"}
        )
        await env.advance(SECOND)
        await env.crash()
        seen = await env.client.instance("r").result()
        executions, guids, *same = zip(*seen, strict=True)
        assert len(set(executions)) == len(set(guids)) == 3
        assert same == [(None,) * 3, ({"team": "red"},) * 3, ("r",) * 3]
        status = await env.client.get_status(started.instance_id)
        assert status is not None
        assert status.custom_status == "kept"


async def test_raising_after_it_fails_the_instance(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(raises_after)
        with pytest.raises(OrchestrationFailedError, match="after all"):
            await started.result()


async def test_the_next_execution_may_be_newer(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new("migrates", instance_id="m")
        assert await started.result() == ["2", "new"]
        other = await env.client.start_new(migrates)
        await env.settle()
        await env.crash()
        status = await env.client.get_status(other.instance_id)
        assert status is not None
        assert (status.version, status.runtime_status) == ("2", Status.COMPLETED)


async def test_locks_are_freed_between_executions(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(holds_lock, 0)
        assert await started.result() == 5
        assert await env.client.entity(Counter, "c").call(Counter.add, 0) == 5


async def test_timers_of_the_past_are_gone(store: Store) -> None:
    async with Environment(app, store=store) as env:
        started = await env.client.start_new(cancels_outside, 0)
        for _ in range(7):
            await env.advance(3 * SECOND)
            await env.crash()
        assert await env.client.instance(started.instance_id).result() == "done"
        assert store.recover(2**62).timers == []
