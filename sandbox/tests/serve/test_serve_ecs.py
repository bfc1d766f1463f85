"""The ECS reader: processes and edges of services and task definitions in test clouds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.fault_injection import FAILED
from sandbox.cloud.store import Cloud
from sandbox.serve.fleet import GATEWAY, OPERATOR, DeployedError, Process
from sandbox.serve.readers import ecs
from sandbox.tests.clusters import put
from sandbox.tests.serve.deployed import (
    ACCOUNT,
    DECRYPT,
    DNS_NAME,
    FILES,
    MOUNT,
    READ,
    REGION,
    SECRET,
    SUBNETS,
    allow,
    files,
    group,
    network,
    opened,
    role,
    role_arn,
    routed,
    secret,
    target_group,
)

TASKS = "ecs-tasks.amazonaws.com"
SERVICE = "ecs/service:Service"
IMAGE = "registry/clock@sha256:1"
MODEL = f"arn:aws:bedrock:{REGION}::foundation-model/m"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    network(cloud)
    return cloud


def _service(cloud: Cloud, name: str, definition: str | None = None, **properties: Any) -> None:
    service: dict[str, Any] = {
        "name": f"{name}-service",
        "arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/c/{name}-service",
        "cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/c",
        "taskDefinition": definition or f"{name}:1",
        "desiredCount": 1,
        "networkConfiguration": {"subnets": list(SUBNETS), "securityGroups": [f"sg-{name}"]},
    }
    put(cloud, SERVICE, f"{name}-service", **(service | properties))


def _definition(
    cloud: Cloud, name: str, *containers: Mapping[str, Any], revision: int = 1, **properties: Any
) -> None:
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{name}:{revision}"
    put(
        cloud,
        "ecs/taskDefinition:TaskDefinition",
        f"{name}-{revision}",
        arn=arn,
        family=name,
        revision=revision,
        containerDefinitions=json.dumps(list(containers)),
        **properties,
    )


def _container(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "portMappings": [{"containerPort": 8080}], **fields}


def _only(cloud: Cloud, definition: Mapping[str, Any] | None = None, **container: Any) -> Process:
    """The process of a service with one container."""
    _definition(cloud, "clock", _container("clock", **container), **(definition or {}))
    _service(cloud, "clock")
    (process,) = ecs.read(cloud).processes
    return process


def test_a_container_of_which_little_is_said_is_what_ecs_makes_of_it(cloud: Cloud) -> None:
    assert _only(cloud) == Process(
        name="clock",
        image=IMAGE,
        port=8080,
        health_path=None,
        health_seconds=60,
        stop_seconds=30,
        replicas=1,
        kind="task",
    )


def test_a_container_is_run_as_its_definition_says(cloud: Cloud) -> None:
    process = _only(
        cloud,
        entryPoint=["python", "-m"],
        command=["server", "--fast"],
        environment=[{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
        healthCheck={"command": ["CMD", "x"], "startPeriod": 90},
        stopTimeout=65,
    )
    assert process == Process(
        name="clock",
        image=IMAGE,
        entry_point=("python", "-m"),
        arguments=("server", "--fast"),
        environment={"A": "1", "B": ""},
        port=8080,
        health_path="/health",
        health_seconds=90,
        stop_seconds=65,
        replicas=1,
        kind="task",
    )


def test_the_deployed_revision_is_the_one_that_runs(cloud: Cloud) -> None:
    _definition(cloud, "clock", _container("clock", image="old"), revision=1)
    _definition(cloud, "clock", _container("clock", image="new"), revision=2)
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/clock:"
    for wanted, image in ((f"{arn}1", "old"), (f"{arn}2", "new"), ("clock:1", "old")):
        _service(cloud, "clock", wanted)
        assert [one.image for one in ecs.read(cloud).processes] == [image]


def test_a_service_whose_deployment_failed_runs_nothing(cloud: Cloud) -> None:
    assert _only(cloud).replicas == 1
    cloud.edit("aws", f"aws:{SERVICE}", "clock-service", {FAILED: "no capacity"})
    assert [one.replicas for one in ecs.read(cloud).processes] == [0]


def test_a_definition_that_is_gone_is_said(cloud: Cloud) -> None:
    _service(cloud, "clock", "clock:7")
    with pytest.raises(DeployedError, match=r"clock-service uses the task definition clock:7, wh"):
        ecs.read(cloud)


def test_a_cloud_without_services_is_said(cloud: Cloud) -> None:
    with pytest.raises(DeployedError, match="no ECS service: bring a stack with target ecs up"):
        ecs.read(cloud)


@pytest.mark.parametrize("count", [0, 2])
def test_not_one_load_balancer_is_said(cloud: Cloud, count: int) -> None:
    _definition(cloud, "clock", _container("clock"))
    _service(cloud, "clock")
    for stored in cloud.list("aws", "aws:lb/loadBalancer:LoadBalancer"):
        cloud.delete("aws", stored.type, stored.id)
    for number in range(count):
        kind = "lb/loadBalancer:LoadBalancer"
        put(cloud, kind, str(number), name=f"lb{number}", loadBalancerType="application")
    with pytest.raises(DeployedError, match=f"has {count} application load balancers"):
        ecs.read(cloud)


def test_two_services_with_one_workload_are_said(cloud: Cloud) -> None:
    _definition(cloud, "clock", _container("clock"))
    _service(cloud, "clock")
    _service(cloud, "other", "clock:1")
    with pytest.raises(DeployedError, match=r"the same workload \(clock-service, other-service\)"):
        ecs.read(cloud)


@pytest.mark.parametrize(("desired", "replicas"), [(0, 2), (1, 2), (3, 3), (4, 4), (5, 4)])
def test_autoscaling_brings_the_replicas_between_its_bounds(
    cloud: Cloud, desired: int, replicas: int
) -> None:
    _definition(cloud, "clock", _container("clock"))
    _service(cloud, "clock", desiredCount=desired)
    assert ecs.read(cloud).processes[0].replicas == desired
    resource = "service/c/clock-service"
    kind = "appautoscaling/target:Target"
    put(cloud, kind, "1", resourceId="service/c/other", minCapacity=9, maxCapacity=9)
    put(cloud, kind, "2", resourceId=resource, minCapacity=2, maxCapacity=4)
    assert ecs.read(cloud).processes[0].replicas == replicas


def _reading(cloud: Cloud, value_from: str, *statements: Mapping[str, Any], by: str = TASKS) -> str:
    execution = role(cloud, "execution", *statements, service=by)
    process = _only(
        cloud,
        {"executionRoleArn": execution},
        environment=[{"name": "A", "value": "1"}],
        secrets=[{"name": "KEY", "valueFrom": value_from}],
    )
    assert process.environment["A"] == "1"
    return process.environment["KEY"]


@pytest.mark.parametrize(
    ("suffix", "value"),
    [
        ("", '{"user": "u", "n": 1}'),
        (":::", '{"user": "u", "n": 1}'),
        (":::v2", '{"user": "u", "n": 1}'),
        (":user::", "u"),
        (":n::", "1"),
        (":user:AWSPREVIOUS:", "was"),
        (":user::v1", "was"),
    ],
)
def test_a_secret_is_put_into_its_variable(cloud: Cloud, suffix: str, value: str) -> None:
    secret(cloud, '{"user": "was"}', version="v1", stages=["AWSPREVIOUS"])
    secret(cloud, '{"user": "u", "n": 1}', version="v2")
    assert _reading(cloud, SECRET + suffix, READ, DECRYPT) == value


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        (":password::", "not a JSON object with the key password"),
        (":::v9", "secret value for VersionId: v9"),
        ("::AWSPENDING:", "secret value for staging label: AWSPENDING"),
        (":a", "Supported: the ARN of a secret of Secrets Manager, alone or with :json-key:"),
    ],
)
def test_a_secret_that_is_not_as_asked_keeps_the_task_from_starting(
    cloud: Cloud, suffix: str, reason: str
) -> None:
    secret(cloud, '{"user": "u"}')
    with pytest.raises(DeployedError, match=reason) as error:
        _reading(cloud, SECRET + suffix, READ, DECRYPT)
    assert str(error.value).startswith("clock: ResourceInitializationError: unable to pull secrets")
    assert "variable KEY" in str(error.value)


def test_a_parameter_is_not_known_as_a_secret(cloud: Cloud) -> None:
    with pytest.raises(DeployedError, match=r"does not support valueFrom .*parameter/p"):
        _reading(cloud, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/p", allow("*", "*"))


def test_a_secret_is_refused_without_the_permission_of_the_execution_role(cloud: Cloud) -> None:
    secret(cloud, "value")
    with pytest.raises(DeployedError) as error:
        _reading(cloud, SECRET, DECRYPT)
    assert str(error.value) == (
        "clock: ResourceInitializationError: unable to pull secrets or registry auth: execution "
        "resource retrieval failed: unable to retrieve secret from asm for the variable KEY: "
        f"AccessDeniedException: {role_arn('execution')} is not authorized to perform: "
        f"secretsmanager:GetSecretValue on resource: {SECRET} because no identity-based policy "
        "allows the secretsmanager:GetSecretValue action"
    )


def test_a_secret_is_refused_without_its_key(cloud: Cloud) -> None:
    secret(cloud, "value")
    with pytest.raises(DeployedError, match="not authorized to perform: kms:Decrypt on resource"):
        _reading(cloud, SECRET, READ)


def test_a_secret_is_not_read_with_the_role_of_the_task(cloud: Cloud) -> None:
    secret(cloud, "value")
    role(cloud, "execution", service=TASKS)
    definition = {
        "executionRoleArn": role_arn("execution"),
        "taskRoleArn": role(cloud, "task", READ, DECRYPT, service=TASKS),
    }
    with pytest.raises(DeployedError, match=f"{role_arn('execution')} is not authorized"):
        _only(cloud, definition, secrets=[{"name": "KEY", "valueFrom": SECRET}])


def test_a_role_that_ecs_may_not_take_reads_nothing(cloud: Cloud) -> None:
    secret(cloud, "value")
    with pytest.raises(
        DeployedError, match=f"ECS was unable to assume the role {role_arn('exec')}"
    ):
        _reading(cloud, SECRET, READ, DECRYPT, by="lambda.amazonaws.com")


def _mounting(
    cloud: Cloud, *statements: Mapping[str, Any], access_point: str = "fsap-1", iam: str = "ENABLED"
) -> Mapping[str, str]:
    definition = {
        "taskRoleArn": role(cloud, "task", *statements, service=TASKS),
        "volumes": [
            {"name": "tmp"},
            {
                "name": "files",
                "efsVolumeConfiguration": {
                    "fileSystemId": "fs-1",
                    "authorizationConfig": {"accessPointId": access_point, "iam": iam},
                },
            },
        ],
    }
    points = [
        {"sourceVolume": "tmp", "containerPath": "/tmp"},  # noqa: S108 - in a container
        {"sourceVolume": "files", "containerPath": "/data"},
    ]
    return _only(cloud, definition, mountPoints=points).files


def test_files_are_the_folder_of_their_access_point(cloud: Cloud) -> None:
    files(cloud)
    opened(cloud, "sg-clock", "sg-files", 2049)
    assert _mounting(cloud, MOUNT) == {"/data": "fs-1/notes"}


def test_files_are_refused_without_the_permission_of_the_task_role(cloud: Cloud) -> None:
    files(cloud)
    opened(cloud, "sg-clock", "sg-files", 2049)
    with pytest.raises(DeployedError) as error:
        _mounting(cloud)
    assert str(error.value) == (
        "clock cannot mount fs-1: mount.nfs4: access denied by server: "
        f"{role_arn('task')} is not authorized to perform: elasticfilesystem:ClientMount on "
        f"resource: {FILES}"
    )


def test_files_are_refused_through_another_access_point(cloud: Cloud) -> None:
    files(cloud)
    opened(cloud, "sg-clock", "sg-files", 2049)
    arn = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-2"
    root = {"path": "/other"}
    kind = "efs/accessPoint:AccessPoint"
    put(cloud, kind, "fsap-2", arn=arn, fileSystemId="fs-1", rootDirectory=root)
    with pytest.raises(DeployedError, match="is not authorized to perform"):
        _mounting(cloud, MOUNT, access_point="fsap-2")


def test_files_are_refused_where_a_security_group_does_not_let_the_task_reach_them(
    cloud: Cloud,
) -> None:
    files(cloud)
    opened(cloud, "sg-other", "sg-files", 2049)
    opened(cloud, "sg-clock", "sg-files", 2048)
    with pytest.raises(DeployedError) as error:
        _mounting(cloud, MOUNT)
    assert str(error.value) == (
        "clock cannot mount fs-1: the security groups of clock (sg-clock) have no egress rule for "
        "TCP port 2049 to the mount target fsmt-1 (the-sg-files sg-files)"
    )


def test_files_that_are_not_there_or_have_no_mount_target_are_said(cloud: Cloud) -> None:
    with pytest.raises(DeployedError, match="fs-1 fsap-1: there is no such file system"):
        _mounting(cloud, MOUNT)
    files(cloud)
    with pytest.raises(DeployedError, match="fs-1 fsap-9: there is no such file system"):
        _mounting(cloud, MOUNT, access_point="fsap-9")
    cloud.delete("aws", "aws:efs/mountTarget:MountTarget", "fsmt-1")
    with pytest.raises(DeployedError, match="cannot mount fs-1: it has no mount target"):
        _mounting(cloud, MOUNT)


def test_a_client_without_a_role_mounts_only_what_has_no_policy(cloud: Cloud) -> None:
    files(cloud)
    opened(cloud, "sg-clock", "sg-files", 2049)
    assert _mounting(cloud, iam="DISABLED") == {"/data": "fs-1/notes"}
    kind = "efs/fileSystemPolicy:FileSystemPolicy"
    put(cloud, kind, "fs-1", fileSystemId="fs-1", policy='{"Statement": []}')
    with pytest.raises(DeployedError, match="a client without a role is not authorized"):
        _mounting(cloud, iam="DISABLED")


def test_without_an_access_point_the_whole_file_system_is_mounted(cloud: Cloud) -> None:
    files(cloud)
    opened(cloud, "sg-clock", "sg-files", 2049)
    mount = allow("elasticfilesystem:ClientMount", FILES)
    assert _mounting(cloud, mount, access_point="") == {"/data": "fs-1"}


@pytest.fixture
def fleet(cloud: Cloud) -> Cloud:
    """An agent with a sidecar, a server behind the gateway, and the rules between them."""
    beside = {
        "name": "notes",
        "image": IMAGE,
        "environment": [{"name": "PORT", "value": "8081"}],
    }
    # The agent's container is not identified by the order of the containers.
    _definition(
        cloud,
        "agent",
        beside,
        _container("agent"),
        taskRoleArn=role(cloud, "task", allow("bedrock:InvokeModel", MODEL), service=TASKS),
    )
    _definition(cloud, "clock", _container("clock"))
    for name in ("agent", "clock"):
        routed(cloud, name, path=f"/{name}/health")
        group(cloud, f"sg-{name}")
        _service(
            cloud,
            name,
            loadBalancers=[
                {
                    "targetGroupArn": target_group(name),
                    "containerName": name,
                    "containerPort": 8080,
                }
            ],
            serviceRegistries={"registryArn": f"registry-{name}"} if name == "clock" else None,
        )
        opened(cloud, "sg-alb", f"sg-{name}", 8080)
    opened(cloud, "sg-agent", "sg-clock", 8080)
    put(
        cloud, "servicediscovery/privateDnsNamespace:PrivateDnsNamespace", "ns-1", name="x.internal"
    )
    put(
        cloud,
        "servicediscovery/service:Service",
        "srv-1",
        arn="registry-clock",
        name="clock",
        dnsConfig={"namespaceId": "ns-1"},
    )
    return cloud


def test_processes_are_in_a_stable_order_and_sidecars_are_named_by_their_agent(
    fleet: Cloud,
) -> None:
    found = {one.name: (one.port, one.health_path) for one in ecs.read(fleet).processes}
    assert list(found.items()) == [
        ("agent", (8080, "/agent/health")),
        ("agent/notes", (8081, None)),
        ("clock", (8080, "/clock/health")),
    ]


def test_the_entry_is_the_load_balancer_or_the_domain_that_leads_to_it(fleet: Cloud) -> None:
    assert ecs.read(fleet).entry == f"http://{DNS_NAME}"
    put(
        fleet,
        "lb/listener:Listener",
        "https",
        arn="https",
        loadBalancerArn=fleet.list("aws", "aws:lb/loadBalancer:LoadBalancer")[0].id,
        protocol="HTTPS",
    )
    put(fleet, "route53/record:Record", "1", name="mcp.example.com", aliases=[{"name": DNS_NAME}])
    assert ecs.read(fleet).entry == "https://mcp.example.com"


@pytest.mark.parametrize(
    ("source", "host", "port", "process"),
    [
        ("agent", "clock.x.internal", 8080, "clock"),
        ("agent", "CLOCK.x.internal.", 8080, "clock"),
        ("clock", "clock.x.internal", 8080, "clock"),
        (OPERATOR, "clock.x.internal", 8080, "clock"),
        ("agent", "clock.x.internal", 8081, None),
        ("agent", "clock", 8080, None),
        ("agent", "agent.x.internal", 8080, None),
        ("agent", "clock.y.internal", 8080, None),
        ("agent", "localhost", 8081, "agent/notes"),
        ("agent", "127.0.0.1", 8081, "agent/notes"),
        ("agent", "[::1]", 8081, "agent/notes"),
        ("agent/notes", "localhost", 8080, "agent"),
        ("agent", "localhost", 8082, None),
        ("clock", "localhost", 8081, None),
        (OPERATOR, "localhost", 8081, None),
        (GATEWAY, "127.0.0.1", 8080, None),
    ],
)
def test_names_lead_where_the_private_dns_and_the_task_lead(
    fleet: Cloud, source: str, host: str, port: int, process: str | None
) -> None:
    assert ecs.read(fleet).resolve(source, host, port) == process


@pytest.mark.parametrize(
    ("custom", "check", "by_health"),
    [
        ({"failureThreshold": 1}, {"command": ["CMD", "x"]}, True),
        (None, {"command": ["CMD", "x"]}, False),
        ({"failureThreshold": 1}, None, False),
    ],
)
def test_a_name_follows_health_by_a_custom_check_and_the_containers_own(
    fleet: Cloud, custom: Any, check: Any, *, by_health: bool
) -> None:
    type_ = "aws:servicediscovery/service:Service"
    fleet.edit("aws", type_, "srv-1", {"healthCheckCustomConfig": custom})
    container = _container("clock", **({"healthCheck": check} if check else {}))
    _definition(fleet, "clock", container)
    found = {one.name: one.named_by_health for one in ecs.read(fleet).processes}
    assert found == {"agent": True, "agent/notes": True, "clock": by_health}


@pytest.mark.parametrize(
    ("source", "process", "port", "reason"),
    [
        ("agent", "clock", 8080, None),
        # The containers of a task have one network interface.
        ("agent/notes", "clock", 8080, None),
        ("agent", "agent/notes", 8081, None),
        ("agent/notes", "agent", 8080, None),
        (GATEWAY, "clock", 8080, None),
        (GATEWAY, "agent", 8080, None),
        (
            "agent",
            "clock",
            8081,
            "agent (the-sg-agent sg-agent) have no egress rule for TCP port 8081",
        ),
        (
            "clock",
            "agent",
            8080,
            "clock (the-sg-clock sg-clock) have no egress rule for TCP port 8080",
        ),
        ("clock", "agent/notes", 8081, "no egress rule for TCP port 8081"),
        (OPERATOR, "clock", 8080, "no ingress rule for TCP port 8080 from operator"),
        (GATEWAY, "clock", 8081, "no target group behind a rule of the gateway has port 8081 of c"),
        (GATEWAY, "agent/notes", 8081, "no target group behind a rule of the gateway"),
    ],
)
def test_only_what_the_security_groups_let_through_arrives(
    fleet: Cloud, source: str, process: str, port: int, reason: str | None
) -> None:
    refusal = ecs.read(fleet).refusal(source, process, port)
    if reason is None:
        assert refusal is None
    else:
        assert reason in str(refusal)


def test_the_gateway_reaches_what_it_routes_to_by_its_security_group_alone(fleet: Cloud) -> None:
    kind = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    fleet.delete("aws", kind, "sgr-Egress-sg-alb-sg-clock-8080")
    assert "the security groups of the gateway (the-sg-alb sg-alb) have no egress rule" in str(
        ecs.read(fleet).refusal(GATEWAY, "clock", 8080)
    )


def test_the_gateway_does_not_reach_what_no_rule_of_it_leads_to(fleet: Cloud) -> None:
    fleet.delete("aws", "aws:lb/listenerRule:ListenerRule", "rule-clock")
    assert "no target group behind a rule" in str(ecs.read(fleet).refusal(GATEWAY, "clock", 8080))
    assert ecs.read(fleet).refusal(GATEWAY, "agent", 8080) is None


def test_a_rule_may_lead_to_several_target_groups(fleet: Cloud) -> None:
    action = {"type": "forward", "forward": {"targetGroups": [{"arn": target_group("clock")}]}}
    kind = "aws:lb/listenerRule:ListenerRule"
    fleet.edit("aws", kind, "rule-clock", {"actions": [action]})
    assert ecs.read(fleet).refusal(GATEWAY, "clock", 8080) is None


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("agent", True),
        ("agent/notes", True),
        ("clock", False),
        (OPERATOR, True),
        (GATEWAY, False),
        ("anonymous", False),
    ],
)
def test_a_task_may_do_what_its_role_may_do(fleet: Cloud, source: str, allowed: bool) -> None:
    allows = ecs.read(fleet).allows
    assert allows(source, "bedrock:InvokeModel", MODEL) is allowed
    assert allows(source, "bedrock:InvokeModel", f"{MODEL}2") is (source == OPERATOR)


def test_a_task_may_do_nothing_with_a_role_that_ecs_may_not_take(fleet: Cloud) -> None:
    role(fleet, "task", allow("bedrock:InvokeModel", MODEL), service="lambda.amazonaws.com")
    assert not ecs.read(fleet).allows("agent", "bedrock:InvokeModel", MODEL)
