"""The shapes of `--json`: one for each kind of thing, whatever command shows it.

Names are those of the management API; times are UTC, ISO 8601 with microseconds. What is not known
is null. Keys are added at times, and never renamed or removed.
"""

from datetime import UTC, datetime
from typing import Any

from attrs import asdict

from perdure.actors.effects import Parked
from perdure.actors.failure import FailureDetails
from perdure.runtime.client.views import EntityState, InstanceStatus, Waiting

Document = dict[str, Any]


UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)
"""Stands where a time belongs that was not told."""


def timestamp(when: datetime | None) -> str | None:
    """A time in UTC."""
    if when is None or when == UNKNOWN_TIME:
        return None
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def instance_document(status: InstanceStatus) -> Document:
    """An orchestration; `historyEvents` and `waitingFor` are there when they were asked for."""
    document = {
        "instanceId": status.instance_id,
        "name": status.name,
        "version": status.version,
        "runtimeStatus": status.runtime_status.label,
        "executionId": status.execution_id or None,
        "createdTime": timestamp(status.created_time),
        "lastUpdatedTime": timestamp(status.last_updated_time),
        "completedTime": timestamp(status.completed_time),
        "scheduledStartTime": timestamp(status.scheduled_start_time),
        "parentInstanceId": status.parent_instance_id,
        "tags": status.tags,
        "input": status.input,
        "output": status.output,
        "customStatus": status.custom_status,
        "failureDetails": failure_document(status.failure_details),
        "parked": parked_document(status.parked),
    }
    if status.waiting_for is not None:
        document["waitingFor"] = [waiting_document(waiting) for waiting in status.waiting_for]
    if status.history is not None:
        document["historyEvents"] = [event.document() for event in status.history]
    return document


def failure_document(failure: FailureDetails | None) -> Document | None:
    """Why something failed."""
    if failure is None:
        return None
    return {
        "errorType": failure.type,
        "errorMessage": failure.message,
        "stackTrace": failure.stack,
        "innerFailure": failure_document(failure.inner),
        "isNonRetriable": failure.non_retriable,
        "properties": dict(failure.properties),
    }


def parked_document(parked: Parked | None) -> Document | None:
    """Why something does not go on although it could."""
    return None if parked is None else asdict(parked)


def waiting_document(waiting: Waiting) -> Document:
    """One thing that is waited for."""
    return {
        "kind": waiting.kind,
        "name": waiting.name,
        "since": timestamp(waiting.since),
        "due": timestamp(waiting.due),
        "taskId": waiting.task_id,
        "attempt": waiting.attempt,
        "holder": waiting.holder,
        "detail": waiting.detail,
    }


def entity_document(entity: EntityState) -> Document:
    """An entity."""
    return {
        "entityId": {"name": entity.id.name, "key": entity.id.key},
        "lastOperationTime": timestamp(entity.last_modified_time),
        "exists": entity.exists,
        "state": entity.state,
        "lockedBy": entity.locked_by,
        "backlogQueueSize": entity.backlog_queue_size,
        "parked": parked_document(entity.parked),
    }
