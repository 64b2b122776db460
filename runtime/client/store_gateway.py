"""The way in from another process: a client that has nothing but the store.

1.  What it sends is a message in the store's inbox, and acted upon by the owner, now or later.
2.  What it sees are rows. What the inbox will make of a row counts as if it were there already; a
    termination is waited for, as nobody can know what it leaves.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TypeVar

import anyio

from ...actors.app import App
from ...actors.errors import (
    InstanceAlreadyExistsError,
    InstanceNotFoundError,
    PerdureError,
    StoreError,
)
from ...actors.history import (
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    ExecutionResumed,
    ExecutionStarted,
)
from ...actors.messages import Message
from ...actors.status import Status
from ...actors.wire import read_event, write_event
from ...persistence.records import InstanceRow, MessageRow, Purged, Start
from ...persistence.store import Store
from ..clock import Bell, Clock, IdSource
from ..engine.bookkeeper import Answer
from ..lanes import Lane, run_in, run_to_end
from .gateway import Check, Until
from .hearing import Hearing
from .inquiries import Inquiries

T = TypeVar("T")

Look = Callable[[], Awaitable[T | None]]
Post = Callable[[Sequence[MessageRow], Sequence[Start]], Awaitable[None]]
"""Puts messages into the inbox, and begins instances."""

POLL_SHORTEST, POLL_LONGEST = 0.005, 0.1
UNHEARD_SHORTEST, UNHEARD_LONGEST = 0.02, 1.0
"""So many seconds pass between two looks where hints come, and none does."""

OWNER_PATIENCE = 5.0
"""So many seconds a running owner has, even a busy one, to act upon a message of ours."""


class StoreGateway:
    """The way in from another process: posts into the inbox, polls for what becomes of it."""

    def __init__(
        self,
        app: App,
        clock: Clock,
        new_id: IdSource,
        store: Store,
        lane: Lane,
        post: Post,
        hearing: Hearing | None = None,
    ) -> None:
        self.app = app
        self.clock = clock
        self.new_id = new_id
        self._store = store
        self._lane = lane
        self._hearing = hearing
        self._seen, self._seen_at = -1, 0
        self._post = post
        self._inquiries = Inquiries(store, lane)

    async def start(
        self,
        instance_id: str,
        event: ExecutionStarted,
        replaceable: Collection[Status],
        *,
        fresh: bool,
    ) -> None:
        """Begin an instance; raises `InstanceAlreadyExistsError`."""
        row = InstanceRow(
            instance_id,
            event.execution_id,
            event.name,
            event.version,
            Status.PENDING,
            event.at,
            event.at,
            scheduled_start=event.scheduled_start,
            tags=event.tags,
            input=event.input,
        )
        # At once, though it may begin later: the owner has to end what is replaced.
        message = MessageRow(0, instance_id, write_event(event))
        start = Start(row, frozenset(replaceable))
        try:
            await self._post([message], [start])
        except InstanceAlreadyExistsError as taken:
            # What has just been terminated may only seem to be in the way.
            if taken.status.is_terminal or await self.foresee(instance_id) not in replaceable:
                raise
            await self._post([message], [start])

    async def send(self, message: Message, check: Check | None) -> None:
        """Put a message into the inbox, if the target's status passes the check."""
        row = MessageRow(
            0, message.target, write_event(message.event), message.execution_id, message.due
        )

        if check is not None:
            known, foreseen = await self._inquiries.outlook(message.target)
            problem: PerdureError | None = InstanceNotFoundError(message.target)
            if known is not None:
                problem = check(foreseen)
            if problem is not None:
                raise problem
        await self._post([row], ())

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and poll for its outcome."""
        await self.send(message, None)
        text = await self._poll(message.target, partial(self._inquiries.answer, event.request_id))
        answer = read_event(text)
        if isinstance(answer, (EntityOperationCompleted, EntityOperationFailed)):
            return answer
        raise StoreError(f"the answer to {event.request_id} is none: {text:.200}")

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store, or write to it."""
        return await run_in(self._lane, partial(read, self._store))

    async def watch(self, instance_id: str, until: Until) -> InstanceRow:
        """Poll until an instance gets somewhere; raises `InstanceNotFoundError`."""

        async def look() -> InstanceRow | None:
            row = await self._inquiries.row(instance_id)
            if row is None:
                raise InstanceNotFoundError(instance_id)
            return row if until(row) else None

        return await self._poll(instance_id, look)

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look now, and whenever the store has changed, until there is something."""
        return await self._poll(instance_id, partial(self.read, look))

    async def _poll(self, target: str, look: Look[T]) -> T:
        if self._hearing is None:
            return await self._look_until(Bell(), look)
        with self._hearing.waiting(target) as bell:
            return await self._look_until(bell, look)

    async def _look_until(self, bell: Bell, look: Look[T]) -> T:
        pause, version, rung = POLL_SHORTEST, -1, False
        while True:
            if not rung:
                rung, version = (seen := await self._version()) != version, seen
            if rung:
                pause = POLL_SHORTEST
                found = await look()
                if found is not None:
                    return found
            hearing = self._hearing
            if hearing is not None:
                hearing.attend()
            if hearing is not None and hearing.hears:
                pause = max(pause, UNHEARD_SHORTEST)
            until = self.clock.now() + round(pause * 1_000_000)
            await self.clock.wait(bell, until)
            rung = hearing is not None and self.clock.now() < until
            longest = UNHEARD_LONGEST if hearing is not None and hearing.hears else POLL_LONGEST
            pause = min(pause * 1.5, longest)

    async def _version(self) -> int:
        """The store's, as of now, or a moment ago where hints come and many wait."""
        now = self.clock.now()
        shared = self._hearing is not None and self._hearing.hears
        if not (shared and now - self._seen_at < UNHEARD_LONGEST * 500_000):
            self._seen_at = now
            self._seen = await self._inquiries.version()
        return self._seen

    async def foresee(self, instance_id: str) -> Status | None:
        """The status of an instance; waits for a termination, but not for a runtime to start."""
        row, foreseen = await self._inquiries.outlook(instance_id)
        if row is None or row.status.is_terminal or not foreseen.is_terminal:
            return None if row is None else foreseen
        with anyio.move_on_after(OWNER_PATIENCE):
            return (await self.watch(instance_id, _has_ended)).status
        return row.status

    async def purge(self, ids: Sequence[str]) -> Purged:
        """Delete some of these, if they are terminal."""
        return await run_to_end(self._lane, partial(self._store.purge, ids))

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again when the owner sees this."""
        await self.send(Message(instance_id, ExecutionResumed(self.clock.now())), None)


def _has_ended(row: InstanceRow) -> bool:
    return row.status.is_terminal
