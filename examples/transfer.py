"""Bank transfers: entities are the accounts, and a lock over two of them makes a transfer whole."""

import anyio
from attrs import define, frozen

from perdure import App, OrchestrationContext, Runtime, TaskFailedError

app = App("bank")


class InsufficientFunds(Exception):
    """Raised by a withdrawal of more than there is; the account keeps its balance."""


@app.entity
@define
class Account:
    balance: int = 0

    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise InsufficientFunds(f"{self.balance} < {amount}")
        self.balance -= amount
        return self.balance


@frozen
class Order:
    source: str
    target: str
    amount: int


@app.orchestration
async def transfer(ctx: OrchestrationContext, order: Order) -> bool:
    """Move the amount and return True, or move nothing and return False."""
    source, target = ctx.entity(Account, order.source), ctx.entity(Account, order.target)
    async with ctx.lock_entities(source, target):
        try:
            await source.call(Account.withdraw, order.amount)
        except TaskFailedError as error:
            if error.details.is_caused_by(InsufficientFunds):
                return False
            raise
        await target.call(Account.deposit, order.amount)
    return True


async def tell() -> None:
    """Transfers in a ring, all at once: locks are taken in one order, so nobody waits for ever."""
    names = ["Ada", "Bob", "Cyd"]
    async with Runtime(app) as runtime:
        client = runtime.client
        for name in names:
            await client.entity(Account, name).call(Account.deposit, 100)
        ring = [Order(a, b, 60) for a, b in zip(names, [*names[1:], names[0]], strict=True)]
        orders = [*ring, *ring, Order("Ada", "Bob", 1_000)]
        started = [await client.start_new(transfer, order) for order in orders]
        moved = [await instance.result() for instance in started]
        accounts = [await client.entity(Account, name).read() or Account() for name in names]
        balances = {n: account.balance for n, account in zip(names, accounts, strict=True)}
        print(f"{sum(moved)} of {len(moved)} transfers moved money: {balances}")


def main() -> None:
    for backend in ("asyncio", "trio"):
        anyio.run(tell, backend=backend)


if __name__ == "__main__":
    main()
