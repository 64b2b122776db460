"""The lookout: waits for what becomes of actors that other workers run.

Many wait at a time, so all looks are one: the rows of all instances and the answers to all requests
that may have something new since the last look, as a hint says or as some time has passed.
"""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from random import SystemRandom
from typing import TypeVar

from attrs import define

from ...persistence.records import InstanceRow
from ...persistence.sharing import SharedStore
from ..backoff import Backoff, Trouble
from ..client.foreseeing import awaited
from ..clock import Bell, Clock
from ..lanes import Lane, run_in

T = TypeVar("T")

PAUSE_SHORTEST, PAUSE_LONGEST = 20_000, 1_000_000


@define(eq=False)
class Wait:
    """Somebody who waits."""

    number: int
    """The partition in which something is to happen."""
    instance_id: str | None = None
    """Of which the row is to be shown."""
    request_id: str | None = None
    """To which the answer is to be fetched."""
    show: Callable[[InstanceRow | None], object] | None = None
    answer: Callable[[str], object] | None = None
    due: bool = True


class Lookout:
    """Looks for all who wait at one worker."""

    def __init__(
        self, store: SharedStore, clock: Clock, lane: Lane, hears: Callable[[], bool]
    ) -> None:
        self._store = store
        self._clock = clock
        self._lane = lane
        self._hears = hears
        self._waits: set[Wait] = set()
        self._numbers: Counter[int] = Counter()
        self._bell = Bell()
        self._pause = PAUSE_SHORTEST

    def cares(self, numbers: frozenset[int]) -> bool:
        """Whether anybody waits for what happens there; may be asked on any thread."""
        return any(number in self._numbers for number in numbers)

    def hear(self, numbers: frozenset[int]) -> None:
        """Something may have happened in these partitions."""
        for wait in self._waits:
            if wait.number in numbers:
                wait.due = True
                self._bell.ring()

    def look_again(self) -> None:
        """Anything may have happened."""
        for wait in self._waits:
            wait.due = True
        self._bell.ring()

    @contextmanager
    def waiting(self, wait: Wait) -> Generator[None, None, None]:
        """Look for somebody during the block."""
        self._waits.add(wait)
        self._numbers[wait.number] += 1
        self._pause = PAUSE_SHORTEST
        self._bell.ring()
        try:
            yield
        finally:
            self._waits.discard(wait)
            self._numbers[wait.number] -= 1
            if not self._numbers[wait.number]:
                del self._numbers[wait.number]

    async def run(self) -> None:
        """Look, for ever."""
        backoff = Backoff(
            PAUSE_SHORTEST / 1_000_000, PAUSE_LONGEST / 1_000_000, SystemRandom().random
        )
        trouble = Trouble(self._clock, "look for what others have done", backoff)
        while True:
            await self._rest()
            due = [wait for wait in self._waits if wait.due]
            for wait in due:
                wait.due = False
            try:
                await self._look(due)
            except Exception as error:  # noqa: BLE001 - the next look may do better
                self._pause = PAUSE_SHORTEST
                await trouble.meet(error)
                self.look_again()
            else:
                if due:
                    trouble.end()

    async def _rest(self) -> None:
        if not self._waits:
            await self._bell.wait()
            return
        if any(wait.due for wait in self._waits):
            return
        pause = PAUSE_LONGEST if self._hears() else self._pause
        until = self._clock.now() + pause
        await self._clock.wait(self._bell, until, background=True)
        if self._clock.now() >= until:
            self._pause = min(self._pause * 2, PAUSE_LONGEST // 10)
            self.look_again()

    async def _look(self, due: list[Wait]) -> None:
        ids = {wait.instance_id for wait in due if wait.instance_id is not None}
        requests = {wait.request_id: wait for wait in due if wait.request_id is not None}
        if ids:
            rows = await run_in(self._lane, partial(awaited, self._store, ids))
            for wait in due:
                if wait.show is not None and wait.instance_id is not None:
                    wait.show(rows.get(wait.instance_id))
        if requests:
            found = await run_in(self._lane, partial(self._store.take_replies, list(requests)))
            for request_id, text in found.items():
                answer = requests[request_id].answer
                if answer is not None:
                    answer(text)
