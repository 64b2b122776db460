"""The bookkeeper: enters what turns ask for into the batch that becomes durable next."""

import logging
from functools import partial
from typing import TYPE_CHECKING

from ...actors.effects import Effects
from ...actors.entity import Entity
from ...actors.history import (
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    TimerFired,
)
from ...actors.messages import UNSTORED, Message
from ...actors.orchestration import Orchestration
from ...actors.wire import write_event
from ...persistence.records import TimerRow
from ..settings import Settings
from .batch import Batch, turn_rows
from .slot import Slot

if TYPE_CHECKING:
    from .partition import Partition

logger = logging.getLogger("perdure.runtime")

Answer = EntityOperationCompleted | EntityOperationFailed


class Bookkeeper:
    """Knows what the effects of a turn mean for one partition."""

    def __init__(self, partition: "Partition", settings: Settings) -> None:
        self._partition = partition
        self._settings = settings

    def absorb(self, slot: Slot, effects: Effects) -> None:
        """Make a turn's effects part of the batch, and deliver what it sent."""
        partition, actor = self._partition, slot.actor
        batch = partition.pipeline.batch
        if effects.taken or effects.turns:
            batch.touch(slot)
        for message in effects.taken:
            if message.position != UNSTORED:
                batch.take(message)
            elif isinstance(message.event, TimerFired) and _is_current(message, actor):
                batch.cut_timer(slot.id, message.event.timer_id)
        if isinstance(actor, Orchestration):
            self._absorb_orchestration(batch, slot, actor, effects)
        if effects.changed:
            partition.show(slot, effects.now)
        if effects.replies:
            self._reply(batch, effects.replies, effects.taken)
        for message in effects.sent:
            partition.send(message)
        if partition.audience is not None:
            partition.audience.turned(batch, actor, effects)

    def _absorb_orchestration(
        self, batch: Batch, slot: Slot, actor: Orchestration, effects: Effects
    ) -> None:
        if effects.afterwards:
            batch.claims.setdefault(slot.id, slot.stored_execution)
        if effects.reset:
            batch.reset(slot.id)
        if effects.turns:
            rows = turn_rows(actor, effects.turns)
            batch.add_turns(slot.id, rows)
            if actor.turns_recorded >= self._settings.history_warning:
                self._warn_of_length(actor, len(rows))
        later = self._partition.later
        for timer in effects.timers_set:
            row = TimerRow(slot.id, timer.id, effects.execution_id, timer.fire_at)
            batch.set_timer(row)
            later.set(row)
        for timer_id in effects.timers_cut:
            batch.cut_timer(slot.id, timer_id)
            later.cut(slot.id, timer_id)
        self._absorb_activities(batch, slot, effects)

    def _absorb_activities(self, batch: Batch, slot: Slot, effects: Effects) -> None:
        activities, execution_id = self._partition.activities, effects.execution_id
        begun, errands = effects.activities, self._partition.errands
        if errands is not None:
            begun = errands.absorb(slot.id, effects)
        for event in begun:
            start = partial(activities.start, slot.id, execution_id, event)
            batch.when_durable.append(start)
        if effects.all_called_off:
            batch.when_durable.append(partial(activities.cancel_all, slot.id))
        for call_id in effects.called_off:
            cancel = partial(activities.cancel, slot.id, execution_id, call_id)
            batch.when_durable.append(cancel)

    def _warn_of_length(self, actor: Orchestration, added: int) -> None:
        if actor.turns_recorded - added < self._settings.history_warning:
            logger.warning(
                "%s %s has recorded %d turns; continue_as_new would keep its history short",
                actor.name,
                actor.id,
                actor.turns_recorded,
                extra={"instance_id": actor.id},
            )

    def _reply(self, batch: Batch, answers: list[Answer], taken: list[Message]) -> None:
        """Answer clients here directly, and those outside through the store."""
        partition = self._partition
        outside: set[str] | None = None
        for answer in answers:
            reply = partition.callers.get(answer.request_id)
            if reply is not None:
                batch.when_durable.append(partial(partition.settle, reply, answer))
                continue
            if outside is None:
                outside = {_request_of(message) for message in taken if message.position < 0}
            # Among other workers, who asked here may wait there by now.
            if answer.request_id in outside or partition.holdings is not None:
                batch.replies[answer.request_id] = write_event(answer)


def _request_of(message: Message) -> str:
    event = message.event
    return event.request_id if isinstance(event, EntityOperationCalled) else ""


def _is_current(message: Message, actor: Orchestration | Entity | None) -> bool:
    """Whether a fired timer is one that the store still has under its number.

    The numbers of an execution are given anew in the next one.
    """
    if not isinstance(actor, Orchestration):
        return False
    return message.execution_id == actor.execution_id or message.execution_id in actor.lineage
