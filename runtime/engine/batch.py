"""Turns that wait to become durable together, and what happens once they are."""

from collections.abc import Callable

import orjson
from attrs import Factory, asdict, define

from ...actors.effects import Parked
from ...actors.entity import Entity
from ...actors.history import Turn
from ...actors.messages import UNSTORED, Message
from ...actors.orchestration import Orchestration
from ...actors.wire import write_event, write_events, write_failure, write_notes
from ...persistence.records import (
    Commit,
    EntityRow,
    Errand,
    ErrandKey,
    InstanceRow,
    MessageRow,
    Postmark,
    TimerRow,
    TurnRow,
)
from .slot import Slot

Act = Callable[[], object]


@define(eq=False)
class Batch:
    """What has changed since the last commit was handed over."""

    claims: dict[str, str | None] = Factory(dict[str, "str | None"])
    resets: set[str] = Factory(set[str])
    touched: dict[str, Slot] = Factory(dict[str, Slot])
    changed: dict[str, Slot] = Factory(dict[str, Slot])
    """Slots of which the row or snapshot has to be written."""
    deleted: dict[str, Slot] = Factory(dict[str, Slot])
    turns: dict[str, list[TurnRow]] = Factory(dict[str, "list[TurnRow]"])
    timers_set: dict[tuple[str, int], TimerRow] = Factory(dict[tuple[str, int], TimerRow])
    timers_cut: dict[tuple[str, int], None] = Factory(dict[tuple[str, int], None])
    sent: dict[int, Message] = Factory(dict[int, Message])
    letters: dict[int, Message] = Factory(dict[int, Message])
    """Messages for actors whose partitions are not here."""
    received: list[Postmark] = Factory(list[Postmark])
    """Letters that are messages here now, or taken already."""
    errands: dict[ErrandKey, Errand] = Factory(dict[ErrandKey, Errand])
    withdrawn: dict[ErrandKey, None] = Factory(dict[ErrandKey, None])
    """Errands that were answered here, or that nobody wants any more."""
    answers: dict[ErrandKey, Message] = Factory(dict[ErrandKey, Message])
    """What became of errands of actors whose partitions are not here."""
    recalls: bool = False
    """Whether others may be running what is withdrawn."""
    consumed: list[int] = Factory(list[int])
    replies: dict[str, str] = Factory(dict[str, str])
    when_durable: list[Act] = Factory(list[Act])
    """Everything that the outside can see, in the order in which it was caused."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to make durable and nobody who waits for that."""
        return not (
            self.touched
            or self.sent
            or self.consumed
            or self.when_durable
            or self.letters
            or self.received
        )

    def touch(self, slot: Slot) -> None:
        """This slot has state that only this batch will make durable."""
        if slot.id not in self.touched:
            self.touched[slot.id] = slot
            slot.undurable += 1

    def reset(self, instance_id: str) -> None:
        """Drop the turns and timers of an instance up to here."""
        self.resets.add(instance_id)
        self.turns.pop(instance_id, None)
        for key in [key for key in self.timers_set if key[0] == instance_id]:
            del self.timers_set[key]

    def add_turns(self, instance_id: str, rows: list[TurnRow]) -> None:
        """Append to the log of an instance."""
        known = self.turns.get(instance_id)
        if known is None:
            self.turns[instance_id] = rows
        else:
            known += rows

    def set_timer(self, row: TimerRow) -> None:
        """Keep a timer."""
        key = row.instance_id, row.timer_id
        self.timers_set[key] = row
        self.timers_cut.pop(key, None)

    def cut_timer(self, instance_id: str, timer_id: int) -> None:
        """Forget a timer; one that was set in this batch never touches the disk."""
        key = instance_id, timer_id
        if self.timers_set.pop(key, None) is None:
            self.timers_cut[key] = None

    def take(self, message: Message) -> None:
        """A message was taken; one that was sent in this batch never touches the disk."""
        position = message.position
        if position != UNSTORED and self.sent.pop(position, None) is None:
            self.consumed.append(position)

    def withdraw(self, errand: ErrandKey) -> None:
        """Forget an errand; one that was asked for in this batch never touches the disk."""
        if self.errands.pop(errand, None) is None:
            self.withdrawn[errand] = None

    def sealed(self, epoch: int) -> Commit:
        """The commit for the store."""
        commit = Commit(
            epoch,
            self.claims,
            self.resets,
            timers_set=list(self.timers_set.values()),
            timers_cut=list(self.timers_cut),
            sent=[message_row(message) for message in self.sent.values()],
            consumed=self.consumed,
            replies=self.replies,
        )
        for rows in self.turns.values():
            commit.turns.extend(rows)
        for slot in self.changed.values():
            _write(slot, commit)
        for deleted in self.deleted:
            commit.instances[deleted] = None
        return commit


def _write(slot: Slot, commit: Commit) -> None:
    match slot.actor:
        case Orchestration() as orchestration:
            commit.instances[slot.id] = instance_row(orchestration, slot)
            slot.stored_execution = orchestration.execution_id
        case Entity() as entity:
            commit.entities[slot.id] = entity_row(entity, slot)
        case None:
            pass


def parked_text(parked: Parked | None) -> str | None:
    """Why an actor is parked, as JSON."""
    return None if parked is None else orjson.dumps(asdict(parked)).decode()


def instance_row(actor: Orchestration, slot: Slot) -> InstanceRow:
    """What queries shall see of an orchestration."""
    return InstanceRow(
        actor.id,
        actor.execution_id,
        actor.name,
        actor.version,
        actor.status,
        actor.created,
        slot.updated,
        actor.completed,
        actor.scheduled_start,
        actor.parent.instance_id if actor.parent else None,
        actor.tags,
        actor.input,
        actor.output,
        None if actor.failure is None else write_failure(actor.failure),
        actor.custom_status,
        None if slot.parked is None else parked_text(slot.parked),
        actor.open_activities,
        slot.damage,
    )


def entity_row(actor: Entity, slot: Slot) -> EntityRow | None:
    """The snapshot of an entity; None when nothing of it is left."""
    if actor.state is None and actor.lock is None and slot.parked is None and slot.damage is None:
        return None
    return EntityRow(
        actor.id,
        actor.updated,
        actor.state,
        actor.lock.owner if actor.lock else None,
        actor.lock.write() if actor.lock else None,
        parked_text(slot.parked),
        slot.damage,
    )


def message_row(message: Message) -> MessageRow:
    """A message as a store keeps it."""
    return MessageRow(
        message.position,
        message.target,
        write_event(message.event),
        message.execution_id,
        message.due,
    )


def turn_rows(actor: Orchestration, turns: list[Turn]) -> list[TurnRow]:
    """The newest turns of an actor, as a store keeps them."""
    rows: list[TurnRow] = []
    for number, turn in enumerate(turns, actor.turns_recorded - len(turns)):
        notes = None if turn.notes is None else write_notes(turn.notes)
        rows.append(TurnRow(actor.id, number, turn.at, write_events(turn.events), notes))
    return rows
