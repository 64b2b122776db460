"""Steering orchestrations: events, suspension, termination, rewind, restart."""

from typing import Any, TypeVar, TypeVarTuple

from ...actors.codec import checked_text
from ...actors.damage import is_damaged
from ...actors.errors import (
    InstanceNotFoundError,
    InstanceStateError,
    PerdureError,
    StoreCorruptError,
)
from ...actors.history import (
    EventRaised,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)
from ...actors.identity import is_entity
from ...actors.messages import Message
from ...actors.status import TERMINAL, Status
from .handles import Instance
from .purging import Purging

R = TypeVar("R")
E = TypeVar("E")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PAGE_SIZE = 100


class Reuse:
    """When an instance that has the wanted id gives way to a new one."""

    NON_RUNNING = frozenset(TERMINAL)
    """When it has ended, in whatever way: the default."""
    ANY_STATE = frozenset(Status)
    """Always; one that is running is terminated first."""
    NEVER: frozenset[Status] = frozenset()
    """Never."""


class Control(Purging):
    """The part of the client that steers."""

    async def raise_event(self, instance_id: str, name: str, data: object = None) -> None:
        """Raise an external event; kept until the instance waits for it.

        Raises `InstanceNotFoundError`, and `InstanceStateError` for one that has ended.
        """
        if not name:
            raise ValueError("an event has a name")
        payload = self.gateway.app.codec.write(data, f"event {checked_text(name, 'event')!r}")
        event = EventRaised(self.gateway.clock.now(), name, payload)
        await self._steer(instance_id, event, f"raise event {name!r} at")

    async def terminate(
        self, instance_id: str, reason: str | None = None, *, recursive: bool = False
    ) -> None:
        """End an instance; its output becomes the reason.

        Its running activities are cancelled, its locks freed and its parent told. `recursive`
        terminates its unfinished children too. Raises `InstanceNotFoundError`, and
        `InstanceStateError` for one that has ended.
        """
        payload = self.gateway.app.codec.write(reason, "reason")
        event = ExecutionTerminated(self.gateway.clock.now(), payload, recursive)
        await self._steer(instance_id, event, "terminate")

    async def suspend(self, instance_id: str, reason: str | None = None) -> None:
        """Let nothing reach the code until `resume`; suspending twice does no harm.

        Raises `InstanceNotFoundError`, and `InstanceStateError` for one that has ended.
        """
        event = ExecutionSuspended(self.gateway.clock.now(), _checked(reason))
        await self._steer(instance_id, event, "suspend")

    async def resume(self, instance_id: str, reason: str | None = None) -> None:
        """Go on after `suspend`, in order of arrival; lets a parked instance try again.

        A parked entity is named by its id as text, `@name@key`. Raises `InstanceNotFoundError`,
        and `InstanceStateError` for one that is neither suspended nor parked.
        """
        if is_entity(instance_id):
            await self._resume_entity(instance_id)
            return
        row = await self.gateway.read(lambda store: store.instance(instance_id))
        event = ExecutionResumed(self.gateway.clock.now(), _checked(reason))
        if row is None or row.parked is None:
            await self._steer(instance_id, event, "resume", only=Status.SUSPENDED)
            return
        await self.gateway.mend(instance_id)
        if row.status is Status.SUSPENDED:
            await self._steer(instance_id, event, "resume", only=Status.SUSPENDED)

    async def _resume_entity(self, entity_id: str) -> None:
        row = await self.gateway.read(lambda store: store.entity(entity_id))
        if row is None or row.parked is None:
            raise InstanceNotFoundError(entity_id)
        await self.gateway.mend(entity_id)

    async def rewind(self, instance_id: str, reason: str | None = None) -> None:
        """Let a failed instance do its failed work again, and keep what succeeded.

        Raises `InstanceNotFoundError`, and `InstanceStateError` unless it is Failed.
        """
        gateway = self.gateway
        event = ExecutionRewound(gateway.clock.now(), _checked(reason), gateway.new_id())
        await self._steer(instance_id, event, "rewind", only=Status.FAILED)

    async def _steer(
        self, instance_id: str, event: Any, operation: str, *, only: Status | None = None
    ) -> None:
        def check(status: Status) -> PerdureError | None:
            allowed = status is only if only is not None else not status.is_terminal
            return None if allowed else InstanceStateError(instance_id, status, operation)

        if instance_id.startswith("@"):
            raise InstanceNotFoundError(instance_id)
        await self.gateway.send(Message(instance_id, event), check)

    async def restart(
        self, instance_id: str, *, restart_with_new_instance_id: bool = True
    ) -> Instance[Any]:
        """Start an orchestration again, with the same input, version and tags.

        With the same id it has to have ended, else `InstanceStateError`. Raises
        `InstanceNotFoundError`.
        """
        gateway = self.gateway
        row = await gateway.read(lambda store: store.instance(instance_id))
        if row is None:
            raise InstanceNotFoundError(instance_id)
        if row.damage is not None or is_damaged(row.input, row.name, row.version):
            raise StoreCorruptError(f"{instance_id!r} is damaged: start it with a new input")
        if not restart_with_new_instance_id:
            status = await gateway.foresee(instance_id)
            if status is not None and not status.is_terminal:
                raise InstanceStateError(instance_id, status, "restart")
        chosen = gateway.new_id() if restart_with_new_instance_id else instance_id
        event = ExecutionStarted(
            gateway.clock.now(),
            row.name,
            gateway.new_id(),
            row.version,
            row.input,
            None,
            dict(row.tags),
        )
        await gateway.start(chosen, event, Reuse.NON_RUNNING, fresh=restart_with_new_instance_id)
        return Instance(self, chosen)


def _checked(reason: str | None) -> str | None:
    return None if reason is None else checked_text(reason, "reason")
