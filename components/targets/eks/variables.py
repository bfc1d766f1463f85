"""The environment of a workload's container."""

import pulumi

from components.gateway.gateway import Gateway
from core.discovery import server_addresses
from core.environment import environment
from core.fleet import PORT, Agent, Fleet, Server
from core.kubernetes import service_host
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
    inside = service_host(fleet, workload)
    hosts = [f"{inside}:{PORT}", inside, gateway.host, pulumi.Output.concat(gateway.host, ":*")]
    return {
        **environment(fleet, workload, load, timeouts, server_addresses(fleet, stack)),
        "MCP_ALLOWED_HOSTS": pulumi.Output.all(*hosts).apply(",".join),
        "MCP_ALLOWED_ORIGINS": gateway.url,
    }
