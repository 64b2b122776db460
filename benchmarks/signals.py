"""signals: a crowd of clients signals `steps` entities; over when all of them are taken."""

from .accounts import Account, app
from .bench import Bench


async def run(bench: Bench) -> int:
    """Give the number of signals."""
    async with bench.runtime(app) as runtime:
        accounts = [runtime.client.entity(Account, bench.key()) for _ in range(bench.sizes.steps)]

        async def one(number: int) -> None:
            await accounts[number % len(accounts)].signal(Account.deposit, 1)

        async with bench.clock(runtime):
            await bench.crowd(one)
            # A call comes after all signals that were sent before it.
            taken = [await account.call(Account.deposit, 0) for account in accounts]
            if sum(taken) != bench.sizes.count:
                raise AssertionError("a signal was lost or doubled")
    return bench.sizes.count
