"""signals: a crowd of clients signals one hot entity; over when it has taken all of them."""

from .accounts import Account, app
from .bench import Bench


async def run(bench: Bench) -> int:
    """Give the number of signals."""
    async with bench.runtime(app) as runtime:
        account = runtime.client.entity(Account, bench.key())

        async def one(_: int) -> None:
            await account.signal(Account.deposit, 1)

        with bench.clock(runtime):
            await bench.crowd(one)
            # A call comes after all signals that were sent before it.
            if await account.call(Account.deposit, 0) != bench.sizes.count:
                raise AssertionError("a signal was lost or doubled")
    return bench.sizes.count
