"""What entities did for an execution that failed counts once, however often that is rewound."""

from collections.abc import Collection

import anyio
import pytest
from attrs import define

from perdure import App, OrchestrationContext, Status, TaskFailedError
from perdure.actors.history import EntityLockGranted
from perdure.actors.messages import Message
from perdure.persistence.memory import MemoryStore
from perdure.persistence.records import Stored
from perdure.persistence.store import Store
from perdure.testing import Environment

app = App("late answers")


class Gate:
    """Holds operations of accounts up."""

    def __init__(self) -> None:
        self.opened = anyio.Event()
        self.opened_for_debits = anyio.Event()
        self.broken = False


GATES: list[Gate] = []


@app.activity
async def work(name: str) -> str:
    return name


@app.entity
@define
class Account:
    balance: int = 0

    async def add(self, amount: int) -> int:
        gate = GATES[-1]
        await (gate.opened if amount > 0 else gate.opened_for_debits).wait()
        if gate.broken:
            raise OSError("out of order")
        self.balance += amount
        return self.balance

    def look(self) -> int:
        return self.balance


@app.orchestration
async def pays(ctx: OrchestrationContext) -> list[int]:
    added = [ctx.entity(Account, key).call(Account.add, 10) for key in "ab"]
    await ctx.call_activity(work, "receipt")
    return await ctx.task_all(added)


@app.orchestration
async def takes_back(ctx: OrchestrationContext) -> int:
    try:
        await ctx.call_activity(work, "receipt")
    except TaskFailedError:
        ctx.entity(Account, "a").call(Account.add, -10)
        raise
    return await ctx.entity(Account, "b").call(Account.add, 7)


@app.orchestration
async def locks(ctx: OrchestrationContext) -> str:
    receipt = ctx.call_activity(work, "receipt")
    async with ctx.lock_entities(ctx.entity(Account, "a")):
        return await receipt


@app.orchestration
async def occupies(ctx: OrchestrationContext) -> None:
    async with ctx.lock_entities(ctx.entity(Account, "a")):
        await ctx.wait_for_external_event("go")


async def never(_: str) -> None:
    await anyio.sleep_forever()


@pytest.fixture
def gate() -> Gate:
    GATES.append(Gate())
    return GATES[-1]


class Till:
    """An instance whose receipt fails as long as it is wanted."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.fails = True
        env.stub(work, self._receipt)

    def _receipt(self, name: str) -> str:
        if self.fails:
            raise OSError("no paper")
        return name

    async def start(self) -> None:
        """Return when it has failed, with both operations under way."""
        await self.env.client.start_new(pays, instance_id="till")
        await self.failed()

    async def failed(self) -> None:
        status = await self.env.client.wait_for_completion("till")
        assert status.runtime_status is Status.FAILED

    async def look(self) -> list[int]:
        accounts = [self.env.client.entity(Account, key) for key in "ab"]
        return [await account.call(Account.look) for account in accounts]


CRASHES = pytest.mark.parametrize("crash", [False, True])


@CRASHES
async def test_answers_after_the_failure_are_kept(store: Store, gate: Gate, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        till = Till(env)
        await till.start()
        gate.opened.set()
        await env.settle()
        if crash:
            await env.crash()
        till.fails = False
        await env.client.rewind("till")
        if crash:
            await env.settle()
            await env.crash()
        assert await env.client.instance("till").result() == [10, 10]
        assert await till.look() == [10, 10]


@CRASHES
async def test_answers_after_the_rewind_are_taken(store: Store, gate: Gate, *, crash: bool) -> None:
    async with Environment(app, store=store) as env:
        till = Till(env)
        await till.start()
        if crash:
            await env.crash()
        till.fails = False
        await env.client.rewind("till")
        await env.settle()
        if crash:
            await env.crash()
        gate.opened.set()
        assert await env.client.instance("till").result() == [10, 10]
        assert await till.look() == [10, 10]


async def test_several_failures_change_nothing(store: Store, gate: Gate) -> None:
    async with Environment(app, store=store) as env:
        till = Till(env)
        await till.start()
        for _ in range(2):
            await env.client.rewind("till")
            await till.failed()
        gate.opened.set()
        await env.settle()
        await env.client.rewind("till")
        await till.failed()
        till.fails = False
        await env.client.rewind("till")
        assert await env.client.instance("till").result() == [10, 10]
        assert await till.look() == [10, 10]


async def test_operations_that_fail_later_are_done_again(store: Store, gate: Gate) -> None:
    async with Environment(app, store=store) as env:
        till = Till(env)
        await till.start()
        gate.broken = True
        gate.opened.set()
        await env.settle()
        gate.broken = till.fails = False
        await env.crash()
        await env.client.rewind("till")
        assert await env.client.instance("till").result() == [10, 10]
        assert await till.look() == [10, 10]


@CRASHES
async def test_another_call_of_that_number_is_not_answered(
    store: Store, gate: Gate, *, crash: bool
) -> None:
    async with Environment(app, store=store) as env:
        till = Till(env)
        await env.client.start_new(takes_back, instance_id="till")
        await till.failed()
        till.fails = False
        await env.client.rewind("till")
        await env.settle()
        gate.opened_for_debits.set()
        await env.settle()
        if crash:
            await env.crash()
        status = await env.client.get_status("till")
        assert status is not None
        assert status.runtime_status is Status.RUNNING
        gate.opened.set()
        assert await env.client.instance("till").result() == 7
        assert await till.look() == [-10, 7]


async def test_a_lock_of_before_the_rewind_is_none(store: Store) -> None:
    """Its grant may be on its way when it is given back."""
    async with Environment(app, store=store) as env:
        till = Till(env)
        await env.client.start_new(locks, instance_id="till")
        await till.failed()
        before = await env.client.get_status("till")
        assert before is not None
        blocker = await env.client.start_new(occupies)
        await env.settle()
        till.fails = False
        await env.client.rewind("till")
        await env.settle()
        granted = EntityLockGranted(1, f"{before.execution_id}:2")
        env.runtime.partition.send(Message("till", granted, before.execution_id))
        await env.settle()
        status = await env.client.get_status("till")
        assert status is not None
        assert status.runtime_status is Status.RUNNING
        await blocker.raise_event("go")
        assert await env.client.instance("till").result() == "receipt"


async def test_nothing_is_kept_for_the_terminated(store: Store, gate: Gate) -> None:
    async with Environment(app, store=store) as env:
        env.stub(work, never)
        instance = await env.client.start_new(pays, instance_id="till")
        await env.settle()
        await instance.terminate("closed")
        await env.settle()
        length = len(store.history("till"))
        gate.opened.set()
        await env.settle()
        assert len(store.history("till")) == length


async def test_the_end_stays_what_it_was(store: Store, gate: Gate) -> None:
    async with Environment(app, store=store) as env:
        till = Till(env)
        await till.start()
        before = await env.client.get_status("till")
        gate.opened.set()
        await env.settle()
        await env.crash()
        after = await env.client.get_status("till", show_history=True)
        assert before is not None
        assert after is not None
        assert (after.runtime_status, after.failure_details) == (
            Status.FAILED,
            before.failure_details,
        )
        assert after.completed_time == before.completed_time
        types = [item.event_type for item in after.history or []]
        assert types[types.index("ExecutionCompleted") + 1 :].count("EntityOperationCompleted") == 2


class PurgedInBetween(MemoryStore):
    """Somebody else deletes the instance when its owner has just read it."""

    armed = False

    def load(self, ids: Collection[str]) -> dict[str, Stored]:
        found = super().load(ids)
        if self.armed and "till" in ids:
            self.armed = False
            assert self.purge(["till"]).gone == ["till"]
        return found


async def test_what_is_purged_meanwhile_leaves_no_turns(gate: Gate) -> None:
    store = PurgedInBetween()
    async with Environment(app, store=store) as env:
        await Till(env).start()
        await env.settle()
        store.armed = True
        gate.opened.set()
        await env.settle()
        assert not store.armed
        assert await env.client.get_status("till") is None
        assert store.history("till") == []
