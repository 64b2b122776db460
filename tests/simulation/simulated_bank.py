"""A small bank in which everything happens that the engine can do, and the clients that use it."""

from datetime import timedelta

import anyio
from attrs import Factory, define

from perdure import (
    ActivityContext,
    App,
    Client,
    EntityContext,
    EntityId,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationContext,
    OrchestrationFailedError,
    RetryPolicy,
)
from perdure.testing import Chances

bank = App("bank")
KEYS = ("a", "b")
AGAIN = RetryPolicy(max_attempts=4, first_interval=timedelta(seconds=2), backoff=2.0)


@bank.entity
@define
class Account:
    entries: list[str] = Factory(list[str])
    balance: int = 0

    def deposit(self, ctx: EntityContext, amount: int, note: str) -> int:
        self.balance += amount
        self.entries.append(note)
        ctx.signal_entity(EntityId("audit", "all"), "note", note)
        return self.balance

    async def withdraw(self, amount: int, note: str) -> int:
        await anyio.lowlevel.checkpoint()
        if amount > self.balance + 10:
            raise ValueError("overdrawn")
        self.balance -= amount
        self.entries.append(note)
        return self.balance


@bank.entity
@define
class Audit:
    notes: list[str] = Factory(list[str])

    def note(self, text: str) -> None:
        self.notes.append(text)


@bank.activity(retry=AGAIN, timeout=60.0)
async def quote(context: ActivityContext, amount: int) -> int:
    return amount * 2


@bank.activity
def print_letter(text: str) -> str:
    return f"Dear {text}"


@bank.orchestration
async def transfer(ctx: OrchestrationContext, amount: int) -> list[int]:
    source, target = ctx.entity(Account, "a"), ctx.entity(Account, "b")
    amount = await ctx.call_activity(quote, amount)
    async with ctx.lock_entities(source, target):
        left = await source.call(Account.withdraw, amount, f"-{ctx.instance_id}")
        await ctx.create_timer(timedelta(seconds=1))
        return [left, await target.call(Account.deposit, amount, f"+{ctx.instance_id}")]


@bank.orchestration
async def collect(ctx: OrchestrationContext, total: int, wanted: int) -> int:
    """Add up events, with a new execution after each, until there were enough."""
    amount = await ctx.wait_for_external_event("pay", int)
    await ctx.create_timer(timedelta(seconds=3))
    ctx.entity(Account, "a").signal(Account.deposit, amount, f"{ctx.instance_id} {wanted}")
    if wanted > 1:
        ctx.continue_as_new(total + amount, wanted - 1)
    return total + amount


@bank.orchestration
async def errands(ctx: OrchestrationContext, count: int) -> list[str]:
    letters = await ctx.task_all([ctx.call_activity(print_letter, str(n)) for n in range(count)])
    with anyio.move_on_after(5):
        await ctx.call_sub_orchestrator(transfer, 1, instance_id=f"{ctx.instance_id}/child")
    for number in range(count):
        text = f"{ctx.instance_id} {number}"
        ctx.entity(Audit, "all").signal(Audit.note, text)
    return letters


async def move_money(client: Client, chances: Chances) -> None:
    """Deposit, transfer, look."""
    for number in range(chances.randint(1, 3)):
        account = client.entity(Account, chances.choice(KEYS))
        match chances.randrange(4):
            case 0:
                note = f"call {number}"
                await account.call(Account.deposit, 5, note)
            case 1:
                for part in range(3):
                    note = f"signal {number}.{part}"
                    await account.signal(Account.deposit, 1, note)
            case 2:
                moving = await client.start_new(transfer, chances.randint(1, 4))
                await ended(client, moving.instance_id)
            case _:
                await account.read()


async def pay(client: Client, chances: Chances) -> None:
    """Start what collects events, and raise them while it goes on."""
    wanted = chances.randint(1, 4)
    collecting = await client.start_new(collect, 0, wanted)
    total = 0
    for _ in range(wanted):
        amount = chances.randint(1, 9)
        await collecting.raise_event("pay", amount)
        total += amount
    assert await collecting.result() == total


async def run_errands(client: Client, chances: Chances) -> None:
    """Start, and now and then end it before its time."""
    running = await client.start_new(errands, chances.randint(1, 3))
    if chances.random() < 0.3:
        for _ in range(chances.randrange(4)):
            await running.status()
        try:
            await running.terminate("enough", recursive=True)
        except InstanceStateError:
            return
    await ended(client, running.instance_id)


async def ended(client: Client, instance_id: str) -> None:
    """Wait for it, however it ends."""
    try:
        await client.instance(instance_id).result()
    except (OrchestrationFailedError, InstanceNotFoundError):
        return


CLIENTS = (move_money, pay, run_errands, move_money)
