"""How a client reaches the actors: through the partition beside it, or only through the store."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, Protocol, TypeVar

from ..actors.app import App
from ..actors.errors import (
    ClaimLostError,
    InstanceNotFoundError,
    PerdureError,
    RuntimeClosedError,
    StoreError,
)
from ..actors.history import (
    AnyEvent,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)
from ..actors.messages import Message
from ..actors.orchestration import Orchestration
from ..actors.status import Status
from ..actors.wire import UnreadableEventError, read_event, write_event
from ..persistence.records import InstanceRow, MessageRow, Start
from ..persistence.store import Store
from .batch import instance_row
from .clock import Bell, Clock, IdSource
from .lanes import Lane, run_in
from .partition import Answer, Partition
from .reply import Reply
from .slot import Slot
from .watchers import MEMORY_LOST, Watched

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

    async def purge(self, ids: Collection[str]) -> list[str]:
        """Delete terminal instances; returns which."""
        ...

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again."""
        ...


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

    async def _request(self, begin: Callable[[Reply[T]], object]) -> T:
        while True:
            try:
                return await self._ask(begin)
            except ClaimLostError:
                # Nothing of it has happened: another process was first with some instance.
                await self._partition.recovered.wait()

    async def _ask(self, begin: Callable[[Reply[T]], object]) -> T:
        partition = self._partition
        if partition.down is not None:
            raise partition.down
        reply: Reply[T] = Reply()
        partition.requests.add(reply)
        try:
            begin(reply)
            partition.bell.ring()
            return await reply.wait()
        finally:
            partition.requests.discard(reply)

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
            arrival = partial(partition.admission.start, event, frozenset(replaceable), reply)
            partition.residents.when_loaded(instance_id, arrival, fresh=fresh)

        await self._request(begin)

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

        await self._request(begin)

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and wait for its outcome."""
        partition = self._partition

        def begin(reply: Reply[Answer]) -> None:
            partition.callers[event.request_id] = reply
            partition.batch.when_durable.append(partial(partition.lasting.add, reply))
            partition.send(message)

        try:
            return await self._request(begin)
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
                raise self._partition.down
            found = await self._watch(instance_id, until)
        return found

    async def _watch(self, instance_id: str, until: Until) -> Watched:
        reply: Reply[Watched] = Reply()

        def watcher(row: InstanceRow) -> None:
            if until(row):
                reply.set(row)

        with self._partition.watchers.watching(instance_id, watcher, reply):
            if not self._is_on_the_way(instance_id, until):
                row = await self.read(lambda store: store.instance(instance_id))
                if row is None and not reply.settled:
                    raise InstanceNotFoundError(instance_id)
                if row is not None and until(row):
                    return row
            return await reply.wait()

    def _is_on_the_way(self, instance_id: str, until: Until) -> bool:
        """Whether memory has it, not there yet: then a later commit brings it, and no row has."""
        slot = self._partition.residents.slots.get(instance_id)
        if slot is None or not isinstance(slot.actor, Orchestration):
            return False
        return not until(instance_row(slot.actor, slot))

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look now, and whenever a commit has touched an instance, until there is something."""
        while True:
            if isinstance(self._partition.down, RuntimeClosedError):
                raise self._partition.down
            reply: Reply[bool] = Reply()
            with self._partition.watchers.following(instance_id, reply):
                found = await self.read(look)
                if found is not None:
                    return found
                await reply.wait()

    async def purge(self, ids: Collection[str]) -> list[str]:
        """Delete terminal instances, after everything before it is durable."""

        def begin(reply: Reply[bool]) -> None:
            self._partition.when_all_durable(partial(self._partition.settle, reply, True))

        await self._request(begin)
        purged = await run_in(self._writer, lambda: self._store.purge(ids))
        self._partition.watchers.stir(purged)
        return purged

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

        await self._request(begin)


POLL_SHORTEST, POLL_LONGEST = 0.005, 0.1


class StoreGateway:
    """The way in from another process: posts into the inbox, polls for what becomes of it."""

    def __init__(self, app: App, clock: Clock, new_id: IdSource, store: Store, lane: Lane) -> None:
        self.app = app
        self.clock = clock
        self.new_id = new_id
        self._store = store
        self._lane = lane

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
        await self.read(lambda store: store.post([message], [start]))

    async def send(self, message: Message, check: Check | None) -> None:
        """Put a message into the inbox, if the target's status passes the check."""
        row = MessageRow(
            0, message.target, write_event(message.event), message.execution_id, message.due
        )

        def post(store: Store) -> None:
            if check is not None:
                known = store.instance(message.target)
                problem: PerdureError | None = InstanceNotFoundError(message.target)
                if known is not None:
                    problem = check(_foreseen(store, message.target, known.status))
                if problem is not None:
                    raise problem
            store.post([row])

        await self.read(post)

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and poll for its outcome."""
        await self.send(message, None)
        text = await self._poll(lambda store: store.take_reply(event.request_id))
        answer = read_event(text)
        if isinstance(answer, (EntityOperationCompleted, EntityOperationFailed)):
            return answer
        raise StoreError(f"the answer to {event.request_id} is none: {text:.200}")

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store, or write to it."""
        return await run_in(self._lane, partial(read, self._store))

    async def watch(self, instance_id: str, until: Until) -> InstanceRow:
        """Poll until an instance gets somewhere; raises `InstanceNotFoundError`."""

        def look(store: Store) -> InstanceRow | None:
            row = store.instance(instance_id)
            if row is None:
                raise InstanceNotFoundError(instance_id)
            return row if until(row) else None

        return await self._poll(look)

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look now, and whenever the store has changed, until there is something."""
        return await self._poll(look)

    async def _poll(self, look: Callable[[Store], T | None]) -> T:
        pause, version = POLL_SHORTEST, -1
        never = Bell()
        while True:
            seen = await self.read(lambda store: store.version())
            if seen != version:
                version, pause = seen, POLL_SHORTEST
                found: Any = await self.read(look)
                if found is not None:
                    result: T = found
                    return result
            await self.clock.wait(never, self.clock.now() + round(pause * 1_000_000))
            pause = min(pause * 1.5, POLL_LONGEST)

    async def purge(self, ids: Collection[str]) -> list[str]:
        """Delete terminal instances; returns which."""
        return await self.read(lambda store: store.purge(ids))

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again when the owner sees this."""
        await self.send(Message(instance_id, ExecutionResumed(self.clock.now())), None)


def _suspends(inbox: Iterable[Message]) -> bool:
    """Whether these messages, which nobody has taken yet, leave an instance suspended."""
    suspended = False
    for message in inbox:
        if isinstance(message.event, (ExecutionSuspended, ExecutionResumed)):
            suspended = isinstance(message.event, ExecutionSuspended)
    return suspended


def _foreseen(store: Store, target: str, status: Status) -> Status:
    """The status that an instance will have once the owner has read what lies in the inbox."""
    for row in store.inbox(0):
        if row.target != target or status.is_terminal:
            continue
        match _readable(row):
            case ExecutionSuspended():
                status = Status.SUSPENDED
            case ExecutionResumed() if status is Status.SUSPENDED:
                status = Status.RUNNING
            case ExecutionTerminated():
                status = Status.TERMINATED
            case _:
                pass
    return status


def _readable(row: MessageRow) -> AnyEvent | None:
    try:
        return read_event(row.body)
    except UnreadableEventError:
        return None
