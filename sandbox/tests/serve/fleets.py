"""Empty fleets and requests, to test the applications between clients and processes."""

import asyncio
import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from sandbox.serve.fleet import Application, Fleet


def resolve_nothing(source: str, host: str, port: int) -> str | None:
    return None


def refuse_nothing(source: str, process: str, port: int) -> str | None:
    return None


def allow_all(source: str, action: str, resource: str, context: object = None, /) -> bool:
    return True


def fleet(**changes: Any) -> Fleet:
    """A fleet without workloads."""
    values: dict[str, Any] = {
        "target": "ecs",
        "region": "us-east-1",
        "entry": "https://mcp.example.com",
        "processes": (),
        "resolve": resolve_nothing,
        "refusal": refuse_nothing,
        "allows": allow_all,
    }
    return Fleet(**(values | changes))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The response of an application."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(host: str, path: str = "/", **changes: Any) -> MutableMapping[str, Any]:
    """The scope of a request without a body."""
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", host.encode())],
        "client": ("127.0.0.1", 40123),
        **changes,
    }


def asked(application: Application, scope: MutableMapping[str, Any]) -> Answer:
    """The response of an application to a request."""
    return asyncio.run(ask(application, scope))


async def ask(application: Application, scope: MutableMapping[str, Any]) -> Answer:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    start, *rest = sent
    return Answer(
        status=start["status"],
        headers={name.decode(): value.decode() for name, value in start["headers"]},
        body=b"".join(message.get("body", b"") for message in rest),
    )
