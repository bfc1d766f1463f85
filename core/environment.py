"""The environment of a workload: the contract that one image finds on every target."""

import json
from collections.abc import Mapping

from core.config.model import Agent, Fleet, Server, Storage, Target
from core.contract import PORT
from core.sidecars import network_edges
from core.targets.aws_lambda.limits import mount_path
from core.timeouts import Chain

REQUEST_STATE_KEY = "REQUEST_STATE_KEY"
"""Where a server finds the key that all copies of it share to seal the state of a request."""

SECRET_REFERENCES = "SECRET_REFERENCES"
"""Where a workload that fetches its secrets itself finds where they are: JSON, the parameters of
Secrets Manager's GetSecretValue by the variable that the workload wants the value in."""

RESERVED = frozenset(
    {
        "AUTH_AUDIENCE",
        "AUTH_ISSUER",
        "CHAT_ENDPOINT",
        "FILES_DIR",
        "INSTRUCTIONS",
        "KEEP_ALIVE_SECONDS",
        "MCP_ALLOWED_HOSTS",
        "MCP_ALLOWED_ORIGINS",
        "MAX_REQUEST_SECONDS",
        "MAX_TURNS",
        "MCP_SERVERS",
        "MCP_SERVERS_AUTH",
        "MCP_SESSIONS",
        "MODELS",
        "PORT",
        SECRET_REFERENCES,
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
    *,
    sidecar_port: int | None = None,
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
        sidecar_port: Where a sidecar listens; only its agent reaches it.
    """
    used_by_agents = any(server == workload for _, server in network_edges(fleet))
    auth = None if used_by_agents or sidecar_port else fleet.gateway.auth
    result = dict(load.environment) | {
        "PORT": str(sidecar_port or PORT),
        "KEEP_ALIVE_SECONDS": str(timeouts.server_keep_alive_seconds),
        "MAX_REQUEST_SECONDS": str(timeouts.max_request_seconds),
        "STOP_TIMEOUT_SECONDS": str(timeouts.server_grace_seconds),
    }
    if auth:
        result |= {"AUTH_ISSUER": auth.issuer, "AUTH_AUDIENCE": auth.audience}
    if load.storage:
        result["FILES_DIR"] = files_dir(fleet, load.storage)
    if isinstance(load, Agent):
        result |= {
            "INSTRUCTIONS": load.instructions,
            "MAX_TURNS": str(load.max_turns),
            "MODELS": ",".join(load.models),
            **servers_environment(fleet, load, addresses),
        }
    else:
        result["MCP_SESSIONS"] = load.sessions.value
    return result


def servers_environment(fleet: Fleet, agent: Agent, addresses: Mapping[str, str]) -> dict[str, str]:
    """What tells an agent its servers, and how to show them who it is."""
    servers = {name: addresses[name] for name in agent.uses}
    signs = {"MCP_SERVERS_AUTH": "sigv4"} if fleet.target is Target.LAMBDA else {}
    return {"MCP_SERVERS": json.dumps(servers), **signs}


def files_dir(fleet: Fleet, storage: Storage) -> str:
    """Where a workload sees its files on the fleet's target."""
    return mount_path(storage.mount) if fleet.target is Target.LAMBDA else storage.mount
