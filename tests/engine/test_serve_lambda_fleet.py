"""Deployed fleets on Lambda, behind the gateway of the sandbox."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.serve.fleet import GATEWAY
from sandbox.serve.readers import aws_lambda
from sandbox.tests.serve.apis import (
    Answer,
    Functions,
    Running,
    applications,
    ask,
    signature,
    workload,
)
from tests.engine.sandbox_run import Sandbox, create
from tests.engine.test_switch import DOMAIN

pytestmark = pytest.mark.engine

METADATA = "/.well-known/oauth-protected-resource"


def _asked(
    cloud: Cloud, host: str, *requests: Mapping[str, Any], functions: Functions | None = None
) -> tuple[list[Answer], list[tuple[str, str]]]:
    """The responses to requests to one host, and the requests that reached a workload."""

    async def run() -> tuple[list[Answer], list[tuple[str, str]]]:
        async with workload() as (running, seen):
            application = applications(cloud, running, functions)[host]
            answers = [
                await ask(
                    application,
                    one["method"],
                    one["path"],
                    host=host,
                    source=one.get("source", "operator"),
                    headers=one.get("headers"),
                )
                for one in requests
            ]
        return answers, [(method, target) for method, target, _, _ in seen.requests]

    return asyncio.run(run())


def _signed(source: str, path: str, method: str = "POST") -> dict[str, Any]:
    headers = {"authorization": signature(source)}
    return {"method": method, "path": path, "source": source, "headers": headers}


def _host(url: str) -> str:
    return url.split("/")[2]


def test_the_example_runs_as_functions_behind_one_api(serverless: Sandbox) -> None:
    cloud = serverless.cloud
    deployed = aws_lambda.read(cloud)
    assert [one.name for one in deployed.processes] == ["assistant", "clock", "notes"]
    assert deployed.entry == serverless.outputs()["gateway_url"]
    notes = deployed.processes[2]
    (folder, place) = next(iter(notes.files.items()))
    assert folder == notes.environment["FILES_DIR"]
    assert place.endswith("/notes")
    assert {deployed.refusal(GATEWAY, one.name, 8080) for one in deployed.processes} == {None}
    answers, reached = _asked(
        cloud,
        _host(deployed.entry),
        {"method": "POST", "path": "/live/servers/clock/mcp"},
        {"method": "POST", "path": "/live/agents/assistant/ask"},
        {"method": "GET", "path": "/live/servers/notes/mcp"},
        _signed("assistant", "/live/servers/notes/mcp"),
        _signed("clock", "/live/servers/notes/mcp"),
        {"method": "POST", "path": "/live/servers/clock/mcp", "source": "anonymous"},
        {"method": "POST", "path": "/live/servers/other/mcp"},
    )
    assert [one.status for one in answers] == [200, 200, 405, 200, 403, 403, 403]
    assert reached == [("POST", "/mcp"), ("POST", "/ask"), ("POST", "/mcp")]
    assert answers[2].headers["allow"] == "POST"


def test_a_public_fleet_with_chat_checks_tokens_and_agents_use_their_own_api(
    tmp_path: Path,
) -> None:
    sandbox = create(tmp_path / "public")
    zone = {"name": "example.com", "zoneId": DOMAIN["zone"]}
    sandbox.cloud.put(
        StoredResource(
            provider="aws",
            type="aws:route53/zone:Zone",
            id=str(DOMAIN["zone"]),
            inputs={"name": "example.com"},
            properties=zone,
        )
    )
    sandbox.configure("target", "lambda")
    sandbox.configure("gateway", DOMAIN)
    sandbox.configure("agents.assistant.chat", "websocket")
    sandbox.up()
    cloud = sandbox.cloud
    deployed = aws_lambda.read(cloud)
    assert deployed.entry == "https://mcp.example.com"
    by_name = {one.name: one for one in deployed.processes}
    assert list(by_name) == ["assistant", "authorizer", "clock", "notes"]
    assert by_name["authorizer"].arguments == ("authorizer.handle",)
    told = json.loads(by_name["assistant"].environment["MCP_SERVERS"])
    internal = _host(told["clock"])
    chat = _host(by_name["assistant"].environment["CHAT_ENDPOINT"])
    assert {"mcp.example.com", internal, chat} <= set(applications(cloud, Running(None)))

    def checked(event: Any) -> Any:
        stage = event["methodArn"].split("/")[0]
        allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{stage}/*"}
        return {"principalId": "ann", "policyDocument": {"Statement": [allowed]}}

    functions = Functions(authorizer=checked)
    token = {"headers": {"authorization": "Bearer good"}, "source": "anonymous"}
    answers, reached = _asked(
        cloud,
        "mcp.example.com",
        {"method": "POST", "path": "/servers/clock/mcp", **token},
        {"method": "POST", "path": "/servers/clock/mcp"},
        {"method": "GET", "path": "/servers/clock/mcp", **token},
        {"method": "GET", "path": METADATA, "source": "anonymous"},
        {"method": "GET", "path": f"{METADATA}/servers/clock/mcp", "source": "anonymous"},
        {"method": "GET", "path": "/nothing"},
        functions=functions,
    )
    assert [one.status for one in answers] == [200, 401, 405, 200, 200, 404]
    assert reached == [("POST", "/mcp")]
    assert answers[1].headers["www-authenticate"] == (
        f'Bearer resource_metadata="https://mcp.example.com{METADATA}"'
    )
    assert answers[3].json["authorization_servers"] == [DOMAIN["auth"]["issuer"]]  # type: ignore[index]
    own, reached = _asked(
        cloud,
        internal,
        _signed("assistant", "/live/servers/clock/mcp"),
        _signed("clock", "/live/servers/notes/mcp"),
        _signed("assistant", "/live/agents/assistant/ask"),
    )
    assert [one.status for one in own] == [200, 403, 403]
    assert reached == [("POST", "/mcp")]
    (gateway,) = (
        one.id
        for one in cloud.list("aws", "aws:apigateway/restApi:RestApi")
        if one.properties["disableExecuteApiEndpoint"]
    )
    closed, _ = _asked(
        cloud,
        internal.replace(internal.split(".")[0], gateway),
        {"method": "POST", "path": "/live/servers/clock/mcp", **token},
    )
    assert (closed[0].status, closed[0].json) == (403, {"message": "Forbidden"})
