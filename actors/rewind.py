"""Histories without the failures that ended them, for a rewind to go on from.

First choice is the history as it is, without the outcomes of failed work: all successes stay. It
serves when the code does the same as before as long as the failures are not known, which replay
finds out. Otherwise the history is cut at the first failure: what was asked for earlier keeps its
success, what the code did in knowledge of the failure is forgotten and done anew.
"""

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from .history import (
    AnyEvent,
    Asked,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationFailed,
    EntityUnlockSent,
    EventRaised,
    ExecutionCompleted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
    Turn,
    TurnNotes,
)

Position = tuple[int, int]


def candidates(history: list[Turn]) -> Iterator[list[Turn]]:
    """Histories to go on from, the one that keeps most first."""
    failed = _failed_for_good(history)
    yield [_without_failures(turn, failed) for turn in history]
    yield _cut(history, failed)


def _failed_for_good(history: list[Turn]) -> set[int]:
    failed: set[int] = set()
    for event in _events(history):
        if isinstance(event, (TaskFailed, SubOrchestrationInstanceFailed)):
            failed.add(event.task_id)
        elif isinstance(event, (TaskCompleted, SubOrchestrationInstanceCompleted)):
            failed.discard(event.task_id)
    return failed


def _events(history: list[Turn]) -> Iterator[AnyEvent]:
    for turn in history:
        yield from turn.events


def _without_failures(turn: Turn, failed: set[int]) -> Turn:
    return evolve(turn, events=[e for e in turn.events if not _is_failed_work(e, failed)])


def _is_failed_work(event: Any, failed: set[int]) -> bool:
    match event:
        case TaskFailed() | SubOrchestrationInstanceFailed():
            return event.task_id in failed
        case TaskScheduled() | SubOrchestrationInstanceCreated():
            return event.id in failed and event.attempt > 1
        case EntityOperationFailed() | ExecutionCompleted():
            return True
        case _:
            return False


def _cut(history: list[Turn], failed: set[int]) -> list[Turn]:
    at = _first_failure(history, failed)
    if at is None:
        return [_without_failures(turn, failed) for turn in history]
    turn_at, event_at = at
    kept = [_without_failures(turn, failed) for turn in history[:turn_at]]
    broken = history[turn_at]
    before = [e for e in broken.events[:event_at] if not isinstance(e, Asked)]
    kept.append(Turn(broken.at, list(before), _awaited_only(broken)))
    asked = {event.id for event in _events(kept) if isinstance(event, Asked)}
    rest = [*broken.events[event_at:], *_events(history[turn_at + 1 :])]
    outcomes: list[AnyEvent] = [e for e in rest if _still_counts(e, asked)]
    kept[-1].events.extend(outcomes)
    return kept


def _awaited_only(turn: Turn) -> TurnNotes | None:
    return TurnNotes(awaited=turn.notes.awaited) if turn.notes is not None else None


def _first_failure(history: list[Turn], failed: set[int]) -> Position | None:
    """Where knowledge of a failure began; inside a critical section, where that was entered."""
    entered: Position | None = None
    for turn_at, turn in enumerate(history):
        for event_at, event in enumerate(turn.events):
            if isinstance(event, EntityLockGranted):
                entered = turn_at, event_at
            elif isinstance(event, (EntityUnlockSent, EntityLockRequested)):
                entered = None
            elif _is_first_sign(event, failed):
                return entered or (turn_at, event_at)
    return None


def _is_first_sign(event: Any, failed: set[int]) -> bool:
    if isinstance(event, (TaskFailed, SubOrchestrationInstanceFailed)):
        return event.task_id in failed
    return isinstance(event, EntityOperationFailed)


def _still_counts(event: Any, asked: set[int]) -> bool:
    match event:
        case TaskCompleted() | SubOrchestrationInstanceCompleted():
            return event.task_id in asked
        case TimerFired():
            return event.timer_id in asked
        case EventRaised():
            return True
        case _:
            return False
