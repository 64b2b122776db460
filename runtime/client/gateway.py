"""How a client reaches the actors: through the partition beside it, or only through the store."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from ...actors.app import App
from ...actors.errors import (
    ClaimLostError,
    InstanceNotFoundError,
    PerdureError,
    RuntimeClosedError,
)
from ...actors.history import (
    EntityOperationCalled,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)
from ...actors.messages import Message
from ...actors.orchestration import Orchestration
from ...actors.status import Status
from ...persistence.records import InstanceRow, Purged
from ...persistence.store import Store
from ..clock import Clock, IdSource
from ..engine.batch import instance_row
from ..engine.bookkeeper import Answer
from ..engine.partition import MANY, Partition
from ..engine.reply import Reply, own_copy
from ..engine.slot import Arrival, Slot
from ..engine.watchers import MEMORY_LOST, Watched
from ..lanes import Lane, run_in, run_to_end
from .foreseeing import awaited

T = TypeVar("T")

Check = Callable[[Status], PerdureError | None]
Until = Callable[[InstanceRow], bool]


class Gateway(Protocol):
    """What clients need, wherever they are. Every write is durable when it returns."""

    app: App
    clock: Clock
    new_id: IdSource

    async def start(
        self,
        instance_id: str,
        event: ExecutionStarted,
        replaceable: Collection[Status],
        *,
        fresh: bool,
    ) -> None:
        """Begin an instance; raises `InstanceAlreadyExistsError`."""
        ...

    async def send(self, message: Message, check: Check | None) -> None:
        """Put a message into a mailbox, if the target's status passes the check."""
        ...

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and wait for its outcome."""
        ...

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store."""
        ...

    async def watch(self, instance_id: str, until: Until) -> InstanceRow:
        """Wait for an instance to get somewhere; raises `InstanceNotFoundError`."""
        ...

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look now, and whenever the store has something new of an instance, until it is seen."""
        ...

    async def foresee(self, instance_id: str) -> Status | None:
        """The status of an instance, or None; waits for its end if that is decided."""
        ...

    async def purge(self, ids: Sequence[str]) -> Purged:
        """Delete some of these, if they are terminal: one step, which cancelling does not tear."""
        ...

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again."""
        ...


COMMITS_PER_STEP = 4
"""So many commits a busy partition makes between two steps of a purge."""


class LocalGateway:
    """The way in beside the partition."""

    def __init__(
        self,
        app: App,
        clock: Clock,
        new_id: IdSource,
        store: Store,
        partition: Partition,
        lanes: tuple[Lane, Lane],
    ) -> None:
        self.app = app
        self.clock = clock
        self.new_id = new_id
        self._store = store
        self._partition = partition
        self._writer, self._reader = lanes

    async def _request(self, begin: Callable[[Reply[T]], object], target: str | None = None) -> T:
        while True:
            try:
                return await self._ask(begin, target)
            except ClaimLostError:
                # Nothing of it has happened: another process was first with some instance.
                await self._partition.recovered.wait()

    async def _ask(self, begin: Callable[[Reply[T]], object], target: str | None) -> T:
        partition = self._partition
        if partition.down is not None:
            raise own_copy(partition.down)
        reply: Reply[T] = Reply()
        partition.requests[reply] = target
        try:
            begin(reply)
            partition.bell.ring()
            return await reply.wait()
        finally:
            partition.requests.pop(reply, None)

    async def start(
        self,
        instance_id: str,
        event: ExecutionStarted,
        replaceable: Collection[Status],
        *,
        fresh: bool,
    ) -> None:
        """Begin an instance; raises `InstanceAlreadyExistsError`."""
        partition = self._partition

        def begin(reply: Reply[bool]) -> None:
            admit = partial(partition.admission.start, event, frozenset(replaceable), reply)
            arrival = partial(self._once_decided, admit)
            partition.residents.when_loaded(instance_id, arrival, fresh=fresh)

        await self._request(begin, instance_id)

    def _once_decided(self, arrival: Arrival, slot: Slot) -> None:
        """Call it with the slot after the next turn, if that will end the instance."""
        if _is_ending(slot):
            again = partial(self._once_decided, arrival)
            later = partial(self._partition.residents.when_loaded, slot.id, again)
            self._partition.when_all_durable(later)
        else:
            arrival(slot)

    async def send(self, message: Message, check: Check | None) -> None:
        """Put a message into a mailbox, if the target's status passes the check."""
        partition = self._partition

        def post(reply: Reply[bool]) -> None:
            partition.batch.when_durable.append(partial(partition.settle, reply, True))
            partition.send(message)

        def checked(reply: Reply[bool], check: Check, slot: Slot) -> None:
            actor = slot.actor
            problem: PerdureError | None = InstanceNotFoundError(slot.id)
            if isinstance(actor, Orchestration):
                problem = check(actor.status)
            if problem is not None:
                partition.refuse_once_durable(slot, reply, problem)
            else:
                post(reply)

        def begin(reply: Reply[bool]) -> None:
            if check is None:
                post(reply)
            else:
                partition.residents.when_loaded(message.target, partial(checked, reply, check))

        await self._request(begin, message.target)

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and wait for its outcome."""
        partition = self._partition

        def begin(reply: Reply[Answer]) -> None:
            partition.callers[event.request_id] = reply
            partition.batch.when_durable.append(partial(partition.lasting.add, reply))
            partition.send(message)

        try:
            return await self._request(begin, message.target)
        finally:
            reply = partition.callers.pop(event.request_id, None)
            if reply is not None:
                partition.lasting.discard(reply)

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store."""
        return await run_in(self._reader, partial(read, self._store))

    async def watch(self, instance_id: str, until: Until) -> InstanceRow:
        """Wait for an instance to get somewhere; raises `InstanceNotFoundError`."""
        found: Watched = MEMORY_LOST
        while found is MEMORY_LOST:
            if isinstance(self._partition.down, RuntimeClosedError):
                raise own_copy(self._partition.down)
            found = await self.watch_once(instance_id, until)
        return found

    async def watch_once(self, instance_id: str, until: Until) -> Watched:
        """Wait for an instance to get somewhere, or for the loss of memory."""
        reply: Reply[Watched] = Reply()

        def watcher(row: InstanceRow) -> None:
            if until(row):
                reply.set(row)

        with self._partition.watchers.watching(instance_id, watcher, reply):
            slot = self._partition.residents.slots.get(instance_id)
            if slot is not None and not slot.loaded:
                # What it is loaded for may be a rewind: afterwards memory knows.
                loaded = self._partition.residents.when_loaded
                loaded(instance_id, lambda _: reply.set(MEMORY_LOST))
            elif slot is None or not _is_on_the_way(slot, until):
                down = self._partition.down
                rows = await self.read(lambda store: awaited(store, [instance_id]))
                row = rows.get(instance_id)
                if row is None and not reply.settled:
                    raise InstanceNotFoundError(instance_id)
                if row is not None and row.status is Status.FAILED and down is not None:
                    # A rewind may be in the mailbox, which is being read.
                    await self._partition.recovered.wait()
                    return MEMORY_LOST
                if row is not None and until(row):
                    return row
            return await reply.wait()

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look now, and whenever a commit has touched an instance, until there is something."""
        found: T | None = None
        while found is None:
            if isinstance(self._partition.down, RuntimeClosedError):
                raise own_copy(self._partition.down)
            found = await self.follow_once(instance_id, look)
        return found

    async def follow_once(self, instance_id: str, look: Callable[[Store], T | None]) -> T | None:
        """Look now; if there is nothing, return when it is worth another look."""
        reply: Reply[bool] = Reply()
        with self._partition.watchers.following(instance_id, reply):
            found = await self.read(look)
            if found is None:
                await reply.wait()
            return found

    async def foresee(self, instance_id: str) -> Status | None:
        """The status of an instance, after a termination that waits for its turn."""
        partition = self._partition
        row = await self.read(lambda store: store.instance(instance_id))
        if row is None or row.status.is_terminal:
            return None if row is None else row.status

        def decided(reply: Reply[bool], _: Slot) -> None:
            partition.when_all_durable(partial(partition.settle, reply, True))

        def begin(reply: Reply[bool]) -> None:
            arrival = partial(self._once_decided, partial(decided, reply))
            partition.residents.when_loaded(instance_id, arrival)

        await self._request(begin, instance_id)
        row = await self.read(lambda store: store.instance(instance_id))
        return None if row is None else row.status

    async def purge(self, ids: Sequence[str]) -> Purged:
        """Delete some of these, if they are terminal, after everything before it is durable.

        While the partition is at work it gets most of the store's time: commits in between.
        """
        partition = self._partition

        def begin(reply: Reply[bool]) -> None:
            partition.when_all_durable(partial(partition.settle, reply, True))

        await self._request(begin)
        for _ in range(COMMITS_PER_STEP - 1):
            if partition.quiet:
                break
            await self._request(begin)
        purged = await run_to_end(self._writer, partial(self._store.purge, ids))
        partition.watchers.stir(purged.gone)
        return purged

    async def visit(self, ids: Collection[str], look: Callable[[Slot], object]) -> None:
        """Show the slots of these once they are loaded; returns when all is durable again."""
        partition, awaited = self._partition, set(ids)

        def arrive(reply: Reply[bool], slot: Slot) -> None:
            look(slot)
            awaited.discard(slot.id)
            if not awaited:
                partition.when_all_durable(partial(partition.settle, reply, True))

        def begin(reply: Reply[bool]) -> None:
            for target in list(awaited):
                partition.residents.when_loaded(target, partial(arrive, reply))

        if awaited:
            await self._request(begin, MANY)

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again."""
        partition = self._partition

        def mended(reply: Reply[bool], slot: Slot) -> None:
            if slot.actor is not None and _suspends(slot.actor.inbox):
                partition.send(Message(instance_id, ExecutionResumed(self.clock.now())))
            partition.unpark(slot)
            partition.batch.when_durable.append(partial(partition.settle, reply, True))

        def begin(reply: Reply[bool]) -> None:
            partition.residents.when_loaded(instance_id, partial(mended, reply))

        await self._request(begin, instance_id)


def _is_on_the_way(slot: Slot, until: Until) -> bool:
    """Whether memory has it, not there yet: then a later commit brings it, and no row has."""
    actor = slot.actor
    if not isinstance(actor, Orchestration):
        return False
    return slot.rewinding or not until(instance_row(actor, slot))


def _is_ending(slot: Slot) -> bool:
    """Whether the next turn takes a termination."""
    actor = slot.actor
    if not slot.queued or not isinstance(actor, Orchestration) or actor.status.is_terminal:
        return False
    return any(isinstance(message.event, ExecutionTerminated) for message in actor.inbox)


def _suspends(inbox: Iterable[Message]) -> bool:
    """Whether these messages, which nobody has taken yet, leave an instance suspended."""
    suspended = False
    for message in inbox:
        if isinstance(message.event, (ExecutionSuspended, ExecutionResumed)):
            suspended = isinstance(message.event, ExecutionSuspended)
    return suspended
