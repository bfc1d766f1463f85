"""A fleet with all features: deployed and changed on each target, and destroyed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cloud.store import StoredResource
from tests.engine.sandbox_run import STACK, Sandbox
from tests.engine.test_switch import DOMAIN, LOG_ROLE

pytestmark = pytest.mark.engine

TARGETS = ("ecs", "lambda", "eks")

DATA = (
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:efs/accessPoint:AccessPoint",
    "aws:efs/fileSystem:FileSystem",
    "aws:kms/key:Key",
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretVersion:SecretVersion",
)
"""The types with data of the notes server, and the key that encrypts it."""


def _image(workload: str) -> dict[str, Any]:
    return {
        "context": f"workloads/{workload}",
        "additional_contexts": {"common": "workloads/common"},
    }


EVERYTHING: dict[str, Any] = {
    "production": True,
    "servers": {
        "clock": {
            "image": _image("clock"),
            "replicas": {"min": 2, "max": 4},
            "concurrency": {"provisioned": 1, "provisioned_max": 3},
        },
        "notes": {
            "image": _image("notes"),
            "team": "records",
            "cpu": 512,
            "memory": 1024,
            "replicas": {"min": 1, "max": 6},
            "spot": True,
            "storage": {"mount": "/data"},
            "secrets": ["notes-api-key", "made-up"],
            "max_request_seconds": 300,
        },
        "quiet": {"image": _image("clock"), "expose": False, "private_network": True},
    },
    "agents": {
        "assistant": {
            "image": _image("assistant"),
            "team": "records",
            "uses": ["clock", "notes", "quiet"],
            "models": ["us.anthropic.claude-sonnet-4-5-20250929-v1:0"],
            "chat": "websocket",
        },
    },
    "secrets": {"notes-api-key": {"source": "generated"}, "made-up": {"source": "generated"}},
    "network": {"cidr": "10.0.0.0/16", "zones": 3, "nat": "per-zone"},
    "gateway": {
        **DOMAIN,
        "allow_cidrs": ["203.0.113.0/24"],
        "throttle": {"requests_per_second": 50, "burst": 70},
        "firewall": {"requests_per_five_minutes": 500},
    },
    "cluster": {"public_access_cidrs": ["203.0.113.0/24"], "deletion_protection": False},
    "teams": {"records": {"cpu": 16384, "memory": 32768, "pods": 50}},
    "mesh": "istio",
    "observability": {"retention_days": 90, "alarm_email": "ops@example.com"},
    "tags": {"owner": "platform"},
}
"""Public, with domain, tokens, firewall, chat, files, teams, mesh and protection; for each target.

The deletion protection of the cluster is off, because it would prevent the move to another target.
"""

CHANGES: dict[str, tuple[Any, Any]] = {
    "servers.clock.replicas": ({"min": 2, "max": 4}, {"min": 3, "max": 3}),
    "servers.notes.max_request_seconds": (300, 600),
    "servers.notes.spot": (True, False),
    "servers.quiet.expose": (False, True),
    "gateway.allow_cidrs": (["203.0.113.0/24"], []),
}
"""The changes on each target: the values before and after. The next target reverts them.

The firewall does not change, because its log group is protected in a production stack.
"""


def _deploy(sandbox: Sandbox) -> None:
    """Runs `up` with a preview, and expects no changes in a second preview."""
    sandbox.must("up", "--yes", "--stack", STACK)
    sandbox.must("preview", "--stack", STACK, "--expect-no-changes")


def _data(sandbox: Sandbox) -> dict[str, str]:
    """The ids of the resources with data, by URN."""
    return {
        each["urn"]: each["id"]
        for each in sandbox.resources()
        if each["type"] in DATA and "mcp-platform:foundation:Foundation$" in each["urn"]
    }


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sandbox, list[dict[str, str]]]:
    """The fleet after `up` and a change on each target, and the ids with data after each."""
    sandbox = Sandbox(tmp_path_factory.mktemp("everything"))
    sandbox.cloud.put(
        StoredResource(
            provider="aws",
            type="aws:route53/zone:Zone",
            id=str(DOMAIN["zone"]),
            inputs={"name": "example.com"},
            properties={"name": "example.com", "zoneId": DOMAIN["zone"]},
        )
    )
    config = {f"mcp-platform:{key}": value for key, value in EVERYTHING.items()}
    sandbox.stack_file.write_text(yaml.safe_dump({"config": {"aws:region": "us-east-1", **config}}))
    data: list[dict[str, str]] = []
    for turn, target in enumerate(TARGETS):
        sandbox.configure("target", target)
        _deploy(sandbox)
        data.append(_data(sandbox))
        for path, values in CHANGES.items():
            sandbox.configure(path, values[(turn + 1) % 2])
        _deploy(sandbox)
        data.append(_data(sandbox))
    return sandbox, data


def test_no_change_and_no_switch_replaces_what_holds_data(
    walk: tuple[Sandbox, list[dict[str, str]]],
) -> None:
    first, *later = walk[1]
    assert {urn.split("::")[2].split("$")[-1] for urn in first} == set(DATA)
    assert later == [first] * (2 * len(TARGETS) - 1)


def test_the_fleet_is_destroyed_to_nothing_but_what_others_may_use(
    walk: tuple[Sandbox, list[dict[str, str]]], tmp_path: Path
) -> None:
    sandbox = walk[0].copy(tmp_path / "destroyed")
    refused = sandbox.run("destroy", "--yes", "--stack", STACK)
    assert refused.returncode != 0
    assert "because it is protected" in refused.stdout
    sandbox.configure("production", False)
    sandbox.up()
    sandbox.must("destroy", "--yes", "--stack", STACK)
    assert {each.type for each in sandbox.cloud.list()} == LOG_ROLE | {"aws:route53/zone:Zone"}
