"""The environment of a workload's container."""

import pulumi

from components.gateway.gateway import Gateway
from core.contract import PORT
from core.resolved import Workload


def plain_variables(workload: Workload, gateway: Gateway) -> dict[str, pulumi.Input[str]]:
    """The plain-text variables of a workload's container, by name."""
    inside = workload.host
    hosts = [f"{inside}:{PORT}", inside, gateway.host, pulumi.Output.concat(gateway.host, ":*")]
    return {
        **workload.container.environment,
        "MCP_ALLOWED_HOSTS": pulumi.Output.all(*hosts).apply(",".join),
        "MCP_ALLOWED_ORIGINS": gateway.url,
    }
