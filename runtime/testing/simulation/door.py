"""How simulated clients reach the actors: their requests travel, and may be lost on the way."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from perdure.actors.app import App
from perdure.actors.errors import RuntimeClosedError, StoreError
from perdure.actors.history import EntityOperationCalled, ExecutionStarted
from perdure.actors.messages import Message
from perdure.actors.status import Status
from perdure.persistence.records import InstanceRow, Purged
from perdure.persistence.store import Store
from perdure.runtime.client.gateway import Check, Gateway, Until
from perdure.runtime.clock import Clock, IdSource
from perdure.runtime.engine.bookkeeper import Answer

from .process import DisconnectedError

if TYPE_CHECKING:
    from .world import World

T = TypeVar("T")

LOOKS_MAX = 200
"""How often a client that only wants to look tries again."""
UNKNOWN = (DisconnectedError, RuntimeClosedError, StoreError)
"""What leaves open whether a request has happened."""


class Door:
    """A gateway that carries each request to whichever process serves just then.

    What only looks is asked again when an answer is lost. What changes something is not: its
    client is told by one of `UNKNOWN`.
    """

    def __init__(self, world: "World", client: int, beyond: Gateway | None) -> None:
        self._world = world
        self._client = client
        self._beyond = beyond
        """The way in of a client that needs no process: it has the store."""
        self.app: App = world.app
        self.clock: Clock = world.clock
        self.new_id: IdSource = world.new_id

    async def _change(self, act: Callable[[Gateway], Awaitable[T]]) -> T:
        await self._world.step(self._client)
        if self._beyond is not None:
            return await act(self._beyond)
        await self._world.travel()
        value: Any = await self._world.ask(act)
        await self._world.travel()
        result: T = value
        return result

    async def _look(self, act: Callable[[Gateway], Awaitable[T]]) -> T:
        for _ in range(LOOKS_MAX):
            try:
                return await self._change(act)
            except UNKNOWN:
                await self._world.travel()
        raise StoreError(f"{LOOKS_MAX} looks at the store have failed")

    async def start(
        self,
        instance_id: str,
        event: ExecutionStarted,
        replaceable: Collection[Status],
        *,
        fresh: bool,
    ) -> None:
        """Begin an instance."""
        await self._change(lambda way: way.start(instance_id, event, replaceable, fresh=fresh))

    async def send(self, message: Message, check: Check | None) -> None:
        """Put a message into a mailbox."""
        await self._change(lambda way: way.send(message, check))

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and wait for its outcome."""
        return await self._change(lambda way: way.call(message, event))

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store."""
        return await self._look(lambda way: way.read(read))

    async def watch(self, instance_id: str, until: Until) -> InstanceRow:
        """Wait for an instance to get somewhere."""
        return await self._look(lambda way: way.watch(instance_id, until))

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look until there is something to see."""
        return await self._look(lambda way: way.follow(instance_id, look))

    async def foresee(self, instance_id: str) -> Status | None:
        """The status that an instance will have."""
        return await self._look(lambda way: way.foresee(instance_id))

    async def purge(self, ids: Sequence[str]) -> Purged:
        """Delete some of these."""
        return await self._change(lambda way: way.purge(ids))

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again."""
        await self._change(lambda way: way.mend(instance_id))
