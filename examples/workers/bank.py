"""A bank whose accounts and transfers are spread over whatever workers there are.

Any number of processes, on any machines, that run this are one bank:

    perdure run bank:app --store 'postgresql://user@host/database?hub=bank'
"""

import anyio
from attrs import define, frozen

from perdure import App, OrchestrationContext

app = App("bank")

FIRST_BALANCE = 100


@app.entity
@define
class Account:
    balance: int = FIRST_BALANCE

    def deposit(self, amount: int) -> None:
        self.balance += amount

    def withdraw(self, amount: int) -> bool:
        """Take the amount if there is so much, and say whether there was."""
        if amount > self.balance:
            return False
        self.balance -= amount
        return True


@frozen
class Order:
    source: str
    target: str
    amount: int


@app.activity
async def report(_: Order) -> None:
    """Tell the authorities, which takes a moment in which a worker may well die."""
    await anyio.sleep(0.02)


@app.orchestration
async def transfer(ctx: OrchestrationContext, order: Order) -> bool:
    """Move the amount and return True, or move nothing and return False.

    The accounts and the transfer itself may be at three workers, and move to others meanwhile.
    """
    source, target = ctx.entity(Account, order.source), ctx.entity(Account, order.target)
    async with ctx.lock_entities(source, target):
        if not await source.call(Account.withdraw, order.amount):
            return False
        await ctx.call_activity(report, order)
        await target.call(Account.deposit, order.amount)
    return True
