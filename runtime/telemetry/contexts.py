"""Between the context that is stored and the one that OpenTelemetry keeps current."""

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from perdure import TraceContext

_TRACE, _BAGGAGE = TraceContextTextMapPropagator(), W3CBaggagePropagator()


def outward(trace: TraceContext) -> Context:
    """The stored context for OpenTelemetry: a remote parent, with its baggage."""
    headers = {"traceparent": trace.traceparent}
    if trace.tracestate is not None:
        headers["tracestate"] = trace.tracestate
    context = _TRACE.extract(headers, Context())
    if trace.baggage is not None:
        context = _BAGGAGE.extract({"baggage": trace.baggage}, context)
    return context


def inward(context: Context) -> TraceContext | None:
    """OpenTelemetry's context to be stored; None without a span."""
    headers: dict[str, str] = {}
    _TRACE.inject(headers, context)
    _BAGGAGE.inject(headers, context)
    return TraceContext.from_headers(headers)
