"""Handles that clients give out: on one orchestration, on one entity."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, TypeVarTuple, cast, overload

from ...actors.context import EntityContext
from ...actors.errors import (
    EntityOperationFailedError,
    OrchestrationFailedError,
    StoreCorruptError,
)
from ...actors.failure import FailureDetails
from ...actors.history import (
    NO_ID,
    EntityOperationCalled,
    EntityOperationFailed,
    EntityOperationSignaled,
)
from ...actors.identity import EntityId
from ...actors.messages import Message
from ...actors.moments import micros
from ...actors.status import Status
from ...actors.targets import operation_call
from ..clock import time_limit
from .views import InstanceStatus, instance_status, parked_of

R = TypeVar("R")
E = TypeVar("E")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PAGE_SIZE = 100


if TYPE_CHECKING:
    from .control import Control


class Instance(Generic[R]):
    """A handle on one orchestration."""

    def __init__(self, client: "Control", instance_id: str, returns: Any = Any) -> None:
        self.client = client
        self.instance_id = instance_id
        self._returns = returns

    def __repr__(self) -> str:
        return f"<Instance {self.instance_id}>"

    async def result(self, timeout: float | None = None) -> R:
        """Wait for the end and return the output.

        Raises `OrchestrationFailedError` when it failed or was terminated, `TimeoutError` when it
        has not ended within `timeout` seconds.
        """
        row = await self.client.end_of(self.instance_id, timeout)
        codec = self.client.gateway.app.codec
        if row.status is not Status.COMPLETED:
            failure = _failure_of(instance_status(row, codec))
            raise OrchestrationFailedError(self.instance_id, row.status, failure)
        output: R = codec.read(row.output, self._returns, "output")
        return output

    async def status(self) -> InstanceStatus | None:
        """What is known of it now."""
        return await self.client.get_status(self.instance_id)

    async def raise_event(self, name: str, data: object = None) -> None:
        """See `Client.raise_event`."""
        await self.client.raise_event(self.instance_id, name, data)

    async def terminate(self, reason: str | None = None, *, recursive: bool = False) -> None:
        """See `Client.terminate`."""
        await self.client.terminate(self.instance_id, reason, recursive=recursive)


def _failure_of(status: InstanceStatus) -> FailureDetails:
    if status.failure_details is not None:
        return status.failure_details
    return FailureDetails(status.runtime_status.label, str(status.output or ""))


class ClientEntity(Generic[E]):
    """An entity as a client sees it."""

    def __init__(self, client: "Control", entity_id: EntityId, state_type: Any) -> None:
        self._client = client
        self._state_type = state_type
        self.id = entity_id

    @overload
    async def call(
        self,
        operation: Callable[[E, EntityContext, *Ts], Awaitable[R]],
        *args: *Ts,
        timeout: float | None = None,
    ) -> R: ...
    @overload
    async def call(
        self,
        operation: Callable[[E, *Ts], Awaitable[R]],
        *args: *Ts,
        timeout: float | None = None,
    ) -> R: ...
    @overload
    async def call(
        self,
        operation: Callable[[E, EntityContext, *Ts], R],
        *args: *Ts,
        timeout: float | None = None,
    ) -> R: ...
    @overload
    async def call(
        self, operation: Callable[[E, *Ts], R], *args: *Ts, timeout: float | None = None
    ) -> R: ...
    @overload
    async def call(
        self, operation: str, *args: object, returns: type[R], timeout: float | None = None
    ) -> R: ...
    @overload
    async def call(self, operation: str, *args: object, timeout: float | None = None) -> Any: ...
    async def call(  # type: ignore[misc]  # mypy does not match *Ts with *Any
        self, operation: Any, *args: Any, returns: Any = None, timeout: float | None = None
    ) -> Any:
        """Run an operation and wait for its result, durable on both sides.

        Raises `EntityOperationFailedError` when it raised, and `TimeoutError` after `timeout`
        seconds; the operation may still happen then. One for a parked entity waits for the mend,
        which the `TimeoutError` names; `get_entity` shows it at any time.
        """
        gateway = self._client.gateway
        call = operation_call(gateway.app, self.id, operation, args, returns)
        event = EntityOperationCalled(
            gateway.clock.now(), NO_ID, gateway.new_id(), call.name, str(self.id), call.input
        )
        try:
            with time_limit(timeout):
                answer = await gateway.call(Message(str(self.id), event), event)
        except TimeoutError:
            why = await self._why_it_waits()
            raise TimeoutError(f"{self.id}.{call.name} {why} after {timeout} s") from None
        if isinstance(answer, EntityOperationFailed):
            raise EntityOperationFailedError(f"{self.id}.{call.name}", NO_ID, answer.failure)
        return call.read(answer.output)

    @overload
    async def signal(
        self,
        operation: Callable[[E, EntityContext, *Ts], object],
        *args: *Ts,
        at: datetime | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self, operation: Callable[[E, *Ts], object], *args: *Ts, at: datetime | None = None
    ) -> None: ...
    @overload
    async def signal(self, operation: str, *args: object, at: datetime | None = None) -> None: ...
    async def signal(self, operation: Any, *args: Any, at: datetime | None = None) -> None:  # type: ignore[misc]  # mypy does not match *Ts with *Any
        """Send an operation of which nobody awaits the result, to be delivered not before `at`."""
        gateway = self._client.gateway
        call = operation_call(gateway.app, self.id, operation, args, None)
        due = micros(at) if at is not None else None
        event = EntityOperationSignaled(
            gateway.clock.now(),
            NO_ID,
            gateway.new_id(),
            call.name,
            str(self.id),
            call.input,
            due,
        )
        await gateway.send(Message(str(self.id), event, due=due), None)

    async def _why_it_waits(self) -> str:
        row = await self._client.gateway.read(lambda store: store.entity(str(self.id)))
        if row is not None and (parked := parked_of(row)) is not None:
            return f"waits, as the entity is parked ({parked.message}),"
        if row is not None and row.locked_by is not None:
            return f"waits for the lock that {row.locked_by} holds,"
        return "has not been answered"

    async def read(self) -> E | None:
        """The last committed state, or None when the entity does not exist.

        Raises `StoreCorruptError` when it is damaged.
        """
        row = await self._client.gateway.read(lambda store: store.entity(str(self.id)))
        if row is not None and row.damage is not None:
            raise StoreCorruptError(row.damage)
        if row is None or row.state is None:
            return None
        codec = self._client.gateway.app.codec
        return cast("E", codec.read(row.state, self._state_type, f"state of {self.id}"))
