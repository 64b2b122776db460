"""What clients are shown: rows of the store as values of the user's world."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import orjson
from attrs import Factory, define, field, frozen

from ...actors.codec import Codec, loads
from ...actors.damage import legible
from ...actors.effects import Parked
from ...actors.errors import InstanceIdError, StoreCorruptError
from ...actors.failure import FailureDetails
from ...actors.history import AnyEvent, Turn
from ...actors.identity import EntityId
from ...actors.moments import micros, moment
from ...actors.repertoire import Needed
from ...actors.repertoire import read as read_repertoire
from ...actors.status import Status
from ...actors.wire import event_document, read_failure
from ...persistence.records import EntityRow, InstanceRow, Queue, WorkerRow


@frozen
class HistoryEvent:
    """One event of an instance's history."""

    event_type: str
    """The protocol's name, for instance `TaskScheduled`."""
    timestamp: datetime
    event: AnyEvent | None
    """None for `OrchestratorStarted` and `OrchestratorCompleted`, which frame each turn."""

    def document(self) -> dict[str, Any]:
        """This as plain JSON values, as `perdure.testing.replay` reads it."""
        return {
            "type": self.event_type,
            "at": micros(self.timestamp),
            "event": event_document(self.event) if self.event is not None else None,
        }


@frozen
class Waiting:
    """One thing that an instance waits for."""

    kind: str
    """`activity`, `retry`, `timer`, `event`, `sub-orchestration`, `entity call`, `entity lock`,
    `start`, `resume`, `definition` or `mend`."""
    name: str
    since: datetime | None = None
    due: datetime | None = None
    task_id: int | None = None
    attempt: int | None = None
    holder: str | None = None
    """Who holds the lock that is waited for."""
    detail: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.kind} {self.name}".strip()]
        if self.attempt is not None and self.attempt > 1:
            parts.append(f"attempt {self.attempt}")
        if self.due is not None:
            parts.append(f"due {self.due:%Y-%m-%d %H:%M:%S}")
        elif self.since is not None:
            parts.append(f"since {self.since:%Y-%m-%d %H:%M:%S}")
        if self.holder is not None:
            parts.append(f"held by {self.holder}")
        if self.detail is not None:
            parts.append(self.detail)
        return ", ".join(parts)


@define
class InstanceStatus:
    """What is known of an orchestration."""

    instance_id: str
    name: str
    version: str | None
    runtime_status: Status
    execution_id: str
    created_time: datetime
    last_updated_time: datetime
    completed_time: datetime | None
    scheduled_start_time: datetime | None
    parent_instance_id: str | None
    tags: dict[str, str]
    input: Any
    """Plain JSON; `read_input` gives it a type."""
    output: Any
    """Plain JSON; of a terminated instance the reason."""
    custom_status: Any
    failure_details: FailureDetails | None
    parked: Parked | None
    """Why it does not go on although it could: a deployment has to mend it."""
    history: list[HistoryEvent] | None = None
    """When asked for."""
    waiting_for: list[Waiting] | None = None
    """When asked for."""
    _codec: Codec | None = field(default=None, alias="codec", repr=False, eq=False)
    _row: InstanceRow | None = field(default=None, alias="row", repr=False, eq=False)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return not self.runtime_status.is_terminal

    @property
    def is_completed(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.runtime_status.is_terminal

    def read_input(self, type_: Any) -> Any:
        """The input as that type; raises `PayloadError` and `StoreCorruptError`."""
        return self._read("input", type_)

    def read_output(self, type_: Any) -> Any:
        """The output as that type; raises `PayloadError` and `StoreCorruptError`."""
        return self._read("output", type_)

    def read_custom_status(self, type_: Any) -> Any:
        """The custom status as that type; raises `PayloadError` and `StoreCorruptError`."""
        return self._read("custom_status", type_)

    def _read(self, what: str, type_: Any) -> Any:
        if self._codec is None or self._row is None:
            raise RuntimeError("this status was not made by a client")
        if self._row.damage is not None:
            raise StoreCorruptError(self._row.damage)
        return self._codec.read(getattr(self._row, what), type_, what)


@define
class EntityState:
    """What is known of an entity, as of its last commit."""

    id: EntityId
    last_modified_time: datetime
    exists: bool
    state: Any
    """Plain JSON; None when it does not exist, or was not asked for."""
    locked_by: str | None
    backlog_queue_size: int = 0
    """Messages that wait in the store."""
    parked: Parked | None = None


@frozen
class InstancePage:
    """Part of an answer to a query."""

    instances: list[InstanceStatus]
    continuation_token: str | None
    """Ask with it for what follows; None when nothing does."""


@frozen
class EntityPage:
    """Part of an answer to a query for entities."""

    entities: list[EntityState]
    continuation_token: str | None


@define
class CleanResult:
    """What `clean_entity_storage` did."""

    empty_entities_removed: int = 0
    orphaned_locks_released: int = 0


@define
class PurgeResult:
    """Which instances were deleted."""

    deleted_instance_count: int = 0
    instance_ids: list[str] = Factory(list[str])
    is_complete: bool = True
    """Whether it came to an end before its time was over."""


@frozen
class WorkerStatus:
    """A process that runs partitions of a hub, as of now by the clock of the store."""

    id: str
    """New for each life of a runtime."""
    name: str
    """Its host and pid."""
    partitions: list[int]
    """What it owns."""
    entered: datetime
    """Since when it is one of the workers."""
    silent_for: timedelta
    """How long ago its last heartbeat was."""
    lease_left: timedelta
    """How long others wait before they take over; below zero once they may."""
    lag: int
    """How many messages of clients and of other workers wait to be taken in by it."""


@frozen
class QueueStatus:
    """The shared activities of one name that wait or run, as of now by the clock of the store."""

    name: str
    """The activity's."""
    waiting: int
    """How many no worker has taken yet."""
    taken: int
    """How many a worker runs, or is about to."""
    waited: timedelta | None
    """How long ago the first of those that wait might have begun; None if none may yet."""
    workers: list[str]
    """The names of the living workers that have it: while there are none, it waits."""


def queue_status(queue: Queue, workers: Iterable[WorkerRow]) -> QueueStatus:
    """What is shown of the queue of one activity."""
    needed = Needed("activity", queue.name)
    having = (w.name for w in workers if w.lease > 0 and needed in read_repertoire(w.repertoire))
    waited = timedelta(microseconds=queue.silent) if queue.silent >= 0 else None
    return QueueStatus(queue.name, queue.waiting, queue.taken, waited, list(having))


def worker_status(row: WorkerRow) -> WorkerStatus:
    """What is shown of a worker."""
    return WorkerStatus(
        row.id,
        row.name,
        row.partitions,
        moment(row.entered),
        timedelta(microseconds=row.silent),
        timedelta(microseconds=row.lease),
        row.lag,
    )


def history_events(turns: list[Turn]) -> list[HistoryEvent]:
    """Turns as users see them, each within its frame."""
    events: list[HistoryEvent] = []
    for recorded in turns:
        at = moment(recorded.at)
        events.append(HistoryEvent("OrchestratorStarted", at, None))
        events.extend(HistoryEvent(type(e).__name__, moment(e.at), e) for e in recorded.events)
        events.append(HistoryEvent("OrchestratorCompleted", at, None))
    return events


def plain(payload: str | None) -> Any:
    """A payload without a type; what is damaged as text, as far as it is legible."""
    if payload is None:
        return None
    try:
        return loads(payload)
    except ValueError:
        return _salvaged(legible(payload))


def _salvaged(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return text


def parked_from(text: str | None) -> Parked | None:
    """The reverse of `parked_text`."""
    if text is None:
        return None
    try:
        fields = orjson.loads(text)
        fields["listing"] = [(recorded, actual) for recorded, actual in fields["listing"]]
        return Parked(**fields)
    except (ValueError, TypeError, KeyError):
        return Parked("unreadable", f"why it is parked is damaged: {legible(text):.200}")


def parked_of(row: InstanceRow | EntityRow) -> Parked | None:
    """Why an actor is parked, or would be at the next look into the store."""
    if row.damage is not None:
        return Parked("unreadable", row.damage)
    return parked_from(row.parked)


def instance_status(row: InstanceRow, codec: Codec, *, payloads: bool = True) -> InstanceStatus:
    """A row as users see it; of a damaged one no payload is shown."""
    sound = row.damage is None
    return InstanceStatus(
        legible(row.id),
        legible(row.name),
        legible(row.version) if row.version is not None else None,
        row.status,
        legible(row.execution_id),
        moment(row.created),
        moment(row.updated),
        moment(row.completed) if row.completed is not None else None,
        moment(row.scheduled_start) if row.scheduled_start is not None else None,
        legible(row.parent_id) if row.parent_id is not None else None,
        dict(row.tags) if sound else {},
        plain(row.input) if payloads and sound else None,
        plain(row.output) if payloads and sound else None,
        plain(row.custom_status) if sound else None,
        read_failure(row.failure) if sound else None,
        parked_of(row),
        codec=codec,
        row=row,
    )


def _entity_id(text: str) -> EntityId:
    try:
        return EntityId.parse(text)
    except InstanceIdError:
        return EntityId("damaged", text)


def entity_state(row: EntityRow, *, backlog: int = 0, state: bool = True) -> EntityState:
    """A snapshot as users see it; of a damaged one no state is shown."""
    return EntityState(
        _entity_id(legible(row.id)),
        moment(row.updated),
        row.state is not None,
        plain(row.state) if state and row.damage is None else None,
        legible(row.locked_by) if row.locked_by is not None else None,
        backlog,
        parked_of(row),
    )
