"""A clock that a test owns: time passes only when somebody lets it."""

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime

import anyio

from perdure.actors.moments import micros, moment
from perdure.runtime.clock import Bell

Wake = Callable[[], object]


class VirtualClock:
    """Time that stands still until `advance_to` moves it; waiting costs no real time."""

    def __init__(self, start: datetime) -> None:
        self._now = micros(start)
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, Wake]] = []
        self._background: list[tuple[int, int, Wake]] = []

    def now(self) -> int:
        """The current time, in microseconds since 1970 UTC; larger by one at every look.

        Two looks never give the same time, as on a real machine.
        """
        self._now += 1
        return self._now

    @property
    def time(self) -> datetime:
        """The current time."""
        return moment(self._now)

    @property
    def nearest(self) -> int | None:
        """When the next one that waits in the foreground wants to be woken."""
        return self._sleepers[0][0] if self._sleepers else None

    async def wait(self, bell: Bell, until: int | None, *, background: bool = False) -> None:
        """Return when the bell rings or time has come to `until`."""
        if until is None:
            await bell.wait()
            return
        if until <= self._now:
            await anyio.lowlevel.checkpoint()
            return
        sleepers = self._background if background else self._sleepers
        with anyio.CancelScope() as scope:
            entry = (until, next(self._order), scope.cancel)
            heapq.heappush(sleepers, entry)
            try:
                await bell.wait()
            finally:
                if entry in sleepers:
                    sleepers.remove(entry)
                    heapq.heapify(sleepers)

    def advance_to(self, until: int) -> None:
        """Let time pass up to `until`, and wake those who waited for it, in order."""
        self._now = max(self._now, until)
        for sleepers in (self._sleepers, self._background):
            while sleepers and sleepers[0][0] <= self._now:
                heapq.heappop(sleepers)[2]()
