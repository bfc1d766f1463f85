"""The environment of a workload's container."""

import pulumi

from components.gateway.gateway import Gateway
from core.contract import PORT
from core.environment import environment
from core.resolved import ResolvedFleet, Workload


def plain_variables(
    fleet: ResolvedFleet, workload: Workload, gateway: Gateway
) -> dict[str, pulumi.Input[str]]:
    """The variables in plain text of a workload's container, by name."""
    addresses = {server: fleet.workloads[server].address for server in workload.callees}
    inside = workload.host
    hosts = [f"{inside}:{PORT}", inside, gateway.host, pulumi.Output.concat(gateway.host, ":*")]
    return {
        **environment(
            fleet.config, workload.name, workload.config, workload.container.timeouts, addresses
        ),
        "MCP_ALLOWED_HOSTS": pulumi.Output.all(*hosts).apply(",".join),
        "MCP_ALLOWED_ORIGINS": gateway.url,
    }
