"""Time and identity as seams: the runtime reads the clock and makes ids only through these."""

import math
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import anyio

from .wake import Wake, new_wake


class Bell:
    """Wakes one waiting task; rings that come before the wait are not lost."""

    def __init__(self) -> None:
        self._rung = False
        self._wake: Wake | None = None

    def ring(self) -> None:
        """Wake the waiter, or the next one that waits."""
        if not self._rung:
            self._rung = True
            if self._wake is not None:
                self._wake.set()

    async def wait(self) -> None:
        """Return once it has rung since the last return."""
        if not self._rung:
            self._wake = new_wake()
            try:
                await self._wake.wait()
            finally:
                self._wake = None
        self._rung = False


class Clock(Protocol):
    """Where the runtime gets its time from, in microseconds since 1970 UTC."""

    def now(self) -> int:
        """The current time."""
        ...

    async def wait(self, bell: Bell, until: int | None, *, background: bool = False) -> None:
        """Return when the bell rings or at `until`; background waits never make time pass."""
        ...


class SystemClock:
    """The machine's own clock, never going back while this process lives."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        """The current time."""
        self._last = max(self._last, time.time_ns() // 1_000)
        return self._last

    async def wait(self, bell: Bell, until: int | None, *, background: bool = False) -> None:
        """Return when the bell rings or at `until`."""
        if until is None:
            await bell.wait()
            return
        with anyio.move_on_after(max(0.0, (until - self.now()) / 1_000_000)):
            await bell.wait()


def time_limit(seconds: float | None) -> AbstractContextManager[object]:
    """Raise `TimeoutError` when the block takes longer; None is no limit, and costs nothing."""
    return nullcontext() if seconds is None else anyio.fail_after(checked_timeout(seconds))


def checked_timeout(seconds: float) -> float:
    """Return it; raises `TypeError` or `ValueError` for what is no number of seconds."""
    given: Any = seconds
    if not isinstance(given, (int, float)):
        raise TypeError(f"timeout is a number of seconds, not {given!r:.60}")
    if math.isnan(given):
        raise ValueError("timeout must be finite, or None for no limit, not nan")
    return seconds


IdSource = Callable[[], str]

_noise: list[bytes] = []
"""Random bytes for ids to come, as asking the system for each costs more than all else of it."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_noise.clear)


def new_id() -> str:
    """Return 32 hex digits that are new, and larger than those of earlier milliseconds.

    The layout is UUID version 7: ids made together lie together in the store's index.
    """
    milliseconds = time.time_ns() // 1_000_000
    try:
        noise = int.from_bytes(_noise.pop(), "big")
    except IndexError:
        fresh = os.urandom(10 * 64)
        _noise.extend(fresh[at : at + 10] for at in range(10, 640, 10))
        noise = int.from_bytes(fresh[:10], "big")
    version = 0x7000 | noise >> 68 & 0xFFF
    variant = 0x8000000000000000 | noise & 0x3FFFFFFFFFFFFFFF
    return f"{milliseconds & 0xFFFFFFFFFFFF:012x}{version:04x}{variant:016x}"
