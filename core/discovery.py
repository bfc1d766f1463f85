"""The addresses of workloads, the discovery document and the client configuration."""

import json
from collections.abc import Mapping, Sequence

from core.config.model import Authentication, Fleet
from core.contract import MCP_PATH, PORT
from core.stack import Stack
from core.timeouts import MARGIN_SECONDS
from core.units import MILLISECONDS_A_SECOND

# Systems Manager API reference, PutParameter: a standard parameter, which is free, has up to 4 KB.
PARAMETER_BYTES = 4096

# RFC 9728, "OAuth 2.0 Protected Resource Metadata": the document is at this path, or at this
# path followed by the path of the resource. Clients of MCP 2026-07-28 request both.
METADATA_PATH = "/.well-known/oauth-protected-resource"

# PyPI, "MCP Proxy for AWS", by AWS.
_PROXY = "mcp-proxy-for-aws==1.7.0"


def mcp_url(host: str, port: int = PORT) -> str:
    """The URL of a server's MCP endpoint at a host in the network."""
    return f"http://{host}:{port}{MCP_PATH}"


def server_path(name: str) -> str:
    """The path of a server at the gateway."""
    return f"/servers/{name}{MCP_PATH}"


def agent_path(name: str) -> str:
    """The path of an agent at the gateway."""
    return f"/agents/{name}"


def chat_address(gateway_url: str, agent: str) -> str:
    """The WebSocket URL of an agent's chat, if the gateway forwards WebSockets to the agent."""
    return f"ws{gateway_url.removeprefix('http')}{agent_path(agent)}/chat"


def documents(fleet: Fleet, stack: Stack, addresses: Mapping[str, str]) -> list[str]:
    """The discovery document: the internal addresses of servers, the gateway paths of agents.

    Args:
        fleet: The fleet.
        stack: The stack.
        addresses: The address of each server for agents, by name.

    Returns:
        JSON objects with `servers` and `agents`, sorted by name, of at most 4096 bytes each. Most
        fleets need only one. With several, each entry is in one of them, and each of them except
        the last has `next`, the name of the next parameter.
    """
    entries = [("servers", name, addresses[name]) for name in sorted(addresses)]
    entries += [
        ("agents", name, agent_path(name))
        for name, agent in sorted(fleet.agents.items())
        if agent.expose
    ]
    pages: list[list[tuple[str, str, str]]] = [[]]
    for entry in entries:
        if len(_page([*pages[-1], entry], parameter(stack, len(pages) + 1))) > PARAMETER_BYTES:
            pages.append([])
        pages[-1].append(entry)
    return [
        _page(page, parameter(stack, number + 1) if number < len(pages) else None)
        for number, page in enumerate(pages, start=1)
    ]


def parameter(stack: Stack, number: int = 1) -> str:
    """The name of the parameter with a page of the document."""
    first = f"{stack.path}/discovery"
    return first if number == 1 else f"{first}-{number}"


def _page(entries: Sequence[tuple[str, str, str]], following: str | None) -> str:
    page: dict[str, object] = {
        section: {name: address for part, name, address in entries if part == section}
        for section in ("servers", "agents")
    }
    return json.dumps(page | ({"next": following} if following else {}), separators=(",", ":"))


def protected_resource_metadata(auth: Authentication, url: str) -> str:
    """The Protected Resource Metadata (RFC 9728), which names the issuer of tokens for clients."""
    metadata: dict[str, object] = {
        "resource": url,
        "authorization_servers": [auth.issuer],
        "bearer_methods_supported": ["header"],
    }
    if auth.scopes:
        metadata["scopes_supported"] = list(auth.scopes)
    return json.dumps(metadata, separators=(",", ":"))


def client_configuration(
    fleet: Fleet, stack: Stack, servers: Mapping[str, str], *, signed: bool
) -> str:
    """An `.mcp.json` for MCP clients, with the address of each server at the gateway.

    If the gateway requires requests that are signed with AWS credentials, clients start AWS's proxy
    for MCP, which signs them.

    Args:
        fleet: The fleet.
        stack: The stack.
        servers: The URL of each server at the gateway, by name.
        signed: Whether requests must be signed.
    """
    return json.dumps(
        {
            "mcpServers": {
                name: _entry(url, stack, fleet.servers[name].max_request_seconds, signed=signed)
                for name, url in servers.items()
            }
        },
        indent=2,
    )


def _entry(url: str, stack: Stack, max_request_seconds: int, *, signed: bool) -> dict[str, object]:
    """The entry of a server, with a timeout that is longer than its longest request.

    `timeout` is the timeout of one tool call in milliseconds. Claude Code, Gemini CLI, Kiro and
    GitHub Copilot support it. Other clients ignore it.
    """
    seconds = max_request_seconds + MARGIN_SECONDS
    limit = {"timeout": seconds * MILLISECONDS_A_SECOND}
    if not signed:
        return {"type": "http", "url": url, **limit}
    signing = ["--service", "execute-api", "--region", stack.region]
    # By default, the proxy ends a call after 300 s, and a response after 120 s without data.
    waiting = ["--read-timeout", str(seconds), "--tool-timeout", str(seconds)]
    return {"command": "uvx", "args": [_PROXY, url, *signing, *waiting], **limit}
