import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud, StoredResource
from tests.engine.sandbox_run import Sandbox, create
from tests.serve.served import Served, serving

TARGETS = ("ecs", "eks", "lambda")
ZONE = "Z0123456789ABCDEFGHIJ"
PUBLIC: dict[str, Any] = {
    "exposure": "public",
    "domain": "mcp.example.com",
    "zone": ZONE,
    "auth": {
        "issuer": "https://login.example.com",
        "jwks_uri": "https://login.example.com/.well-known/jwks.json",
        "audience": "https://mcp.example.com",
    },
}


SLOW_SERVER = """
import anyio
from mcp.server.mcpserver import MCPServer

server = MCPServer("slow")

@server.tool()
async def wait(fifo: str, seconds: float) -> str:
    with open(fifo, "w"):
        pass
    await anyio.sleep(seconds)
    return "waited"

server.run()
"""
"""A stdio server whose call writes to a named pipe when it starts."""


def image(name: str) -> dict[str, Any]:
    """The image of a workload of this repository, in the format of a stack file."""
    return {
        "context": f"workloads/{name}",
        "additional_contexts": {"common": "workloads/common"},
    }


def add_zone(sandbox: Sandbox) -> None:
    """Puts the existing zone of the public fleet into the cloud."""
    properties = {"name": "example.com", "zoneId": ZONE}
    sandbox.cloud.put(
        StoredResource(
            provider="aws",
            type="aws:route53/zone:Zone",
            id=ZONE,
            inputs={"name": "example.com"},
            properties=properties,
        )
    )


def public_fleet(folder: Path, target: str) -> Sandbox:
    """The example fleet with a domain, tokens, chat, a slow server and an agent without notes.

    On Lambda there is also an agent that is a state machine.
    """
    sandbox = create(folder)
    add_zone(sandbox)
    sandbox.configure("target", target)
    sandbox.configure("gateway", PUBLIC)
    sandbox.configure("agents.assistant.chat", "websocket")
    command = json.dumps(["python", "-c", SLOW_SERVER])
    sandbox.configure(
        "servers.slow", {"image": image("adopter"), "environment": {"STDIO_COMMAND": command}}
    )
    sandbox.configure(
        "agents.loner",
        {"image": image("assistant"), "uses": ["clock"], "models": ["amazon.nova-lite-v1:0"]},
    )
    if target == "lambda":
        sandbox.configure(
            "agents.researcher",
            {
                "runs_as": "state-machine",
                "uses": ["clock", "notes"],
                "models": ["amazon.nova-lite-v1:0"],
            },
        )
    sandbox.up()
    return sandbox


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """An empty cloud, for a test that deploys nothing."""
    made = Cloud(tmp_path / "cloud.sqlite")
    yield made
    made.close()


@pytest.fixture(scope="session", params=TARGETS)
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Served]:
    """The public fleet on each target, which runs for all tests."""
    sandbox = public_fleet(tmp_path_factory.mktemp("serve") / request.param, request.param)
    with serving(sandbox) as served:
        yield served
