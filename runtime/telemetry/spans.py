"""The one place where spans begin and end. What a provider raises is logged, and harms nobody."""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracer,
    ProxyTracerProvider,
    Span,
    StatusCode,
    Tracer,
    TracerProvider,
    get_current_span,
)

from perdure import FailureDetails, TraceContext, __version__

from .chosen_ids import ChosenIds, with_chosen_ids
from .contexts import outward
from .vocabulary import Description

logger = logging.getLogger("perdure.telemetry")


class Spans:
    """Makes spans by one tracer provider."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider
        self._tracer: Tracer | None = None
        self._ids: ChosenIds | None = None

    @property
    def tracer(self) -> Tracer:
        """Perdure's tracer, looked up anew until the program has set a provider."""
        if self._tracer is not None:
            return self._tracer
        provider = self._provider if self._provider is not None else trace.get_tracer_provider()
        tracer = provider.get_tracer("perdure", __version__)
        if isinstance(provider, ProxyTracerProvider):
            return tracer
        self._tracer, self._ids = tracer, with_chosen_ids(tracer)
        if self._ids is None and not isinstance(tracer, NoOpTracer):
            logger.warning(
                "the tracers of %s have no `id_generator`, as those of OpenTelemetry's SDK have; "
                "spans get ids of their own, so that parts of a trace will lack their parents",
                type(provider).__name__,
            )
        return tracer

    def samples(self, description: Description, trace_id: int) -> bool:
        """Whether a trace that begins with this span is to be recorded."""
        sampler: Any = getattr(self.tracer, "sampler", None)
        if sampler is None:
            return True
        name, kind, attributes = description
        try:
            result = sampler.should_sample(Context(), trace_id, name, kind, attributes, ())
            return bool(result.decision.is_sampled())
        except Exception:
            logger.exception("the sampler failed")
            return False

    def begin(
        self,
        description: Description,
        parent: Context,
        at: int,
        chosen: TraceContext | None = None,
    ) -> Span:
        """A span that begins at `at`, in microseconds since 1970."""
        tracer = self.tracer
        name, kind, attributes = description
        choice: AbstractContextManager[None] = nullcontext()
        if chosen is not None and self._ids is not None:
            choice = self._ids.choose(int(chosen.trace_id, 16), int(chosen.span_id, 16))
        try:
            with choice:
                return tracer.start_span(name, parent, kind, attributes, start_time=at * 1_000)
        except Exception:
            logger.exception("span %s is not begun", name)
            return NonRecordingSpan(get_current_span(parent).get_span_context())

    def note_failure(self, span: Span, failure: FailureDetails, at: int) -> None:
        """What was raised, as the event that OpenTelemetry has for exceptions."""
        attributes = {"exception.type": failure.type, "exception.message": failure.message}
        if failure.stack is not None:
            attributes["exception.stacktrace"] = failure.stack
        try:
            span.add_event("exception", attributes, at * 1_000)
        except Exception:
            logger.exception("span %s does not take an event", span)

    def end(self, span: Span, at: int, failure: FailureDetails | None = None) -> None:
        """The end of a span, at `at`."""
        try:
            if failure is not None:
                span.set_status(StatusCode.ERROR, failure.message or failure.type)
            span.end(at * 1_000)
        except Exception:
            logger.exception("span %s is not ended", span)

    def tell(
        self,
        description: Description,
        own: TraceContext,
        parent: TraceContext,
        times: tuple[int, int],
        failure: FailureDetails | None,
    ) -> None:
        """A whole span that is over; where it is its own parent, the trace begins with it.

        A clock that was set back between two processes makes it short, and not negative.
        """
        began, ended = times
        context = Context() if parent.span_id == own.span_id else outward(parent)
        self.end(self.begin(description, context, began, own), max(began, ended), failure)
