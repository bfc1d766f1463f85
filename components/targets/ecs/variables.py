"""The environment of a workload's container."""

import pulumi

from components.foundation import Foundation
from components.foundation.vault import Stored
from components.gateway import Gateway
from core.discovery import server_address
from core.environment import REQUEST_STATE_KEY, environment, variable
from core.fleet import PORT, Agent, Fleet, Server
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
    addresses = {name: server_address(stack, name) for name in fleet.servers}
    inside = f"{workload}.{stack.namespace}"
    hosts = [f"{inside}:{PORT}", inside, gateway.host, pulumi.Output.concat(gateway.host, ":*")]
    return {
        **environment(fleet, workload, load, timeouts, addresses),
        "MCP_ALLOWED_HOSTS": pulumi.Output.all(*hosts).apply(",".join),
        "MCP_ALLOWED_ORIGINS": gateway.url,
    }


def secrets(workload: str, load: Server | Agent, foundation: Foundation) -> dict[str, Stored]:
    """The secrets it reads, by the variable that ECS puts each value in when the task starts."""
    vault = foundation.vault
    read = {variable(secret): vault.declared[secret] for secret in load.secrets}
    if isinstance(load, Server):
        read[REQUEST_STATE_KEY] = vault.request_state[workload]
    return read
