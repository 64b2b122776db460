"""Names, kinds and attributes of spans: those of the Durable Task Framework's tracing.

What they are is said in `docs/telemetry.md`. The attributes `otel.status_code` and
`otel.status_description` are how exporters of other formats write a span's status.
"""

from typing import NamedTuple

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from perdure import EntityId
from perdure.actors.history import (
    AnyAsked,
    EntityOperationCalled,
    EntityOperationSignaled,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)
from perdure.actors.moments import moment
from perdure.actors.passages import Passage

Attributes = dict[str, AttributeValue]


class Description(NamedTuple):
    """What a span is called and bears."""

    name: str
    kind: SpanKind
    attributes: Attributes


def _described(
    name: str, kind: SpanKind, type_: str, attributes: dict[str, AttributeValue | None]
) -> Description:
    known = {key: value for key, value in attributes.items() if value is not None}
    return Description(name, kind, {"durabletask.type": type_, **known})


def _versioned(name: str, version: str | None) -> str:
    return f"{name}@({version})" if version else name


def _time(at: int | None) -> str | None:
    return None if at is None else moment(at).isoformat()


def start_by_client(instance_id: str, event: ExecutionStarted) -> Description:
    """A client starts an orchestration."""
    return _described(
        _versioned(f"create_orchestration:{event.name}", event.version),
        SpanKind.PRODUCER,
        "create_orchestration",
        {
            "durabletask.task.name": event.name,
            "durabletask.task.version": event.version,
            "durabletask.task.instance_id": instance_id,
            "durabletask.task.execution_id": event.execution_id,
            "durabletask.task.scheduled_time": _time(event.scheduled_start),
        },
    )


def event_by_client(instance_id: str, event: EventRaised) -> Description:
    """A client raises an event."""
    return _described(
        f"orchestration_event:{event.name}",
        SpanKind.PRODUCER,
        "event",
        {
            "durabletask.task.name": event.name,
            "durabletask.event.target_instance_id": instance_id,
        },
    )


def operation_asked(
    request: EntityOperationCalled | EntityOperationSignaled, sender: Attributes
) -> Description:
    """Somebody asks for an operation of an entity."""
    called = isinstance(request, EntityOperationCalled)
    scheduled = None if isinstance(request, EntityOperationCalled) else request.scheduled
    entity = EntityId.parse(request.target).name
    return _described(
        f"entity:{entity}:{request.operation}",
        SpanKind.CLIENT if called else SpanKind.PRODUCER,
        "entity",
        {
            "durabletask.task.name": entity,
            "durabletask.task.operation": request.operation,
            "durabletask.event.target_instance_id": request.target,
            "durabletask.task.scheduled_time": _time(scheduled),
            **sender,
        },
    )


def activity(
    instance_id: str, execution_id: str, event: TaskScheduled, kind: SpanKind
) -> Description:
    """An attempt of an activity, on either side."""
    return _described(
        _versioned(f"activity:{event.name}", event.version),
        kind,
        "activity",
        {
            "durabletask.task.name": event.name,
            "durabletask.task.version": event.version,
            "durabletask.task.instance_id": instance_id,
            "durabletask.task.execution_id": execution_id,
            "durabletask.task.task_id": event.id,
        },
    )


def execution(event: ExecutionStarted, instance_id: str) -> Description:
    """An execution as it begins."""
    return _orchestration(event.name, event.version, instance_id, event.execution_id, None)


def passed(passage: Passage) -> Description:
    """What is over in an actor."""
    about = passage.about
    match about:
        case ExecutionCompleted():
            whole = passage.name, passage.version, passage.actor_id, passage.execution_id
            return _orchestration(*whole, about.status.label)
        case ExecutionStarted():
            return _start_by_entity(passage, about)
        case EntityOperationCalled() | EntityOperationSignaled() if passage.served:
            return _operation(passage, about)
        case _:
            return _asked(passage, about)


def _asked(passage: Passage, about: AnyAsked) -> Description:
    match about:
        case TaskScheduled():
            execution_id = passage.execution_id or ""
            return activity(passage.actor_id, execution_id, about, SpanKind.CLIENT)
        case SubOrchestrationInstanceCreated():
            return _child(passage, about)
        case EntityOperationCalled() | EntityOperationSignaled():
            return operation_asked(about, _sender(passage, about))
        case EventSent():
            description = event_by_client(about.instance_id, EventRaised(0, about.name))
            description.attributes.update(_sender(passage, about))
            return description
        case TimerCreated():
            return _described(
                f"orchestration:{passage.name}:timer",
                SpanKind.INTERNAL,
                "timer",
                {
                    "durabletask.task.name": passage.name,
                    "durabletask.fire_at": _time(about.fire_at),
                    **_sender(passage, about),
                },
            )
        case _:
            raise TypeError(f"no span tells of {about!r}")


def _sender(passage: Passage, about: AnyAsked) -> Attributes:
    """Who asks: an orchestration by its call, an entity by its id."""
    attributes: Attributes = {"durabletask.task.instance_id": passage.actor_id}
    if passage.execution_id is not None:
        attributes["durabletask.task.execution_id"] = passage.execution_id
        attributes["durabletask.task.task_id"] = about.id
    return attributes


def _orchestration(
    name: str,
    version: str | None,
    instance_id: str,
    execution_id: str | None,
    status: str | None,
) -> Description:
    return _described(
        _versioned(f"orchestration:{name}", version),
        SpanKind.SERVER,
        "orchestration",
        {
            "durabletask.task.name": name,
            "durabletask.task.version": version,
            "durabletask.task.instance_id": instance_id,
            "durabletask.task.execution_id": execution_id,
            "durabletask.task.status": status,
        },
    )


def _child(passage: Passage, about: SubOrchestrationInstanceCreated) -> Description:
    """The parent's side of a child, or the start of an orchestration that nobody waits for."""
    if about.detached:
        name = _versioned(f"create_orchestration:{about.name}", about.version)
        kind, type_ = SpanKind.PRODUCER, "create_orchestration"
    else:
        name, kind, type_ = f"orchestration:{about.name}", SpanKind.CLIENT, "orchestration"
    return _described(
        name,
        kind,
        type_,
        {
            "durabletask.task.name": about.name,
            "durabletask.task.version": about.version,
            "durabletask.event.target_instance_id": about.instance_id,
            "durabletask.task.scheduled_time": _time(about.due) if about.detached else None,
            **_sender(passage, about),
        },
    )


def _operation(
    passage: Passage, about: EntityOperationCalled | EntityOperationSignaled
) -> Description:
    called = isinstance(about, EntityOperationCalled)
    return _described(
        f"entity:{passage.name}:{about.operation}",
        SpanKind.SERVER if called else SpanKind.CONSUMER,
        "entity",
        {
            "durabletask.task.name": passage.name,
            "durabletask.task.operation": about.operation,
            "durabletask.task.instance_id": passage.actor_id,
            "durabletask.entity.error_message": passage.failure.message
            if passage.failure is not None
            else None,
        },
    )


def _start_by_entity(passage: Passage, about: ExecutionStarted) -> Description:
    return _described(
        f"{passage.name}:create_orchestration",
        SpanKind.PRODUCER,
        "create_orchestration",
        {
            "durabletask.task.name": about.name,
            "durabletask.task.version": about.version,
            "durabletask.task.instance_id": passage.actor_id,
            "durabletask.event.target_instance_id": passage.target,
            "durabletask.task.scheduled_time": _time(about.scheduled_start),
        },
    )
