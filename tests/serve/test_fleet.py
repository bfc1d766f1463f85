"""The fleet serves allowed requests and denies all others, on each of the three targets."""

import json
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.sync.client import connect

from tests.serve.served import Served
from tests.workloads.support import call_body, call_headers

pytestmark = pytest.mark.engine

LARGEST_BODY_BYTES = 64 * 1024
FROM_INSIDE = """
import os, sys, anyio
from common.tool_servers import call, connection, reason, text

async def main():
    try:
        result = await call(sys.argv[1], sys.argv[2], {}, connection(os.environ))
    except Exception as error:
        sys.exit(reason(error))
    print(text(result))

anyio.run(main)
"""


def _post(fleet: Served, server: str, **changed: str) -> httpx2.Response:
    """Calls `list_notes` or `now`, with changed headers."""
    tool = {"notes": "list_notes", "clock": "now"}[server]
    sent = call_headers(tool) | fleet.authorization() | changed
    return httpx2.post(fleet.server(server), json=call_body(tool, {}), headers=sent, timeout=60)


def test_the_agent_answers_through_two_servers_that_it_found(fleet: Served) -> None:
    question = (
        "now timezone=Asia/Tokyo; add a note name=tokyo text=$previous; read the note name=tokyo"
    )
    response = fleet.ask("assistant", question, fleet.authorization())
    assert response.status_code == 200, response.text
    answer = response.json()
    assert [(step["server"], step["tool"]) for step in answer["steps"]] == [
        ("clock", "now"),
        ("notes", "add_note"),
        ("notes", "read_note"),
    ]
    assert answer["complete"] is True
    assert "Asia/Tokyo" in answer["answer"]


@pytest.mark.parametrize("fleet", ["lambda"], indirect=True)
def test_an_agent_that_is_a_state_machine_answers_through_two_servers(fleet: Served) -> None:
    question = "now timezone=Asia/Tokyo; add a note name=state text=$previous replace=true"
    with httpx2.Client(headers=fleet.authorization(), timeout=60) as client:
        url = fleet.url("/agents/researcher/ask")
        started = client.post(url, json={"question": question})
        assert started.status_code == 202, started.text
        url = fleet.url(started.json()["status"])
        while (execution := client.get(url).raise_for_status().json())["status"] == "RUNNING":
            pass
    assert execution["error"] is None
    result = execution["result"]
    assert "Asia/Tokyo" in result["answer"]
    assert result["answer"].endswith("kept note state")
    assert (result["complete"], result["turns"], result["tool_calls"]) == (True, 3, 2)
    assert result["absent"] == []


def _from_inside(fleet: Served, workload: str, server: str, tool: str) -> tuple[int, str]:
    """Calls a server with the environment, network and credentials of a workload."""
    process = fleet.processes(workload)[0]
    (assistant,) = fleet.processes("assistant")[:1]
    url = json.loads(assistant.environ()["MCP_SERVERS"])[server]
    done = subprocess.run(
        [sys.executable, "-c", FROM_INSIDE, url, tool],
        cwd=Path(process.cwd()),
        env={**process.environ(), "PYTHONPATH": process.cwd()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_agent_does_not_reach_a_server_that_it_does_not_list(fleet: Served) -> None:
    assert _from_inside(fleet, "loner", "clock", "now")[0] == 0
    status, said = _from_inside(fleet, "loner", "notes", "list_notes")
    assert status == 1, said
    assert _from_inside(fleet, "assistant", "notes", "list_notes")[0] == 0


def test_a_server_does_not_reach_another(fleet: Served) -> None:
    assert _from_inside(fleet, "clock", "notes", "list_notes")[0] == 1


def test_a_caller_with_a_valid_token_is_allowed(fleet: Served) -> None:
    response = _post(fleet, "clock")
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "claims",
    [{"audience": "https://other.example.com"}, {"seconds": "-3600"}],
    ids=["for another audience", "from yesterday"],
)
def test_a_token_that_is_not_good_is_refused(fleet: Served, claims: dict[str, str]) -> None:
    response = _post(fleet, "clock", **fleet.authorization(**claims))
    assert response.status_code == 401, response.text


@pytest.mark.parametrize("authorization", ["", "Bearer nonsense", "Basic b3BlbjpzZXNhbWU="])
def test_a_caller_without_a_token_is_refused(fleet: Served, authorization: str) -> None:
    assert _post(fleet, "clock", Authorization=authorization).status_code == 401


def test_another_host_is_refused(fleet: Served) -> None:
    # Behind a load balancer, the server rejects the host; API Gateway has no API for it.
    expected = {"ecs": 421, "eks": 421, "lambda": 403}[target(fleet)]
    assert _post(fleet, "clock", Host="evil.example.com").status_code == expected


def test_another_origin_is_refused(fleet: Served) -> None:
    assert _post(fleet, "clock", Origin="https://evil.example.com").status_code == 403


def test_a_call_that_is_under_way_is_finished_when_its_server_is_to_end(
    fleet: Served, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    authorization = fleet.authorization()
    with ThreadPoolExecutor(1) as pool:
        arguments = {"fifo": str(begun), "seconds": 2}
        call = pool.submit(
            httpx2.post,
            fleet.server("slow"),
            json=call_body("wait", arguments),
            headers=call_headers("wait") | authorization,
            timeout=60,
        )
        begun.read_text()
        (server,) = fleet.processes("slow")[:1]
        server.terminate()
        assert call.result().status_code == 200
        assert '"text":"waited"' in call.result().text
    assert server.wait(30) == 0 or not server.is_running()


def test_people_chat_with_the_agent_over_a_websocket(fleet: Served) -> None:
    address: str = fleet.sandbox.outputs()["chat"]["assistant"]
    url = urlsplit(address)
    with connect(
        f"ws://{url.netloc}{url.path}",
        sock=socket.create_connection(("127.0.0.1", urlsplit(fleet.entry).port)),
        additional_headers=fleet.authorization(),
        proxy=None,
    ) as chat:
        chat.send('{"question": "now timezone=Asia/Tokyo"}')
        answer = json.loads(chat.recv(30))
    assert answer["complete"] is True
    assert "Asia/Tokyo" in answer["answer"]


def target(fleet: Served) -> str:
    """The target of the fleet."""
    return str(fleet.sandbox.folder.name)


@pytest.mark.parametrize(("beyond", "status"), [(0, 200), (1, 413)])
def test_a_body_that_is_too_long_is_refused(fleet: Served, beyond: int, status: int) -> None:
    content = json.dumps(call_body("now", {})).encode()
    content += b" " * (LARGEST_BODY_BYTES + beyond - len(content))
    sent = call_headers("now") | fleet.authorization() | {"Content-Type": "application/json"}
    response = httpx2.post(fleet.server("clock"), content=content, headers=sent, timeout=60)
    assert response.status_code == status, response.text


def test_a_killed_server_comes_back_and_no_request_of_the_others_fails(fleet: Served) -> None:
    authorization = fleet.authorization()
    statuses: list[int] = []
    back = threading.Event()

    def ask_the_others() -> None:
        while not back.is_set() or len(statuses) < 5:
            statuses.append(_post(fleet, "notes", **authorization).status_code)

    others = threading.Thread(target=ask_the_others)
    others.start()
    try:
        before = {each.pid for each in fleet.processes("clock")}
        for pid in before:
            os.kill(pid, 9)
        answered = any(
            _post(fleet, "clock", **authorization).status_code == 200 for _ in range(600)
        )
    finally:
        back.set()
        others.join()
    assert answered
    assert not before & {each.pid for each in fleet.processes("clock")}
    assert set(statuses) == {200}
