"""The task definitions of the ECS target."""

import json
from typing import Any

import pytest

from tests.components.fleets import EKS_FULL, FOREIGN_IMAGE, FULL, OLD_IMAGE, with_server
from tests.components.recording import Recording, Resource, example, run

TMP = "/tmp"  # noqa: S108 - inside the container
WORKLOADS = [*FULL["servers"], *FULL["agents"]]


def _task(recording: Recording, workload: str) -> Resource:
    return recording.one("ecs.TaskDefinition", f"ecs-{workload}-task")


def _container(recording: Recording, workload: str) -> dict[str, Any]:
    (container,) = _task(recording, workload).json("containerDefinitions")
    return container


def _environment(recording: Recording, workload: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in _container(recording, workload)["environment"]}


def _secrets(recording: Recording, workload: str) -> dict[str, str]:
    secrets = _container(recording, workload).get("secrets", [])
    return {each["name"]: each["valueFrom"] for each in secrets}


def _value_from(recording: Recording, secret: str) -> str:
    """The ARN of the version of a secret whose value the program sets."""
    arn = recording.one("secretsmanager.Secret", secret).state["arn"]
    version = recording.one("secretsmanager.SecretVersion", f"{secret}-version")
    return f"{arn}:::{version.state['versionId']}"


def test_the_task_definition_of_the_example_server_in_full():
    recording = run(example())
    files = recording.one("efs.FileSystem")
    inputs = dict(_task(recording, "notes").inputs)
    (container,) = json.loads(inputs.pop("containerDefinitions"))
    assert inputs == {
        "family": "mcp-platform-dev-notes",
        "cpu": "512",
        "memory": "1024",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "taskRoleArn": recording.one("iam.Role", "ecs-notes-task").state["arn"],
        "executionRoleArn": recording.one("iam.Role", "ecs-notes-execution").state["arn"],
        "volumes": [
            {
                "name": "files",
                "efsVolumeConfiguration": {
                    "fileSystemId": files.id,
                    "transitEncryption": "ENABLED",
                    "authorizationConfig": {
                        "accessPointId": recording.one("efs.AccessPoint").id,
                        "iam": "ENABLED",
                    },
                },
            },
        ],
    }
    repository = recording.one("ecr.Repository", "fleet-images-workloads-notes-repository")
    host = recording.one("lb.LoadBalancer").state["dnsName"]
    inside = "notes.mcp-platform-dev.internal"
    own_secret = "fleet-vault-secret-notes-api-key"
    state_key = "fleet-vault-request-state-notes"
    assert container == {
        "name": "notes",
        "image": f"{repository.state['repositoryUrl']}@sha256:{'4' * 64}",
        "essential": True,
        "portMappings": [{"name": "http", "containerPort": 8080, "protocol": "tcp"}],
        "environment": [
            {"name": "FILES_DIR", "value": "/data"},
            {"name": "KEEP_ALIVE_SECONDS", "value": "335"},
            {"name": "MAX_REQUEST_SECONDS", "value": "300"},
            {"name": "MCP_ALLOWED_HOSTS", "value": f"{inside}:8080,{inside},{host},{host}:*"},
            {"name": "MCP_ALLOWED_ORIGINS", "value": f"http://{host}"},
            {"name": "MCP_SESSIONS", "value": "stateless"},
            {"name": "PORT", "value": "8080"},
            {"name": "STOP_TIMEOUT_SECONDS", "value": "115"},
        ],
        "secrets": [
            {
                "name": "NOTES_API_KEY",
                "valueFrom": _value_from(recording, own_secret),
            },
            {
                "name": "REQUEST_STATE_KEY",
                "valueFrom": _value_from(recording, state_key),
            },
        ],
        "user": "10001:10001",
        "readonlyRootFilesystem": True,
        "mountPoints": [
            {"sourceVolume": "files", "containerPath": "/data", "readOnly": False},
        ],
        "linuxParameters": {
            "initProcessEnabled": True,
            "tmpfs": [
                {
                    "containerPath": TMP,
                    "size": 512,
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
        "healthCheck": {
            "command": ["CMD", *example()["servers"]["notes"]["health_command"]],
            "interval": 10,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 60,
        },
    }


def test_every_workload_has_a_task_of_one_container_with_its_name_port_and_log_group():
    recording = run(FULL)
    assert recording.names("ecs.TaskDefinition") == sorted(f"ecs-{name}-task" for name in WORKLOADS)
    for name in WORKLOADS:
        container = _container(recording, name)
        assert container["name"] == name
        assert container["portMappings"][0]["containerPort"] == 8080
        log_group = container["logConfiguration"]["options"]["awslogs-group"]
        assert log_group == f"/mcp-platform/dev/{name}"


def test_each_workload_has_its_own_size_on_arm64():
    recording = run(FULL)
    sizes = {
        name: (_task(recording, name).inputs["cpu"], _task(recording, name).inputs["memory"])
        for name in WORKLOADS
    }
    assert sizes == dict.fromkeys(WORKLOADS, ("256", "512")) | {"notes": ("512", "1024")}
    for name in WORKLOADS:
        platform = _task(recording, name).inputs["runtimePlatform"]
        assert platform == {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}


def test_images_are_named_by_their_digest():
    recording = run(FULL)
    images = {name: _container(recording, name)["image"] for name in WORKLOADS}
    assert (images["quiet"], images["old"]) == (FOREIGN_IMAGE, OLD_IMAGE)
    assert all("@sha256:" in image for image in images.values())


def test_secrets_are_read_by_those_who_declare_them_at_the_version_made_here():
    recording = run(FULL)
    outside = recording.one("secretsmanager.Secret", "fleet-vault-secret-set-outside")

    def made(name: str) -> str:
        return _value_from(recording, f"fleet-vault-{name}")

    assert {name: _secrets(recording, name) for name in WORKLOADS} == {
        "clock": {"REQUEST_STATE_KEY": made("request-state-clock")},
        "notes": {
            "NOTES_API_KEY": made("secret-notes-api-key"),
            "MADE_UP": made("secret-made-up"),
            "REQUEST_STATE_KEY": made("request-state-notes"),
        },
        "quiet": {
            "SET_OUTSIDE": outside.state["arn"],
            "REQUEST_STATE_KEY": made("request-state-quiet"),
        },
        "old": {
            "THERE_ALREADY": FULL["secrets"]["there-already"]["arn"],
            "REQUEST_STATE_KEY": made("request-state-old"),
        },
        "assistant": {},
        "auditor": {},
    }


def test_an_agent_gets_exactly_the_servers_that_it_uses():
    recording = run(FULL)
    told = {
        name: json.loads(_environment(recording, name)["MCP_SERVERS"]) for name in FULL["agents"]
    }
    assert told == {
        "assistant": {
            "clock": "http://clock.mcp-platform-dev.internal:8080/mcp",
            "notes": "http://notes.mcp-platform-dev.internal:8080/mcp",
        },
        "auditor": {"quiet": "http://quiet.mcp-platform-dev.internal:8080/mcp"},
    }
    for name in FULL["servers"]:
        assert "MCP_SERVERS" not in _environment(recording, name)


def test_an_agent_gets_its_models_and_a_server_its_session_setting():
    recording = run(FULL)
    models = ",".join(FULL["agents"]["assistant"]["models"])
    assert _environment(recording, "assistant")["MODELS"] == models
    assert _environment(recording, "auditor")["MODELS"] == ""
    sessions = {name: _environment(recording, name)["MCP_SESSIONS"] for name in FULL["servers"]}
    assert sessions == {
        "clock": "stateless",
        "notes": "stateless",
        "quiet": "stateless",
        "old": "legacy-stateful",
    }


def test_a_workload_has_the_variables_of_its_own_configuration_too():
    recording = run(FULL)
    with_level = [name for name in WORKLOADS if "LOG_LEVEL" in _environment(recording, name)]
    assert with_level == ["notes"]
    assert _environment(recording, "notes")["LOG_LEVEL"] == "info"


def test_variables_and_secrets_are_sorted_so_that_no_order_makes_a_new_revision():
    recording = run(FULL)
    for name in WORKLOADS:
        container = _container(recording, name)
        for part in ("environment", "secrets"):
            names = [each["name"] for each in container.get(part, [])]
            assert names == sorted(set(names))


def test_the_server_outlasts_the_load_balancer_and_stops_before_it_is_killed():
    recording = run(FULL)
    idle = recording.one("lb.LoadBalancer").inputs["idleTimeout"]
    for name in WORKLOADS:
        environment, container = _environment(recording, name), _container(recording, name)
        exposed = (FULL["servers"] | FULL["agents"])[name].get("expose", True)
        assert int(environment["KEEP_ALIVE_SECONDS"]) == (idle if exposed else 300) + 5
        assert int(environment["STOP_TIMEOUT_SECONDS"]) == container["stopTimeout"] - 5


@pytest.mark.parametrize(("seconds", "stop"), [(1, 30), (25, 30), (26, 31), (115, 120), (900, 120)])
def test_the_stop_timeout_follows_the_longest_request_as_far_as_fargate_goes(
    seconds: int, stop: int
):
    recording = run(with_server(max_request_seconds=seconds))
    assert _container(recording, "clock")["stopTimeout"] == stop


def test_the_root_is_read_only_with_a_writable_tmp_unless_the_image_needs_its_root():
    recording = run(FULL)
    writable = [n for n in WORKLOADS if not _container(recording, n)["readonlyRootFilesystem"]]
    assert writable == ["quiet"]
    mounts = {
        name: [at["containerPath"] for at in _container(recording, name).get("mountPoints", [])]
        for name in WORKLOADS
    }
    temporary = {
        name: [
            (each["containerPath"], each["size"])
            for each in _container(recording, name)["linuxParameters"].get("tmpfs", [])
        ]
        for name in WORKLOADS
    }
    assert mounts == {
        "clock": [],
        "notes": ["/data"],
        "quiet": [],
        "old": [],
        "assistant": [],
        "auditor": ["/var/audit"],
    }
    # Half of the memory, because the file system uses the memory of the task.
    assert temporary == {
        name: [] if name == "quiet" else [(TMP, int(_task(recording, name).inputs["memory"]) // 2)]
        for name in WORKLOADS
    }


def test_every_container_runs_as_the_user_that_it_has_on_eks():
    ecs, eks = run(FULL), run(EKS_FULL)
    users = {_container(ecs, name)["user"] for name in WORKLOADS}
    pods = [made.inputs["spec"]["template"]["spec"] for made in eks.of("kubernetes.Deployment")]
    contexts = [pod["securityContext"] for pod in pods]
    assert users == {f"{each['runAsUser']}:{each['runAsGroup']}" for each in contexts}
    assert users == {"10001:10001"}


def test_only_workloads_with_files_have_a_volume_of_the_file_system():
    recording = run(FULL)
    points = {
        name: [
            volume["efsVolumeConfiguration"]["authorizationConfig"]["accessPointId"]
            for volume in _task(recording, name).inputs.get("volumes", [])
            if "efsVolumeConfiguration" in volume
        ]
        for name in WORKLOADS
    }
    assert {name: found for name, found in points.items() if found} == {
        name: [recording.one("efs.AccessPoint", f"fleet-storage-{name}").id]
        for name in ("notes", "auditor")
    }


def test_every_mounted_volume_is_declared_and_every_declared_one_mounted():
    recording = run(FULL)
    for name in WORKLOADS:
        declared = [volume["name"] for volume in _task(recording, name).inputs.get("volumes", [])]
        mounted = [at["sourceVolume"] for at in _container(recording, name).get("mountPoints", [])]
        assert declared == mounted


def test_a_container_has_a_health_check_exactly_where_there_is_a_command():
    recording = run(FULL)
    checked = [name for name in WORKLOADS if "healthCheck" in _container(recording, name)]
    assert checked == ["notes"]
    assert _container(recording, "notes")["healthCheck"] == {
        "command": ["CMD", "python", "-m", "healthcheck"],
        "interval": 10,
        "timeout": 5,
        "retries": 3,
        "startPeriod": 60,
    }


def test_a_server_that_agents_call_too_does_not_check_tokens():
    recording = run(FULL)
    checking = {name for name in WORKLOADS if "AUTH_ISSUER" in _environment(recording, name)}
    assert checking == {"old", "assistant", "auditor"}
    assert _environment(recording, "old")["AUTH_ISSUER"] == "https://login.example.com"
    assert _environment(recording, "old")["AUTH_AUDIENCE"] == "https://mcp.example.com"
    plain = run(example())
    assert all("AUTH_ISSUER" not in _environment(plain, name) for name in ("clock", "assistant"))
