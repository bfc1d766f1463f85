"""Each workload as its image starts it: a process of its own, over a port of this machine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import websockets
from mcp.client import Client
from starlette.applications import Starlette

from common import runtime
from common.settings import SettingError
from sandbox.cloud.store import Cloud
from sandbox.serve.aws_apis import applications
from sandbox.serve.fleet import Fleet
from sandbox.serve.http import proxy
from tests.workloads.support import (
    DEADLINE_SECONDS,
    MODEL,
    NAMES,
    WORKLOADS,
    call_body,
    call_headers,
    free_port,
    image_command,
    image_environment,
    image_health_command,
    running,
    structured,
)

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

SECRET = "the-plan-is-secret"


KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-key"}


@asynccontextmanager
async def bedrock() -> AsyncGenerator[str]:
    """Bedrock on this machine, where every model is available."""
    deployed = Fleet(
        target="ecs",
        region="us-east-1",
        entry="http://localhost",
        processes=(),
        resolve=lambda _source, _host, _port: None,
        refusal=lambda _source, _process, _port: None,
        allows=lambda _source, _action, _resource, _context=None: True,
    )
    apis = applications.applications(Cloud(":memory:"), deployed)
    application = apis["bedrock-runtime.us-east-1.amazonaws.com"]
    async with proxy.serving(lambda _port: application) as port:
        yield f"http://127.0.0.1:{port}"


def health_status(name: str, port: int, folder: Path) -> int:
    """Run the image's health check, from any folder: Kubernetes runs checks in `/`."""
    python, path = image_health_command(name)
    assert python == "python"
    check = [sys.executable, path.replace("/app", str(WORKLOADS), 1)]
    env = {"PATH": os.environ["PATH"], "PORT": str(port)}
    return subprocess.run(
        check, cwd=folder, env=env, check=False, timeout=DEADLINE_SECONDS
    ).returncode


async def test_the_clock_starts_returns_the_time_and_stops(tmp_path: Path) -> None:
    with running("clock", tmp_path / "log") as clock:
        async with Client(f"{clock.url}/mcp") as client:
            listed = await client.list_tools()
            moment = structured(await client.call_tool("now", {"timezone": "Asia/Tokyo"}))
        assert clock.stop() == 0
    assert [tool.name for tool in listed.tools] == ["now", "convert", "difference"]
    assert moment["time"].endswith("+09:00")


async def test_notes_survive_a_restart(tmp_path: Path) -> None:
    env = {"FILES_DIR": str(tmp_path / "notes"), "NOTES_API_KEY": "key"}
    with running("notes", tmp_path / "log", **env) as first:
        async with Client(f"{first.url}/mcp") as client:
            await client.call_tool("add_note", {"name": "a", "text": SECRET})
        assert first.stop() == 0
    with running("notes", tmp_path / "log", **env) as second:
        async with Client(f"{second.url}/mcp") as client:
            note = structured(await client.call_tool("read_note", {"name": "a"}))
        assert second.stop() == 0
    assert note["text"] == SECRET


async def test_the_assistant_answers_through_clock_and_notes(tmp_path: Path) -> None:
    folder = {"FILES_DIR": str(tmp_path / "notes")}
    with (
        running("clock", tmp_path / "clock.log") as clock,
        running("notes", tmp_path / "notes.log", **folder) as notes,
    ):
        servers = {
            "clock": f"{clock.url}/mcp",
            "notes": f"{notes.url}/mcp",
            "gone": f"http://127.0.0.1:{free_port()}/mcp",
        }
        env = {"MCP_SERVERS": json.dumps(servers), **KEYS}
        async with bedrock() as endpoint:
            env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = endpoint
            with running("assistant", tmp_path / "assistant.log", **env) as assistant:
                question = "now timezone=UTC; then add note name=stamp text=$previous; list notes"
                async with httpx2.AsyncClient(timeout=DEADLINE_SECONDS) as client:
                    asked = f"{assistant.url}/ask"
                    response = await client.post(asked, json={"question": question})
                statuses = [workload.stop() for workload in (assistant, notes, clock)]
    assert response.status_code == 200
    answer = response.json()
    called = [(step["server"], step["tool"]) for step in answer["steps"]]
    assert called == [("clock", "now"), ("notes", "add_note"), ("notes", "list_notes")]
    assert answer["complete"] is True
    assert answer["steps"][-1]["text"] == "stamp"
    assert answer["servers"]["gone"]["error"].startswith("cannot list its tools: ConnectError")
    assert statuses == [0, 0, 0]


async def test_every_line_of_the_log_is_json_and_none_holds_what_callers_sent(
    tmp_path: Path,
) -> None:
    folder = tmp_path / SECRET
    with running("notes", tmp_path / "log", FILES_DIR=str(folder)) as notes:
        calls: list[tuple[str, dict[str, str]]] = [
            ("add_note", {"name": "a", "text": SECRET}),
            ("add_note", {"name": f"../{SECRET}", "text": "x"}),
            ("read_note", {"name": SECRET}),
            ("search_notes", {"query": SECRET}),
            (f"no tool: {SECRET}", {}),
        ]
        async with httpx2.AsyncClient() as client:
            for tool, arguments in calls:
                headers = {**call_headers(tool), "Authorization": f"Bearer {SECRET}"}
                url = f"{notes.url}/mcp?token={SECRET}"
                await client.post(url, json=call_body(tool, arguments), headers=headers)
            shutil.rmtree(folder)  # an unexpected exception, with the secret in its text
            body, headers = call_body("list_notes", {}), call_headers("list_notes")
            await client.post(f"{notes.url}/mcp", json=body, headers=headers)
        assert notes.stop() == 0
        lines = notes.lines()
    assert SECRET not in notes.log.read_text()
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    requests = [line for line in lines if line["message"] == "request"]
    assert [(line["tool"], line["outcome"]) for line in requests] == [
        ("add_note", "ok"),
        ("add_note", "tool error"),
        ("read_note", "tool error"),
        ("search_notes", "ok"),
        ("(not a name)", "tool error"),
        ("list_notes", "tool error"),
    ]
    (crash,) = [line for line in lines if line["level"] == "ERROR"]
    assert crash["error"] == "FileNotFoundError"
    assert any("store.py" in frame and frame.endswith(" names") for frame in crash["frames"])


async def test_no_line_has_the_query_of_a_websocket_or_a_header_of_who_is_refused(
    tmp_path: Path,
) -> None:
    with running("assistant", tmp_path / "log", MCP_SERVERS="{}", **KEYS) as assistant:
        url = f"{assistant.url.replace('http', 'ws', 1)}/chat?access_token={SECRET}"
        async with websockets.connect(url, proxy=None):
            pass
        async with httpx2.AsyncClient() as client:
            for header in ("Host", "Origin"):
                refused = await client.post(
                    f"{assistant.url}/ask", json={}, headers={header: f"https://{SECRET}"}
                )
                assert refused.status_code in {403, 421}
        assert assistant.stop() == 0
        lines = assistant.lines()
    assert SECRET not in assistant.log.read_text()
    told = [line["message"] for line in lines]
    assert '%s - "WebSocket %s" [accepted]' in told
    assert len([one for one in told if one.startswith("transport_security:")]) == 2


def test_the_end_is_heard_before_the_application_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []

    def build(_env: Mapping[str, str]) -> Starlette:
        heard.append(signal.getsignal(signal.SIGTERM))
        raise SettingError("enough")

    monkeypatch.setattr(runtime, "log_json_lines", lambda: None)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert runtime.start(build) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [runtime._leave]


@pytest.mark.parametrize("name", NAMES)
def test_the_health_check_of_the_image_distinguishes_healthy_from_absent(
    name: str, tmp_path: Path
) -> None:
    with running(name, tmp_path / "log", FILES_DIR=str(tmp_path)) as workload:
        port = int(workload.url.rpartition(":")[2])
        assert health_status(name, port, tmp_path) == 0
        assert workload.stop() == 0
    assert health_status(name, port, tmp_path) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_that_is_not_right_ends_the_start_with_one_clear_line(name: str) -> None:
    env = {
        "PATH": os.environ["PATH"],
        **image_environment(name),
        **MODEL,
        "AUTH_ISSUER": "https://issuer.example",
        "FILES_DIR": "/tmp",  # noqa: S108 - nothing is written there
    }
    ended = subprocess.run(
        image_command(name),
        cwd=WORKLOADS,
        env=env,
        capture_output=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert ended.returncode == 2
    assert ended.stderr == b""
    line = json.loads(ended.stdout)
    assert (line["level"], line["message"]) == (
        "CRITICAL",
        "cannot start: AUTH_ISSUER and AUTH_AUDIENCE must be set both or neither",
    )


@pytest.mark.parametrize(
    ("limits", "drained"),
    [
        ({"MAX_REQUEST_SECONDS": "1", "STOP_TIMEOUT_SECONDS": "30"}, True),
        ({"MAX_REQUEST_SECONDS": "3600", "STOP_TIMEOUT_SECONDS": "3"}, False),
    ],
    ids=["in time", "too long"],
)
def test_a_request_in_flight_is_finished_within_the_stop_time_and_no_longer(
    limits: dict[str, str], drained: bool, tmp_path: Path
) -> None:
    with socket.socket() as silent, ThreadPoolExecutor(1) as pool:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(DEADLINE_SECONDS)
        servers = {"silent": f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"}
        env = {"MCP_SERVERS": json.dumps(servers), **limits}
        with running("assistant", tmp_path / "log", **env) as assistant:
            asked = pool.submit(
                httpx2.post,
                f"{assistant.url}/ask",
                json={"question": "x"},
                timeout=DEADLINE_SECONDS,
            )
            connection, _ = silent.accept()
            with connection:
                assert assistant.stop() == 0
            if drained:
                assert asked.result().json() == {
                    "error": "no server is reachable: silent: TimeoutError"
                }
            messages = [line["message"] for line in assistant.lines()]
    cancelled = "Cancel 1 running task(s), timeout graceful shutdown exceeded"
    assert (cancelled in messages) is not drained
    assert asked.result().status_code == (503 if drained else 500)
