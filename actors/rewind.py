"""Histories without the failures that ended them, for a rewind to go on from.

First choice is the history as it is, without the outcomes of failed work: all successes stay. It
serves when the code does the same as before as long as the failures are not known, which replay
finds out. Where the code has acted on a failure that it caught, that one stays, and only later ones
are taken out. Otherwise the history is cut at a failure, the last that will do: what was asked for
earlier keeps its success, what the code did in knowledge of the failure is forgotten and done anew.
What the code asks for again was sent then and is not sent twice.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from .comparison import essence
from .errors import NonDeterminismError
from .history import (
    AnyEvent,
    Asked,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityUnlockSent,
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionSuspended,
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
from .replay import Execution

Replay = Callable[[list[Turn]], Execution]
Failed = int | str
"""The number of a task, or the request of an entity operation."""


def rewound(history: list[Turn], replay: Replay) -> tuple[list[Turn], Execution]:
    """The most of a failed history that the code follows without the failures, and the code there.

    Raises `NonDeterminismError` when it follows none.
    """
    failures = _failed_for_good(history)
    beginnings = range(max(1, len(failures)))
    for first in beginnings:
        failed = set(failures[first:])
        whole = [_without_failures(turn, failed) for turn in history]
        with suppress(NonDeterminismError):
            execution = replay(whole)
            _keep_repeated(history, whole, execution)
            return whole, execution
    for first in reversed(beginnings[1:]):
        with suppress(NonDeterminismError):
            return _regrown(history, *_cut(history, set(failures[first:])), replay)
    return _regrown(history, *_cut(history, set(failures)), replay)


def _regrown(
    history: list[Turn], kept: list[Turn], rest: list[AnyEvent], replay: Replay
) -> tuple[list[Turn], Execution]:
    """Add the later outcomes of calls that the code has made by then, as long as there are any."""
    while True:
        execution = replay(kept)
        _keep_repeated(history, kept, execution)
        counting = _Counting(kept)
        usable = [event for event in rest if counting.counts(event)]
        if not usable:
            return kept, execution
        execution.close()
        rest = [event for event in rest if not counting.counts(event)]
        kept = [*kept, Turn(history[-1].at, usable)]


def _keep_repeated(history: list[Turn], kept: list[Turn], execution: Execution) -> None:
    recorded = {_key(event): event for event in _events(history) if isinstance(event, Asked)}
    for key, event in list(execution.asked.items()):
        before = recorded.get(key)
        if before is not None and essence(before) == essence(event):
            kept[-1].events.append(before)
            execution.adopt(before, event)
            del execution.asked[key]


def _key(event: Asked) -> tuple[int, int]:
    return event.id, getattr(event, "attempt", 1)


def _failed_for_good(history: list[Turn]) -> list[Failed]:
    """What failed and did not succeed in the end, in the order of the last failures."""
    failed: dict[Failed, None] = {}
    for event in _events(history):
        match event:
            case TaskFailed() | SubOrchestrationInstanceFailed():
                failed.pop(event.task_id, None)
                failed[event.task_id] = None
            case TaskCompleted() | SubOrchestrationInstanceCompleted():
                failed.pop(event.task_id, None)
            case EntityOperationFailed():
                failed[event.request_id] = None
            case _:
                pass
    return list(failed)


def failed_operations(history: list[Turn]) -> set[str]:
    """The requests of the operations of entities that failed."""
    return {e.request_id for e in _events(history) if isinstance(e, EntityOperationFailed)}


def _events(turns: Iterable[Turn]) -> Iterator[AnyEvent]:
    for turn in turns:
        yield from turn.events


def _without_failures(turn: Turn, failed: set[Failed]) -> Turn:
    """The turn without failures, and without the unlocks of an execution that ended in it.

    What it called off is forgotten as well: the code will say again what it does not want.
    """
    ended = any(isinstance(event, ExecutionCompleted) for event in turn.events)
    events = [
        event
        for event in turn.events
        if not (_is_failed_work(event, failed) or (ended and isinstance(event, EntityUnlockSent)))
    ]
    return Turn(turn.at, events, _awaited_only(turn))


def _is_failed_work(event: AnyEvent, failed: set[Failed]) -> bool:
    match event:
        case TaskFailed() | SubOrchestrationInstanceFailed():
            return event.task_id in failed
        case TaskScheduled() | SubOrchestrationInstanceCreated():
            return event.id in failed and event.attempt > 1
        case EntityOperationFailed():
            return event.request_id in failed
        case ExecutionCompleted():
            return True
        case _:
            return False


def _cut(history: list[Turn], failed: set[Failed]) -> tuple[list[Turn], list[AnyEvent]]:
    """The history up to the first failure, and the events after it."""
    turn_at, event_at = _first_failure(history, failed)
    kept = [_without_failures(turn, failed) for turn in history[:turn_at]]
    broken = history[turn_at : turn_at + 1]
    for turn in broken:
        before: list[AnyEvent] = [e for e in turn.events[:event_at] if not isinstance(e, Asked)]
        kept.append(Turn(turn.at, before, _awaited_only(turn)))
    rest = [e for turn in broken for e in turn.events[event_at:]]
    return kept, [*rest, *_events(history[turn_at + 1 :])]


def _awaited_only(turn: Turn) -> TurnNotes | None:
    return TurnNotes(awaited=turn.notes.awaited) if turn.notes is not None else None


def _first_failure(history: list[Turn], failed: set[Failed]) -> tuple[int, int]:
    for turn_at, turn in enumerate(history):
        for event_at, event in enumerate(turn.events):
            if _is_first_sign(event, failed):
                return turn_at, event_at
    return len(history), 0


def _is_first_sign(event: AnyEvent, failed: set[Failed]) -> bool:
    if isinstance(event, (TaskFailed, SubOrchestrationInstanceFailed)):
        return event.task_id in failed
    return isinstance(event, EntityOperationFailed) and event.request_id in failed


class _Counting:
    """Which later events count: outcomes of calls in these turns, and what came from outside."""

    def __init__(self, kept: list[Turn]) -> None:
        self.ids: set[int] = set()
        self.requests: set[str] = set()
        for event in _events(kept):
            if isinstance(event, Asked):
                self.ids.add(event.id)
            if isinstance(event, EntityOperationCalled):
                self.requests.add(event.request_id)
            elif isinstance(event, EntityLockRequested):
                self.requests.add(event.critical_section_id)

    def counts(self, event: AnyEvent) -> bool:
        match event:
            case TaskCompleted() | SubOrchestrationInstanceCompleted():
                return event.task_id in self.ids
            case TimerFired():
                return event.timer_id in self.ids
            case EntityOperationCompleted():
                return event.request_id in self.requests
            case EntityLockGranted():
                return event.critical_section_id in self.requests
            case EventRaised() | ExecutionSuspended() | ExecutionResumed():
                return True
            case _:
                return False
