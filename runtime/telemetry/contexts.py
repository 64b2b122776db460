"""Between the context that is stored and the one that OpenTelemetry keeps current."""

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from perdure import TraceContext

_TRACE, _BAGGAGE = TraceContextTextMapPropagator(), W3CBaggagePropagator()


def outward(trace: TraceContext) -> Context:
    """The stored context for OpenTelemetry: a remote parent, with its baggage."""
    headers = trace.headers()
    return _BAGGAGE.extract(headers, _TRACE.extract(headers, Context()))


def inward(context: Context) -> TraceContext | None:
    """OpenTelemetry's context to be stored; None without a span."""
    headers: dict[str, str] = {}
    _TRACE.inject(headers, context)
    _BAGGAGE.inject(headers, context)
    return TraceContext.from_headers(headers)
