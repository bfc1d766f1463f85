"""The environment of a workload: the contract that one image finds on every target."""

import json
from collections.abc import Mapping

from core.fleet import PORT, Agent, Fleet, Server
from core.timeouts import Chain

REQUEST_STATE_KEY = "REQUEST_STATE_KEY"
"""Where a server finds the key that all copies of it share to seal the state of a request."""

RESERVED = frozenset(
    {
        "AUTH_AUDIENCE",
        "AUTH_ISSUER",
        "KEEP_ALIVE_SECONDS",
        "MCP_ALLOWED_HOSTS",
        "MCP_ALLOWED_ORIGINS",
        "MAX_REQUEST_SECONDS",
        "MCP_SERVERS",
        "MCP_SESSIONS",
        "MODELS",
        "PORT",
        "STOP_TIMEOUT_SECONDS",
        REQUEST_STATE_KEY,
    }
)
"""The variables that the platform sets; no configuration may."""


def variable(secret: str) -> str:
    """The variable a secret is found in: `notes-api-key` in `NOTES_API_KEY`."""
    return secret.upper().replace("-", "_")


def environment(
    fleet: Fleet,
    workload: str,
    load: Server | Agent,
    timeouts: Chain,
    addresses: Mapping[str, str],
) -> dict[str, str]:
    """The plain variables of a workload, all but the allowed hosts, which the gateway knows.

    A workload checks tokens itself, behind the gateway that has checked them, unless agents call
    it too: they have none to show, and the network lets only them and the gateway through.

    Args:
        fleet: The fleet.
        workload: The name of one of its workloads.
        load: That workload.
        timeouts: Its timeouts.
        addresses: Where each server is reached from inside, by name.
    """
    used_by_agents = any(server == workload for _, server in fleet.edges())
    auth = None if used_by_agents else fleet.gateway.auth
    result = dict(load.environment) | {
        "PORT": str(PORT),
        "KEEP_ALIVE_SECONDS": str(timeouts.server_keep_alive_seconds),
        "MAX_REQUEST_SECONDS": str(timeouts.max_request_seconds),
        "STOP_TIMEOUT_SECONDS": str(timeouts.server_grace_seconds),
    }
    if auth:
        result |= {"AUTH_ISSUER": auth.issuer, "AUTH_AUDIENCE": auth.audience}
    if isinstance(load, Agent):
        servers = {name: addresses[name] for name in load.uses}
        result |= {"MCP_SERVERS": json.dumps(servers), "MODELS": ",".join(load.models)}
    else:
        result["MCP_SESSIONS"] = load.sessions.value
    return result
