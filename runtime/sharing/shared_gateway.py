"""The way in at one worker among others: beside the partition, or through the store to another's.

1.  What an actor here is asked takes the way of `LocalGateway`; all else is posted, as by a client
    that has nothing but the store, and the lookout waits for what becomes of it.
2.  A request whose actor moves meanwhile is repeated the other way if nothing of it has happened.
    An operation that was sent already is answered through the store.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from ...actors.errors import (
    InstanceNotFoundError,
    RuntimeClosedError,
    StaleOwnerError,
    StoreError,
)
from ...actors.history import (
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    ExecutionStarted,
)
from ...actors.messages import Message
from ...actors.status import Status
from ...actors.wire import read_event
from ...persistence.records import InstanceRow, Purged
from ...persistence.store import Store
from ..client.foreseeing import awaited
from ..client.gateway import Check, LocalGateway, Until
from ..client.store_gateway import StoreGateway
from ..engine.bookkeeper import Answer
from ..engine.partition import Partition
from ..engine.reply import Reply, own_copy
from ..engine.watchers import MEMORY_LOST, Watched
from .holdings import Holdings, MovedError
from .lookout import Lookout, Wait
from .shared_recovery import SharedRecovery

T = TypeVar("T")


class SharedGateway:
    """The way in beside one worker of many."""

    def __init__(
        self,
        here: LocalGateway,
        afar: StoreGateway,
        partition: Partition,
        holdings: Holdings,
        recovery: SharedRecovery,
        lookout: Lookout,
    ) -> None:
        self.app, self.clock, self.new_id = here.app, here.clock, here.new_id
        self._here = here
        self._afar = afar
        self._partition = partition
        self._holdings = holdings
        self._recovery = recovery
        self._lookout = lookout

    def _is_here(self, target: str) -> bool:
        if isinstance(self._partition.down, RuntimeClosedError):
            raise own_copy(self._partition.down)
        return self._holdings.welcomes(target)

    async def _reach(
        self, target: str, here: Callable[[], Awaitable[T]], afar: Callable[[], Awaitable[T]]
    ) -> T:
        while self._is_here(target):
            try:
                return await here()
            except MovedError:
                continue
            except StaleOwnerError:
                # Its commit was refused as a whole, so that nothing of it has happened.
                await self._partition.recovered.wait()
        result = await afar()
        await self._let_in(target)
        return result

    async def _let_in(self, target: str) -> None:
        """What is sent next may not overtake what was posted just now, wherever that is by now."""
        if self._is_here(target):
            await self._recovery.fetch()

    async def start(
        self,
        instance_id: str,
        event: ExecutionStarted,
        replaceable: Collection[Status],
        *,
        fresh: bool,
    ) -> None:
        """Begin an instance; raises `InstanceAlreadyExistsError`."""
        await self._reach(
            instance_id,
            lambda: self._here.start(instance_id, event, replaceable, fresh=fresh),
            lambda: self._afar.start(instance_id, event, replaceable, fresh=fresh),
        )

    async def send(self, message: Message, check: Check | None) -> None:
        """Put a message into a mailbox, if the target's status passes the check."""
        await self._reach(
            message.target,
            lambda: self._here.send(message, check),
            lambda: self._afar.send(message, check),
        )

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and wait for its outcome."""
        while self._is_here(message.target):
            try:
                return await self._here.call(message, event)
            except MovedError:
                return await self._answer(message.target, event.request_id)
            except StaleOwnerError:
                await self._partition.recovered.wait()
        return await self._answer(message.target, event.request_id, message)

    async def _answer(self, target: str, request_id: str, message: Message | None = None) -> Answer:
        """Wait for what is answered elsewhere, or here if the entity comes here."""
        reply: Reply[Answer] = Reply()

        def found(text: str) -> None:
            answer = read_event(text)
            if isinstance(answer, (EntityOperationCompleted, EntityOperationFailed)):
                reply.set(answer)
            else:
                reply.fail(StoreError(f"the answer to {request_id} is none: {text:.200}"))

        partition = self._partition
        wait = Wait(self._holdings.number_of(target), request_id=request_id, answer=found)
        partition.callers[request_id] = reply
        partition.lasting.add(reply)
        partition.requests[reply] = None
        try:
            if message is not None:
                await self._afar.send(message, None)
            with self._lookout.waiting(wait):
                await self._let_in(target)
                return await reply.wait()
        finally:
            partition.callers.pop(request_id, None)
            partition.lasting.discard(reply)
            partition.requests.pop(reply, None)

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store."""
        return await self._here.read(read)

    async def watch(self, instance_id: str, until: Until) -> InstanceRow:
        """Wait for an instance to get somewhere; raises `InstanceNotFoundError`."""
        found: Watched = MEMORY_LOST
        while found is MEMORY_LOST:
            if self._is_here(instance_id):
                found = await self._here.watch_once(instance_id, until)
            else:
                found = await self._watch_afar(instance_id, until)
        return found

    async def _watch_afar(self, instance_id: str, until: Until) -> Watched:
        reply: Reply[Watched] = Reply()

        def show(row: InstanceRow | None) -> None:
            if row is None:
                reply.fail(InstanceNotFoundError(instance_id))
            elif until(row):
                reply.set(row)
            elif self._holdings.welcomes(instance_id):
                reply.set(MEMORY_LOST)

        rows = await self.read(lambda store: awaited(store, [instance_id]))
        show(rows.get(instance_id))
        return await self._await(instance_id, reply, show)

    async def _await(
        self, instance_id: str, reply: Reply[T], show: Callable[[InstanceRow | None], object]
    ) -> T:
        """Wait for a reply; the end of the runtime is one too."""
        replies = self._partition.watchers.replies
        wait = Wait(self._holdings.number_of(instance_id), instance_id, show=show)
        replies[reply] = None
        try:
            with self._lookout.waiting(wait):
                return await reply.wait()
        finally:
            replies.pop(reply, None)

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look now, and whenever the store has something new of an instance, until it is seen."""
        while True:
            if self._is_here(instance_id):
                found = await self._here.follow_once(instance_id, look)
            else:
                found = await self.read(look)
            if found is not None:
                return found
            if self._is_here(instance_id):
                continue
            await self._await_news(instance_id)

    async def _await_news(self, instance_id: str) -> None:
        reply: Reply[bool] = Reply()
        await self._await(instance_id, reply, lambda _: reply.set(True))

    async def foresee(self, instance_id: str) -> Status | None:
        """The status of an instance, or None; waits for its end if that is decided."""
        return await self._reach(
            instance_id,
            lambda: self._here.foresee(instance_id),
            lambda: self._afar.foresee(instance_id),
        )

    async def purge(self, ids: Sequence[str]) -> Purged:
        """Delete some of these, if they are terminal."""
        return await self._here.purge(ids)

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again."""
        await self._reach(
            instance_id,
            lambda: self._here.mend(instance_id),
            lambda: self._afar.mend(instance_id),
        )
