"""Everything that happens later: a heap of due times in memory, refilled from the store."""

import heapq
import itertools
from collections.abc import Callable

from attrs import define

from ..clock import Bell, Clock

Callback = Callable[[], object]

CANCELLED_KEPT = 64
"""So many cancelled timers are not worth going through the heap."""


@define(eq=False)
class Timer:
    """One call that is to come; it has no callback any more once it was called or withdrawn."""

    callback: Callback | None
    lasting: bool


class Timers:
    """Calls back when the time has come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Timer]] = []
        self._cancelled = 0
        self._order = itertools.count()
        self._bell = Bell()
        self._nearest: int | None = None

    def call_at(self, due: int, callback: Callback, *, lasting: bool = False) -> Timer:
        """Call back at `due`, or at once if that has passed; in the order of due times.

        What is `lasting` outlives a recovery: it belongs to work that goes on meanwhile.
        """
        timer = Timer(callback, lasting)
        heapq.heappush(self._heap, (due, next(self._order), timer))
        if self._nearest is None or due < self._nearest:
            self._bell.ring()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Withdraw a timer and let go of its callback; one that is over stays so."""
        if timer.callback is None:
            return
        timer.callback = None
        self._cancelled += 1
        if self._cancelled > max(CANCELLED_KEPT, len(self._heap) // 2):
            self._keep([entry for entry in self._heap if entry[2].callback is not None])

    def __len__(self) -> int:
        return len(self._heap)

    def clear(self) -> None:
        """Forget everything that is not lasting."""
        kept: list[tuple[int, int, Timer]] = []
        for entry in self._heap:
            timer = entry[2]
            if not timer.lasting:
                timer.callback = None
            elif timer.callback is not None:
                kept.append(entry)
        self._keep(kept)

    def _keep(self, entries: list[tuple[int, int, Timer]]) -> None:
        heapq.heapify(entries)
        self._heap = entries
        self._cancelled = 0

    async def run(self) -> None:
        """Call back what is due, for ever."""
        while True:
            self._fire()
            self._nearest = self._heap[0][0] if self._heap else None
            await self._clock.wait(self._bell, self._nearest)

    def _fire(self) -> None:
        now = self._clock.now()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].callback is None):
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled -= 1
            else:
                callback()
