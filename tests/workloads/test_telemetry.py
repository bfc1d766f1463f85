"""Traces and metrics, to a collector that listens on this machine."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from common import telemetry
from common.settings import SettingError
from tests.workloads.local_http import Answer, Asked, Local, answering
from tests.workloads.support import (
    DEADLINE_SECONDS,
    SERVERS,
    WORKLOADS,
    Running,
    call_body,
    call_headers,
    free_port,
    running,
)

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

TRACE, OTHER_TRACE = "a" * 32, "c" * 32
SECRET = "the-plan-is-secret"
ENDS = """
import sys
from opentelemetry import trace
from common.telemetry_sdk import export

end = export(sys.argv[1], headers="", service_name="clock", send_seconds=600, every_seconds=600,
             end_seconds=0.1)
for _ in range(1000):
    trace.get_tracer("made").start_span("made").end()
end()
print("ended")
"""
TOOL = {"adopter": "measure", "clock": "now", "notes": "list_notes"}


@pytest.fixture
def collector() -> Iterator[Local]:
    with answering(lambda _asked: (200, {})) as local:
        yield local


def environment(collector: Local, folder: Path) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{collector.url}/", "FILES_DIR": str(folder)}


async def call(
    workload: Running, tool: str, arguments: dict[str, Any], meta: dict[str, str], **headers: str
) -> httpx2.Response:
    body = call_body(tool, arguments)
    body["params"]["_meta"].update(meta)
    async with httpx2.AsyncClient() as client:
        return await client.post(
            f"{workload.url}/mcp", json=body, headers={**call_headers(tool), **headers}
        )


def values(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "") for pair in pairs}


def spans(collector: Local) -> list[Any]:
    return [
        span
        for asked in collector.asked
        if asked.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(asked.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def services(collector: Local) -> set[str]:
    return {
        values(resource.resource.attributes)["service.name"]
        for asked in collector.asked
        if asked.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(asked.body).resource_spans
    }


def points(collector: Local, name: str) -> list[tuple[dict[str, Any], Any]]:
    """Labels and point of a metric as it was last."""
    exports = [asked for asked in collector.asked if asked.path == "/v1/metrics"]
    return [
        (values(point.attributes), point)
        for resource in ExportMetricsServiceRequest.FromString(exports[-1].body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in (*metric.sum.data_points, *metric.histogram.data_points)
    ]


@pytest.mark.parametrize("name", SERVERS)
async def test_a_call_is_a_span_of_the_caller_s_trace_that_is_sent_before_the_end(
    name: str, collector: Local, tmp_path: Path
) -> None:
    arguments = {"text": "x"} if name == "adopter" else {}
    with running(name, tmp_path / "log", **environment(collector, tmp_path)) as workload:
        meta = {"traceparent": f"00-{TRACE}-{'b' * 16}-01"}
        header = f"00-{OTHER_TRACE}-{'d' * 16}-01"
        assert (await call(workload, TOOL[name], arguments, {})).status_code == 200
        await call(workload, TOOL[name], arguments, meta, traceparent=header)
        await call(workload, TOOL[name], arguments, {}, traceparent=header)
        assert workload.stop() == 0
    called = [span for span in spans(collector) if span.name == f"tools/call {TOOL[name]}"]
    alone, by_meta, by_header = called
    assert alone.trace_id.hex() not in {TRACE, OTHER_TRACE}
    assert alone.parent_span_id == b""
    assert (by_meta.trace_id.hex(), by_meta.parent_span_id.hex()) == (TRACE, "b" * 16)
    assert (by_header.trace_id.hex(), by_header.parent_span_id.hex()) == (OTHER_TRACE, "d" * 16)
    assert values(alone.attributes) == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": "2026-07-28",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": TOOL[name],
    }
    assert services(collector) == {name}


async def test_requests_are_counted_and_measured_by_tool_and_outcome(
    collector: Local, tmp_path: Path
) -> None:
    with running("clock", tmp_path / "log", **environment(collector, tmp_path)) as workload:
        await call(workload, "now", {}, {})
        await call(workload, "now", {}, {})
        await call(workload, "now", {"timezone": "nowhere"}, {})
        assert workload.stop() == 0
    labels = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "now"}
    counted = points(collector, "mcp.server.requests")
    assert sorted((dict(label)["outcome"], point.as_int) for label, point in counted) == [
        ("ok", 2),
        ("tool error", 1),
    ]
    assert all(label.items() >= labels.items() for label, _ in counted)
    measured = points(collector, "mcp.server.operation.duration")
    assert sorted((label["outcome"], point.count) for label, point in measured) == [
        ("ok", 2),
        ("tool error", 1),
    ]


async def test_neither_an_argument_nor_a_token_nor_an_error_s_text_leaves_the_process(
    collector: Local, tmp_path: Path
) -> None:
    folder = tmp_path / SECRET
    with running("notes", tmp_path / "log", **environment(collector, folder)) as workload:
        token = {"Authorization": f"Bearer {SECRET}"}
        await call(workload, "add_note", {"name": "a", "text": SECRET}, {}, **token)
        await call(workload, "read_note", {"name": SECRET}, {"baggage": f"k={SECRET}"}, **token)
        await call(workload, f"no tool: {SECRET}", {}, {})
        shutil.rmtree(folder)  # an unexpected exception, with the secret in its text
        await call(workload, "list_notes", {}, {})
        async with httpx2.AsyncClient() as client:
            body = {**call_body("x", {}), "method": f"tools/{SECRET}?"}
            headers = {**call_headers("x"), "Mcp-Method": body["method"]}
            await client.post(f"{workload.url}/mcp?{SECRET}", json=body, headers=headers)
        assert workload.stop() == 0
    names = [span.name for span in spans(collector)]
    assert "tools/call add_note" in names
    assert "(not a name)" in names
    for asked in collector.asked:
        assert SECRET.encode() not in asked.body
        assert SECRET not in str(asked.headers)
    assert not any(span.events or span.status.message for span in spans(collector))


async def test_the_headers_of_the_export_may_be_a_secret_in_a_file(
    collector: Local, tmp_path: Path
) -> None:
    secret = tmp_path / "headers"
    secret.write_text("x-api-key=k1,x-team=t%202\n")
    env = environment(collector, tmp_path)
    env |= {"OTEL_EXPORTER_OTLP_HEADERS_FILE": str(secret), "OTEL_SERVICE_NAME": "other"}
    with running("clock", tmp_path / "log", **env) as workload:
        await call(workload, "now", {}, {})
        assert workload.stop() == 0
    assert {(asked.headers["x-api-key"], asked.headers["x-team"]) for asked in collector.asked} == {
        ("k1", "t 2")
    }
    assert services(collector) == {"other"}


async def test_an_unreachable_collector_affects_no_request(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    with running("clock", tmp_path / "log", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as workload:
        answered = await call(workload, "now", {}, {})
        assert workload.stop() == 0
    assert answered.status_code == 200
    assert all({"time", "level", "logger", "message"} <= set(line) for line in workload.lines())


def test_without_an_endpoint_nothing_is_set_up_or_imported(tmp_path: Path) -> None:
    telemetry.set_up({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, "x")()
    with running("clock", tmp_path / "log") as workload:
        maps = Path(f"/proc/{workload.process.pid}/maps").read_text()
        assert workload.stop() == 0
    assert "google/_upb" not in maps  # protobuf's library, which only the export needs


@pytest.mark.parametrize("endpoint", ["collector:4318", "not a url", "ftp://collector", "http://"])
def test_an_endpoint_that_is_not_a_url_fails_the_start(endpoint: str) -> None:
    with pytest.raises(
        SettingError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT is '.*http or https URL$"
    ):
        telemetry.set_up({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, "clock")


def test_the_end_waits_for_no_collector_that_says_nothing() -> None:
    ended = threading.Event()

    def silent(_asked: Asked) -> Answer:
        ended.wait()
        return 200, {}

    with answering(silent) as local:
        try:
            done = subprocess.run(
                [sys.executable, "-c", ENDS, local.url],
                cwd=WORKLOADS,
                timeout=DEADLINE_SECONDS,
                check=False,
                capture_output=True,
                text=True,
            )
        finally:
            ended.set()
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def test_of_names_only_those_that_went_well_once_are_counted_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "_names", set[str]())
    counted: list[tuple[str, str]] = []

    class Counter:
        def add(self, _amount: int, labels: dict[str, str]) -> None:
            counted.append((labels["mcp.method.name"], labels["gen_ai.tool.name"]))

    monkeypatch.setattr(telemetry, "_counts", Counter())
    for outcome, tool in (("error", "made-up"), ("ok", "now"), ("tool error", "now")):
        telemetry.count({"method": "tools/call", "outcome": outcome, "tool": tool}, 0.1)
    assert counted == [("(other)", "(other)"), ("tools/call", "now"), ("tools/call", "now")]


def test_of_the_names_that_callers_make_up_only_so_many_are_counted_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "_names", {"tools/call"})
    counted: list[str] = []

    class Counter:
        def add(self, _amount: int, labels: dict[str, str]) -> None:
            counted.append(labels["gen_ai.tool.name"])

    monkeypatch.setattr(telemetry, "_counts", Counter())
    for number in [*range(200), 0]:
        telemetry.count({"method": "tools/call", "outcome": "ok", "tool": f"t{number}"}, 0.1)
    assert counted == [*(f"t{number}" for number in range(199)), "(other)", "t0"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("tools/call now", True),
        ("tools/list", True),
        (f"tools/call {'x' * 64}", True),
        (f"tools/call {'x' * 65}", False),
        ("a b c d", False),
        ("tools/call what is it?", False),
        ("", False),
    ],
)
def test_what_may_quote_a_caller_is_no_name_of_a_span(name: str, safe: bool) -> None:
    assert telemetry.safe_name(name) == (name if safe else "(not a name)")


def test_of_the_attributes_of_a_span_only_those_that_say_nothing_are_kept() -> None:
    attributes = {
        "gen_ai.prompt": SECRET,
        "gen_ai.tool.name": "tell me a secret?",
        "gen_ai.usage.input_tokens": 7,
        "jsonrpc.request.id": SECRET,
        "mcp.method.name": "tools/call",
    }
    assert telemetry.safe_attributes(attributes) == {
        "gen_ai.tool.name": "(not a name)",
        "gen_ai.usage.input_tokens": 7,
        "mcp.method.name": "tools/call",
    }
    assert telemetry.safe_attributes(None) == {}
