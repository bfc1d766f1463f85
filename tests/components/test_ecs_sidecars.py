"""Sidecars on the ECS target: servers that run as containers in the task of their agent."""

import json
from typing import Any

import parliament
import pytest

from core.config.model import Fleet
from core.costs.bill import Tasks
from core.costs.usage import usage
from tests.components.fleets import AUTH, EXISTING_SECRET, FULL, MODEL, PUBLIC, PUBLIC_IMAGE
from tests.components.recording import Recording, Resource, example, run
from tests.core.configurations import resolved

linter: Any = parliament  # it ships no types

TMP = "/tmp"  # noqa: S108 - inside the container

# `clock` also has a separate task, because it is exposed; `notes` does not. `search` is called over
# the network. The CPU and memory of the agent are set so that the task has a valid size.
FLEET: dict[str, Any] = {
    "servers": {
        "clock": {"image": {"context": "workloads/clock"}, "secrets": ["shared"]},
        "notes": {
            "image": {"context": "workloads/notes"},
            "cpu": 128,
            "memory": 256,
            "expose": False,
            "storage": {"mount": "/data"},
            "secrets": ["notes-api-key"],
            "environment": {"LOG_LEVEL": "info"},
            "max_request_seconds": 900,
            "health_command": ["python", "-m", "healthcheck"],
        },
        "search": {"image": {"uri": PUBLIC_IMAGE}, "expose": False},
    },
    "agents": {
        "assistant": {
            "image": {"context": "workloads/assistant"},
            "cpu": 640,
            "memory": 1280,
            "uses": ["clock", "notes", "search"],
            "sidecars": ["notes", "clock"],
            "storage": {"mount": "/work"},
            "secrets": ["shared"],
            "models": [MODEL],
        },
    },
    "secrets": {
        "notes-api-key": {"source": "config"},
        "shared": {"source": "external", "arn": EXISTING_SECRET},
    },
    "gateway": PUBLIC,
}

# The same fleet with every server in a separate task.
APART: dict[str, Any] = {
    **FLEET,
    "servers": FLEET["servers"]
    | {"notes": FLEET["servers"]["notes"] | {"cpu": 256, "memory": 512}},
    "agents": {
        "assistant": FLEET["agents"]["assistant"] | {"cpu": 1024, "memory": 2048, "sidecars": []}
    },
}


def _task(recording: Recording, workload: str) -> Resource:
    return recording.one("ecs.TaskDefinition", f"ecs-{workload}-task")


def _containers(recording: Recording, workload: str) -> dict[str, dict[str, Any]]:
    """The containers of a workload's task by name, in order."""
    definitions = _task(recording, workload).json("containerDefinitions")
    found = {each["name"]: each for each in definitions}
    assert len(found) == len(definitions)
    return found


def _environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["environment"]}


def _example(sidecars: list[str]) -> dict[str, Any]:
    """The example fleet with sidecars, and an agent that fills the task up to a valid size."""
    fleet = example()
    cpu, memory = 1024, 2048
    for name in sidecars:
        cpu -= fleet["servers"][name].get("cpu", 256)
        memory -= fleet["servers"][name].get("memory", 512)
    agent = fleet["agents"]["assistant"] | {"cpu": cpu, "memory": memory, "sidecars": sidecars}
    return fleet | {"agents": {"assistant": agent}}


def test_a_sidecar_is_a_whole_container_of_its_agents_task():
    recording = run(FLEET)
    repository = recording.one("ecr.Repository", "fleet-images-workloads-notes-repository")

    def version(secret: str) -> str:
        arn = recording.one("secretsmanager.Secret", f"fleet-vault-{secret}").state["arn"]
        made = recording.one("secretsmanager.SecretVersion", f"fleet-vault-{secret}-version")
        return f"{arn}:::{made.state['versionId']}"

    assert _containers(recording, "assistant")["notes"] == {
        "name": "notes",
        "image": f"{repository.state['repositoryUrl']}@sha256:{'4' * 64}",
        "essential": True,
        "environment": [
            {"name": "FILES_DIR", "value": "/data"},
            {"name": "KEEP_ALIVE_SECONDS", "value": "935"},
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "MAX_REQUEST_SECONDS", "value": "900"},
            {"name": "MCP_ALLOWED_HOSTS", "value": "localhost:8081"},
            {"name": "MCP_ALLOWED_ORIGINS", "value": "http://localhost:8081"},
            {"name": "MCP_SESSIONS", "value": "stateless"},
            {"name": "PORT", "value": "8081"},
            {"name": "STOP_TIMEOUT_SECONDS", "value": "115"},
        ],
        "secrets": [
            {"name": "NOTES_API_KEY", "valueFrom": version("secret-notes-api-key")},
            {"name": "REQUEST_STATE_KEY", "valueFrom": version("request-state-notes")},
        ],
        "user": "10001:10001",
        "readonlyRootFilesystem": True,
        "mountPoints": [
            {"sourceVolume": "notes-files", "containerPath": "/data", "readOnly": False},
        ],
        "linuxParameters": {
            "initProcessEnabled": True,
            "tmpfs": [
                {
                    "containerPath": TMP,
                    "size": 128,
                    "mountOptions": ["exec", "nodev", "nosuid"],
                }
            ],
        },
        "stopTimeout": 120,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/mcp-platform/dev/notes",
                "awslogs-region": "us-east-1",
                "awslogs-stream-prefix": "notes",
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
        "cpu": 128,
        "memory": 256,
        "healthCheck": {
            "command": ["CMD", "python", "-m", "healthcheck"],
            "interval": 10,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 60,
        },
    }


def test_the_agents_container_comes_first_and_starts_when_its_sidecars_are_up():
    containers = _containers(run(FLEET), "assistant")
    assert [*containers] == ["assistant", "notes", "clock"]
    agent = containers["assistant"]
    # The agent waits until a sidecar is healthy, or without a health check, started.
    assert agent["dependsOn"] == [
        {"containerName": "notes", "condition": "HEALTHY"},
        {"containerName": "clock", "condition": "START"},
    ]
    assert [name for name, each in containers.items() if "dependsOn" in each] == ["assistant"]
    assert {
        name: each["portMappings"] for name, each in containers.items() if "portMappings" in each
    } == {"assistant": [{"name": "http", "containerPort": 8080, "protocol": "tcp"}]}
    assert {name: each["essential"] for name, each in containers.items()} == dict.fromkeys(
        containers, True
    )


def test_each_container_has_its_share_and_the_task_is_as_large_as_all():
    task = _task(run(FLEET), "assistant")
    assert (task.inputs["cpu"], task.inputs["memory"]) == ("1024", "2048")
    shares = {
        name: (each["cpu"], each["memory"])
        for name, each in _containers(run(FLEET), "assistant").items()
    }
    assert shares == {"assistant": (640, 1280), "notes": (128, 256), "clock": (256, 512)}


def test_the_agent_gets_the_addresses_of_its_sidecars_and_of_the_other_servers():
    environment = _environment(_containers(run(FLEET), "assistant")["assistant"])
    assert json.loads(environment["MCP_SERVERS"]) == {
        "clock": "http://localhost:8082/mcp",
        "notes": "http://localhost:8081/mcp",
        "search": "http://search.mcp-platform-dev.internal:8080/mcp",
    }
    assert environment["PORT"] == "8080"


def test_a_sidecar_listens_where_its_agent_calls_it_and_answers_to_that_name_only():
    containers = _containers(run(FLEET), "assistant")
    told = {
        name: [_environment(containers[name])[key] for key in ("PORT", "MCP_ALLOWED_HOSTS")]
        for name in ("notes", "clock")
    }
    assert told == {"notes": ["8081", "localhost:8081"], "clock": ["8082", "localhost:8082"]}


def test_only_what_the_gateway_alone_reaches_checks_tokens():
    recording = run(FLEET)
    checking = {
        (workload, name)
        for workload in ("assistant", "clock", "search")
        for name, each in _containers(recording, workload).items()
        if _environment(each).get("AUTH_ISSUER") == AUTH["issuer"]
    }
    assert checking == {("assistant", "assistant"), ("clock", "clock")}


def test_each_containers_volumes_are_its_own():
    recording = run(FLEET)

    def files(name: str, owner: str) -> dict[str, Any]:
        return {
            "name": name,
            "efsVolumeConfiguration": {
                "fileSystemId": recording.one("efs.FileSystem").id,
                "transitEncryption": "ENABLED",
                "authorizationConfig": {
                    "accessPointId": recording.one("efs.AccessPoint", f"fleet-storage-{owner}").id,
                    "iam": "ENABLED",
                },
            },
        }

    volumes = _task(recording, "assistant").inputs["volumes"]
    assert volumes == [
        files("files", "assistant"),
        files("notes-files", "notes"),
    ]
    mounted = [
        at["sourceVolume"]
        for each in _containers(recording, "assistant").values()
        for at in each.get("mountPoints", [])
    ]
    assert mounted == [volume["name"] for volume in volumes]


def test_a_service_waits_for_the_mount_targets_of_its_sidecars_files():
    recording = run(_example(["notes"]))
    targets = {made.urn for made in recording.of("efs.MountTarget")}
    assert len(targets) == 2
    assert targets <= set(recording.one("ecs.Service", "ecs-assistant-service").dependencies)


def test_the_agent_has_its_whole_time_to_start_and_to_stop_besides_its_sidecars():
    together, apart = (
        run(fleet).one("ecs.Service", "ecs-assistant-service") for fleet in (FLEET, APART)
    )
    graces = [made.inputs["healthCheckGracePeriodSeconds"] for made in (together, apart)]
    assert graces == [120, 60]
    # The agent's 65 s to stop, and then the longest time of its sidecars.
    assert [made.timeouts["update"] for made in (together, apart)] == [
        f"{20 * 60 + 90 + 65 + 120}s",
        f"{20 * 60 + 90 + 65}s",
    ]


def test_a_sidecar_of_one_agent_only_has_no_service():
    recording = run(FLEET)
    own = [made.name for made in recording.resources.values() if made.name.startswith("ecs-notes")]
    assert own == []
    assert recording.names("ecs.Service") == [
        f"ecs-{name}-service" for name in ("assistant", "clock", "search")
    ]
    assert recording.names("servicediscovery.Service") == [
        "ecs-clock-discovery",
        "ecs-search-discovery",
    ]
    services = [made.state["name"] for made in recording.of("ecs.Service")]
    body = recording.one("cloudwatch.Dashboard").json("dashboardBody")
    for widget in body["widgets"]:
        shown = [each for each in widget["properties"]["metrics"] if "ServiceName" in each]
        assert [each[-1] for each in shown] in ([], services)


def test_a_sidecar_keeps_what_the_foundation_has_of_it():
    kept, before = (
        {
            made.urn
            for made in run(fleet).resources.values()
            if "notes" in made.name and made.name.startswith("fleet-")
        }
        for fleet in (FLEET, APART)
    )
    assert kept == before
    assert len(kept) == 13


def test_a_sidecar_is_logged_and_not_discovered():
    recording = run(FLEET)
    (parameter,) = recording.of("ssm.Parameter")
    assert json.loads(parameter.inputs["value"].value) == {
        "servers": {
            name: f"http://{name}.mcp-platform-dev.internal:8080/mcp"
            for name in ("clock", "search")
        },
        "agents": {"assistant": "/agents/assistant"},
    }
    exports = recording.exports
    assert exports["servers"].keys() == {"clock"}
    assert exports["log_groups"]["notes"] == "/mcp-platform/dev/notes"


def test_no_security_group_leads_from_an_agent_to_its_sidecars():
    def uses(fleet: dict[str, Any]) -> set[str]:
        made = run(fleet).resources.values()
        return {each.name for each in made if each.name.startswith("ecs-use-")}

    assert uses(FLEET) == {"ecs-use-assistant_search-in", "ecs-use-assistant_search-out"}
    assert uses(APART) == {
        f"ecs-use-assistant_{name}-{end}" for name in FLEET["servers"] for end in ("in", "out")
    }


@pytest.mark.parametrize(
    ("sidecars", "mounting"), [(["notes"], ["assistant", "notes"]), (["clock"], ["notes"])]
)
def test_a_task_reaches_its_files_and_the_ports_of_sidecars_have_no_ingress(
    sidecars: list[str], mounting: list[str]
):
    recording = run(_example(sidecars))
    ingress = recording.of("vpc.SecurityGroupIngressRule")
    assert [made.name for made in ingress if "files" in made.name] == [
        f"ecs-files-{name}-in" for name in mounting
    ]
    assert {made.inputs["toPort"] for made in ingress} == {80, 8080, 2049}
    group = recording.one("ec2.SecurityGroup", "ecs-assistant-group").id
    assert [made.name for made in ingress if made.inputs["securityGroupId"] == group] == []


def _policy(recording: Recording, role: str) -> dict[str, dict[str, Any]]:
    """The statements of a role's policy, by sid."""
    policy = recording.one("iam.RolePolicy", f"ecs-assistant-{role}-policy").json("policy")
    return {each["Sid"]: each for each in policy["Statement"]}


def test_ecs_starts_a_task_with_the_images_secrets_and_log_groups_of_all_in_it():
    recording = run(FLEET)
    statements = _policy(recording, "execution")
    together = ("assistant", "notes", "clock")
    assert {sid: each["Resource"] for sid, each in statements.items()} == {
        "LogInToRegistry": ["*"],
        "PullOwnImage": [
            recording.one("ecr.Repository", f"fleet-images-workloads-{name}-repository").state[
                "arn"
            ]
            for name in together
        ],
        # A secret that two containers read is listed once.
        "ReadOwnSecrets": [
            EXISTING_SECRET,
            *(
                recording.one("secretsmanager.Secret", f"fleet-vault-{secret}").state["arn"]
                for secret in (
                    "secret-notes-api-key",
                    "request-state-notes",
                    "request-state-clock",
                )
            ),
        ],
        "DecryptSecrets": [recording.one("kms.Key").state["arn"]],
        "WriteOwnLogs": [
            f"arn:aws:logs:us-east-1:123456789012:log-group:/mcp-platform/dev/{name}:*"
            for name in together
        ],
    }


def test_a_task_mounts_the_files_of_all_in_it_and_has_the_models_of_its_agent():
    recording = run(FLEET)
    statements = _policy(recording, "task")
    assert statements.keys() == {"InvokeOwnModels", "MountOwnFiles"}
    assert statements["MountOwnFiles"]["Condition"] == {
        "ArnEquals": {
            "elasticfilesystem:AccessPointArn": [
                recording.one("efs.AccessPoint", f"fleet-storage-{name}").state["arn"]
                for name in ("assistant", "notes")
            ]
        }
    }


def test_an_image_that_two_in_a_task_have_in_common_is_named_once():
    uri = f"210987654321.dkr.ecr.us-east-1.amazonaws.com/team/both@sha256:{'0' * 64}"
    both = {"image": {"uri": uri}}
    agent = both | {"uses": ["clock"], "sidecars": ["clock"]}
    recording = run({"servers": {"clock": both}, "agents": {"assistant": agent}})
    assert _policy(recording, "execution")["PullOwnImage"]["Resource"] == [
        "arn:aws:ecr:us-east-1:210987654321:repository/team/both"
    ]


def test_the_policies_of_the_largest_task_are_sound_and_within_the_quota_of_a_role():
    names = [f"{'server-of-a-long-name-':0<31}{number}" for number in range(9)]
    server = FULL["servers"]["notes"] | {"expose": False, "cpu": 16, "memory": 32}
    agent = FLEET["agents"]["assistant"] | {
        "cpu": 1024 - 9 * 16,
        "memory": 2048 - 9 * 32,
        "uses": names,
        "sidecars": names,
    }
    recording = run(
        FULL
        | {
            "servers": dict.fromkeys(names, server),
            "agents": {"assistant": agent},
            "secrets": FLEET["secrets"] | FULL["secrets"],
        }
    )
    assert len(_containers(recording, "assistant")) == 10
    for role in ("task", "execution"):
        policy = recording.one("iam.RolePolicy", f"ecs-assistant-{role}-policy").json("policy")
        # IAM and AWS STS quotas: 10,240 characters for all inline policies of a role.
        assert len(json.dumps(policy, separators=(",", ":"))) <= 10_240
        found = linter.analyze_policy_string(json.dumps(policy)).findings
        assert [finding.issue for finding in found if "Invoke" not in str(finding.detail)] == []


def test_the_estimate_counts_the_tasks_that_are_made():
    recording = run(FLEET)
    has = usage(resolved(Fleet.model_validate(FLEET)))
    assert has.tasks == (
        Tasks(count=1, cpu=256, memory_mib=512),
        Tasks(count=1, cpu=256, memory_mib=512),
        Tasks(count=1, cpu=1024, memory_mib=2048),
    )
    alarms = [made.inputs for made in recording.of("cloudwatch.MetricAlarm")]
    metrics = [sum("metric" in query for query in each.get("metricQueries", [])) for each in alarms]
    assert has.alarms == sum(max(count, 1) for count in metrics)
    assert has.secrets == len(recording.of("secretsmanager.Secret"))


@pytest.mark.parametrize("sidecars", [["clock"], ["notes"], ["clock", "notes"]])
def test_the_services_of_an_agents_sidecars_are_as_they_were(sidecars: list[str]):
    plain, recording = run(example()), run(_example(sidecars))
    for name in ("clock", "notes"):
        for kind, what in (("ecs.TaskDefinition", "task"), ("ecs.Service", "service")):
            made, before = (
                each.one(kind, f"ecs-{name}-{what}").inputs for each in (recording, plain)
            )
            assert made == before


def test_no_sidecars_are_what_an_agent_has_that_says_nothing_of_them():
    fleet = example()
    agent = fleet["agents"]["assistant"] | {"sidecars": []}
    said, unsaid = run(fleet | {"agents": {"assistant": agent}}), run(fleet)
    assert said.resources == unsaid.resources
    (container,) = _task(unsaid, "assistant").json("containerDefinitions")
    assert {"cpu", "memory", "dependsOn"} & container.keys() == set()
