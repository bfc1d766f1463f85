"""The environment of a workload's container."""

from collections.abc import Iterable

import pulumi

from components.foundation.vault import Stored
from components.gateway.gateway import Gateway
from core.discovery import server_address, sidecar_address
from core.environment import environment
from core.fleet import PORT, Agent, Fleet, Server
from core.sidecars import containers
from core.stack import Stack
from core.timeouts import Chain


def plain_variables(
    workload: str,
    load: Server | Agent,
    *,
    fleet: Fleet,
    stack: Stack,
    gateway: Gateway,
    timeouts: Chain,
) -> dict[str, pulumi.Input[str]]:
    """The variables in plain text, by name: the contract's, and the workload's own."""
    addresses = {name: server_address(stack, name) for name in fleet.servers} | {
        name: sidecar_address(port)
        for name, port in sidecar_ports(containers(fleet, workload, load)).items()
    }
    inside = f"{workload}.{stack.namespace}"
    hosts = [f"{inside}:{PORT}", inside, gateway.host, pulumi.Output.concat(gateway.host, ":*")]
    return {
        **environment(fleet, workload, load, timeouts, addresses),
        "MCP_ALLOWED_HOSTS": pulumi.Output.all(*hosts).apply(",".join),
        "MCP_ALLOWED_ORIGINS": gateway.url,
    }


def sidecar_variables(
    name: str, server: Server, *, port: int, fleet: Fleet, timeouts: Chain
) -> dict[str, str]:
    """The variables in plain text of a server that is a sidecar: only its agent calls it."""
    return {
        **environment(fleet, name, server, timeouts, {}, sidecar_port=port),
        "MCP_ALLOWED_HOSTS": f"localhost:{port}",
        "MCP_ALLOWED_ORIGINS": f"http://localhost:{port}",
    }


def sidecar_ports(task: Iterable[str]) -> dict[str, int]:
    """Where each sidecar of a task listens, by name: behind the workload's own port, in order."""
    _, *sidecars = task
    return {name: PORT + position for position, name in enumerate(sidecars, start=1)}


def value_from(secret: Stored) -> pulumi.Output[str]:
    """What ECS puts the value in from when the task starts, so that it stands nowhere else.

    Amazon ECS API reference, Secret, valueFrom: ARN, JSON key, version stage, version id.
    """
    if secret.version_id is None:
        return secret.arn
    return pulumi.Output.concat(secret.arn, ":::", secret.version_id)
