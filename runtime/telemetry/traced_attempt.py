"""One attempt of an activity: its span, which is current in the user's code, and its duration."""

from collections.abc import Callable
from typing import Any

from opentelemetry import context as current
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from perdure import TraceContext
from perdure.actors.history import TaskCompleted, TaskFailed, TaskScheduled
from perdure.runtime.clock import Clock

from .contexts import inward, outward
from .meters import Meters
from .spans import Spans
from .vocabulary import activity

Function = Callable[..., Any]


class TracedAttempt:
    """From the beginning of an attempt to its end."""

    def __init__(
        self,
        spans: Spans,
        meters: Meters,
        clock: Clock,
        instance_id: str,
        execution_id: str,
        event: TaskScheduled,
    ) -> None:
        self._spans = spans
        self._meters = meters
        self._clock = clock
        self._name = event.name
        self._began = clock.now()
        self._span: Span | None = None
        if event.trace is not None:
            description = activity(instance_id, execution_id, event, SpanKind.SERVER)
            caller = outward(event.trace)
            self._span = spans.begin(description, caller, self._began)
            self._context = set_span_in_context(self._span, caller)

    @property
    def trace(self) -> TraceContext | None:
        """The place of the attempt itself."""
        return None if self._span is None else inward(self._context)

    def around(self, function: Function, executor: str) -> Function:
        """The function, with the attempt's span as the current one."""
        if self._span is None:
            return function
        context = self._context
        if executor == "process":
            trace = self.trace
            return function if trace is None else WithinProcess(function, trace)

        def within(*arguments: Any) -> Any:
            # It stays current: whoever calls does so in context variables of the attempt's own.
            current.attach(context)
            return function(*arguments)

        return within

    def ended(self, outcome: TaskCompleted | TaskFailed | None) -> None:
        """The span is made known, and the time counted."""
        now = self._clock.now()
        failure = outcome.failure if isinstance(outcome, TaskFailed) else None
        if self._span is not None:
            if failure is not None:
                self._spans.note_failure(self._span, failure, now)
            self._spans.end(self._span, now, failure)
        ending = {None: "cancelled", TaskCompleted: "completed", TaskFailed: "failed"}
        self._meters.activity_duration.record(
            (now - self._began) / 1_000_000,
            {
                "durabletask.task.name": self._name,
                "perdure.outcome": ending[type(outcome) if outcome is not None else None],
            },
        )


class WithinProcess:
    """A function on its way to a worker process, where the span is known by its ids alone."""

    def __init__(self, function: Function, trace: TraceContext) -> None:
        self._function = function
        self._trace = trace

    def __call__(self, *arguments: Any) -> Any:
        """Call it as part of the span."""
        token = current.attach(outward(self._trace))
        try:
            return self._function(*arguments)
        finally:
            current.detach(token)
