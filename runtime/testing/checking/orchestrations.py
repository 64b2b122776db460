"""An orchestration's outcome is what its code makes of recorded results, and those really happened.

Each execution is replayed from its log, without any effect: the code must follow, and end as the
log says. What the log has of activities is held against what activities did, timers against their
time, and the events that go along on continue-as-new against those that nobody had taken.
"""

from collections import Counter, deque
from collections.abc import Iterator

from perdure.actors.context import OrchestrationContext
from perdure.actors.errors import DefinitionNotFoundError, NonDeterminismError
from perdure.actors.history import (
    AnyEvent,
    EntityLockGranted,
    EntityOperationCompleted,
    EntityOperationFailed,
    EventRaised,
    ExecutionCompleted,
    ExecutionRewound,
    ExecutionStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from perdure.actors.outcomes import Raised, Returned
from perdure.actors.raised import RaisedEvents
from perdure.actors.replay import Execution, Identity
from perdure.actors.status import Status
from perdure.actors.tasks import Task
from perdure.runtime.engine.seclusion import refuse_blocking_calls, secluded

from .evidence import Evidence, Verdict, Violation
from .ledger import Attempt, Life, Step

OUTCOME = "an outcome follows from recorded results"
REAL = "a recorded result is one that an activity gave"
AHEAD = "nothing begins before its cause is durable, or again after its end is"
ONCE = "an answer arrives once"
TIMELY = "timers are not early"
CARRIED = "events that nobody took go along on continue-as-new"

AttemptKey = tuple[str, int, int]


def check_orchestrations(evidence: Evidence, verdict: Verdict) -> None:
    """Hold the executions on record against their code and against the world."""
    refuse_blocking_calls()
    attempts = _by_key(evidence.ledger.attempts)
    for life in evidence.ledger:
        verdict.violations += _twice(life)
        verdict.violations += _early(life)
        verdict.violations += _unlike(evidence, life)
        if attempts is not None:
            verdict.violations += _made_up(life, attempts)
    verdict.violations += _too_soon(evidence)
    verdict.violations += _dropped(evidence)


def _by_key(attempts: list[Attempt] | None) -> dict[AttemptKey, list[Attempt]] | None:
    if attempts is None:
        return None
    found: dict[AttemptKey, list[Attempt]] = {}
    for attempt in attempts:
        key = attempt.execution_id, attempt.task_id, attempt.attempt
        found.setdefault(key, []).append(attempt)
    return found


# The log alone


def _twice(life: Life) -> Iterator[Violation]:
    counted = Counter(key for _, event in life.events if (key := _answer_key(event)) is not None)
    for key, times in counted.items():
        if times > 1:
            what = " ".join(map(str, key))
            yield Violation(ONCE, life.instance_id, f"{what} arrived {times} times")


def _answer_key(event: AnyEvent) -> tuple[object, ...] | None:
    match event:
        case TaskCompleted() | TaskFailed():
            return "activity", event.task_id, "attempt", event.attempt
        case SubOrchestrationInstanceCompleted() | SubOrchestrationInstanceFailed():
            return "child", event.task_id, "attempt", event.attempt
        case TimerFired():
            return "timer", event.timer_id
        case EntityOperationCompleted() | EntityOperationFailed():
            return "answer", event.request_id
        case EntityLockGranted():
            return "lock", event.critical_section_id
        case _:
            return None


def _early(life: Life) -> Iterator[Violation]:
    for _, event in life.events:
        if isinstance(event, TimerFired) and event.at < event.fire_at:
            early = (event.fire_at - event.at) / 1_000_000
            text = f"timer {event.timer_id} fired {early} s before its time"
            yield Violation(TIMELY, life.instance_id, text)


# The code


def _unlike(evidence: Evidence, life: Life) -> Iterator[Violation]:
    ends = [event for _, event in life.events if isinstance(event, ExecutionCompleted)]
    started = life.started
    if started is None or _is_rewound(life):
        return
    try:
        execution = _replayed(evidence, life, started)
    except (NonDeterminismError, DefinitionNotFoundError) as error:
        yield Violation(OUTCOME, life.instance_id, f"its code does not follow its log: {error}")
        return
    if not ends or ends[-1].status is Status.TERMINATED:
        return
    match execution.outcome:
        case Returned(result=result):
            made = Status.COMPLETED.name, result
        case Raised(failure=failure):
            made = Status.FAILED.name, failure.type
        case other:
            made = "none", type(other).__name__
    end = ends[-1]
    recorded = end.status.name, end.failure.type if end.failure is not None else end.result
    if made != recorded:
        yield Violation(OUTCOME, life.instance_id, f"recorded is {recorded}, the code says {made}")


def _is_rewound(life: Life) -> bool:
    return any(isinstance(event, ExecutionRewound) for _, event in life.events)


def _replayed(evidence: Evidence, life: Life, started: ExecutionStarted) -> Execution:
    execution = _execution(evidence, life.instance_id, started, RaisedEvents())
    with secluded():
        try:
            execution.replay([recorded.turn for recorded in life.turns])
        finally:
            execution.close()
    return execution


def _execution(
    evidence: Evidence, instance_id: str, started: ExecutionStarted, book: RaisedEvents
) -> Execution:
    """The code of an execution, before its first event."""
    definition = evidence.app.recorded_orchestration(started.name, started.version)
    identity = Identity(
        instance_id, started.execution_id, started.name, started.version, started.parent,
        started.tags,
    )  # fmt: skip
    with secluded():
        execution = Execution(evidence.app, definition, identity, OrchestrationContext)
    execution.use_events(book)
    return execution


class EventBook(RaisedEvents):
    """Keeps the books of external events once more, so that the engine's can be checked."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[EventRaised] = []
        self._waits: dict[str, deque[Task[None]]] = {}

    def arrive(self, event: EventRaised) -> None:
        """It goes to whoever has waited longest, or is left."""
        if event.name.casefold() not in self.awaited:
            self.left.append(event)
        super().arrive(event)

    def listen(self, name: str, task: "Task[None]") -> None:
        """It gets the oldest that is left."""
        wanted = (event for event in self.left if event.name.casefold() == name)
        oldest = next(wanted, None)
        if oldest is not None:
            self.left = [event for event in self.left if event is not oldest]
        super().listen(name, task)


# Activities


def _made_up(life: Life, attempts: dict[AttemptKey, list[Attempt]]) -> Iterator[Violation]:
    execution_id = ""
    for _, event in life.events:
        if isinstance(event, ExecutionStarted):
            execution_id = event.execution_id
        if not isinstance(event, TaskCompleted):
            continue
        ran = attempts.get((execution_id, event.task_id, event.attempt), [])
        if not _is_rewound(life) and event.result not in [a.result for a in ran if a.ended]:
            given = [attempt.result for attempt in ran]
            text = f"activity {event.task_id} is recorded with {event.result}, and gave {given}"
            yield Violation(REAL, life.instance_id, text)


def _too_soon(evidence: Evidence) -> Iterator[Violation]:
    ledger = evidence.ledger
    ended: dict[AttemptKey, int] = {}
    for life in ledger:
        for moment, event in life.events:
            if isinstance(event, (TaskCompleted, TaskFailed)):
                key = life.execution_id, event.task_id, event.attempt
                ended.setdefault(key, moment)
    for attempt in ledger.attempts or ():
        if not attempt.by_owner:
            continue
        key = attempt.execution_id, attempt.task_id, attempt.attempt
        name = f"{attempt.name} ({attempt.task_id}, attempt {attempt.attempt})"
        if ledger.scheduled.get(key, attempt.began) >= attempt.began or key not in ledger.scheduled:
            yield Violation(AHEAD, attempt.instance_id, f"{name} began before it was durable")
        elif ended.get(key, attempt.began) < attempt.began:
            yield Violation(AHEAD, attempt.instance_id, f"{name} began again after its end")


# Continue-as-new


def _dropped(evidence: Evidence) -> Iterator[Violation]:
    """What each execution had not taken is what the next one begins with."""
    current: dict[str, list[Step]] = {}
    for step in evidence.ledger.steps or ():
        if any(isinstance(event, ExecutionStarted) for event in step.taken):
            current[step.actor] = []
        steps = current.setdefault(step.actor, [])
        steps.append(step)
        if step.continued is None:
            continue
        left = _left(evidence, steps)
        carried = [(event.name, event.input) for event in step.continued.carryover]
        if left is not None and carried != left:
            text = f"nobody had taken {left}, and {carried} went along"
            yield Violation(CARRIED, step.actor, text)


def _left(evidence: Evidence, steps: list[Step]) -> list[tuple[str, str | None]] | None:
    """What nobody had taken after these turns, if that was to be kept."""
    events = [event for step in steps for event in step.taken]
    started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
    if started is None or any(isinstance(event, ExecutionRewound) for event in events):
        return None
    book = EventBook()
    execution = _execution(evidence, steps[0].actor, started, book)
    with secluded():
        try:
            for step in steps:
                _retake(execution, step)
        finally:
            execution.close()
    kept = execution.continuation
    if kept is None or not kept.preserve_events:
        return None
    return [(event.name, event.input) for event in book.left]


def _retake(execution: Execution, step: Step) -> None:
    """Take a turn once more, as the first time."""
    execution.now = max(execution.now, step.at)
    for event in step.taken:
        if execution.expects(event) and execution.continuation is None:
            execution.apply(event)
    execution.take_asked()
    execution.called_off = []
