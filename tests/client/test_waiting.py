"""Why is it waiting? What `get_status(show_waiting=True)` says in each case."""

from collections.abc import Callable, Mapping
from datetime import UTC, timedelta

import anyio
from attrs import define

from perdure import App, OrchestrationContext, RetryPolicy, Waiting
from perdure.actors.moments import micros
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("waiting")

RETRY = RetryPolicy(max_attempts=5, first_interval=timedelta(minutes=1), backoff=2.0)


@app.activity
async def work(item: str) -> str:
    return item


@app.entity
@define
class Cell:
    value: int = 0

    async def slow(self) -> int:
        await anyio.sleep_forever()
        return 0

    def get(self) -> int:
        return self.value


@app.orchestration
async def two_activities(ctx: OrchestrationContext) -> list[str]:
    return await ctx.task_all([ctx.call_activity(work, item) for item in ("one", "two")])


@app.orchestration
async def retries(ctx: OrchestrationContext) -> str:
    return await ctx.call_activity(work, "fragile", retry=RETRY)


@app.orchestration
async def event_or_timer(ctx: OrchestrationContext) -> str:
    with anyio.move_on_after(3600):
        return await ctx.wait_for_external_event("Approved", str)
    return "late"


@app.orchestration
async def parent(ctx: OrchestrationContext) -> str:
    return await ctx.call_sub_orchestrator(event_or_timer, instance_id="child")


@app.orchestration
async def caller(ctx: OrchestrationContext) -> int:
    return await ctx.entity(Cell, "a").call(Cell.get)


@app.orchestration
async def slow_caller(ctx: OrchestrationContext) -> int:
    return await ctx.entity(Cell, "a").call(Cell.slow)


@app.orchestration
async def locker(ctx: OrchestrationContext, *keys: str) -> str:
    async with ctx.lock_entities(*(ctx.entity(Cell, key) for key in keys)):
        return await ctx.wait_for_external_event("go", str)


async def reasons(env: Environment, instance_id: str) -> list[Waiting]:
    status = await env.client.get_status(instance_id, show_waiting=True)
    assert status is not None
    assert status.waiting_for is not None
    return status.waiting_for


async def stuck(item: str) -> str:
    await anyio.sleep_forever()
    return item


def breaks(item: str) -> str:
    raise ConnectionError(item)


async def test_running_activities_are_named(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False, drain_timeout=0) as env:
        env.stub(work, stuck)
        before = env.now
        await env.client.start_new(two_activities, instance_id="t")
        await env.client.wait_for_start("t")
        found = await reasons(env, "t")
        assert [(w.kind, w.name, w.attempt, w.task_id) for w in found] == [
            ("activity", "work", 1, 1),
            ("activity", "work", 1, 2),
        ]
        assert all(w.since is not None and before < w.since < env.now for w in found)
        assert all(w.due is None for w in found)


async def test_back_off_shows_attempt_and_due(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        env.stub(work, breaks)
        await env.client.start_new(retries, instance_id="r")
        await env.advance(timedelta(seconds=70))
        (found,) = await reasons(env, "r")
        assert (found.kind, found.name, found.attempt) == ("retry", "work", 3)
        assert found.due is not None
        assert timedelta(seconds=100) < found.due - env.now < timedelta(seconds=120)
        assert "ConnectionError: fragile" in str(found.detail)
        await env.crash()
        assert [str(w) for w in await reasons(env, "r")] == [str(found)]
        assert "attempt 3" in str(found)


async def test_running_retry_is_an_activity_again(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False, drain_timeout=0) as env:
        entered = anyio.Event()

        async def breaks_then_hangs(item: str) -> str:
            if len(env.calls_of(work)) == 1:
                raise ConnectionError(item)
            entered.set()
            return await stuck(item)

        env.stub(work, breaks_then_hangs)
        await env.client.start_new(retries, instance_id="r")
        await env.advance(timedelta(seconds=30))
        env.clock.advance_to(micros(env.now + timedelta(seconds=40)))
        await entered.wait()
        (found,) = await reasons(env, "r")
        assert (found.kind, found.attempt, found.due) == ("activity", 2, None)
        assert "ConnectionError" in str(found.detail)


async def test_events_and_timers_are_named(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(event_or_timer, instance_id="e")
        await env.settle()
        found = {w.kind: w for w in await reasons(env, "e")}
        assert set(found) == {"event", "timer"}
        assert found["event"].name.lower() == "approved"
        due = found["timer"].due
        assert due is not None
        assert timedelta(minutes=59) < due - env.now < timedelta(minutes=61)
        assert due.tzinfo is UTC
        await env.client.raise_event("e", "approved", "yes")
        await env.settle()
        assert await reasons(env, "e") == []


async def test_children_are_named(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(parent, instance_id="p")
        await env.settle()
        (found,) = await reasons(env, "p")
        assert (found.kind, found.name) == ("sub-orchestration", "event_or_timer")
        assert found.detail == "instance child"


async def test_entity_calls_name_the_operation(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False, drain_timeout=0) as env:
        await env.client.start_new(slow_caller, instance_id="c")
        await env.client.wait_for_start("c")
        (found,) = await reasons(env, "c")
        assert (found.kind, found.name, found.holder) == ("entity call", "@cell@a.slow", None)


async def test_entity_calls_name_the_holder(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(locker, "a", instance_id="h")
        await env.client.start_new(caller, instance_id="c")
        await env.settle()
        (found,) = await reasons(env, "c")
        assert (found.kind, found.name, found.holder) == ("entity call", "@cell@a.get", "h")


async def test_locks_name_entity_and_holder(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(locker, "b", instance_id="h")
        await env.settle()
        await env.client.start_new(locker, "a", "b", "c", instance_id="w")
        await env.settle()
        await env.crash()
        (found,) = await reasons(env, "w")
        assert (found.kind, found.name, found.holder) == ("entity lock", "@cell@b", "h")
        assert "held by h" in str(found)
        (held,) = await reasons(env, "h")
        assert (held.kind, held.name) == ("event", "go")


async def test_missing_definition_is_said(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(event_or_timer, instance_id="e")
        await env.settle()
    async with Environment(App("waiting"), store=store, auto_advance=False) as env:
        await env.client.raise_event("e", "Approved", "yes")
        await env.settle()
        found = await reasons(env, "e")
        assert (found[0].kind, found[0].name) == ("definition", "event_or_timer")
        assert "event_or_timer" in str(found[0].detail)
    async with Environment(app, store=store, auto_advance=False) as env:
        assert await env.client.instance("e", str).result() == "yes"


async def test_missing_activity_is_said(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False, drain_timeout=0) as env:
        env.stub(work, stuck)
        await env.client.start_new(two_activities, instance_id="t")
        await env.client.wait_for_start("t")
    fewer = App("waiting")
    fewer.orchestration(two_activities)
    async with Environment(fewer, store=store, auto_advance=False) as env:
        await env.settle()
        found = await reasons(env, "t")
        assert [(w.kind, w.name) for w in found] == [("definition", "work")] * 2
    async with Environment(app, store=store, auto_advance=False) as env:
        assert await env.client.instance("t", list).result() == ["one", "two"]


async def test_changed_code_is_said(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(event_or_timer, instance_id="e")
        await env.settle()
    changed = App("waiting")

    @changed.orchestration(name="event_or_timer")
    async def other(ctx: OrchestrationContext) -> int:
        return await ctx.entity("cell", "a").call("get", returns=int)

    async with Environment(changed, store=store, auto_advance=False) as env:
        await env.client.raise_event("e", "Approved", "yes")
        await env.settle()
        found = await reasons(env, "e")
        assert (found[0].kind, found[0].name) == ("mend", "event_or_timer")
        assert "recorded" in str(found[0].detail).lower()
        status = await env.client.get_status("e")
        assert status is not None
        assert status.parked is not None
        assert status.parked.reason == "non-determinism"


async def test_suspension_is_said(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await env.client.start_new(event_or_timer, instance_id="e")
        await env.client.suspend("e")
        await env.settle()
        assert [w.kind for w in await reasons(env, "e")] == ["resume", "timer", "event"]


async def test_scheduled_start_is_said(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        later = env.now + timedelta(days=2)
        await env.client.start_new(event_or_timer, instance_id="e", start_at=later)
        (found,) = await reasons(env, "e")
        assert (found.kind, found.name, found.due) == ("start", "event_or_timer", later)


async def test_what_has_ended_waits_for_nothing() -> None:
    async with Environment(app) as env:
        await env.client.start_new(event_or_timer, instance_id="e")
        await env.client.terminate("e")
        await env.client.wait_for_completion("e")
        assert await reasons(env, "e") == []
        status = await env.client.get_status("e")
        assert status is not None
        assert status.waiting_for is None


async def test_cancelled_calls_are_not_waited_for(store: Store) -> None:
    fresh = App("cancelled")

    @fresh.orchestration
    async def cancels(ctx: OrchestrationContext) -> str:
        timer = ctx.create_timer(timedelta(days=1))
        event = ctx.wait_for_external_event("no")
        timer.cancel()
        event.cancel()
        return await ctx.wait_for_external_event("yes", str)

    async with Environment(fresh, store=store, auto_advance=False) as env:
        await env.client.start_new(cancels, instance_id="c")
        await env.settle()
        assert [(w.kind, w.name) for w in await reasons(env, "c")] == [("event", "yes")]


def test_reasons_read_as_one_line() -> None:
    line: Callable[[Mapping[str, object]], str] = lambda fields: str(Waiting(**fields))  # type: ignore[arg-type]  # noqa: E731  # pyright: ignore[reportArgumentType]
    assert line({"kind": "event", "name": "go"}) == "event go"
    assert line({"kind": "activity", "name": "a", "attempt": 2}) == "activity a, attempt 2"
