"""What became of awaited user code, when only some of what it raises is its own."""

import math
from collections.abc import Awaitable
from typing import TypeVar

import anyio
import sniffio

T = TypeVar("T")


async def outcome_of(work: Awaitable[T]) -> tuple[T | None, BaseException | None]:
    """Await user code; returns its value, or what it raised, as its own failure."""
    try:
        return await work, None
    except BaseException as error:
        if passes_through(error):
            raise
        return None, error


def passes_through(error: BaseException) -> bool:
    """Whether user code that is being awaited has raised what is not its own failure.

    A `KeyboardInterrupt` and a cancellation that somebody asked for pass through. `SystemExit` and
    a cancellation that came from inside, as from awaiting a cancelled future, do not: they would
    end the task that runs the work, and not the work alone.
    """
    if isinstance(error, Exception):
        return False
    return isinstance(error, KeyboardInterrupt) or _being_cancelled()


def _being_cancelled() -> bool:
    if anyio.current_effective_deadline() == -math.inf:
        return True
    if sniffio.current_async_library() != "asyncio":
        return False
    import asyncio  # noqa: PLC0415 - only where it is what runs

    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
