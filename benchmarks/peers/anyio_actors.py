"""An actor by hand: a task that takes from a memory stream, and an event for each answer."""

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from attrs import define, field

from ..bench import Bench, Sizes, Workload


@define
class Request:
    """A deposit, and where its answer goes."""

    amount: int
    balance: int = 0
    answered: anyio.Event | None = field(default=None)


async def _account(requests: MemoryObjectReceiveStream[Request]) -> None:
    balance = 0
    async with requests:
        async for request in requests:
            balance += request.amount
            request.balance = balance
            if request.answered is not None:
                request.answered.set()


async def _run(bench: Bench, *, answered: bool) -> int:
    send, receive = anyio.create_memory_object_stream[Request](1_000)

    async def one(_: int) -> None:
        request = Request(1, answered=anyio.Event() if answered else None)
        await send.send(request)
        if request.answered is not None:
            await request.answered.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(_account, receive)
        async with send:
            with bench.meter.clock(lambda: 0):
                await bench.crowd(one)
                last = Request(0, answered=anyio.Event())
                await send.send(last)
                assert last.answered is not None  # noqa: S101 - given above
                await last.answered.wait()
            if last.balance != bench.sizes.count:
                raise AssertionError("a deposit was lost")
    return bench.sizes.count


async def calls(bench: Bench) -> int:
    """Give the number of calls."""
    return await _run(bench, answered=True)


async def signals(bench: Bench) -> int:
    """Give the number of signals."""
    return await _run(bench, answered=False)


_SIZES = Sizes(20_000, 50, 1)
CALLS = Workload(calls, "calls of one actor", _SIZES, lambda _: 2)
SIGNALS = Workload(signals, "messages to one actor", _SIZES, lambda _: 1)
