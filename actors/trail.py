"""Where one execution stands in a trace, and what it has asked for that is not over.

Contexts follow from the execution's id and the numbers of its calls, and are the same in every
replay. New work is given its own on the way out; what is over is told as a `Passage`.
"""

from collections.abc import Iterable
from typing import Any

from attrs import Factory, define, field

from .failure import FailureDetails
from .history import (
    AnyAsked,
    AnyEvent,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EventSent,
    ExecutionCompleted,
    ExecutionRewound,
    ExecutionStarted,
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
from .openwork import OpenWork
from .passages import Passage
from .trace import TraceContext, span_of

Call = TaskScheduled | SubOrchestrationInstanceCreated | EntityOperationCalled | TimerCreated


@define(eq=False)
class Trail:
    """The trace of one execution."""

    instance_id: str
    name: str
    version: str | None
    execution_id: str
    parent: TraceContext
    began: int
    own: TraceContext = field(init=False)
    _open: dict[int, Call] = Factory(dict[int, Call])
    _requests: dict[str, int] = Factory(dict[str, int])

    def __attrs_post_init__(self) -> None:
        self.own = self.parent.at(span_of(self.parent.trace_id, self.execution_id))

    def recall(self, work: OpenWork, held: Iterable[AnyEvent] = ()) -> None:
        """Take over what is open in code that was brought back, but for what has an answer held."""
        self._open.clear()
        self._requests.clear()
        for calls in (work.activities, work.children, work.entity_calls, work.timers):
            self._note(calls.values())
        for event in held:
            self.answered(event)

    def reopen(self, work: OpenWork, kept: Iterable[Turn]) -> None:
        """What is open after a rewind is asked for again, as part of this execution."""
        self.recall(work)
        for turn in kept:
            for event in turn.events:
                if isinstance(event, Call) and event.id in self._open:
                    self._place(event)
        for call in self._open.values():
            self._place(call)

    def _note(self, calls: Iterable[Call]) -> None:
        for call in calls:
            self._open[call.id] = call
            if isinstance(call, EntityOperationCalled):
                self._requests[call.request_id] = call.id

    def _context(self, event: AnyAsked) -> TraceContext:
        return self.own.child(event.id, getattr(event, "attempt", 1))

    def _place(self, event: Any) -> TraceContext:
        context = self._context(event)
        if not isinstance(event, (TimerCreated, EventSent)):
            event.trace = context
        return context

    # What happens

    def recorded(
        self, asked: Iterable[AnyAsked], called_off: Iterable[int], now: int
    ) -> tuple[Passage, ...]:
        """What the code has asked for in a turn, and what it does not want any more."""
        return (*self._asked(asked), *self._called_off(called_off, now))

    def _asked(self, events: Iterable[AnyAsked]) -> list[Passage]:
        """Give new work its place; what is only sent is over at once."""
        sent: list[Passage] = []
        for event in events:
            match event:
                case (
                    EventSent()
                    | EntityOperationSignaled()
                    | SubOrchestrationInstanceCreated(detached=True)
                ):
                    self._place(event)
                    sent.append(self._over(event, event.at))
                case (
                    TaskScheduled()
                    | SubOrchestrationInstanceCreated()
                    | EntityOperationCalled()
                    | TimerCreated()
                ):
                    self._place(event)
                    self._note([event])
                case _:
                    pass
        return sent

    def answered(self, event: AnyEvent) -> tuple[Passage, ...]:
        """An event that may be the outcome of a call."""
        failure: FailureDetails | None = None
        match event:
            case (
                TaskCompleted(task_id=call_id) | SubOrchestrationInstanceCompleted(task_id=call_id)
            ):
                pass
            case TaskFailed(task_id=call_id, failure=failure):
                pass
            case SubOrchestrationInstanceFailed(task_id=call_id, failure=failure):
                pass
            case TimerFired(timer_id=call_id):
                pass
            case EntityOperationCompleted(request_id=request_id):
                call_id = self._requests.pop(request_id, 0)
            case EntityOperationFailed(request_id=request_id, failure=failure):
                call_id = self._requests.pop(request_id, 0)
            case _:
                return ()
        call = self._open.pop(call_id, None)
        return () if call is None else (self._over(call, event.at, failure),)

    def _called_off(self, call_ids: Iterable[int], now: int) -> list[Passage]:
        """A timer that has not fired leaves nothing."""
        calls = [self._open.pop(call_id, None) for call_id in call_ids]
        return [
            self._over(call, now)
            for call in calls
            if call is not None and not isinstance(call, TimerCreated)
        ]

    def ended(self, done: ExecutionCompleted) -> tuple[Passage, ...]:
        """The execution is over, and with it what is still open."""
        whole = Passage(
            self.instance_id,
            self.name,
            self.version,
            self.execution_id,
            done,
            self.began,
            done.at,
            self.own,
            self.parent,
            done.failure,
        )
        return (*self._called_off(list(self._open), done.at), whole)

    def _over(self, event: AnyAsked, ended: int, failure: FailureDetails | None = None) -> Passage:
        return Passage(
            self.instance_id,
            self.name,
            self.version,
            self.execution_id,
            event,
            event.at,
            ended,
            self._context(event),
            self.own,
            failure,
        )


def followed(
    trail: Trail | None, instance_id: str, event: ExecutionStarted | ExecutionRewound, at: int
) -> Trail | None:
    """The trail of the execution that this event begins; None when nobody traces it.

    What was rewound belongs to what asked for it: the parent's new attempt, or as before.
    """
    if isinstance(event, ExecutionStarted):
        if event.trace is None:
            return None
        return Trail(instance_id, event.name, event.version, event.execution_id, event.trace, at)
    if trail is None:
        return None
    again = event.restart.trace if event.restart is not None else None
    parent = again or trail.parent
    return Trail(instance_id, trail.name, trail.version, event.execution_id, parent, at)
