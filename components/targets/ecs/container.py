"""The container of a workload's task definition."""

from collections.abc import Mapping

import pulumi

from core import timeouts
from core.fleet import PORT, Agent, Server

FILES_VOLUME, SCRATCH_VOLUME = "files", "tmp"


def container(
    workload: str,
    load: Server | Agent,
    *,
    image: pulumi.Input[str],
    variables: Mapping[str, pulumi.Input[str]],
    secrets: Mapping[str, pulumi.Input[str]],
    log_group: pulumi.Input[str],
    region: str,
    stop_seconds: int,
) -> dict[str, object]:
    """The container's definition, as ECS wants it in JSON (RegisterTaskDefinition).

    Args:
        workload: The workload's name, which the container has too.
        load: The workload.
        image: Its image with a digest.
        variables: Its plain variables.
        secrets: What ECS reads each secret from, by variable: it puts the values in, so that they
            stand neither here nor in the state.
        log_group: The name of its log group.
        region: The region of the log group.
        stop_seconds: How long it has between SIGTERM and SIGKILL.
    """
    definition: dict[str, object] = {
        "name": workload,
        "image": image,
        "essential": True,
        "portMappings": [{"name": "http", "containerPort": PORT, "protocol": "tcp"}],
        "environment": [
            {"name": name, "value": value} for name, value in sorted(variables.items())
        ],
        "secrets": [
            {"name": name, "valueFrom": source} for name, source in sorted(secrets.items())
        ],
        "readonlyRootFilesystem": not load.writable_root,
        "mountPoints": [
            {"sourceVolume": volume, "containerPath": path, "readOnly": False}
            for volume, path in mounts(load).items()
        ],
        "linuxParameters": {"initProcessEnabled": True},
        "stopTimeout": stop_seconds,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": workload,
                # A slow log service must not make a server slow.
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
    }
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
    """The volumes of the task, and where the container sees each.

    A root that cannot be written to still needs somewhere for temporary files.
    """
    volumes = {} if load.writable_root else {SCRATCH_VOLUME: "/tmp"}  # noqa: S108 - in a container
    if load.storage:
        volumes[FILES_VOLUME] = load.storage.mount
    return volumes
