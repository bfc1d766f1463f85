"""Invalid configurations: the message, the exit status, and that nothing is created."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.sandbox_run import STACK, Sandbox, create

pytestmark = pytest.mark.engine

# The setting, and the expected lines without their indentation.
BROKEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a target that does not exist": (
        {"target": "fargate"},
        [
            "mcp-platform:target",
            "got:     fargate",
            "allowed: 'lambda', 'ecs' or 'eks'",
            "fix:     pulumi config set --path 'mcp-platform:target' ecs",
        ],
    ),
    "a mistyped top-level key": (
        {"sever": {}},
        ["mcp-platform:sever", "got:     an unknown key (did you mean servers?)"],
    ),
    "a mistyped key of a server": (
        {"servers.clock.memroy": 512},
        [
            "mcp-platform:servers.clock.memroy",
            "got:     an unknown key (did you mean memory?)",
            "fix:     pulumi config rm --path 'mcp-platform:servers.clock.memroy'",
        ],
    ),
    "a size that Fargate does not have": (
        {"servers.clock.cpu": 256, "servers.clock.memory": 4096},
        ["mcp-platform:servers.clock.memory", "got:     cpu 256 with memory 4096"],
    ),
    "a server without an image": (
        {"servers.bare": {"cpu": 256}},
        ["mcp-platform:servers.bare.image", "got:     no value"],
    ),
    "a folder that is not there": (
        {"servers.clock.image": {"context": "workloads/nowhere"}},
        [
            "mcp-platform:servers.clock.image.context",
            "got:     workloads/nowhere",
            "allowed: an existing folder inside the project",
        ],
    ),
    "an agent that uses an unknown server": (
        {"agents.assistant.uses": ["clock", "calendar"]},
        [
            "mcp-platform:agents.assistant.uses[1]",
            "got:     calendar",
            "allowed: a name declared in servers: clock, notes",
        ],
    ),
    "an undeclared secret": (
        {"servers.clock.secrets": ["clock-key"]},
        ["mcp-platform:servers.clock.secrets[0]", "got:     clock-key"],
    ),
    "a secret in plain text": (
        {"secret-notes-api-key": "in plain text"},
        [
            "mcp-platform:secret-notes-api-key",
            "got:     a value in plain text",
            "fix:     pulumi config set --secret secret-notes-api-key",
        ],
    ),
    "a network that is too small": (
        {"network.cidr": "10.0.0.0/28"},
        ["mcp-platform:network.cidr", "got:     10.0.0.0/28"],
    ),
    "a public gateway without authentication": (
        {"gateway": {"exposure": "public"}},
        [
            "mcp-platform:gateway.domain",
            "mcp-platform:gateway.zone",
            "mcp-platform:gateway.auth",
            "allowed: a value: a public gateway must authenticate its clients",
        ],
    ),
    "a request longer than the load balancer waits": (
        {"servers.notes.max_request_seconds": 3971},
        ["mcp-platform:servers.notes.max_request_seconds", "got:     3971"],
    ),
    "sessions in memory with several copies": (
        {"servers.notes.sessions": "legacy-stateful"},
        ["mcp-platform:servers.notes.replicas.max", "got:     6"],
    ),
    "no region": (
        {"aws:region": ""},
        ["aws:region", "got:     no value", "fix:     pulumi config set aws:region us-east-1"],
    ),
    "a retention that CloudWatch does not offer": (
        {"observability.retention_days": 31},
        [
            "mcp-platform:observability.retention_days",
            "got:     31",
            "fix:     pulumi config set --path 'mcp-platform:observability.retention_days' 30",
        ],
    ),
    "a name that is no DNS label": (
        {"servers.My_Clock": {"image": {"context": "workloads/clock"}}},
        ["mcp-platform:servers.My_Clock", "got:     My_Clock"],
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_configuration_is_explained_and_creates_nothing(what: str, empty: Sandbox) -> None:
    settings, wanted = BROKEN[what]
    for path, value in settings.items():
        empty.configure(path, value)
    done = empty.run("up", "--yes", "--skip-preview", "--stack", STACK)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    lines = [line.strip() for line in said.splitlines()]
    assert [line for line in wanted if line not in "\n".join(lines)] == []
    assert "No resources were changed" in said
    assert "Traceback" not in said
    assert empty.resources() == []
    assert empty.cloud.list() == []


def test_a_missing_existing_network_fails_the_preview(empty: Sandbox) -> None:
    wrong = "vpc-0a1b2c3d4e5f60718"
    subnets = ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"]
    vpc = {"id": wrong, "cidr": "10.1.0.0/16", "private_subnets": subnets}
    empty.configure("network", {"vpc": vpc})
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        done = empty.run(*command, "--stack", STACK)
        said = done.stdout + done.stderr
        assert done.returncode != 0
        assert "3 errors. No resources were changed." in said
        assert "a VPC in this account and region" in said
        assert "Traceback" not in said
    assert empty.cloud.list() == []
    # An invalid id is not stored.
    empty.configure("network", {})
    assert set(empty.changes()) == {"create"}


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    sandbox = create(tmp_path)
    for path, value in {
        "servers.clock.cpu": 300,
        "network.zones": 9,
        "agents.assistant.uses": ["calendar"],
    }.items():
        sandbox.configure(path, value)
    said = sandbox.run("preview", "--stack", STACK).stdout
    assert "The configuration has 3 errors. No resources were changed." in said
    for path in ("servers.clock.cpu", "network.zones", "agents.assistant.uses[0]"):
        assert f"mcp-platform:{path}" in said
