"""Everything that happens later: a heap of due times in memory, refilled from the store."""

import heapq
import itertools
from collections.abc import Callable

from .clock import Bell, Clock

Callback = Callable[[], object]


class Timers:
    """Calls back when the time has come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, bool, Callback]] = []
        self._order = itertools.count()
        self._bell = Bell()
        self._nearest: int | None = None

    def call_at(self, due: int, callback: Callback, *, lasting: bool = False) -> None:
        """Call back at `due`, or at once if that has passed; in the order of due times.

        What is `lasting` outlives a recovery: it belongs to work that goes on meanwhile.
        """
        heapq.heappush(self._heap, (due, next(self._order), lasting, callback))
        if self._nearest is None or due < self._nearest:
            self._bell.ring()

    def __len__(self) -> int:
        return len(self._heap)

    def clear(self) -> None:
        """Forget everything that is not lasting."""
        self._heap = [entry for entry in self._heap if entry[2]]
        heapq.heapify(self._heap)

    async def run(self) -> None:
        """Call back what is due, for ever."""
        while True:
            self._fire()
            self._nearest = self._heap[0][0] if self._heap else None
            await self._clock.wait(self._bell, self._nearest)

    def _fire(self) -> None:
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[3]()
