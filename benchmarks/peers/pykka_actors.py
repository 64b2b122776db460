"""One pykka actor, asked and told by a crowd of threads."""

import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from ..bench import Bench, Sizes, Workload


def _account() -> Any:
    """A started actor."""
    # Not a dependency: without types it is what it is.
    pykka: Any = import_module("pykka")

    def receive(self: Any, amount: int) -> int:
        self.balance += amount
        return int(self.balance)

    members = {"balance": 0, "on_receive": receive}
    actor: Any = type("Account", (pykka.ThreadingActor,), members)
    return actor.start()


def _run(bench: Bench, *, asked: bool) -> int:
    account, numbers = _account(), iter(range(bench.sizes.count))
    latencies = bench.meter.latencies

    def member(_: int) -> None:
        for _ in numbers:
            begin = time.perf_counter()
            if asked:
                account.ask(1)
            else:
                account.tell(1)
            latencies.append(time.perf_counter() - begin)

    concurrency = bench.sizes.concurrency
    try:
        with ThreadPoolExecutor(concurrency) as threads, bench.meter.clock(lambda: 0):
            list(threads.map(member, range(concurrency)))
            balance = account.ask(0)
    finally:
        account.stop()
    if balance != bench.sizes.count:
        raise AssertionError("a deposit was lost")
    return bench.sizes.count


async def calls(bench: Bench) -> int:
    """Give the number of calls."""
    return _run(bench, asked=True)


async def signals(bench: Bench) -> int:
    """Give the number of messages."""
    return _run(bench, asked=False)


_SIZES = Sizes(20_000, 50, 1)
CALLS = Workload(calls, "questions to one actor", _SIZES, lambda _: 2)
SIGNALS = Workload(signals, "messages to one actor", _SIZES, lambda _: 1)
