"""A status with the parts that have to be asked for: `show=tags,version,...`."""

from collections.abc import Collection
from typing import Any

from perdure.actors.failure import FailureDetails
from perdure.runtime.client.status_document import status_document, timestamp
from perdure.runtime.client.views import InstanceStatus, Waiting

SHOWN = ("tags", "version", "failureDetails", "waitingFor")


def instance_document(
    status: InstanceStatus, show: Collection[str], *, show_stacks: bool, show_input: bool = True
) -> dict[str, Any]:
    """The status, and of `SHOWN` what is in `show`."""
    document = status_document(status)
    if not show_input:
        document["input"] = None
    if "tags" in show:
        document["tags"] = status.tags
    if "version" in show:
        document["version"] = status.version
    if "failureDetails" in show:
        failure = status.failure_details
        document["failureDetails"] = (
            failure_document(failure, show_stacks=show_stacks) if failure is not None else None
        )
    if "waitingFor" in show:
        document["waitingFor"] = [waiting_document(waiting) for waiting in status.waiting_for or []]
    return document


def failure_document(failure: FailureDetails, *, show_stacks: bool) -> dict[str, Any]:
    """A failure in the words of the protocol."""
    inner = failure.inner
    return {
        "errorType": failure.type,
        "errorMessage": failure.message,
        "stackTrace": failure.stack if show_stacks else None,
        "innerFailure": (
            failure_document(inner, show_stacks=show_stacks) if inner is not None else None
        ),
        "isNonRetriable": failure.non_retriable,
        "properties": dict(failure.properties),
    }


def waiting_document(waiting: Waiting) -> dict[str, Any]:
    """One thing that an instance waits for; what is not known of it is left out."""
    known = {
        "kind": waiting.kind,
        "name": waiting.name,
        "since": timestamp(waiting.since) if waiting.since is not None else None,
        "due": timestamp(waiting.due) if waiting.due is not None else None,
        "taskId": waiting.task_id,
        "attempt": waiting.attempt,
        "holder": waiting.holder,
        "detail": waiting.detail,
    }
    return {name: value for name, value in known.items() if value is not None}
