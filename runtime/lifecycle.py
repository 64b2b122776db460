"""What happens to orchestrations in their lives, as values for hooks and webhooks."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import frozen

from ..actors.effects import Effects, Parked
from ..actors.failure import FailureDetails
from ..actors.history import ExecutionCompleted, ExecutionRewound, ExecutionStarted
from ..actors.identity import EntityId
from ..actors.moments import moment
from ..actors.orchestration import Orchestration
from ..actors.status import Status
from .client.views import plain
from .engine.observing import Actor


class Lifecycle(StrEnum):
    """The turns that a life can take."""

    STARTED = "started"
    """An execution has begun: after a start, a continue-as-new or a rewind."""
    COMPLETED = "completed"
    FAILED = "failed"
    TERMINATED = "terminated"
    CONTINUED_AS_NEW = "continued-as-new"
    """An execution has ended; that of the next one is told by `STARTED`."""
    PARKED = "parked"
    """It does not go on although it could: a deployment has to mend it. Entities too."""


_ENDS = {
    Status.COMPLETED: Lifecycle.COMPLETED,
    Status.FAILED: Lifecycle.FAILED,
    Status.TERMINATED: Lifecycle.TERMINATED,
}


@frozen(kw_only=True)
class LifecycleEvent:
    """Something that has happened to an instance, and is durable."""

    id: str
    """Different for every event: tells a repetition, as a webhook's retry may be one."""
    kind: Lifecycle
    time: datetime
    instance_id: str
    """Of a parked entity its id as text, `@name@key`."""
    name: str
    """Of the orchestration or entity."""
    version: str | None = None
    execution_id: str | None = None
    """None for entities."""
    parent_instance_id: str | None = None
    tags: Mapping[str, str]
    reason: str | None = None
    """Why it failed, was terminated or is parked."""
    failure: FailureDetails | None = None
    parked: Parked | None = None

    def to_json(self) -> dict[str, Any]:
        """Say it as plain JSON, as webhooks send it."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "time": self.time.isoformat(),
            "instanceId": self.instance_id,
            "executionId": self.execution_id,
            "parentInstanceId": self.parent_instance_id,
            "name": self.name,
            "version": self.version,
            "tags": dict(self.tags),
            "reason": self.reason,
        }


def events_of_turn(
    actor: Actor, effects: Effects, new_id: Callable[[], str]
) -> list[LifecycleEvent]:
    """What this turn means for the life of the actor, in order."""
    if not isinstance(actor, Orchestration):
        return []
    return [
        _event(actor, kind, effects.now, new_id(), execution_id)
        for kind, execution_id in _of_turn(actor, effects)
    ]


def _of_turn(actor: Orchestration, effects: Effects) -> Iterator[tuple[Lifecycle, str]]:
    acted = effects.execution_id
    if any(
        isinstance(message.event, (ExecutionStarted, ExecutionRewound))
        and message.event.execution_id == acted
        for message in effects.taken
    ):
        yield Lifecycle.STARTED, acted
    if effects.reset and acted != actor.execution_id:
        yield Lifecycle.CONTINUED_AS_NEW, acted
    elif effects.turns:
        last = effects.turns[-1].events[-1]
        if isinstance(last, ExecutionCompleted):
            yield _ENDS[last.status], actor.execution_id


def _event(
    actor: Orchestration, kind: Lifecycle, at: int, event_id: str, execution_id: str
) -> LifecycleEvent:
    reason: str | None = None
    if kind is Lifecycle.FAILED:
        reason = str(actor.failure)
    elif kind is Lifecycle.TERMINATED:
        reason = _text(actor.output)
    return LifecycleEvent(
        id=event_id,
        kind=kind,
        time=moment(at),
        instance_id=actor.id,
        name=actor.name,
        version=actor.version,
        execution_id=execution_id,
        parent_instance_id=actor.parent.instance_id if actor.parent else None,
        tags=dict(actor.tags),
        reason=reason,
        failure=actor.failure if kind is Lifecycle.FAILED else None,
    )


def event_of_parking(actor: Actor, parked: Parked, at: int, event_id: str) -> LifecycleEvent:
    """What is told when an actor is parked."""
    if isinstance(actor, Orchestration):
        return LifecycleEvent(
            id=event_id,
            kind=Lifecycle.PARKED,
            time=moment(at),
            instance_id=actor.id,
            name=actor.name,
            version=actor.version,
            execution_id=actor.execution_id,
            parent_instance_id=actor.parent.instance_id if actor.parent else None,
            tags=dict(actor.tags),
            reason=parked.message,
            parked=parked,
        )
    return LifecycleEvent(
        id=event_id,
        kind=Lifecycle.PARKED,
        time=moment(at),
        instance_id=actor.id,
        name=EntityId.parse(actor.id).name,
        tags={},
        reason=parked.message,
        parked=parked,
    )


def _text(payload: str | None) -> str | None:
    """A payload as text: that of a JSON string without its quotes."""
    if payload is None:
        return None
    value = plain(payload)
    return value if isinstance(value, str) or value is None else payload
