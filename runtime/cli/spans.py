"""What an instance did and when, read from its history: one span for each thing that takes time."""

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, Literal

from attrs import define, field

from perdure.actors.history import (
    AnyEvent,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from perdure.actors.moments import moment
from perdure.actors.status import Status
from perdure.runtime.client.views import HistoryEvent

Outcome = Literal["completed", "failed", "open", "given up"]


@define
class Span:
    """Something that took time, or takes it."""

    kind: str
    """`orchestration`, `activity`, `timer`, `sub-orchestration`, `entity call`, `entity lock`,
    `suspension`, or `event`, which takes none."""
    name: str
    start: datetime
    end: datetime | None = None
    outcome: Outcome = "open"
    task_id: int | None = None
    attempt: int | None = None


@define
class Spans:
    """Collects spans, event by event."""

    all: list[Span] = field(factory=list[Span])
    _open: dict[Hashable, Span] = field(factory=dict[Hashable, Span])

    def read(self, item: HistoryEvent) -> None:
        """Take one more event into account."""
        event, at = item.event, item.timestamp
        if event is None:
            return
        kind = type(event)
        if kind in _BEGINS:
            key, span = _BEGINS[kind](event, at)
            self.all.append(span)
            self._open[key] = span
        elif kind in _ENDS:
            key, outcome = _ENDS[kind](event)
            self._end(key, at, outcome)
        elif isinstance(event, EventRaised):
            self.all.append(Span("event", event.name, at, at, "completed"))
        elif isinstance(event, ExecutionCompleted):
            self._end("execution", at, "completed" if _is_well(event) else "failed")
            for key in [*self._open]:
                self._end(key, at, "given up")

    def _end(self, key: Hashable, at: datetime, outcome: Outcome) -> None:
        span = self._open.pop(key, None)
        if span is not None:
            # What is given up before a scheduled retry has begun did not run at all.
            span.end, span.outcome = max(at, span.start), outcome


def spans_of(history: list[HistoryEvent]) -> list[Span]:
    """The spans of a history, in the order of their beginnings."""
    spans = Spans()
    for item in history:
        spans.read(item)
    return spans.all


def _is_well(event: ExecutionCompleted) -> bool:
    return event.status in {Status.COMPLETED, Status.CONTINUED_AS_NEW}


Begun = tuple[Hashable, Span]
Ended = tuple[Hashable, Outcome]


def _work(kind: str) -> Callable[[Any, datetime], Begun]:
    def begin(event: Any, at: datetime) -> Begun:
        start = moment(event.due) if event.due is not None else at
        span = Span(kind, event.name, start, task_id=event.id, attempt=event.attempt)
        return (event.id, event.attempt), span

    return begin


def _called(event: EntityOperationCalled, at: datetime) -> Begun:
    name = f"{event.target}.{event.operation}"
    return event.request_id, Span("entity call", name, at, task_id=event.id)


def _requested(event: EntityLockRequested, at: datetime) -> Begun:
    span = Span("entity lock", ", ".join(event.lock_set), at, task_id=event.id)
    return event.critical_section_id, span


_BEGINS: dict[type[AnyEvent], Callable[[Any, datetime], Begun]] = {
    ExecutionStarted: lambda event, at: ("execution", Span("orchestration", event.name, at)),
    TaskScheduled: _work("activity"),
    SubOrchestrationInstanceCreated: _work("sub-orchestration"),
    TimerCreated: lambda event, at: (event.id, Span("timer", "", at, task_id=event.id)),
    EntityOperationCalled: _called,
    EntityLockRequested: _requested,
    ExecutionSuspended: lambda event, at: (
        "suspension",
        Span("suspension", event.reason or "", at),
    ),
}

_ENDS: dict[type[AnyEvent], Callable[[Any], Ended]] = {
    TaskCompleted: lambda event: ((event.task_id, event.attempt), "completed"),
    TaskFailed: lambda event: ((event.task_id, event.attempt), "failed"),
    SubOrchestrationInstanceCompleted: lambda event: (
        (event.task_id, event.attempt),
        "completed",
    ),
    SubOrchestrationInstanceFailed: lambda event: ((event.task_id, event.attempt), "failed"),
    TimerFired: lambda event: (event.timer_id, "completed"),
    EntityOperationCompleted: lambda event: (event.request_id, "completed"),
    EntityOperationFailed: lambda event: (event.request_id, "failed"),
    EntityLockGranted: lambda event: (event.critical_section_id, "completed"),
    ExecutionResumed: lambda _: ("suspension", "completed"),
}
