"""Ctrl-C and SIGTERM end a program at a point where it can leave everything in order."""

import signal
from collections.abc import AsyncIterable, Awaitable, Callable
from types import FrameType
from typing import Never, TypeVar

import anyio

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class AskedToEnd(BaseException):
    """A signal has come; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def heed_signals() -> None:
    """From now on, outside an event loop, a signal raises `AskedToEnd`.

    A shell may have let Ctrl-C be ignored, and an event loop may have taken its handlers along.
    """
    for number in SIGNALS:
        signal.signal(number, _raise)


def _raise(number: int, _: FrameType | None) -> Never:
    raise AskedToEnd(number)


async def unless_asked_to_end(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work; a signal cancels it like any timeout would, and `AskedToEnd` comes out.

    Raised by the handler itself, it could hit the event loop between two of its own steps.
    """
    asked: list[int] = []

    async def listen(signals: AsyncIterable[signal.Signals]) -> None:
        async for number in signals:
            asked.append(number)
            group.cancel_scope.cancel()

    with anyio.open_signal_receiver(*SIGNALS) as signals:
        async with anyio.create_task_group() as group:
            group.start_soon(listen, signals)
            result = await work()
            group.cancel_scope.cancel()
            if not asked:
                return result
    raise AskedToEnd(asked[0])
