"""Statuses as JSON: the field names and formats of Durable Functions."""

import json
from datetime import datetime
from typing import Any

import orjson

from ...actors.status import Status
from .views import InstanceStatus, QueueStatus, WorkerStatus

JSON = "application/json"


def status_document(status: InstanceStatus) -> dict[str, Any]:
    """What `GET /instances/{id}` answers, without the parts that have to be asked for."""
    return {
        "name": status.name,
        "instanceId": status.instance_id,
        "runtimeStatus": status.runtime_status.label,
        "input": status.input,
        "customStatus": status.custom_status,
        "output": _output(status),
        "createdTime": timestamp(status.created_time),
        "lastUpdatedTime": timestamp(status.last_updated_time),
    }


def _output(status: InstanceStatus) -> Any:
    failure = status.failure_details
    if status.runtime_status is not Status.FAILED or failure is None:
        return status.output
    return f"Orchestrator function '{status.name}' failed: {failure.message or failure.type}"


def worker_document(worker: WorkerStatus) -> dict[str, Any]:
    """What `GET /workers` answers of one of several workers."""
    left = worker.lease_left.total_seconds()
    return {
        "workerId": worker.id,
        "name": worker.name,
        "alive": left > 0,
        "partitions": worker.partitions,
        "since": timestamp(worker.entered),
        "silentSeconds": worker.silent_for.total_seconds(),
        "leaseSeconds": left,
        "lag": worker.lag,
    }


def queue_document(queue: QueueStatus) -> dict[str, Any]:
    """What `GET /queues` answers of one shared activity."""
    return {
        "activity": queue.name,
        "waiting": queue.waiting,
        "taken": queue.taken,
        "waitedSeconds": None if queue.waited is None else queue.waited.total_seconds(),
        "workers": queue.workers,
    }


def timestamp(when: datetime) -> str:
    """A time in UTC to the second."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def json_bytes(document: Any) -> bytes:
    """Plain values as JSON."""
    try:
        return orjson.dumps(document)
    except TypeError:
        # It knows no integers beyond 64 bits.
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def outcome(status: InstanceStatus, *, error_on_failure: bool) -> tuple[int, bytes]:
    """The status code and body that tell somebody who waited how an instance has ended."""
    if status.runtime_status is Status.COMPLETED:
        return 200, json_bytes(status.output)
    failed = status.runtime_status is Status.FAILED and error_on_failure
    return 500 if failed else 200, json_bytes(status_document(status))
