"""The containers of a workload's task definition."""

from collections.abc import Mapping

import pulumi

from components.foundation.storage import OWNER
from core import timeouts
from core.fleet import PORT, Agent, Server
from core.mounts import TEMPORARY

FILES_VOLUME = "files"


def container(
    name: str,
    task: Mapping[str, Server | Agent],
    *,
    image: pulumi.Input[str],
    variables: Mapping[str, pulumi.Input[str]],
    secrets: Mapping[str, pulumi.Input[str]],
    log_group: pulumi.Input[str],
    region: str,
    stop_seconds: int,
) -> dict[str, object]:
    """The container's definition, as ECS wants it in JSON (RegisterTaskDefinition).

    The workload's own has the way in, and starts when its sidecars are up. Beside others, each has
    its share of the task: CPU that it gets whenever it needs it, and memory up to which it may go.

    Args:
        name: The name of the container and of what it runs.
        task: What runs in the task's containers, by name, the workload itself first.
        image: Its image with a digest.
        variables: Its plain variables.
        secrets: What ECS reads each secret from, by variable: it puts the values in, so that they
            stand neither here nor in the state.
        log_group: The name of its log group.
        region: The region of the log group.
        stop_seconds: How long it has between SIGTERM and SIGKILL.
    """
    load = task[name]
    own, *sidecars = task
    definition: dict[str, object] = {
        "name": name,
        "image": image,
        "essential": True,
        "portMappings": [{"name": "http", "containerPort": PORT, "protocol": "tcp"}]
        if name == own
        else [],
        "environment": [
            {"name": variable, "value": value} for variable, value in sorted(variables.items())
        ],
        "secrets": [
            {"name": variable, "valueFrom": source} for variable, source in sorted(secrets.items())
        ],
        # Not as root, and not as the image's own user: as on EKS (docs/adr/0020).
        "user": f"{OWNER}:{OWNER}",
        "readonlyRootFilesystem": not load.writable_root,
        "mountPoints": [
            {
                "sourceVolume": volume_name(volume, name, own),
                "containerPath": path,
                "readOnly": False,
            }
            for volume, path in mounts(load).items()
        ],
        "dependsOn": [
            {
                "containerName": sidecar,
                "condition": "HEALTHY" if task[sidecar].health_command else "START",
            }
            for sidecar in sidecars
            if name == own
        ],
        "linuxParameters": {"initProcessEnabled": True, **_temporary_files(load)},
        "stopTimeout": stop_seconds,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": name,
                # A slow log service must not make a server slow.
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
    }
    if sidecars:
        definition |= {"cpu": load.cpu, "memory": load.memory}
    if load.health_command:
        health = timeouts.HEALTH
        definition["healthCheck"] = {
            "command": ["CMD", *load.health_command],
            "interval": health.interval_seconds,
            "timeout": health.timeout_seconds,
            "retries": health.failures,
            "startPeriod": health.start_seconds,
        }
    # ECS leaves empty lists out of what it describes: they would be a change at every preview.
    return {key: value for key, value in definition.items() if value != []}


def mounts(load: Server | Agent) -> dict[str, str]:
    """The volumes of a container, and where it sees each."""
    return {FILES_VOLUME: load.storage.mount} if load.storage else {}


def _temporary_files(load: Server | Agent) -> dict[str, object]:
    """Room for temporary files, which a root that cannot be written to does not have.

    In memory, since a volume of a task belongs to root, unless the image declares it (Amazon ECS
    Developer Guide, "Use bind mounts with Amazon ECS"): others could not write to it.
    """
    if load.writable_root:
        return {}
    return {
        "tmpfs": [
            {
                "containerPath": TEMPORARY,
                "size": -(-load.memory // 2),
                "mountOptions": ["exec", "nodev", "nosuid"],
            }
        ]
    }


def volume_name(volume: str, container: str, workload: str) -> str:
    """What a container's volume is called in the task of a workload: no two share one."""
    return volume if container == workload else f"{container}-{volume}"
