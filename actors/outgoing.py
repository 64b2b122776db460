"""Messages made of what an orchestration asked for, once or again, and of its end."""

from typing import TYPE_CHECKING

from attrs import evolve

from .effects import Effects
from .failure import FailureDetails
from .history import (
    AnyEvent,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    ExecutionCompleted,
    ExecutionRewound,
    ExecutionStarted,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    ToEntity,
)
from .messages import Message
from .openwork import OpenWork
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


def ask_again(actor: "Orchestration", work: OpenWork, failed: set[str], effects: Effects) -> None:
    """Ask once more for what is open after a rewind: whatever answered told the failed execution.

    Operations are asked for only if they have `failed`: their answers are taken whenever they come.
    """
    if actor.trail is not None:
        actor.trail.reopen(work, effects.turns)
    effects.activities[:] = work.activities.values()
    effects.timers_set[:] = work.timers.values()
    effects.sent[:] = [m for m in effects.sent if not _is_repeated(m.event, failed)]
    for call in work.entity_calls.values():
        if call.request_id in failed:
            effects.sent.append(to_entity(evolve(call, parent_execution_id=actor.execution_id)))
    if work.section is not None and not work.section_granted:
        request = evolve(work.section, parent_execution_id=actor.execution_id)
        effects.sent.append(to_entity(request))
    for child in work.children.values():
        start = start_of(actor, child)
        if isinstance(start.event, ExecutionStarted):
            again = ExecutionRewound(
                effects.now, "parent rewound", actor.new_id(), restart=start.event
            )
            effects.sent.append(Message(child.instance_id, again))


def _is_repeated(event: AnyEvent, failed: set[str]) -> bool:
    if isinstance(event, ExecutionStarted):
        return event.parent is not None
    if isinstance(event, EntityOperationCalled):
        return event.request_id in failed
    return isinstance(event, EntityLockRequested)
