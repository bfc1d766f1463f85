"""The example fleet on the real engine, from the first `up` to the last `destroy`."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cloud.fault_injection import FAILED
from tests.engine.sandbox_run import STACK, Sandbox

pytestmark = pytest.mark.engine

SECRET = "example-api-key"
SECOND = {
    "image": {
        "context": "workloads/clock",
        "additional_contexts": {"common": "workloads/common"},
    }
}


def test_up_creates_the_example_fleet_and_gives_the_contract_outputs(example: Sandbox) -> None:
    outputs = example.outputs()
    url = outputs["gateway_url"]
    assert url.startswith("http://internal-gateway-alb-")
    assert outputs["servers"] == {
        "clock": f"{url}/servers/clock/mcp",
        "notes": f"{url}/servers/notes/mcp",
    }
    assert outputs["agents"] == {"assistant": f"{url}/agents/assistant"}
    assert outputs["discovery"] == {
        "namespace": "mcp-platform-dev.internal",
        "parameter": "/mcp-platform/dev/discovery",
    }
    assert json.loads(outputs["mcp_json"])["mcpServers"]["clock"] == {
        "timeout": 90_000,
        "type": "http",
        "url": f"{url}/servers/clock/mcp",
    }
    assert outputs["dashboard_url"].endswith("#dashboards/dashboard/mcp-platform-dev")
    assert outputs["log_groups"] == {
        name: f"/mcp-platform/dev/{name}" for name in ("assistant", "clock", "notes")
    }


def test_up_creates_one_service_task_role_and_log_group_per_workload(example: Sandbox) -> None:
    counts = Counter(each["type"] for each in example.resources())
    assert counts["aws:ecs/service:Service"] == 3
    assert counts["aws:ecs/taskDefinition:TaskDefinition"] == 3
    assert counts["aws:servicediscovery/service:Service"] == 2
    assert counts["aws:lb/listenerRule:ListenerRule"] == 3
    assert counts["aws:efs/accessPoint:AccessPoint"] == 1
    assert counts["docker-build:index:Image"] == 3


def test_every_taggable_resource_carries_the_tags_of_the_stack(example: Sandbox) -> None:
    tagged = [each for each in example.resources() if "tagsAll" in each.get("outputs", {})]
    assert len(tagged) > 40
    for each in tagged:
        tags = each["outputs"]["tagsAll"]
        assert (
            tags.items()
            >= {
                "project": "mcp-platform",
                "stack": STACK,
                "managed-by": "pulumi",
            }.items()
        ), each["urn"]


def test_no_secret_value_is_in_plain_text_in_state_or_outputs(example: Sandbox) -> None:
    state = example.must("stack", "export", "--stack", STACK)
    assert SECRET not in state
    plain = json.loads(example.must("stack", "export", "--stack", STACK, "--show-secrets"))
    generated = {
        each["outputs"]["result"]["plaintext"].strip('"')
        for each in plain["deployment"]["resources"]
        if each["type"] == "random:index/randomPassword:RandomPassword"
    }
    assert len(generated) == 2
    assert not any(value in state for value in generated)
    definitions = [
        each["outputs"]["containerDefinitions"]
        for each in plain["deployment"]["resources"]
        if each["type"] == "aws:ecs/taskDefinition:TaskDefinition"
    ]
    assert len(definitions) == 3
    assert not any(value in text for value in {*generated, SECRET} for text in definitions)


def test_a_second_preview_has_no_changes(example: Sandbox) -> None:
    example.must("preview", "--stack", STACK, "--expect-no-changes")


def test_a_changed_replica_count_is_one_update(deployed: Sandbox) -> None:
    deployed.configure("servers.notes.replicas", {"min": 1, "max": 7, "cpu_percent": 60})
    assert deployed.changes() == {"update": ["ecs-notes-scaling"]}
    deployed.up()
    assert deployed.changes() == {}


def test_a_count_that_autoscaling_changed_is_left_alone(deployed: Sandbox) -> None:
    service = next(
        each for each in deployed.cloud.list("aws", "aws:ecs/service:Service") if "notes" in each.id
    )
    deployed.cloud.edit("aws", service.type, service.id, {"desiredCount": 4})
    deployed.must("refresh", "--yes", "--stack", STACK)
    assert deployed.changes() == {}


def test_a_new_server_touches_no_other(deployed: Sandbox) -> None:
    deployed.configure("servers.second", SECOND)
    changes = deployed.changes()
    assert set(changes) == {"create", "update"}
    assert all("second" in name for name in changes["create"])
    # The document that lists the servers and the dashboard that shows them.
    assert sorted(changes["update"]) == ["published-dashboard", "published-discovery"]


def test_adding_a_zone_moves_no_subnet(deployed: Sandbox) -> None:
    deployed.configure("network.zones", 3)
    changes = deployed.changes()
    assert not {"replace", "delete", "create-replacement", "delete-replaced"} & set(changes)
    assert {name for name in changes["create"] if "vpc" in name} == {
        "fleet-network-vpc-private-3",
        "fleet-network-vpc-public-3",
    }


@pytest.mark.parametrize(
    ("key", "value", "back", "says"),
    [
        ("network.cidr", "10.7.0.0/16", "10.0.0.0/16", "a new VPC with 10.0.0.0/16"),
        ("aws:region", "us-west-2", "us-east-1", "us-east-1, the region of this stack"),
    ],
)
def test_a_deployed_stack_refuses_to_move_and_is_not_changed(
    deployed: Sandbox, key: str, value: str, back: str, says: str
) -> None:
    before = deployed.cloud.list()
    deployed.configure(key, value)
    refused = deployed.run("up", "--yes", "--skip-preview", "--stack", STACK)
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert "1 error. No resources were changed." in said
    assert says in said
    assert "Traceback" not in said
    assert deployed.cloud.list() == before
    deployed.configure(key, back)
    # The refused value is only an input in the state.
    assert set(deployed.changes()) <= {"update"}


def test_the_subnets_of_a_stack_without_a_memory_stay_in_their_zones(deployed: Sandbox) -> None:
    for each in deployed.resources():
        if each["type"] == "pulumi:index:Stash":
            deployed.must("state", "delete", each["urn"], "--yes", "--stack", STACK)
    deployed.configure("network.zone_names", ["us-east-1e", "us-east-1f"])
    changes = deployed.changes()
    assert set(changes) == {"create"}
    assert {name.partition("-")[0] for name in changes["create"]} == {"memory", "zones"}


def test_a_renamed_stack_changes_nothing_in_aws(deployed: Sandbox) -> None:
    deployed.must("stack", "rename", "renamed", "--stack", STACK)
    preview = deployed.must("preview", "--stack", "renamed", "--json")
    steps = [step for step in json.loads(preview)["steps"] if step["op"] != "same"]
    assert [(step["op"], step["urn"].split("::")[-1]) for step in steps] == [
        ("update", "memory-stack")
    ]


def test_refresh_shows_drift_and_up_corrects_it(deployed: Sandbox) -> None:
    groups = deployed.cloud.list("aws", "aws:cloudwatch/logGroup:LogGroup")
    clock = next(each for each in groups if each.id == "/mcp-platform/dev/clock")
    deployed.cloud.edit("aws", clock.type, clock.id, {"retentionInDays": 1})
    deployed.must("refresh", "--yes", "--stack", STACK)
    assert deployed.changes() == {"update": ["fleet-observability-clock-logs"]}
    deployed.up()
    kept = deployed.cloud.get("aws", clock.type, clock.id)
    assert kept is not None
    assert kept.properties["retentionInDays"] == 30


def test_a_resource_deleted_behind_its_back_comes_back(deployed: Sandbox) -> None:
    alarm = next(
        each
        for each in deployed.cloud.list("aws", "aws:cloudwatch/metricAlarm:MetricAlarm")
        if each.id.startswith("ecs-clock-cpu-alarm")
    )
    assert deployed.cloud.delete("aws", alarm.type, alarm.id)
    deployed.must("refresh", "--yes", "--stack", STACK)
    assert deployed.changes() == {"create": ["ecs-clock-cpu-alarm"]}
    deployed.up()
    assert deployed.changes() == {}


def test_destroy_leaves_nothing_in_the_state_and_nothing_in_the_cloud(deployed: Sandbox) -> None:
    deployed.must("destroy", "--yes", "--stack", STACK)
    assert deployed.resources() == []
    assert deployed.cloud.list() == []


def test_a_failed_create_is_finished_by_a_second_up(empty: Sandbox, tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text(
        yaml.safe_dump(
            [
                {
                    "type": "aws:ecs/service:Service",
                    "operation": "create",
                    "fail": "no capacity in this zone",
                    "count": 1,
                }
            ]
        )
    )
    failed = empty.run(
        "up", "--yes", "--skip-preview", "--stack", STACK, SANDBOX_FAULTS=str(faults)
    )
    assert failed.returncode != 0
    assert "no capacity in this zone" in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    empty.up(SANDBOX_FAULTS=str(faults))
    assert empty.changes() == {}


def test_a_deployed_service_changes_its_exposure_its_capacity_and_its_scaling(
    deployed: Sandbox,
) -> None:
    type_ = "aws:ecs/service:Service"

    def services() -> dict[str, dict[str, Any]]:
        made = deployed.cloud.list("aws", type_)
        return {each.properties["name"].split("-")[1]: dict(each.properties) for each in made}

    deployed.cloud.edit("aws", type_, services()["notes"]["arn"], {"desiredCount": 4})
    deployed.configure("servers.clock.expose", False)
    deployed.configure("agents.assistant.spot", True)
    deployed.configure("servers.notes.replicas", {"min": 1, "max": 1})
    changes = deployed.changes()
    assert {"ecs-clock-service", "ecs-notes-service"} <= set(changes["replace"])
    assert "ecs-assistant-service" in changes["update"]
    deployed.up()
    assert services()["notes"]["desiredCount"] == 1
    assert not services()["clock"].get("loadBalancers")
    assert len(services()["assistant"]["capacityProviderStrategies"]) == 2
    deployed.configure("servers.clock.expose", True)
    deployed.up()
    assert services()["clock"]["healthCheckGracePeriodSeconds"]
    assert len(deployed.cloud.list("aws", type_)) == 3
    assert deployed.changes() == {}


def test_the_next_up_deploys_again_what_ecs_gave_up_or_rolled_back(
    deployed: Sandbox, tmp_path: Path
) -> None:
    """First the tasks of a new server cannot start. Then ECS rolls back a changed server."""
    service, definition = "aws:ecs/service:Service", "aws:ecs/taskDefinition:TaskDefinition"

    def fails(operation: str, after: str) -> None:
        faults = tmp_path / f"{after}.yaml"
        fault = {"type": service, "operation": operation, "after": after, "count": 1}
        faults.write_text(yaml.safe_dump([fault | {"fail": "tasks failed to start"}]))
        failed = deployed.run(
            "up", "--yes", "--skip-preview", "--stack", STACK, SANDBOX_FAULTS=str(faults)
        )
        assert failed.returncode != 0
        assert "tasks failed to start" in failed.stdout + failed.stderr

    def running() -> dict[str, dict[str, Any]]:
        services = [each.properties for each in deployed.cloud.list("aws", service)]
        there = {each.properties["arn"] for each in deployed.cloud.list("aws", definition)}
        assert {each["taskDefinition"] for each in services} <= there
        return {each["name"].split("-")[1]: dict(each) for each in services}

    deployed.configure("servers.second", SECOND)
    fails("create", "kept")
    assert [name for name, each in running().items() if FAILED in each] == ["second"]
    before = running()["clock"]
    deployed.configure("servers.clock.memory", 1024)
    fails("update", "undone")
    # The task definition of the rollback is not deregistered.
    assert running()["clock"]["taskDefinition"] == before["taskDefinition"]
    deployed.up()
    assert [name for name, each in running().items() if FAILED in each] == []
    wanted = {each["outputs"]["arn"] for each in deployed.resources() if each["type"] == definition}
    assert {each["taskDefinition"] for each in running().values()} == wanted
    assert len(deployed.cloud.list("aws", service)) == len(wanted)
    assert deployed.changes() == {}


def test_a_production_stack_protects_what_holds_data(empty: Sandbox) -> None:
    empty.configure("production", True)
    empty.up()
    protected = Counter(each["type"] for each in empty.resources() if each.get("protect"))
    assert protected == {
        "aws:cloudwatch/logGroup:LogGroup": 6,
        "aws:ecr/repository:Repository": 3,
        "aws:efs/accessPoint:AccessPoint": 1,
        "aws:efs/fileSystem:FileSystem": 1,
        "aws:kms/key:Key": 1,
        "aws:secretsmanager/secret:Secret": 3,
    }
    refused = empty.run("destroy", "--yes", "--stack", STACK)
    assert refused.returncode != 0
    assert "protected" in refused.stdout + refused.stderr


def test_another_target_is_chosen_without_touching_the_stack_file(empty: Sandbox) -> None:
    before = empty.stack_file.read_text()
    other = empty.run("preview", "--stack", STACK, SANDBOX_TARGET="eks")
    assert other.returncode == 0
    assert "eks:index:Cluster" in other.stdout
    assert empty.stack_file.read_text() == before


def test_the_exit_status_and_the_errors_of_pulumi_pass_through(empty: Sandbox) -> None:
    unknown = empty.run("no-such-command")
    assert unknown.returncode != 0
    assert "no-such-command" in unknown.stderr
    missing = empty.run("preview", "--stack", "staging")
    assert missing.returncode == 1
    assert missing.stderr == (
        "sandbox: there is no stack file Pulumi.staging.yaml; the stack files here are for: dev\n"
    )


def test_the_deployed_discovery_document_is_the_fleets(example: Sandbox) -> None:
    (parameter,) = example.cloud.list("aws", "aws:ssm/parameter:Parameter")
    assert json.loads(parameter.properties["value"]) == {
        "servers": {
            "clock": "http://clock.mcp-platform-dev.internal:8080/mcp",
            "notes": "http://notes.mcp-platform-dev.internal:8080/mcp",
        },
        "agents": {"assistant": "/agents/assistant"},
    }
