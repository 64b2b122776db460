"""A client that writes down what it asks and what it is told."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Literal, TypeVar

from perdure.actors.app import App
from perdure.actors.errors import (
    InstanceAlreadyExistsError,
    InstanceNotFoundError,
    InstanceStateError,
)
from perdure.actors.history import (
    EntityOperationCalled,
    EntityOperationFailed,
    EntityOperationSignaled,
    EventRaised,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)
from perdure.actors.messages import Message
from perdure.actors.status import Status
from perdure.persistence.records import InstanceRow, Purged
from perdure.persistence.store import Store
from perdure.runtime.checked import checked_kind
from perdure.runtime.client.client import Client
from perdure.runtime.client.gateway import Check, Gateway, Until
from perdure.runtime.clock import Clock, IdSource
from perdure.runtime.engine.bookkeeper import Answer

from .history import History
from .operation import Kind, Operation

T = TypeVar("T")

REFUSALS = (InstanceAlreadyExistsError, InstanceNotFoundError, InstanceStateError)
"""What says for certain that nothing has happened."""
KINDS: dict[type, Kind] = {
    ExecutionTerminated: "terminate",
    ExecutionSuspended: "suspend",
    ExecutionResumed: "resume",
    ExecutionRewound: "rewind",
}


def recorded(client: Client, history: History, name: str, *, outside: bool = False) -> Client:
    """A client that does what `client` does, and records it in `history` as that of `name`.

    `outside` says that it is in another process than the runtime.
    """
    checked_kind(client, Client, "client is a Client, such as runtime.client")
    checked_kind(history, History, "history is a History, such as History()")
    gateway = RecordingGateway(client.gateway, history, name, outside=outside)
    return Client(gateway, management=client.management)


class RecordingGateway:
    """Between a client and its way to the actors."""

    def __init__(self, inner: Gateway, history: History, client: str, *, outside: bool) -> None:
        self._inner = inner
        self._history = history
        self._client = client
        self._outside = outside
        self.app: App = inner.app
        self.clock: Clock = inner.clock
        self.new_id: IdSource = inner.new_id

    def _asks(self, kind: Kind, target: str, name: str = "", payload: str | None = None,
              request_id: str = "", due: int | None = None) -> Operation:  # fmt: skip
        operation = Operation(
            self._client, kind, target, name, payload, request_id, self._history.moment(),
            outside=self._outside, due=due,
        )  # fmt: skip
        self._history.asked(operation)
        return operation

    async def _told(
        self,
        operation: Operation,
        answer: Coroutine[Any, Any, T],
        keep: Callable[[Operation, T], None] | None = None,
    ) -> T:
        try:
            value = await answer
        except REFUSALS as refusal:
            operation.failure = type(refusal).__name__, str(refusal)
            self._ended(operation, "refused")
            raise
        except Exception as unknown:
            operation.failure = type(unknown).__name__, str(unknown)
            self._history.told(operation)
            raise
        if keep is not None:
            keep(operation, value)
        self._ended(operation, "done")
        return value

    def _ended(self, operation: Operation, answer: Literal["done", "refused"]) -> None:
        operation.answer = answer
        operation.answered = self._history.moment()
        self._history.told(operation)

    async def start(
        self,
        instance_id: str,
        event: ExecutionStarted,
        replaceable: Collection[Status],
        *,
        fresh: bool,
    ) -> None:
        """Begin an instance."""
        asked = self._asks("start", instance_id, event.name, event.input, event.execution_id)
        await self._told(asked, self._inner.start(instance_id, event, replaceable, fresh=fresh))

    async def send(self, message: Message, check: Check | None) -> None:
        """Put a message into a mailbox."""
        event, target = message.event, message.target
        if isinstance(event, EntityOperationSignaled):
            asked = self._asks(
                "signal", target, event.operation, event.input, event.request_id, event.scheduled
            )
        elif isinstance(event, EventRaised):
            asked = self._asks("event", target, event.name, event.input)
        else:
            asked = self._asks(KINDS.get(type(event), "mend"), target, type(event).__name__)
        await self._told(asked, self._inner.send(message, check))

    async def call(self, message: Message, event: EntityOperationCalled) -> Answer:
        """Send an operation and wait for its outcome."""
        target = message.target
        asked = self._asks("call", target, event.operation, event.input, event.request_id)
        return await self._told(asked, self._inner.call(message, event), _keep_answer)

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store."""
        return await self._inner.read(read)

    async def watch(self, instance_id: str, until: Until) -> InstanceRow:
        """Wait for an instance to get somewhere."""
        asked = self._asks("status", instance_id)
        return await self._told(asked, self._inner.watch(instance_id, until), _keep_row)

    async def follow(self, instance_id: str, look: Callable[[Store], T | None]) -> T:
        """Look until there is something to see."""
        return await self._inner.follow(instance_id, look)

    async def foresee(self, instance_id: str) -> Status | None:
        """The status that an instance will have."""
        return await self._inner.foresee(instance_id)

    async def purge(self, ids: Sequence[str]) -> Purged:
        """Delete some of these."""
        asked = [self._asks("purge", instance_id) for instance_id in ids]
        purged = await self._inner.purge(ids)
        gone = set(purged.gone)
        for operation in asked:
            self._ended(operation, "done" if operation.target in gone else "refused")
        return purged

    async def mend(self, instance_id: str) -> None:
        """Let a parked actor try again."""
        await self._told(self._asks("mend", instance_id), self._inner.mend(instance_id))


def _keep_answer(asked: Operation, answer: Answer) -> None:
    if isinstance(answer, EntityOperationFailed):
        asked.failure = answer.failure.type, answer.failure.message
    else:
        asked.result = answer.output


def _keep_row(asked: Operation, row: InstanceRow) -> None:
    asked.id, asked.status, asked.result = row.execution_id, row.status.name, row.output
