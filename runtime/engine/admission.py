"""Who may begin: starts, replacements and conflicts of instance ids."""

from functools import partial
from typing import TYPE_CHECKING

from ...actors.errors import DefinitionNotFoundError, InstanceAlreadyExistsError
from ...actors.failure import FailureDetails, details_of
from ...actors.history import (
    ExecutionStarted,
    ExecutionTerminated,
    SubOrchestrationInstanceFailed,
)
from ...actors.messages import Message
from ...actors.orchestration import Orchestration
from ...actors.status import Status
from .reply import Reply
from .restore import Restorer
from .slot import Slot

if TYPE_CHECKING:
    from .partition import Partition


class Admission:
    """Decides about starts for one partition."""

    def __init__(self, partition: "Partition", restorer: Restorer) -> None:
        self._partition = partition
        self._restorer = restorer

    def start(
        self,
        event: ExecutionStarted,
        replaceable: frozenset[Status],
        reply: Reply[bool],
        slot: Slot,
    ) -> None:
        """A client starts an instance; answered when that is durable, or by what is in the way."""
        partition, actor = self._partition, slot.actor
        if isinstance(actor, Orchestration):
            if actor.status not in replaceable:
                error = InstanceAlreadyExistsError(slot.id, actor.status)
                partition.refuse_once_durable(slot, reply, error)
                return
            if not actor.status.is_terminal:
                self._end(slot, actor, event.at)
        self._begin(slot, event)
        partition.batch.when_durable.append(partial(partition.settle, reply, True))
        partition.send(Message(slot.id, event, due=event.scheduled_start))

    def _end(self, slot: Slot, actor: Orchestration, now: int) -> None:
        """Terminate what is replaced, so that its locks, activities and parent are seen to."""
        slot.parked = None
        actor.inbox.insert(0, _replaced(slot.id, now))
        self._partition.absorb(slot, actor.step(now))

    def admits(self, slot: Slot, message: Message, event: ExecutionStarted) -> bool:
        """Whether the actor in this slot takes this start; makes one if there is none."""
        actor, outside = slot.actor, message.position < 0
        if isinstance(actor, Orchestration) and actor.execution_id == event.execution_id:
            return not (outside and self._postponed(message, event))
        if outside:
            self._replace(slot, event)
            return not self._postponed(message, event)
        if message.due is not None and event.parent is None:
            # Admitted before it waited, and replaced, or ended and purged, while it did.
            self._partition.batch.take(message)
            return False
        if isinstance(actor, Orchestration) and not actor.status.is_terminal:
            error = InstanceAlreadyExistsError(slot.id, actor.status)
            self._reject(message, event, details_of(error))
            return False
        if event.parent is not None:
            try:
                self._restorer.check(event)
            except DefinitionNotFoundError as missing:
                self._reject(message, event, details_of(missing))
                return False
        self._begin(slot, event)
        return event.parent is not None or not self._postponed(message, event)

    def _postponed(self, message: Message, event: ExecutionStarted) -> bool:
        """Let a start that nobody waits for wait for its time, now that it is admitted."""
        due, partition = event.scheduled_start, self._partition
        if due is None or due <= partition.now():
            return False
        partition.batch.take(message)
        partition.send(Message(message.target, event, due=due))
        return True

    def _replace(self, slot: Slot, event: ExecutionStarted) -> None:
        """Begin what another process was let start: its row is in the store already."""
        if isinstance(slot.actor, Orchestration) and not slot.actor.status.is_terminal:
            self._end(slot, slot.actor, event.at)
        self._begin(slot, event, claim=False)

    def end_replaced(self, slot: Slot, before: Orchestration) -> None:
        """Terminate what another process has replaced while it was not in memory."""
        partition = self._partition
        now = partition.now()
        before.inbox.append(_replaced(slot.id, now))
        effects = before.step(now)
        partition.batch.when_durable.append(partial(partition.activities.cancel_all, slot.id))
        if partition.errands is not None:
            partition.errands.withdraw_all(slot.id)
        for message in effects.sent:
            partition.send(message)
        if partition.audience is not None:
            partition.audience.turned(partition.batch, before, effects)

    def _begin(self, slot: Slot, event: ExecutionStarted, *, claim: bool = True) -> None:
        batch, before = self._partition.batch, slot.actor
        if claim and not (slot.fresh and before is None):
            batch.claims.setdefault(slot.id, slot.stored_execution)
        if isinstance(before, Orchestration):
            batch.reset(slot.id)
            for waiting in (*before.inbox, *before.waiting):
                batch.take(waiting)
            before.close()
        slot.actor, slot.parked = self._restorer.new(slot.id, event), None
        slot.damage = None
        self._partition.show(slot)

    def _reject(self, message: Message, event: ExecutionStarted, failure: FailureDetails) -> None:
        self._partition.batch.take(message)
        parent = event.parent
        if parent is not None:
            failed = SubOrchestrationInstanceFailed(
                event.at, parent.task_id, failure, parent.attempt
            )
            self._partition.send(Message(parent.instance_id, failed, parent.execution_id))


def _replaced(instance_id: str, now: int) -> Message:
    return Message(instance_id, ExecutionTerminated(now, '"replaced"'))
