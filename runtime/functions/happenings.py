"""What an orchestration has asked for and heard, in the form in which 1.x shows its history.

It is what the code at hand knows: an event that nobody waited for is not in it.
"""

from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from typing import Any

from attrs import define, evolve


class EventType(IntEnum):
    """The numbers of the Durable Task protocol."""

    EXECUTION_STARTED = 0
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_INSTANCE_CREATED = 7
    SUB_ORCHESTRATION_INSTANCE_COMPLETED = 8
    SUB_ORCHESTRATION_INSTANCE_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    EVENT_SENT = 14
    EVENT_RAISED = 15


_OUTCOMES = {
    EventType.TASK_SCHEDULED: (EventType.TASK_COMPLETED, EventType.TASK_FAILED),
    EventType.SUB_ORCHESTRATION_INSTANCE_CREATED: (
        EventType.SUB_ORCHESTRATION_INSTANCE_COMPLETED,
        EventType.SUB_ORCHESTRATION_INSTANCE_FAILED,
    ),
    EventType.EVENT_SENT: (EventType.EVENT_RAISED, EventType.EVENT_RAISED),
}


@define
class HistoryEvent:
    """One entry of `context.histories`, with the names that the entries of 1.x have."""

    event_type: int
    event_id: int
    timestamp: datetime
    is_played: bool = True
    is_processed: bool = False
    Name: str | None = None
    InstanceId: str | None = None
    TaskScheduledId: int | None = None
    TimerId: int | None = None
    FireAt: datetime | None = None
    Version: str | None = None
    Input: str | None = None
    Result: str | None = None
    Reason: str | None = None
    Details: str | None = None


class Happenings:
    """The history of one execution, as far as its code has come."""

    def __init__(self, now: Callable[[], datetime], replaying: Callable[[], bool]) -> None:
        self._now = now
        self._replaying = replaying
        self._events: list[HistoryEvent] = []
        self._turn: datetime | None = None

    def note(self, event_type: EventType, event_id: int = -1, **facts: Any) -> None:
        """Something happens now."""
        now = self._now()
        if now != self._turn:
            self._turn = now
            self._events.append(HistoryEvent(EventType.ORCHESTRATOR_STARTED, -1, now))
        self._events.append(HistoryEvent(event_type, event_id, now, **facts))

    def shown(self) -> list[HistoryEvent]:
        """The events so far; those of the current turn are played only during a replay."""
        now, replaying = self._now(), self._replaying()
        return [
            evolve(event, is_played=replaying or event.timestamp < now) for event in self._events
        ]


@define
class CallRecord:
    """What becomes of one call."""

    happenings: Happenings
    kind: EventType
    name: str
    input: str | None
    facts: dict[str, Any]
    number: int = -1
    payload: str | None = None
    """The outcome as text, once it is there."""

    def asked(self, number: int) -> None:
        """It was asked for under this number."""
        self.number = number
        self.happenings.note(self.kind, number, Name=self.name, Input=self.input, **self.facts)

    def ended(self, result: object, *, failed: bool) -> None:
        """It has an outcome."""
        well, badly = _OUTCOMES[self.kind]
        call: dict[str, Any] = {"Name": self.name, "TaskScheduledId": self.number}
        if failed:
            reason, _, details = str(result).partition(" \n ")
            self.happenings.note(badly, Reason=reason, Details=details, **call)
        else:
            self.happenings.note(well, Result=self.payload, **call)
