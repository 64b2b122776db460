"""The postman: messages into mailboxes, and from there to the actors."""

from functools import partial
from typing import TYPE_CHECKING

from ...actors.history import (
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionTerminated,
)
from ...actors.messages import Message
from .slot import Slot

if TYPE_CHECKING:
    from .partition import Partition


class Postman:
    """Delivers for one partition."""

    def __init__(self, partition: "Partition") -> None:
        self._partition = partition
        self.position = 0
        """The newest of the mailbox."""

    @property
    def newest(self) -> int:
        """The highest position that was given up to now."""
        return self.position

    def raise_to(self, position: int) -> None:
        """Give only positions above this one from now on."""
        self.position = max(self.position, position)

    def send(self, message: Message) -> None:
        """Put a message into a mailbox, and deliver it if it is due."""
        partition = self._partition
        self.position += 1
        message.position = self.position
        partition.pipeline.batch.sent[message.position] = message
        partition.later.deliver(message)

    def deliver(self, message: Message) -> None:
        """Give a message to its actor, once that is loaded."""
        residents = self._partition.residents
        slot = residents.slots.get(message.target)
        if slot is not None and slot.loaded:
            self._arrive(message, slot)
        else:
            residents.when_loaded(message.target, partial(self._arrive, message))

    def _arrive(self, message: Message, slot: Slot) -> None:
        partition, event = self._partition, message.event
        if isinstance(event, ExecutionStarted) and not partition.admission.admits(
            slot, message, event
        ):
            return
        actor = slot.actor
        if actor is None:
            self._revive(slot, event)
            partition.batch.take(message)
            return
        if slot.parked is not None and isinstance(event, ExecutionTerminated):
            actor.inbox.insert(0, message)
            slot.parked = None
        else:
            actor.inbox.append(message)
        if slot.parked is not None and isinstance(event, ExecutionResumed):
            partition.unpark(slot)
        partition.queue(slot)

    def _revive(self, slot: Slot, event: object) -> None:
        """A rewound parent's child that is not there any more begins anew, by its own message."""
        if isinstance(event, ExecutionRewound) and event.restart is not None:
            self.send(Message(slot.id, event.restart))

    def forget(self) -> None:
        """Memory was dropped."""
