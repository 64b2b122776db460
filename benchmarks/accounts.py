"""The entity and the orchestration that `signals`, `calls` and `transfer` work with."""

from attrs import define, frozen

from perdure import App, OrchestrationContext

app = App("accounts")


@app.entity
@define
class Account:
    """A balance."""

    balance: int = 0

    def deposit(self, amount: int) -> int:
        """Add to the balance, and tell it."""
        self.balance += amount
        return self.balance


@frozen
class Order:
    """Whose money goes to whom."""

    source: str
    target: str
    amount: int


@app.orchestration
async def transfer(ctx: OrchestrationContext, order: Order) -> int:
    """Move money while both accounts are locked."""
    source, target = ctx.entity(Account, order.source), ctx.entity(Account, order.target)
    async with ctx.lock_entities(source, target):
        left = await source.call(Account.deposit, -order.amount)
        await target.call(Account.deposit, order.amount)
    return left
