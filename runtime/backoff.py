"""Pauses between tries of what keeps failing."""

import logging
from collections.abc import Callable

from .clock import Bell, Clock

logger = logging.getLogger("perdure.runtime")

Luck = Callable[[], float]
"""Gives a number from 0 to 1."""


class Backoff:
    """Each pause is twice as long as the one before, up to the longest; in seconds.

    With luck it is shortened by up to half: a database that comes back is not to meet all workers
    at once that it left at once.
    """

    def __init__(self, first: float, longest: float, luck: Luck | None = None) -> None:
        self._first = first
        self._longest = longest
        self._luck = luck
        self._next = first

    def pause(self) -> float:
        """Say how long to wait now."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause if self._luck is None else pause * (1 - self._luck() / 2)

    def reset(self) -> None:
        """Begin with the first one again."""
        self._next = self._first


class Trouble:
    """Tries of one thing that fail in a row: told when it begins and ends, and tried ever rarer."""

    def __init__(self, clock: Clock, what: str, backoff: Backoff) -> None:
        self._clock = clock
        self._what = what
        self._backoff = backoff
        self._lasts = False

    async def meet(self, error: Exception) -> None:
        """Wait before the next try."""
        if not self._lasts:
            self._lasts = True
            logger.warning("cannot %s: %s; it is tried again until it works", self._what, error)
        until = self._clock.now() + round(self._backoff.pause() * 1_000_000)
        await self._clock.wait(Bell(), until, background=True)

    def end(self) -> None:
        """One has worked."""
        if self._lasts:
            self._lasts = False
            self._backoff.reset()
            logger.info("can %s again", self._what)
