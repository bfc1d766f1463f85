"""The environment of the containers of a task."""

import pulumi

from components.foundation.vault import Stored
from components.gateway.gateway import Gateway
from core.contract import PORT
from core.resolved import Container, Workload


def plain_variables(workload: Workload, gateway: Gateway) -> dict[str, pulumi.Input[str]]:
    """The plain-text variables of a workload's own container, by name."""
    inside = workload.host
    hosts = [f"{inside}:{PORT}", inside, gateway.host, pulumi.Output.concat(gateway.host, ":*")]
    return {
        **workload.container.environment,
        "MCP_ALLOWED_HOSTS": pulumi.Output.all(*hosts).apply(",".join),
        "MCP_ALLOWED_ORIGINS": gateway.url,
    }


def sidecar_variables(sidecar: Container) -> dict[str, str]:
    """The plain-text variables of a sidecar, by name. Only its agent calls the sidecar."""
    return {
        **sidecar.environment,
        "MCP_ALLOWED_HOSTS": f"localhost:{sidecar.port}",
        "MCP_ALLOWED_ORIGINS": f"http://localhost:{sidecar.port}",
    }


def value_from(secret: Stored) -> pulumi.Output[str]:
    """The source of a secret variable, which ECS reads when the task starts.

    The value is in neither the task definition nor the state. Format: ARN, JSON key, version stage,
    version id (Amazon ECS API reference, Secret, valueFrom).
    """
    if secret.version_id is None:
        return secret.arn
    return pulumi.Output.concat(secret.arn, ":::", secret.version_id)
