"""Spans and metrics of OpenTelemetry; extra `otel`."""
