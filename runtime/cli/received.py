"""What the management API answers, as the values that clients give."""

from datetime import datetime, timedelta
from typing import Any

from perdure.actors.failure import FailureDetails
from perdure.actors.identity import EntityId
from perdure.actors.moments import moment
from perdure.actors.status import Status
from perdure.actors.wire import event_from
from perdure.runtime.client.views import (
    EntityState,
    HistoryEvent,
    InstanceStatus,
    QueueStatus,
    Waiting,
    WorkerStatus,
)

_STATUSES = {status.label: status for status in Status}


def instance_status(document: Any) -> InstanceStatus:
    """An orchestration; of what the API does not tell there is nothing."""
    status = InstanceStatus(
        document["instanceId"],
        document["name"],
        document.get("version"),
        _STATUSES[document["runtimeStatus"]],
        "",
        datetime.fromisoformat(document["createdTime"]),
        datetime.fromisoformat(document["lastUpdatedTime"]),
        None,
        None,
        None,
        document.get("tags") or {},
        document["input"],
        document["output"],
        document["customStatus"],
        _failure(document.get("failureDetails")),
        None,
    )
    if "waitingFor" in document:
        status.waiting_for = [_waiting(waiting) for waiting in document["waitingFor"]]
    return status


def _failure(document: Any) -> FailureDetails | None:
    if document is None:
        return None
    return FailureDetails(
        document["errorType"],
        document["errorMessage"],
        document.get("stackTrace"),
        _failure(document.get("innerFailure")),
        document["isNonRetriable"],
        document["properties"],
    )


def _waiting(document: Any) -> Waiting:
    return Waiting(
        document["kind"],
        document["name"],
        _time(document.get("since")),
        _time(document.get("due")),
        document.get("taskId"),
        document.get("attempt"),
        document.get("holder"),
        document.get("detail"),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def history_events(documents: list[Any]) -> list[HistoryEvent]:
    """A history; raises `UnreadableEventError` for that of a newer Perdure."""
    return [
        HistoryEvent(
            document["type"],
            moment(document["at"]),
            event_from(document["event"]) if document["event"] is not None else None,
        )
        for document in documents
    ]


def entity_state(document: Any) -> EntityState:
    """An entity; of what the API does not tell there is nothing."""
    known = document["entityId"]
    return EntityState(
        EntityId(known["name"], known["key"]),
        datetime.fromisoformat(document["lastOperationTime"]),
        True,
        document.get("state"),
        None,
    )


def queue_status(document: Any) -> QueueStatus:
    """The queue of a shared activity."""
    waited = document["waitedSeconds"]
    return QueueStatus(
        document["activity"],
        document["waiting"],
        document["taken"],
        None if waited is None else timedelta(seconds=waited),
        document["workers"],
    )


def worker_status(document: Any) -> WorkerStatus:
    """A worker."""
    return WorkerStatus(
        document["workerId"],
        document["name"],
        document["partitions"],
        datetime.fromisoformat(document["since"]),
        timedelta(seconds=document["silentSeconds"]),
        timedelta(seconds=document["leaseSeconds"]),
        document["lag"],
    )
