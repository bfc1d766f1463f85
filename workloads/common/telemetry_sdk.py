"""The part of `telemetry` that needs OpenTelemetry's SDK, which is imported only if used."""

import time
from collections.abc import Callable, Sequence
from threading import Thread

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.re import parse_env_headers

from .telemetry import safe_attributes, safe_name


class _Discreet(SpanExporter):
    """Exports spans without the parts that may quote a caller.

    The SDK puts the texts of errors into events and into the status, and names from callers into
    names; other libraries put arguments and whole prompts into attributes.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans, each without its events, its links and most of its attributes."""
        return self._exporter.export([_discreet(span) for span in spans])

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()


def _discreet(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=safe_name(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=safe_attributes(span.attributes),
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def export(
    endpoint: str,
    *,
    headers: str,
    service_name: str,
    send_seconds: float,
    every_seconds: float,
    end_seconds: float,
) -> Callable[[], None]:
    """Make the trace and metric providers of the process.

    Args:
        endpoint: The URL without the path of the signal.
        headers: `name=value` pairs, comma-separated.
        service_name: The name of the service.
        send_seconds: The timeout of one export while the collector sends nothing.
        every_seconds: The interval between exports of metrics.
        end_seconds: The timeout for pending data at the end.

    Returns:
        A function that sends the pending data of both and stops them; it drops data after the
        timeout.
    """
    resource = Resource.create({"service.name": service_name})
    sent = parse_env_headers(headers, liberal=True)
    spans = OTLPSpanExporter(f"{endpoint}/v1/traces", headers=sent, timeout=send_seconds)
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(_Discreet(spans)))
    numbers = OTLPMetricExporter(f"{endpoint}/v1/metrics", headers=sent, timeout=send_seconds)
    reader = PeriodicExportingMetricReader(numbers, export_interval_millis=every_seconds * 1000)
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)

    def end() -> None:
        both = [Thread(target=each.shutdown, daemon=True) for each in (tracers, meters)]
        deadline = time.monotonic() + end_seconds
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(max(0.0, deadline - time.monotonic()))

    return end
