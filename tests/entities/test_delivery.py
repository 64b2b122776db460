"""Messages to entities arrive once, in order, and when they are due."""

from datetime import timedelta

import anyio
import pytest
from attrs import Factory, define

from perdure import App, EntityContext, OrchestrationContext
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("delivery")

SIGNALS_EACH = 500


@app.entity
@define
class Tape:
    marks: list[str] = Factory(list[str])

    def mark(self, text: str) -> int:
        self.marks.append(text)
        return len(self.marks)

    def positions(self, context: EntityContext) -> int:
        return context.batch_position

    async def slow(self, text: str) -> int:
        await gate.wait()
        self.marks.append(text)
        return len(self.marks)

    def echo(self, context: EntityContext, left: int) -> None:
        self.marks.append(str(left))
        if left:
            context.signal_entity(context.entity_id, Tape.echo, left - 1)

    def tell(self, context: EntityContext, key: str) -> None:
        context.signal_entity(context.entity(Tape, key), Tape.mark, f"from {context.entity_key}")

    def remind(self, context: EntityContext, seconds: int) -> None:
        at = context.current_utc_datetime + timedelta(seconds=seconds)
        context.signal_entity(context.entity_id, Tape.mark, "reminded", at=at)

    def begin(self, context: EntityContext) -> str:
        return context.start_new(child, context.entity_key)


gate = anyio.Event()


@pytest.fixture(autouse=True)
def open_later() -> None:
    global gate  # noqa: PLW0603 - entities are made by the runtime, they can be told no other way
    gate = anyio.Event()


@app.orchestration
async def child(ctx: OrchestrationContext, key: str) -> str:
    return f"child of {key}"


@app.orchestration
async def signals(ctx: OrchestrationContext, label: str) -> None:
    tape = ctx.entity(Tape, "t")
    for number in range(SIGNALS_EACH):
        tape.signal(Tape.mark, f"{label}{number}")
        if number % 100 == 0:
            await anyio.sleep(1)


@app.orchestration
async def schedules(ctx: OrchestrationContext) -> None:
    tape = ctx.entity(Tape, "t")
    now = ctx.current_utc_datetime
    tape.signal(Tape.mark, "late", at=now + timedelta(hours=2))
    tape.signal(Tape.mark, "soon", at=now + timedelta(hours=1))
    tape.signal(Tape.mark, "past", at=now - timedelta(hours=1))
    tape.signal(Tape.mark, "now")


async def test_thousand_signals_keep_senders_order(store: Store) -> None:
    async with Environment(app, store=store) as env:
        for instance in [await env.client.start_new(signals, label) for label in "ab"]:
            await instance.result()
        tape = await env.client.entity(Tape, "t").read()
    assert tape is not None
    for label in "ab":
        mine = [mark for mark in tape.marks if mark.startswith(label)]
        assert mine == [f"{label}{number}" for number in range(SIGNALS_EACH)]
    assert len(tape.marks) == 2 * SIGNALS_EACH


async def test_order_survives_crashes(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        for label in "ab":
            await env.client.start_new(signals, label, instance_id=label)
        for _ in range(7):
            await env.crash()
            await env.advance(timedelta(seconds=1))
        tape = await env.client.entity(Tape, "t").read()
    assert tape is not None
    assert len(tape.marks) == 2 * SIGNALS_EACH
    for label in "ab":
        mine = [mark for mark in tape.marks if mark.startswith(label)]
        assert mine == [f"{label}{number}" for number in range(SIGNALS_EACH)]


async def test_scheduled_signals_arrive_when_due(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        await (await env.client.start_new(schedules)).result()
        tape = env.client.entity(Tape, "t")
        assert await tape.read() == Tape(["past", "now"])
        await env.advance(timedelta(minutes=61))
        assert await tape.read() == Tape(["past", "now", "soon"])
        await env.crash()
        await env.advance(timedelta(hours=1))
        tape = env.client.entity(Tape, "t")
        assert await tape.read() == Tape(["past", "now", "soon", "late"])


async def test_scheduled_signals_arrive_exactly_once(store: Store) -> None:
    """Also those that are sent while the runtime looks for what comes due."""
    async with Environment(app, store=store, auto_advance=False, timer_horizon=10.0) as env:
        tape = env.client.entity(Tape, "t")
        for second in range(1, 60):
            await tape.signal(Tape.mark, str(second), at=env.now + timedelta(seconds=second % 23))
            await env.advance(timedelta(milliseconds=700))
        await env.advance(timedelta(seconds=30))
        found = await tape.read()
    assert found is not None
    assert sorted(found.marks, key=int) == [str(second) for second in range(1, 60)]


async def test_clients_schedule_signals(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        tape = env.client.entity(Tape, "t")
        await tape.signal(Tape.mark, "later", at=env.now + timedelta(days=40))
        await env.crash()
        await env.advance(timedelta(days=39))
        tape = env.client.entity(Tape, "t")
        assert await tape.read() is None
        await env.advance(timedelta(days=2))
        assert await tape.read() == Tape(["later"])


async def test_entity_signals_itself(store: Store) -> None:
    async with Environment(app, store=store) as env:
        tape = env.client.entity(Tape, "t")
        await tape.signal(Tape.echo, 3)
        await env.settle()
        assert await tape.read() == Tape(["3", "2", "1", "0"])


async def test_entity_schedules_for_itself(store: Store) -> None:
    async with Environment(app, store=store, auto_advance=False) as env:
        tape = env.client.entity(Tape, "t")
        await tape.call(Tape.remind, 60)
        await env.crash()
        await env.advance(timedelta(seconds=61))
        assert await env.client.entity(Tape, "t").read() == Tape(["reminded"])


async def test_entity_signals_others(store: Store) -> None:
    async with Environment(app, store=store) as env:
        await env.client.entity(Tape, "a").call(Tape.tell, "b")
        await env.settle()
        assert await env.client.entity(Tape, "b").read() == Tape(["from a"])


async def test_entity_starts_orchestrations(store: Store) -> None:
    async with Environment(app, store=store) as env:
        instance_id = await env.client.entity(Tape, "a").call(Tape.begin)
        assert await env.client.instance(instance_id, str).result() == "child of a"


async def test_batches_go_on_beyond_their_limit(store: Store) -> None:
    async with Environment(app, store=store, entity_batch_max=3) as env:
        tape = env.client.entity(Tape, "t")
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(tape.call, Tape.mark, str(number))
        assert await tape.call(Tape.mark, "last") == 11


async def test_slow_operation_delays_only_its_entity(store: Store) -> None:
    async with Environment(app, store=store) as env:
        slow, fast = env.client.entity(Tape, "slow"), env.client.entity(Tape, "fast")
        await slow.signal(Tape.slow, "one")
        await slow.signal(Tape.mark, "two")
        assert await fast.call(Tape.mark, "fast") == 1
        assert await slow.read() is None
        gate.set()
        assert await slow.call(Tape.mark, "three") == 3
        assert await slow.read() == Tape(["one", "two", "three"])


async def test_crash_in_an_async_operation_repeats_it(store: Store) -> None:
    async with Environment(app, store=store) as env:
        tape = env.client.entity(Tape, "t")
        await tape.signal(Tape.mark, "zero")
        await tape.signal(Tape.slow, "one")
        await tape.signal(Tape.mark, "two")
        await env.crash()
        gate.set()
        await env.settle()
        assert await env.client.entity(Tape, "t").read() == Tape(["zero", "one", "two"])
