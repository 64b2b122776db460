"""A hub with every kind of work in it, moved there and back, comes to the same end."""

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from attrs import define

from perdure import (
    ActivityContext,
    App,
    Client,
    OrchestrationContext,
    RetryPolicy,
    Status,
)
from perdure.persistence.moving import move
from perdure.persistence.opening import open_store, open_unfinished
from perdure.testing import Environment

HOUR = timedelta(hours=1)

app = App("moved")


@app.entity
@define
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


@app.activity(retry=RetryPolicy(max_attempts=2, first_interval=HOUR))
async def fickle(ctx: ActivityContext) -> int:
    if ctx.attempt == 1:
        raise ValueError("not yet")
    return ctx.attempt


@app.activity
async def long_work() -> str:
    return "done"


@app.orchestration
async def waits(ctx: OrchestrationContext) -> str:
    return await ctx.wait_for_external_event("go", str)


@app.orchestration
async def waits_late(ctx: OrchestrationContext) -> str:
    await ctx.create_timer(HOUR)
    return await ctx.wait_for_external_event("early", str)


@app.orchestration
async def parent(ctx: OrchestrationContext) -> str:
    return await ctx.call_sub_orchestrator(waits, instance_id="child")


@app.orchestration
async def holds(ctx: OrchestrationContext) -> int:
    counter = ctx.entity(Counter, "locked")
    async with ctx.lock_entities(counter):
        await ctx.wait_for_external_event("go", str)
        return await counter.call(Counter.add, 1)


@app.orchestration
async def rounds(ctx: OrchestrationContext, number: int = 0) -> int:
    await ctx.wait_for_external_event("round", str)
    if number < 2:
        ctx.continue_as_new(number + 1)
    return number


@app.orchestration
async def retries(ctx: OrchestrationContext) -> int:
    return await ctx.call_activity(fickle)


@app.orchestration
async def works(ctx: OrchestrationContext) -> str:
    return await ctx.call_activity(long_work)


@app.orchestration
async def fails(ctx: OrchestrationContext) -> None:
    ctx.set_custom_status({"at": "the end"})
    raise ValueError("no")


later_app = App("moved")
later_app.include(app)


@later_app.orchestration
async def comes_later(ctx: OrchestrationContext) -> str:
    return "at last"


async def begin(place: Path) -> datetime:
    """Leave one of everything behind; returns the time then."""
    with closing(open_store(place)) as store:
        async with Client(store) as outside:
            await outside.start_new("comes_later", instance_id="parked")
        async with Environment(app, store=store, auto_advance=False) as env:
            client = env.client
            env.stub(long_work, anyio.sleep_forever)
            for started in (waits, waits_late, parent, holds, retries, works, fails):
                name = started.__name__
                await client.start_new(started, instance_id=name, tags={"kind": name})
            await client.start_new(rounds, instance_id="rounds")
            await client.start_new(waits, instance_id="scheduled", start_at=env.now + HOUR)
            await client.start_new(waits, instance_id="suspended")
            await env.settle()
            await client.start_new(holds, instance_id="wants the lock")
            await client.entity(Counter, "locked").signal(Counter.add, 10)
            await client.entity(Counter, "k").signal(Counter.add, 1)
            await client.entity(Counter, "k").signal(Counter.add, 2, at=env.now + HOUR)
            await client.raise_event("waits_late", "early", "early bird")
            await client.raise_event("rounds", "round", "1")
            await client.suspend("suspended", "stocktaking")
            await client.raise_event("suspended", "go", "while suspended")
            await env.settle()
            now = env.now
        async with Client(store) as outside:
            await outside.raise_event("rounds", "round", "2")
            await outside.start_new("fails", instance_id="not yet begun")
            await outside.entity("Counter", "new").signal("add", 7)
    return now


async def end(place: Path, now: datetime) -> dict[str, Any]:
    """Let everything come to its end; returns what that is."""
    with closing(open_store(place)) as store:
        async with Environment(later_app, store=store, start=now, auto_advance=False) as env:
            client = env.client
            await env.settle()
            await client.resume("suspended")
            await client.raise_event("rounds", "round", "3")
            for instance_id in ("waits", "child", "holds", "wants the lock", "scheduled"):
                await client.raise_event(instance_id, "go", f"for {instance_id}")
            await env.advance(2 * HOUR)
            ended: dict[str, Any] = {}
            async for found in client.query_all():
                ended[found.instance_id] = (
                    found.runtime_status,
                    found.output,
                    found.custom_status,
                    found.tags,
                    str(found.failure_details),
                    [event.event_type for event in await client.get_history(found.instance_id)],
                )
            page = await client.query_entities()
            ended |= {str(each.id): (each.state, each.locked_by) for each in page.entities}
    return ended


def unheard(*_: object) -> None:
    """Nobody looks at the progress."""


def carried(source: str | Path, target: str | Path) -> None:
    with closing(open_store(source)) as of, closing(open_unfinished(target)) as into:
        of.own()
        move(of, into, unheard)


async def test_a_hub_moved_there_and_back_ends_the_same(tmp_path: Path, hub_url: str) -> None:
    stayed, back = tmp_path / "stayed.db", tmp_path / "back.db"
    now = await begin(stayed)
    carried(stayed, hub_url)
    carried(hub_url, back)
    ended = await end(back, now)
    assert ended == await end(stayed, now)
    failed = {key for key, value in ended.items() if value[0] is Status.FAILED}
    assert failed == {"fails", "not yet begun"}
    orchestrations = {key: value for key, value in ended.items() if not key.startswith("@")}
    assert {value[0] for value in orchestrations.values()} == {Status.COMPLETED, Status.FAILED}
    outputs = {key: value[1] for key, value in orchestrations.items()}
    assert outputs["suspended"] == "while suspended"
    assert outputs["waits_late"] == "early bird"
    assert (outputs["rounds"], outputs["retries"], outputs["parked"]) == (2, 2, "at last")
    entities = {key: value for key, value in ended.items() if key.startswith("@")}
    assert entities == {
        "@counter@k": ({"value": 3}, None),
        "@counter@locked": ({"value": 12}, None),
        "@counter@new": ({"value": 7}, None),
    }
