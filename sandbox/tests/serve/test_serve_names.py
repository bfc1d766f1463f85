"""The names of workloads: the workload of a name, and the response without one."""

import asyncio
from typing import Any

import pytest

from sandbox.serve.fleet import Receive, Scope, Send
from sandbox.serve.http import workload_names
from sandbox.serve.http.forwarding import answer
from sandbox.serve.http.proxy import serving
from sandbox.tests.serve.fleets import ask, asked, fleet, request


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """Responds with the request."""
    headers = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    await answer(send, 200, {"path": scope["path"], "headers": headers})


class Running:
    """Workloads at known addresses."""

    def __init__(self, **urls: str) -> None:
        self.urls = urls

    def url(self, name: str) -> str | None:
        return self.urls.get(name)

    def named(self, name: str) -> str | None:
        return self.urls.get(name)


def resolve(asker: str, name: str, port: int) -> str | None:
    if (name, port) == ("127.0.0.1", 9000) and asker == "assistant":
        return "assistant/notes"
    return {("notes.fleet.internal", 8080): "notes"}.get((name, port))


def refusal(asker: str, process: str, port: int) -> str | None:
    if (asker, process) == ("loner", "notes"):
        return f"no rule of sg-1 lets {asker} out to {process}:{port} → none"
    return None


def called(given: str, asker: str, **urls: str) -> Any:
    names = workload_names.application(fleet(resolve=resolve, refusal=refusal), Running(**urls))
    return asked(names, request(given, state={"source": asker}))


def test_a_name_leads_to_a_replica_of_its_workload() -> None:
    async def run() -> Any:
        async with serving(lambda _port: told) as port:
            names = workload_names.application(
                fleet(resolve=resolve, refusal=refusal), Running(notes=f"http://127.0.0.1:{port}")
            )
            scope = request("notes.fleet.internal:8080", "/mcp", state={"source": "assistant"})
            return await ask(names, scope)

    answered = asyncio.run(run())
    assert (answered.status, answered.json["path"]) == (200, "/mcp")
    assert answered.json["headers"] == [["host", "notes.fleet.internal:8080"]]


def test_a_call_that_no_rule_lets_through_says_which_is_missing() -> None:
    answered = called("notes.fleet.internal:8080", "loner", notes="http://127.0.0.1:1")
    reason = "no rule of sg-1 lets loner out to notes:8080 → none"
    assert (answered.status, answered.json) == (504, {"error": reason})
    assert answered.headers["x-sandbox-refused"] == reason.replace("→", "?")


def test_a_workload_without_a_healthy_replica_is_unavailable() -> None:
    answered = called("notes.fleet.internal:8080", "assistant")
    assert (answered.status, answered.json) == (503, {"error": "no replica of notes is healthy"})


def test_the_loopback_interface_is_that_of_who_asks() -> None:
    assert called("127.0.0.1:9000", "assistant").json == {
        "error": "no replica of assistant/notes is healthy"
    }
    assert called("127.0.0.1:9000", "clock").status == 502


@pytest.mark.parametrize("given", ["notes.fleet.internal", "other.fleet.internal:8080"])
def test_a_name_or_a_port_of_no_workload_is_not_in_the_sandbox(given: str) -> None:
    answered = called(given, "assistant")
    assert answered.status == 502
    assert answered.json["error"].startswith("assistant requested ")


def test_requests_to_other_names_are_passed_on() -> None:
    names = workload_names.application(fleet(), Running(), told)
    assert asked(names, request("evil.example.com", "/x")).json["path"] == "/x"
