"""What an execution has asked for and not heard of: read from its history, without its code."""

from typing import Any

from attrs import Factory, define

from .calls import EntityCall, Section, TimerCall, WorkCall
from .history import (
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityUnlockSent,
    ExecutionRewound,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    Turn,
)
from .replay import Execution


@define
class OpenWork:
    """Open calls by the id of the call; for retried ones the newest attempt."""

    activities: dict[int, TaskScheduled] = Factory(dict[int, TaskScheduled])
    timers: dict[int, TimerCreated] = Factory(dict[int, TimerCreated])
    children: dict[int, SubOrchestrationInstanceCreated] = Factory(
        dict[int, SubOrchestrationInstanceCreated]
    )
    entity_calls: dict[int, EntityOperationCalled] = Factory(dict[int, EntityOperationCalled])
    section: EntityLockRequested | None = None
    section_granted: bool = False
    awaited: list[str] = Factory(list[str])
    """Names of external events waited for, in lower case."""
    failures: dict[int, TaskFailed | SubOrchestrationInstanceFailed] = Factory(
        dict[int, TaskFailed | SubOrchestrationInstanceFailed]
    )
    """The last failed attempt of each call that is being tried again."""

    @classmethod
    def of(cls, execution: Execution) -> "OpenWork":
        """The same from code in memory."""
        work = cls(awaited=execution.awaited)
        for call in execution.open.values():
            match call:
                case TimerCall(event=event):
                    work.timers[event.id] = event
                case WorkCall(event=TaskScheduled() as event):
                    work.activities[event.id] = event
                case WorkCall(event=SubOrchestrationInstanceCreated() as event):
                    work.children[event.id] = event
                case EntityCall(event=event):
                    work.entity_calls[event.id] = event
                case Section():
                    pass
                case _:
                    pass
        if execution.section is not None:
            work.section = execution.section.event
            work.section_granted = execution.section.granted
        return work

    def read(self, event: Any) -> None:
        """Take one more event of the history into account."""
        match event:
            case TaskScheduled():
                self.activities[event.id] = event
            case TaskCompleted():
                self.activities.pop(event.task_id, None)
                self.failures.pop(event.task_id, None)
            case TaskFailed():
                self.activities.pop(event.task_id, None)
                self.failures[event.task_id] = event
            case TimerCreated():
                self.timers[event.id] = event
            case TimerFired():
                self.timers.pop(event.timer_id, None)
            case SubOrchestrationInstanceCreated():
                if not event.detached:
                    self.children[event.id] = event
            case SubOrchestrationInstanceCompleted():
                self.children.pop(event.task_id, None)
            case SubOrchestrationInstanceFailed():
                self.children.pop(event.task_id, None)
                self.failures[event.task_id] = event
            case _:
                self._read_entity_event(event)

    def _read_entity_event(self, event: Any) -> None:
        match event:
            case EntityOperationCalled():
                self.entity_calls[event.id] = event
            case EntityOperationCompleted() | EntityOperationFailed():
                for call_id, call in list(self.entity_calls.items()):
                    if call.request_id == event.request_id:
                        del self.entity_calls[call_id]
            case EntityLockRequested():
                self.section, self.section_granted = event, False
            case EntityLockGranted():
                self.section_granted = True
            case EntityUnlockSent():
                self.section, self.section_granted = None, False
            case ExecutionRewound():
                self.section_granted = False
            case _:
                pass

    def forget(self, call_ids: list[int]) -> None:
        """Calls that were called off."""
        for call_id in call_ids:
            self.activities.pop(call_id, None)
            self.timers.pop(call_id, None)
            self.children.pop(call_id, None)
            self.entity_calls.pop(call_id, None)


def open_work(turns: list[Turn]) -> OpenWork:
    """Read the open work from the turns of one execution."""
    work = OpenWork()
    for turn in turns:
        for event in turn.events:
            work.read(event)
        if turn.notes is not None:
            work.forget(turn.notes.cancelled)
            if turn.notes.awaited is not None:
                work.awaited = turn.notes.awaited
    return work


def last_awaited(turns: list[Turn]) -> list[str]:
    """Names of the events that were waited for when the last of these turns ended."""
    for turn in reversed(turns):
        if turn.notes is not None and turn.notes.awaited is not None:
            return turn.notes.awaited
    return []
