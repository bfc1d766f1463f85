"""The addresses of servers on Lambda: paths of the REST API that agents use."""

from collections.abc import Mapping
from typing import Final

from core.aws.partitions import service_host
from core.config.model import Agent, Fleet, Server
from core.discovery import server_path
from core.environment import servers_environment as _servers_environment

API_STAGE: Final = "live"
"""The stage that the APIs are deployed to. URLs with a custom domain do not contain its name."""

PLACEHOLDER_ID: Final = "0" * 10
"""The placeholder for the id of an API before AWS has chosen it. It has the same length."""

SERVERS_VARIABLES: Final = ("MCP_SERVERS", "MCP_SERVERS_AUTH")
"""The variables of `servers_environment`."""


def agents_have_an_api(fleet: Fleet) -> bool:
    """Whether agents reach servers through a separate REST API.

    Agents sign requests with AWS credentials. The gateway accepts these requests, except if it
    checks tokens or allows only some addresses.
    """
    return fleet.gateway.auth is not None or bool(fleet.gateway.allow_cidrs)


def api_host(region: str, api_id: str) -> str:
    """The host name of a REST or WebSocket API without a domain."""
    return f"{api_id}.{service_host('execute-api', region)}"


def expected_host(region: str) -> str:
    """The host name of an API without a domain, with the placeholder for its id."""
    return api_host(region, PLACEHOLDER_ID)


def expected_url(fleet: Fleet, region: str) -> str:
    """The URL of the API for agents, with the placeholder for its id if it has no domain."""
    if fleet.gateway.domain and not agents_have_an_api(fleet):
        return f"https://{fleet.gateway.domain}"
    return f"https://{expected_host(region)}/{API_STAGE}"


def server_address(api_url: str, name: str) -> str:
    """The address of a server for agents."""
    return f"{api_url}{server_path(name)}"


def server_addresses(fleet: Fleet, api_url: str) -> dict[str, str]:
    """The address of each server for agents, by name.

    Args:
        fleet: The fleet.
        api_url: The URL of the API for agents.
    """
    return {name: server_address(api_url, name) for name in fleet.servers}


def servers_environment(load: Server | Agent, addresses: Mapping[str, str]) -> dict[str, str]:
    """The variables with the servers that an agent uses. It signs its requests to them."""
    servers = _servers_environment(load, addresses)
    return servers | ({"MCP_SERVERS_AUTH": "sigv4"} if servers else {})
