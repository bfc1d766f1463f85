"""Traces and metrics through OpenTelemetry, if the environment names an endpoint.

The MCP SDK makes the spans: one for each request that a server receives or a client sends. The
trace is passed on in `_meta` (SEP-414). Without an endpoint, `set_up` starts nothing. No data of
callers leaves the process: only the attributes of `_ATTRIBUTES` are exported.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context, metrics, propagate
from starlette.types import ASGIApp, Receive, Scope, Send

from .settings import SettingError

_SEND_SECONDS = 1.0
"""The longest time for one export."""

_END_SECONDS = 1.5
"""How long the last exports may take: after SIGTERM, two seconds are left for all of the end."""

_EVERY_SECONDS = 30.0

# Attribute names of OpenTelemetry's semantic conventions for MCP, HTTP and RPC.
_ATTRIBUTES = frozenset(
    {
        "error.type",
        "gen_ai.operation.name",
        "gen_ai.request.model",
        "gen_ai.tool.name",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "http.request.method",
        "http.response.status_code",
        "mcp.method.name",
        "mcp.protocol.version",
        "rpc.response.status_code",
        "server.address",
        "server.port",
    }
)
# The name of a span may contain the name of a tool, which comes from the caller.
_WORD = r"[A-Za-z0-9_./-]{1,64}"
_NAME = re.compile(rf"{_WORD}( {_WORD}){{0,2}}")
_NO_NAME = "(not a name)"

# More than the methods and tools of a server.
_MOST_NAMES = 200

# Those of the semantic conventions for MCP, `mcp.server.operation.duration`.
_BUCKETS_SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

_meter = metrics.get_meter("mcp-platform")
_durations = _meter.create_histogram(
    "mcp.server.operation.duration",
    unit="s",
    description="How long a request of MCP took",
    explicit_bucket_boundaries_advisory=_BUCKETS_SECONDS,
)
_counts = _meter.create_counter("mcp.server.requests", unit="{request}", description="Requests")
_names: set[str] = set()


def set_up(env: Mapping[str, str], service_name: str) -> Callable[[], None]:
    """Send this process's traces and metrics with OTLP over HTTP, if an endpoint is set.

    Call it once per process, before anything is served; `runtime.start` does. The spans of
    libraries are sent too, without events and with only the attributes that contain no data of
    callers. Libraries may therefore put whole prompts into their spans.

    Args:
        env: `OTEL_EXPORTER_OTLP_ENDPOINT`, a URL such as `http://collector:4318`, below which
            `/v1/traces` and `/v1/metrics` take them; `OTEL_EXPORTER_OTLP_HEADERS`, which may be a
            secret. `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_TRACES_SAMPLER` mean
            what OpenTelemetry says, and are read from the process's environment.
        service_name: The name of the service; `OTEL_SERVICE_NAME` takes precedence.

    Returns:
        A function that sends pending data and stops, within two seconds. Call it once, at the end.

    Raises:
        SettingError: If the endpoint is not a URL.
    """
    endpoint = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    if not endpoint:
        return lambda: None
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint!r}; it must be an http or https URL"
        )
    from .telemetry_sdk import export  # noqa: PLC0415 - the import is slow and often not needed

    return export(
        endpoint,
        headers=env.get("OTEL_EXPORTER_OTLP_HEADERS", ""),
        service_name=env.get("OTEL_SERVICE_NAME") or service_name,
        send_seconds=_SEND_SECONDS,
        every_seconds=_EVERY_SECONDS,
        end_seconds=_END_SECONDS,
    )


def safe_name(name: str) -> str:
    """The name of a span, or a replacement for one that may quote a caller."""
    return name if _NAME.fullmatch(name) else _NO_NAME


def safe_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """The attributes of a span without data of callers; texts only if they are names."""
    return {
        name: safe_name(value) if isinstance(value, str) else value
        for name, value in (attributes or {}).items()
        if name in _ATTRIBUTES
    }


def count(fields: Mapping[str, Any], seconds: float) -> None:
    """Count an MCP request, and record its duration.

    Args:
        fields: Its `method`, its `outcome` and, for a tool call, the `tool`.
        seconds: Its duration.
    """
    well = fields["outcome"] == "ok"
    labels = {
        "mcp.method.name": _one_of_few(str(fields["method"]), new=well),
        "outcome": str(fields["outcome"]),
    }
    if "tool" in fields:
        labels["gen_ai.tool.name"] = _one_of_few(str(fields["tool"]), new=well)
    _durations.record(seconds, labels)
    _counts.add(1, labels)


def _one_of_few(name: str, *, new: bool) -> str:
    """A name of the server. A caller cannot have invented a name that succeeded once."""
    if new and len(_names) < _MOST_NAMES:
        _names.add(name)
    return name if name in _names else "(other)"


class TraceHeaders:
    """ASGI middleware: the `traceparent` header of a request is the parent of its spans.

    A `traceparent` in `_meta` takes precedence, because the SDK reads it for each request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request in the context of its headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        token = context.attach(propagate.extract(headers))
        try:
            await self._app(scope, receive, send)
        finally:
            context.detach(token)
