"""Messages made of what an orchestration asked for, and of its end."""

from typing import TYPE_CHECKING

from .failure import FailureDetails
from .history import (
    AnyEvent,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    ExecutionCompleted,
    ExecutionStarted,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    ToEntity,
)
from .messages import Message
from .status import Status

if TYPE_CHECKING:
    from .orchestration import Orchestration


def start_of(parent: "Orchestration", event: SubOrchestrationInstanceCreated) -> Message:
    """The start of a child, with the way back to its parent unless nobody waits for it."""
    waits = ParentInstance(
        parent.id, parent.execution_id, event.id, parent.name, parent.version, event.attempt
    )
    started = ExecutionStarted(
        event.at,
        event.name,
        parent.new_id(),
        event.version,
        event.input,
        None if event.detached else waits,
        event.tags,
        event.due,
        trace=event.trace,
    )
    # A start that nobody waits for is admitted at once, and waits there for its time: it can be
    # seen, sent events and terminated before.
    return Message(event.instance_id, started, due=None if event.detached else event.due)


def to_entity(event: ToEntity) -> Message:
    """An operation, a lock request or an unlock on its way to its entity."""
    match event:
        case EntityLockRequested():
            return Message(event.lock_set[event.position], event)
        case EntityOperationSignaled():
            return Message(event.target, event, due=event.scheduled)
        case _:
            return Message(event.target, event)


def told_to_parent(
    parent: ParentInstance, name: str, instance_id: str, done: ExecutionCompleted
) -> Message:
    """How a child ended, for the parent that waits for it."""
    event: SubOrchestrationInstanceCompleted | SubOrchestrationInstanceFailed
    if done.status is Status.COMPLETED:
        event = SubOrchestrationInstanceCompleted(
            done.at, parent.task_id, done.result, parent.attempt
        )
    else:
        failure = child_failure(name, instance_id, done)
        event = SubOrchestrationInstanceFailed(done.at, parent.task_id, failure, parent.attempt)
    return Message(parent.instance_id, event, parent.execution_id)


def child_failure(name: str, instance_id: str, done: ExecutionCompleted) -> FailureDetails:
    """How a child that did not complete looks to its parent."""
    if done.status is Status.TERMINATED:
        inner = FailureDetails("Terminated", done.result or "")
        text = "was terminated"
    else:
        inner = done.failure or FailureDetails("Unknown", "")
        text = "failed"
    return FailureDetails(
        "SubOrchestrationFailed",
        f"sub-orchestration {name!r} with id {instance_id!r} {text}: {inner}",
        inner=inner,
        non_retriable=inner.non_retriable,
    )


def asks_for_outcome(event: AnyEvent) -> bool:
    """Whether the one who sent it waits for what becomes of it."""
    if isinstance(event, ExecutionStarted):
        return event.parent is not None
    return isinstance(event, (EntityOperationCalled, EntityLockRequested))
