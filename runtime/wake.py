"""How somebody on the event loop waits for one thing: an event of asyncio's or trio's own.

anyio's event does the same on both. It costs 4 µs a wait on asyncio, against 0.7, and a client's
request waits twice.
"""

from collections.abc import Awaitable
from typing import Protocol

import sniffio


class Wake(Protocol):
    """Set once, awaited by one task."""

    def set(self) -> object:
        """Let the task go on; again is nothing."""
        ...

    def wait(self) -> Awaitable[object]:
        """Return once it is set."""
        ...


class _AsyncioWake:
    __slots__ = ("_future",)

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415 - only where it is what runs

        self._future = asyncio.get_running_loop().create_future()

    def set(self) -> None:
        # It is done already when the task was cancelled.
        if not self._future.done():
            self._future.set_result(None)

    def wait(self) -> Awaitable[None]:
        return self._future


def new_wake() -> Wake:
    """One for the event loop that is running; on asyncio it wakes as any future does."""
    if sniffio.thread_local.name == "trio":
        import trio  # noqa: PLC0415 - only where it is what runs

        return trio.Event()
    return _AsyncioWake()
