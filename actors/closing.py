"""Ending coroutines that nobody will resume, so that nothing is left to the garbage collector."""

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

CLOSINGS_MAX = 100
"""How many awaits of `finally` blocks are broken off before user code is left alone."""


def close(coro: Coroutine[Any, Any, Any]) -> None:
    """End user code; what awaits in its `finally` blocks is told again, then left alone.

    The innermost coroutine goes first. Closing the outermost would end it even when one inside
    goes on awaiting, which then ended wherever the garbage collector finds it, and says so.
    """
    refusals = 0
    chain: list[Any] = [coro]
    while chain and refusals < CLOSINGS_MAX:
        while (awaited := _awaited(chain[-1])) is not None:
            chain.append(awaited)
        with suppress(BaseException):  # Nobody is left to tell.
            chain[-1].close()
        if _suspended(chain[-1]):
            refusals += 1
        else:
            chain.pop()


def _awaited(coro: Any) -> Any:
    inner = getattr(coro, "cr_await", None) or getattr(coro, "gi_yieldfrom", None)
    return inner if _suspended(inner) else None


def _suspended(coro: Any) -> bool:
    frame = getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None)
    return frame is not None
