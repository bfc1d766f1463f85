"""Reads ECS services, their task definitions and their network rules.

Facts from the Amazon ECS API reference (ContainerDefinition, Secret, Service) and the Developer
Guide ("Fargate task networking": the containers of a task share one network interface).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sandbox.cloud.fault_injection import FAILED
from sandbox.cloud.store import Cloud
from sandbox.iam import roles
from sandbox.iam.evaluate import Context
from sandbox.profile import profile
from sandbox.serve.aws_apis import secrets
from sandbox.serve.fleet import GATEWAY, LOOPBACK, OPERATOR, DeployedError, Fleet, Process
from sandbox.serve.load_balancer import entries
from sandbox.serve.reachability import security_groups
from sandbox.serve.reachability.security_groups import End
from sandbox.serve.readers import mounts
from sandbox.values.tree import part, parts

SERVICE = "aws:ecs/service:Service"
_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
_REGISTRY = "aws:servicediscovery/service:Service"
_NAMESPACES = (
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace",
    "aws:servicediscovery/publicDnsNamespace:PublicDnsNamespace",
)
_SCALED = "aws:appautoscaling/target:Target"
_TASKS = "ecs-tasks.amazonaws.com"
# Amazon ECS API reference, ContainerDefinition, stopTimeout: 30 seconds on Fargate; HealthCheck,
# startPeriod: none. Then the default of Process applies.
_STOP_SECONDS = 30.0
_START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """The tasks of one service.

    Attributes:
        end: Their end of a connection.
        processes: The processes of each task, the workload first.
        role_arn: The task role, or None.
        target_groups: Container and port to the target groups with the tasks.
        host: Their name in the private DNS, or None.
    """

    end: End
    processes: tuple[Process, ...]
    role_arn: str | None
    target_groups: Mapping[tuple[str, int], frozenset[str]]
    host: str | None


def read(cloud: Cloud) -> Fleet:
    """The fleet on ECS.

    Args:
        cloud: The cloud.

    Returns:
        The processes and their rules.

    Raises:
        DeployedError: there is no service, or the tasks of one could not start.
    """
    services = [one.properties for one in cloud.list("aws", SERVICE)]
    if not services:
        raise DeployedError("the cloud has no ECS service: bring a stack with target ecs up first")
    entry, groups = entries.find(cloud), security_groups.read(cloud)
    tasks = sorted((_task(cloud, one) for one in services), key=lambda task: task.end.name)
    by_process = {process.name: task for task in tasks for process in task.processes}
    if len(by_process) < sum(len(task.processes) for task in tasks):
        names = ", ".join(str(one.get("name")) for one in services)
        raise DeployedError(
            f"two ECS services run the same workload ({names}): deploy one stack, and destroy "
            "the others of this sandbox"
        )

    def resolve(source: str, host: str, port: int) -> str | None:
        name = host.lower().removesuffix(".")
        own = by_process.get(source) if name in LOOPBACK else None
        named = (task for task in tasks if task.host == name)
        found = own or next(named, None)
        return _listening(found, port) if found else None

    def refusal(source: str, process: str, port: int) -> str | None:
        task, caller = by_process[process], by_process.get(source)
        if source == GATEWAY:
            if task.target_groups.get((process, port), frozenset()).isdisjoint(entry.target_groups):
                return f"no target group behind a rule of the gateway has port {port} of {process}"
            return security_groups.refusal(groups, entry.end, task.end, port)
        if caller is task:
            return None
        end = caller.end if caller else End(name=source, groups=(), subnets=entry.network)
        return security_groups.refusal(groups, end, task.end, port)

    def allows(source: str, action: str, resource: str, context: Context | None = None, /) -> bool:
        role_arn = by_process[source].role_arn if source in by_process else None
        return source == OPERATOR or (
            role_arn is not None
            and _taken(cloud, role_arn)
            and roles.allows(cloud, role_arn, action, resource, context)
        )

    return Fleet(
        target="ecs",
        region=str(services[0]["arn"]).split(":")[3],
        entry=entry.url,
        processes=tuple(process for task in tasks for process in task.processes),
        resolve=resolve,
        refusal=refusal,
        allows=allows,
        to_gateway=lambda source, port: security_groups.refusal(
            groups, by_process[source].end, entry.end, port
        ),
    )


def _listening(task: _Task, port: int) -> str | None:
    return next((one.name for one in task.processes if one.port == port), None)


def _task(cloud: Cloud, service: Mapping[str, Any]) -> _Task:
    definition = _definition(cloud, service)
    containers = _containers(definition)
    own = _own(service, containers)
    network = part(service, "networkConfiguration")
    end = End(
        name=own,
        groups=tuple(network.get("securityGroups") or ()),
        subnets=security_groups.subnets(cloud, network.get("subnets") or ()),
    )
    ordered = sorted(containers, key=lambda one: one["name"] != own)
    names = {one["name"]: own if one["name"] == own else f"{own}/{one['name']}" for one in ordered}
    registered: dict[tuple[str, int], frozenset[str]] = {}
    for one in parts(service, "loadBalancers"):
        key = (names.get(str(one.get("containerName")), ""), int(one.get("containerPort") or 0))
        registered[key] = registered.get(key, frozenset()) | {str(one.get("targetGroupArn"))}
    role_arn = str(definition.get("taskRoleArn") or "") or None
    return _Task(
        end=end,
        processes=tuple(
            _process(cloud, names[one["name"]], one, service, definition, end, registered)
            for one in ordered
        ),
        role_arn=role_arn,
        target_groups=registered,
        host=_host(cloud, service),
    )


def _definition(cloud: Cloud, service: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = str(service.get("taskDefinition"))
    for stored in cloud.list("aws", _DEFINITION):
        known = stored.properties
        revision = f"{known.get('family')}:{known.get('revision')}"
        if wanted in (known.get("arn"), revision, known.get("family")):
            return known
    raise DeployedError(
        f"the ECS service {service.get('name')} uses the task definition {wanted}, which does "
        "not exist: deploy the stack again"
    )


def _containers(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    written = definition.get("containerDefinitions") or "[]"
    read: object = json.loads(written) if isinstance(written, str) else written
    return cast("list[Mapping[str, Any]]", read)


def _own(service: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> str:
    """The main container: the one that the load balancer targets, else the first."""
    routed = [str(one.get("containerName")) for one in parts(service, "loadBalancers")]
    open_ = [str(one["name"]) for one in containers if one.get("portMappings")]
    return next(iter((*routed, *open_, *(str(one["name"]) for one in containers))))


def _process(
    cloud: Cloud,
    name: str,
    container: Mapping[str, Any],
    service: Mapping[str, Any],
    definition: Mapping[str, Any],
    end: End,
    registered: Mapping[tuple[str, int], frozenset[str]],
) -> Process:
    environment = {str(one["name"]): str(one["value"]) for one in parts(container, "environment")}
    port = _port(container, environment)
    targets = registered.get((name, port or 0), frozenset[str]())
    check = part(container, "healthCheck")
    health = entries.health_path(cloud, targets) or (profile().health_path if check else None)
    return Process(
        name=name,
        image=str(container["image"]),
        entry_point=_words(container.get("entryPoint")),
        arguments=_words(container.get("command")),
        environment=environment | _secrets(cloud, name, container, definition),
        files=_files(cloud, container, definition, end),
        port=port,
        health_path=health if port else None,
        health_seconds=float(check.get("startPeriod") or _START_SECONDS),
        stop_seconds=float(container.get("stopTimeout") or _STOP_SECONDS),
        replicas=_replicas(cloud, service),
        named_by_health=_named_by_health(_registry(cloud, service), check),
        kind="task",
    )


def _words(value: Any) -> tuple[str, ...] | None:  # noqa: ANN401 - JSON
    return tuple(str(one) for one in value) if value else None


def _port(container: Mapping[str, Any], environment: Mapping[str, str]) -> int | None:
    """The first mapped port; a container that only its task calls has its port in PORT."""
    mapped = [one.get("containerPort") for one in parts(container, "portMappings")]
    told = environment.get("PORT", "")
    return int(mapped[0] or 0) if mapped else int(told) if told.isdecimal() else None


def _replicas(cloud: Cloud, service: Mapping[str, Any]) -> int:
    """The desired count within the bounds of auto scaling; 0 after a failure."""
    if FAILED in service:
        return 0
    cluster = str(service.get("cluster")).rpartition("/")[2]
    resource = f"service/{cluster}/{service.get('name')}"
    desired = int(service.get("desiredCount") or 0)
    for stored in cloud.list("aws", _SCALED):
        bounds = stored.properties
        if bounds.get("resourceId") == resource:
            return min(max(desired, int(bounds["minCapacity"])), int(bounds["maxCapacity"]))
    return desired


def _secrets(
    cloud: Cloud, name: str, container: Mapping[str, Any], definition: Mapping[str, Any]
) -> dict[str, str]:
    role_arn = str(definition.get("executionRoleArn") or "")
    values: dict[str, str] = {}
    for one in parts(container, "secrets"):
        try:
            values[str(one["name"])] = _secret(cloud, role_arn, str(one["valueFrom"]))
        except DeployedError as error:
            raise DeployedError(
                f"{name}: ResourceInitializationError: unable to pull secrets or registry auth: "
                f"execution resource retrieval failed: unable to retrieve secret from asm for the "
                f"variable {one['name']}: {error}"
            ) from error
    return values


def _secret(cloud: Cloud, role_arn: str, value_from: str) -> str:
    # arn:partition:secretsmanager:region:account:secret:name[:json-key:stage:version-id]
    pieces = value_from.split(":")
    if pieces[2:3] != ["secretsmanager"] or len(pieces) not in (7, 10):
        raise DeployedError(
            f"the sandbox does not support valueFrom {value_from}. Supported: the ARN of a secret "
            "of Secrets Manager, alone or with :json-key:stage:version-id"
        )
    arn = ":".join(pieces[:7])
    key, stage, version_id = pieces[7:] or ("", "", "")
    if not (role_arn and _taken(cloud, role_arn)):
        raise DeployedError(f"ECS was unable to assume the role {role_arn or 'of the execution'}")
    value = secrets.read(cloud, arn, role_arn=role_arn, version_id=version_id, stage=stage)
    return secrets.member(value, key, arn) if key else value


def _taken(cloud: Cloud, role_arn: str) -> bool:
    """Whether ECS may assume a role for a task."""
    context = {"aws:SourceAccount": role_arn.split(":")[4]}
    return roles.trusts(cloud, role_arn, _TASKS, "sts:AssumeRole", context)


def _files(
    cloud: Cloud,
    container: Mapping[str, Any],
    definition: Mapping[str, Any],
    end: End,
) -> dict[str, str]:
    volumes = {str(one.get("name")): one for one in parts(definition, "volumes")}
    files: dict[str, str] = {}
    for one in parts(container, "mountPoints"):
        volume = part(volumes.get(str(one.get("sourceVolume")), {}), "efsVolumeConfiguration")
        if not volume:
            continue
        access = part(volume, "authorizationConfig")
        files[str(one["containerPath"])] = mounts.root(
            cloud,
            str(volume.get("fileSystemId")),
            str(access.get("accessPointId") or ""),
            folder=str(volume.get("rootDirectory") or "/"),
            role_arn=str(definition.get("taskRoleArn") or "")
            if access.get("iam") == "ENABLED"
            else None,
            end=end,
        )
    return files


def _host(cloud: Cloud, service: Mapping[str, Any]) -> str | None:
    """The name of a service in the private DNS, from the registry of its tasks."""
    registry = _registry(cloud, service)
    for type_ in _NAMESPACES:
        namespace_id = part(registry, "dnsConfig").get("namespaceId")
        namespace = cloud.get("aws", type_, str(namespace_id))
        if namespace:
            name = f"{registry['name']}.{namespace.properties['name']}"
            return name.lower().removesuffix(".")
    return None


def _named_by_health(registry: Mapping[str, Any], check: Mapping[str, Any]) -> bool:
    """Whether ECS reports the health of a container to Cloud Map.

    Amazon ECS Developer Guide, "Service discovery": the health of the container's own check, in a
    Cloud Map service with a custom health check.
    """
    return not registry or bool(check and registry.get("healthCheckCustomConfig"))


def _registry(cloud: Cloud, service: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Cloud Map service of the tasks; empty without one."""
    arn = part(service, "serviceRegistries").get("registryArn")
    for one in cloud.list("aws", _REGISTRY):
        if arn and one.properties.get("arn") == arn:
            return one.properties
    return {}
