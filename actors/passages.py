"""What traced actors did and waited for: for telemetry to make spans of, once it is durable."""

from attrs import frozen

from .failure import FailureDetails
from .history import (
    AnyAsked,
    EntityOperationCalled,
    EntityOperationSignaled,
    ExecutionCompleted,
    ExecutionStarted,
)
from .identity import EntityId
from .messages import Message
from .trace import TraceContext

Request = EntityOperationCalled | EntityOperationSignaled


@frozen
class Passage:
    """A stretch of an actor's life that is over."""

    actor_id: str
    name: str
    """Of the orchestration or entity."""
    version: str | None
    execution_id: str | None
    """None for entities."""
    about: AnyAsked | ExecutionStarted | ExecutionCompleted
    """What was asked for, or how the execution as a whole has ended."""
    began: int
    ended: int
    context: TraceContext
    """Its own place in the trace."""
    parent: TraceContext
    """What it is a part of; the same as `context` where the trace begins."""
    failure: FailureDetails | None = None
    served: bool = False
    """Whether the actor was asked, and did not ask."""
    target: str = ""
    """Whom an entity has started."""


def place_of_operation(trace: TraceContext) -> TraceContext:
    """The place of an operation on the entity's side, by that of who asked."""
    return trace.child("operation")


def operated(
    entity: EntityId,
    request: Request,
    trace: TraceContext,
    sent: list[Message],
    times: tuple[int, int],
    failure: FailureDetails | None,
) -> tuple[Passage, ...]:
    """An operation that has ended, and what it sent; that gets its place in the trace here."""
    own = place_of_operation(trace)
    who, (began, ended) = (str(entity), entity.name, None, None), times
    passages = [Passage(*who, request, began, ended, own, trace, failure, served=True)]
    for number, message in enumerate(sent):
        event = message.event
        if isinstance(event, (EntityOperationSignaled, ExecutionStarted)):
            event.trace = own.child(number)
            passages.append(
                Passage(*who, event, event.at, event.at, event.trace, own, target=message.target)
            )
    return tuple(passages)
