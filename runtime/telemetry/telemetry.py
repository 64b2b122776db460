"""What users hand to a `Runtime` or a `Client`."""

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from perdure.runtime.client.gateway import Gateway
from perdure.runtime.clock import Clock
from perdure.runtime.instruments import Instruments
from perdure.runtime.vitals import Vitals

from .meters import Meters
from .recorder import Recorder
from .spans import Spans
from .traced_gateway import TracedGateway


class Telemetry:
    """Spans and metrics: `Runtime(app, telemetry=Telemetry())`, `Client(..., telemetry=...)`.

    Without providers it takes OpenTelemetry's global ones. One may serve any number of runtimes
    and clients. Spans are made known once what they tell of is durable, each of them once, and
    belong to the trace that was current where an orchestration was started or an entity asked.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        _check("tracer_provider", tracer_provider, "get_tracer")
        _check("meter_provider", meter_provider, "get_meter")
        self._spans = Spans(tracer_provider)
        self._meters = Meters(meter_provider)

    def gateway(self, inner: Gateway) -> Gateway:
        """The way in for a client; called by it."""
        return TracedGateway(inner, self._spans)

    def instruments(self, clock: Clock, vitals: Vitals) -> Instruments:
        """What one runtime tells of itself; called by it."""
        return Recorder(self._spans, self._meters, clock, vitals)


def _check(name: str, given: object, method: str) -> None:
    if given is not None and not hasattr(given, method):
        raise TypeError(f"{name} takes OpenTelemetry's provider, with a {method}(), not {given!r}")
