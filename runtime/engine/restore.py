"""Actors from rows: the way back to memory."""

from collections.abc import Callable, Iterator

from attrs import define, evolve

from ...actors.app import App
from ...actors.damage import is_damaged, legible
from ...actors.effects import Parked
from ...actors.entity import Entity, Lock
from ...actors.errors import DefinitionNotFoundError, HistoryUnreadableError, InstanceIdError
from ...actors.history import ExecutionCompleted, ExecutionRewound, ExecutionStarted, Turn
from ...actors.identity import is_entity
from ...actors.messages import Message
from ...actors.orchestration import Orchestration
from ...actors.repertoire import Needed
from ...actors.status import Status
from ...actors.trail import followed
from ...actors.wire import UnreadableEventError, read_event, read_events, read_failure, read_notes
from ...persistence.records import EntityRow, InstanceRow, MessageRow, Stored, TurnRow, missing_turn
from ...persistence.store import Store
from ..client.views import parked_from
from ..settings import Settings


@define
class Restored:
    """An actor as the store knows it."""

    actor: Orchestration | Entity | None
    parked: Parked | None = None
    stale: bool = False
    """Whether the store still has turns of an execution that was replaced."""
    updated: int = 0
    replaced: Orchestration | None = None
    """The execution that was replaced, if it had not ended."""
    found_broken: Parked | None = None
    """Why it is to be parked now, which the store does not know yet."""


class Restorer:
    """Makes actors for one app."""

    def __init__(self, app: App, settings: Settings, new_id: Callable[[], str]) -> None:
        self._app = app
        self._settings = settings
        self._new_id = new_id
        self.found_elsewhere: Callable[[Needed], bool] = lambda _: False
        """Whether other workers have this code, so that what needs it is not to fail here."""

    def actor(self, target: str, stored: Stored) -> Restored:
        """The actor of this id; an entity always has one, an instance that is not there none."""
        if is_entity(target):
            return self._entity(target, stored.entity)
        if stored.instance is None:
            return Restored(None)
        return self._orchestration(stored.instance, stored.turns)

    def check(self, event: ExecutionStarted) -> None:
        """Raise `DefinitionNotFoundError` when there is no code for this start anywhere."""
        try:
            self._app.orchestration_of(event.name, event.version)
        except DefinitionNotFoundError:
            needed = Needed("orchestration", event.name, event.version or "")
            if not self.found_elsewhere(needed):
                raise

    def new(self, instance_id: str, event: ExecutionStarted) -> Orchestration:
        """An orchestration that is about to begin."""
        return Orchestration(
            instance_id,
            self._app,
            self._new_id,
            event.execution_id,
            event.name,
            event.version,
            status=Status.PENDING,
            created=event.at,
            parent=event.parent,
            tags=event.tags,
            input=event.input,
            scheduled_start=event.scheduled_start,
        )

    def _entity(self, target: str, row: EntityRow | None) -> Restored:
        try:
            entity = Entity(target, self._app, self._new_id, self._settings.entity_batch_max)
        except InstanceIdError:
            return Restored(None)
        entity.found_elsewhere = self._entity_elsewhere
        restored = Restored(entity)
        if row is not None:
            entity.state, entity.updated, restored.updated = row.state, row.updated, row.updated
            restored.parked = parked_from(row.parked)
            try:
                entity.lock = Lock.read(row.lock) if row.lock else None
            except (TypeError, ValueError) as error:
                restored.parked = Parked("unreadable", f"the lock of {target}: {error}")
            if row.damage is not None:
                entity.unreadable = restored.found_broken = Parked("unreadable", row.damage)
        return restored

    def _entity_elsewhere(self, name: str) -> bool:
        return self.found_elsewhere(Needed("entity", name))

    def _orchestration(self, row: InstanceRow, rows: list[TurnRow]) -> Restored:
        actor = Orchestration(
            row.id,
            self._app,
            self._new_id,
            row.execution_id,
            row.name,
            row.version,
            row.status,
            row.created,
            tags=row.tags,
            input=row.input,
            output=row.output,
            failure=read_failure(row.failure),
            custom_status=row.custom_status,
            scheduled_start=row.scheduled_start,
            completed=row.completed,
            turns_recorded=rows[-1].sequence + 1 if rows else 0,
            open_activities=row.open,
        )
        restored = Restored(actor, parked_from(row.parked), updated=row.updated)
        try:
            _refuse_damage(row)
            turns = [turn(row) for row in rows]
            _refuse_gap(rows)
        except UnreadableEventError as error:
            actor.unreadable = Parked("unreadable", str(error))
            if not row.status.is_terminal:
                restored.found_broken = actor.unreadable
            return restored
        self._recall(actor, turns, restored)
        return restored

    def _recall(self, actor: Orchestration, turns: list[Turn], restored: Restored) -> None:
        current = ""
        for at, event in _beginnings(turns):
            if isinstance(event, ExecutionRewound):
                actor.lineage |= {current}
            else:
                actor.parent, actor.begun = event.parent, True
            actor.trail = followed(actor.trail, actor.id, event, at)
            current = event.execution_id
        if current and current != actor.execution_id:
            restored.stale = True
            if not _has_ended(turns):
                restored.replaced = evolve(
                    actor,
                    execution_id=current,
                    status=Status.RUNNING,
                    history=turns,
                    inbox=list[Message](),
                    waiting=list[Message](),
                    lineage=actor.lineage,
                )
            actor.begun, actor.parent, actor.turns_recorded = False, None, 0
            actor.trail = None
            actor.lineage = frozenset()
        else:
            actor.history = turns


def _refuse_damage(row: InstanceRow) -> None:
    """Raise `UnreadableEventError` for what would be taken for another execution or code."""
    if row.damage is not None:
        raise UnreadableEventError(row.damage)
    for name in ("execution_id", "name", "version", "parent_id"):
        text: str | None = getattr(row, name)
        if is_damaged(text):
            raise UnreadableEventError(f"the stored {name} is damaged: {legible(text or '')}")


def _refuse_gap(rows: list[TurnRow], first: int = 0) -> None:
    """Raise `UnreadableEventError` for what a replay would take for another history."""
    if missing := missing_turn(rows, first):
        raise UnreadableEventError(missing)


def _has_ended(turns: list[Turn]) -> bool:
    """Whether there is an end; a failed execution may have heard of entities since."""
    return any(isinstance(event, ExecutionCompleted) for turn in turns for event in turn.events)


def _beginnings(turns: list[Turn]) -> Iterator[tuple[int, ExecutionStarted | ExecutionRewound]]:
    for recorded in turns:
        for event in recorded.events:
            if isinstance(event, (ExecutionStarted, ExecutionRewound)):
                yield recorded.at, event


def turn(row: TurnRow) -> Turn:
    """A turn from its row; raises `UnreadableEventError`."""
    if row.damage is not None:
        raise UnreadableEventError(row.damage)
    return Turn(row.at, read_events(row.events), read_notes(row.notes))


def turns_of(store: Store, instance_id: str, first: int = 0) -> Iterator[tuple[int, Turn]]:
    """The turns of an instance with their numbers; raises `HistoryUnreadableError`."""
    rows = store.history(instance_id, first)
    for number, row in enumerate(rows, first):
        try:
            read = turn(row)
            _refuse_gap([row], number)
        except UnreadableEventError as error:
            raise HistoryUnreadableError(instance_id, number, str(error)) from error
        yield row.sequence, read


def message(row: MessageRow) -> Message:
    """A message from its row; raises `UnreadableEventError`."""
    if row.damage is not None:
        raise UnreadableEventError(row.damage)
    return Message(row.target, read_event(row.body), row.execution_id, row.due, row.position)
