"""The environment variables of a workload, which are the same on every target."""

import json
from collections.abc import Mapping

from core.config.model import Agent, Authentication, Server
from core.contract import PORT
from core.timeouts import Chain

REQUEST_STATE_KEY = "REQUEST_STATE_KEY"
"""The variable with the key that all replicas of a server share to seal the request state."""

SECRET_REFERENCES = "SECRET_REFERENCES"
"""The variable of a workload that reads its secrets from Secrets Manager itself. Its value is JSON:
for each variable of a secret, the parameters of GetSecretValue."""

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
"""The variables that the platform sets. A configuration must not set them."""


def variable(secret: str) -> str:
    """The variable with the value of a secret: `NOTES_API_KEY` for `notes-api-key`."""
    return secret.upper().replace("-", "_")


def environment(
    load: Server | Agent,
    *,
    timeouts: Chain,
    port: int = PORT,
    auth: Authentication | None = None,
    files_path: str | None = None,
) -> dict[str, str]:
    """The variables of a container in plain text, except its allowed hosts and an agent's servers.

    Args:
        load: The workload.
        timeouts: Its timeouts.
        port: The port that it listens on.
        auth: The tokens that it checks itself, if it does.
        files_path: The path of its files, if it has any.
    """
    result = dict(load.environment) | {
        "PORT": str(port),
        "KEEP_ALIVE_SECONDS": str(timeouts.server_keep_alive_seconds),
        "MAX_REQUEST_SECONDS": str(timeouts.max_request_seconds),
        "STOP_TIMEOUT_SECONDS": str(timeouts.server_grace_seconds),
    }
    if auth:
        result |= {"AUTH_ISSUER": auth.issuer, "AUTH_AUDIENCE": auth.audience}
    if files_path:
        result["FILES_DIR"] = files_path
    if isinstance(load, Agent):
        result |= {
            "INSTRUCTIONS": load.instructions,
            "MAX_TURNS": str(load.max_turns),
            "MODELS": ",".join(load.models),
        }
    else:
        result["MCP_SESSIONS"] = load.sessions.value
    return result


def servers_environment(load: Server | Agent, addresses: Mapping[str, str]) -> dict[str, str]:
    """The variables with the servers that an agent uses; none for a server.

    Args:
        load: The workload.
        addresses: Where it reaches each server, by name.
    """
    if not isinstance(load, Agent):
        return {}
    return {"MCP_SERVERS": json.dumps({name: addresses[name] for name in load.uses})}
