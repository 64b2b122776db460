"""Between the context that is stored and the one that OpenTelemetry keeps current."""

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from perdure import TraceContext

_TRACE, _BAGGAGE = TraceContextTextMapPropagator(), W3CBaggagePropagator()


def outward(trace: TraceContext) -> Context:
    """The stored context for OpenTelemetry: a remote parent, with its baggage."""
    # What is stored was checked when it came in: the propagator would look through it once more.
    state = TraceState.from_header([trace.tracestate]) if trace.tracestate is not None else None
    parent = SpanContext(
        int(trace.trace_id, 16),
        int(trace.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
        trace_state=state,
    )
    context = set_span_in_context(NonRecordingSpan(parent), Context())
    if trace.baggage is None:
        return context
    return _BAGGAGE.extract({"baggage": trace.baggage}, context)


def inward(context: Context) -> TraceContext | None:
    """OpenTelemetry's context to be stored; None without a span."""
    headers: dict[str, str] = {}
    _TRACE.inject(headers, context)
    _BAGGAGE.inject(headers, context)
    return TraceContext.from_headers(headers)
