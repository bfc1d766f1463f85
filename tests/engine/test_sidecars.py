"""Agents with sidecars on the real engine: created, updated and removed."""

import json

import pytest

from tests.engine.sandbox_run import STACK, Sandbox

pytestmark = pytest.mark.engine


def _beside(sandbox: Sandbox) -> None:
    """Makes both servers sidecars of the agent. One of them then has no service."""
    sandbox.configure("servers.notes.expose", False)
    # With the 768 and 1536 of its sidecars, the task has a size that Fargate supports.
    sandbox.configure("agents.assistant.cpu", 256)
    sandbox.configure("agents.assistant.memory", 512)
    sandbox.configure("agents.assistant.sidecars", ["clock", "notes"])


def _containers(sandbox: Sandbox) -> dict[str, list[str]]:
    """The containers of each task, by the logical name of its definition."""
    return {
        each["urn"].split("::")[-1]: [
            container["name"] for container in json.loads(each["outputs"]["containerDefinitions"])
        ]
        for each in sandbox.resources()
        if each["type"] == "aws:ecs/taskDefinition:TaskDefinition"
    }


def test_a_fleet_with_sidecars_comes_up_and_then_has_no_changes(empty: Sandbox) -> None:
    _beside(empty)
    printed = empty.up()
    assert "warning" not in printed
    assert _containers(empty) == {
        "ecs-assistant-task": ["assistant", "clock", "notes"],
        "ecs-clock-task": ["clock"],
    }
    assert empty.outputs()["servers"].keys() == {"clock"}
    empty.must("preview", "--stack", STACK, "--expect-no-changes")


def test_servers_move_beside_their_agent_and_out_again_and_keep_what_they_have(
    deployed: Sandbox,
) -> None:
    def held() -> dict[str, str]:
        """The ids of the foundation's resources by URN."""
        return {
            each["urn"]: each["id"]
            for each in deployed.resources()
            if each.get("id") and each["urn"].split("::")[-1].startswith("fleet-")
        }

    before, plain = held(), deployed.stack_file.read_text()
    _beside(deployed)
    deployed.up()
    assert deployed.changes() == {}
    assert held() == before
    deployed.stack_file.write_text(plain)
    deployed.up()
    assert deployed.changes() == {}
    assert held() == before
    assert _containers(deployed) == {
        f"ecs-{name}-task": [name] for name in ("assistant", "clock", "notes")
    }
