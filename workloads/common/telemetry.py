"""Traces and metrics through OpenTelemetry, if the environment names a place to send them to.

The MCP SDK makes the spans: one for each request that a server gets, and one for each that a client
sends, with the trace handed on in `_meta` (SEP-414). Nothing here costs anything unless `set_up`
was told an endpoint, and nothing that a caller sent leaves the process: of each span, only what
`_ATTRIBUTES` lists.
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
# A span's name may have the name of a tool in it, which comes from the caller.
_WORD = r"[A-Za-z0-9_./-]{1,64}"
_NAME = re.compile(rf"{_WORD}( {_WORD}){{0,2}}")
_NO_NAME = "(not a name)"

# More different methods and tools than a server has.
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
    """Send this process's traces and metrics by OTLP over HTTP, if the environment says where to.

    Call it once a process, before anything is served; `runtime.start` does. Spans that a library
    makes are sent too, without their events and without any attribute but the few that are known to
    hold nothing of what was said, so that it is safe with libraries that put whole prompts in them.

    Args:
        env: `OTEL_EXPORTER_OTLP_ENDPOINT`, a URL such as `http://collector:4318`, below which
            `/v1/traces` and `/v1/metrics` take them; `OTEL_EXPORTER_OTLP_HEADERS`, which may be a
            secret. `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_TRACES_SAMPLER` mean
            what OpenTelemetry says, and are read from the process's environment.
        service_name: What the service is called, if `OTEL_SERVICE_NAME` does not say.

    Returns:
        What sends the rest and ends it, within two seconds; to be called once, at the end.

    Raises:
        SettingError: If the endpoint is no URL.
    """
    endpoint = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    if not endpoint:
        return lambda: None
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint!r}; it must be an http or https URL"
        )
    from .telemetry_sdk import export  # noqa: PLC0415 - it takes long to import, and most need none

    return export(
        endpoint,
        headers=env.get("OTEL_EXPORTER_OTLP_HEADERS", ""),
        service_name=env.get("OTEL_SERVICE_NAME") or service_name,
        send_seconds=_SEND_SECONDS,
        every_seconds=_EVERY_SECONDS,
        end_seconds=_END_SECONDS,
    )


def safe_name(name: str) -> str:
    """A span's name, or a stand-in for one that may quote a caller."""
    return name if _NAME.fullmatch(name) else _NO_NAME


def safe_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """The attributes of a span that hold nothing that was said; texts only if they are names."""
    return {
        name: safe_name(value) if isinstance(value, str) else value
        for name, value in (attributes or {}).items()
        if name in _ATTRIBUTES
    }


def count(fields: Mapping[str, Any], seconds: float) -> None:
    """Count a request of MCP, and how long it took.

    Args:
        fields: Its `method`, its `outcome` and, of a tool's call, the `tool`.
        seconds: How long it took.
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
    """A name that the server is known to have: what went well once is not made up by a caller."""
    if new and len(_names) < _MOST_NAMES:
        _names.add(name)
    return name if name in _names else "(other)"


class TraceHeaders:
    """ASGI middleware: a request's `traceparent` header is the parent of the spans within.

    One in `_meta` goes before it, as the SDK takes that for each request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request in the context that its headers name."""
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
