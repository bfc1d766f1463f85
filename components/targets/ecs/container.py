"""The containers of a workload's task definition."""

from collections.abc import Mapping

import pulumi

from components.foundation.storage import OWNER
from core import timeouts
from core.config.model import Agent, Server
from core.contract import PORT
from core.mounts import TEMPORARY
from core.resolved import Container, Workload

FILES_VOLUME = "files"


def definition(
    container: Container,
    workload: Workload,
    *,
    image: pulumi.Input[str],
    variables: Mapping[str, pulumi.Input[str]],
    secrets: Mapping[str, pulumi.Input[str]],
    log_group: pulumi.Input[str],
    region: str,
) -> dict[str, object]:
    """The container definition for ECS (RegisterTaskDefinition).

    The workload's own container receives the traffic and starts after its sidecars. With sidecars,
    each container has guaranteed CPU and a memory limit.

    Args:
        container: The container.
        workload: The workload of the task.
        image: The image, with a digest.
        variables: The variables in plain text.
        secrets: The source of each secret, by variable. ECS reads the values, so they are not in
            the definition or in the state.
        log_group: The name of the log group.
        region: The region of the log group.
    """
    config, is_own = container.config, container is workload.container
    fields: dict[str, object] = {
        "name": container.name,
        "image": image,
        "essential": True,
        "portMappings": [{"name": "http", "containerPort": PORT, "protocol": "tcp"}]
        if is_own
        else [],
        "environment": [
            {"name": variable, "value": value} for variable, value in sorted(variables.items())
        ],
        "secrets": [
            {"name": variable, "valueFrom": source} for variable, source in sorted(secrets.items())
        ],
        # A fixed user instead of root or the user of the image, as on EKS (docs/adr/0020).
        "user": f"{OWNER}:{OWNER}",
        "readonlyRootFilesystem": not config.writable_root,
        "mountPoints": [
            {
                "sourceVolume": volume_name(volume, container, workload),
                "containerPath": path,
                "readOnly": False,
            }
            for volume, path in mounts(container).items()
        ],
        "dependsOn": [
            {
                "containerName": sidecar.name,
                "condition": "HEALTHY" if sidecar.config.health_command else "START",
            }
            for sidecar in workload.sidecars
            if is_own
        ],
        "linuxParameters": {"initProcessEnabled": True, **_temporary_files(config)},
        "stopTimeout": container.timeouts.stop_seconds,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": container.name,
                # A slow response of CloudWatch Logs must not block the workload.
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
    }
    if workload.sidecars:
        fields |= {"cpu": config.cpu, "memory": config.memory}
    if config.health_command:
        health = timeouts.HEALTH
        fields["healthCheck"] = {
            "command": ["CMD", *config.health_command],
            "interval": health.interval_seconds,
            "timeout": health.timeout_seconds,
            "retries": health.failures,
            "startPeriod": health.start_seconds,
        }
    # ECS does not return empty lists. They would show as a change in every preview.
    return {key: value for key, value in fields.items() if value != []}


def mounts(container: Container) -> dict[str, str]:
    """The mount path of each volume of a container, by volume."""
    storage = container.config.storage
    return {FILES_VOLUME: storage.mount} if storage else {}


def _temporary_files(load: Server | Agent) -> dict[str, object]:
    """A writable file system in memory for temporary files, if the root is read-only.

    A volume of the task would belong to root unless the image declares it, so other users could
    not write to it (Amazon ECS Developer Guide, "Use bind mounts with Amazon ECS").
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


def volume_name(volume: str, container: Container, workload: Workload) -> str:
    """The name of a container's volume in the task. No two containers share one."""
    return volume if container is workload.container else f"{container.name}-{volume}"
