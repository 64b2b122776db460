"""calls: a crowd of clients calls one hot entity, each waiting for its answers."""

from .accounts import Account, app
from .bench import Bench


async def run(bench: Bench) -> int:
    """Give the number of calls."""
    async with bench.runtime(app) as runtime:
        account = runtime.client.entity(Account, bench.key())

        async def one(_: int) -> None:
            await account.call(Account.deposit, 1)

        async with bench.clock(runtime):
            await bench.crowd(one)
        if await account.call(Account.deposit, 0) != bench.sizes.count:
            raise AssertionError("a call was lost or doubled")
    return bench.sizes.count
