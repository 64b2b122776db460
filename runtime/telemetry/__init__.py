"""OpenTelemetry for Perdure: spans and metrics of runtimes and clients; extra `otel`."""

from .telemetry import Telemetry as Telemetry

__all__ = ["Telemetry"]
