"""transfer: orchestrations that lock two of `steps` accounts and move money between them."""

import random

from .accounts import Account, Order, app, transfer
from .bench import Bench


async def run(bench: Bench) -> int:
    """Give the number of transfers."""
    accounts = [bench.key() for _ in range(max(2, bench.sizes.steps))]
    # The same pairs in every run, so that runs compare.
    draw = random.Random(1)  # noqa: S311
    pairs = [draw.sample(accounts, 2) for _ in range(bench.sizes.count)]
    async with bench.runtime(app) as runtime:

        async def one(number: int) -> None:
            source, target = pairs[number]
            instance = await runtime.client.start_new(transfer, Order(source, target, 1))
            await instance.result()

        async with bench.clock(runtime):
            await bench.crowd(one)
        left = [
            await runtime.client.entity(Account, account).call(Account.deposit, 0)
            for account in accounts
        ]
        if sum(left) != 0:
            raise AssertionError(f"the sum of all balances is {sum(left)}")
    return bench.sizes.count
