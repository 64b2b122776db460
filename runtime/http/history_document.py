"""The history as the Functions host shows it: what was asked for and its outcome are one entry."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import Any

from perdure.actors.failure import FailureDetails
from perdure.actors.history import (
    AnyEvent,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityUnlockSent,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
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
from perdure.runtime.client.views import HistoryEvent, plain

Entry = dict[str, Any]
INPUT, RESULT, DETAILS = "Input", "Result", "Details"
KEPT = ("FunctionName", "InstanceId", "EntityId", "Operation", "LockSet", INPUT)
"""What an outcome takes over from what was asked for."""


def history_document(
    events: Sequence[HistoryEvent], *, show_input: bool, show_output: bool, show_stacks: bool
) -> list[Entry]:
    """The entries, in the order in which they were completed."""
    hidden = {
        name
        for name, shown in ((INPUT, show_input), (RESULT, show_output), (DETAILS, show_stacks))
        if not shown
    }
    entries: list[Entry | None] = []
    asked: dict[Hashable, int] = {}
    for item in events:
        if item.event is None:
            continue
        entry: Entry = {"EventType": item.event_type, "Timestamp": _precise(item.timestamp)}
        entry |= _FIELDS[type(item.event)](item.event)
        begins, ends = _asks(item.event), _settles(item.event)
        if ends in asked:
            before = entries[asked[ends]]
            entries[asked.pop(ends)] = None
            entry |= _taken_over(before or {})
        if begins is not None:
            asked[begins] = len(entries)
        entries.append({name: value for name, value in entry.items() if name not in hidden})
    return [entry for entry in entries if entry is not None]


def _taken_over(before: Entry) -> Entry:
    return {"ScheduledTime": before["Timestamp"]} | {
        name: before[name] for name in KEPT if name in before
    }


def _precise(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S.%fZ}"


def _asks(event: AnyEvent) -> Hashable:
    """What an outcome will refer to."""
    match event:
        case TaskScheduled() | SubOrchestrationInstanceCreated() | TimerCreated():
            return event.id
        case EntityOperationCalled():
            return event.request_id
        case EntityLockRequested():
            return event.critical_section_id
        case _:
            return None


def _settles(event: AnyEvent) -> Hashable:
    """What was asked for with this outcome."""
    match event:
        case TimerFired():
            return event.timer_id
        case TaskCompleted() | TaskFailed():
            return event.task_id
        case SubOrchestrationInstanceCompleted() | SubOrchestrationInstanceFailed():
            return event.task_id
        case EntityOperationCompleted() | EntityOperationFailed():
            return event.request_id
        case EntityLockGranted():
            return event.critical_section_id
        case _:
            return None


def _failure(failure: FailureDetails | None) -> Entry:
    return {"Reason": str(failure), DETAILS: failure.stack} if failure is not None else {}


def _started(event: ExecutionStarted) -> Entry:
    due = event.scheduled_start
    start = {"ScheduledStartTime": _precise(moment(due))} if due is not None else {}
    return {"FunctionName": event.name, INPUT: plain(event.input)} | start


def _ended(event: ExecutionCompleted) -> Entry:
    ended = {"OrchestrationStatus": event.status.label, RESULT: plain(event.result)}
    return ended | _failure(event.failure)


def _operation(event: EntityOperationCalled | EntityOperationSignaled) -> Entry:
    named = {"EntityId": event.target, "Operation": event.operation}
    return named | {INPUT: plain(event.input)}


_FIELDS: dict[type[AnyEvent], Callable[[Any], Entry]] = {
    ExecutionStarted: _started,
    ExecutionCompleted: _ended,
    ExecutionTerminated: lambda event: {"Reason": plain(event.reason)},
    ExecutionSuspended: lambda event: {"Reason": event.reason},
    ExecutionResumed: lambda event: {"Reason": event.reason},
    ExecutionRewound: lambda event: {"Reason": event.reason},
    TaskScheduled: lambda event: {"FunctionName": event.name, INPUT: plain(event.input)},
    TaskCompleted: lambda event: {RESULT: plain(event.result)},
    TaskFailed: lambda event: _failure(event.failure),
    SubOrchestrationInstanceCreated: lambda event: {
        "FunctionName": event.name,
        "InstanceId": event.instance_id,
        INPUT: plain(event.input),
    },
    SubOrchestrationInstanceCompleted: lambda event: {RESULT: plain(event.result)},
    SubOrchestrationInstanceFailed: lambda event: _failure(event.failure),
    TimerCreated: lambda event: {"FireAt": _precise(moment(event.fire_at))},
    TimerFired: lambda event: {"FireAt": _precise(moment(event.fire_at))},
    EventSent: lambda event: {
        "InstanceId": event.instance_id,
        "Name": event.name,
        INPUT: plain(event.input),
    },
    EventRaised: lambda event: {"Name": event.name, INPUT: plain(event.input)},
    EntityOperationCalled: _operation,
    EntityOperationSignaled: _operation,
    EntityOperationCompleted: lambda event: {RESULT: plain(event.output)},
    EntityOperationFailed: lambda event: _failure(event.failure),
    EntityLockRequested: lambda event: {"LockSet": event.lock_set},
    EntityLockGranted: lambda _: {},
    EntityUnlockSent: lambda event: {"EntityId": event.target},
}
