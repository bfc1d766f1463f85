"""Where workloads are found: addresses, the discovery document, a ready client configuration."""

import json
from collections.abc import Mapping, Sequence

from core.fleet import PORT, Authentication, Fleet
from core.stack import Stack

# Systems Manager API reference, PutParameter: 4 KB a standard parameter, which costs nothing.
PARAMETER_BYTES = 4096


def server_address(stack: Stack, name: str) -> str:
    """Where a server's `/mcp` is reached from inside: by its name in the stack's namespace."""
    return f"http://{name}.{stack.namespace}:{PORT}/mcp"


def server_path(name: str) -> str:
    """The path of a server at the gateway."""
    return f"/servers/{name}/mcp"


def agent_path(name: str) -> str:
    """The path of an agent at the gateway."""
    return f"/agents/{name}"


def documents(fleet: Fleet, stack: Stack) -> list[str]:
    """The discovery document: servers' addresses from inside, agents' paths at the gateway.

    Returns:
        JSON objects with `servers` and `agents`, sorted by name. One, of at most 4096 bytes, for
        all but the largest fleets; then several, which together hold every entry once, and each
        but the last names the parameter that holds the `next`.
    """
    entries = [("servers", name, server_address(stack, name)) for name in sorted(fleet.servers)]
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
    """The name of the parameter that holds the document, or one of its further parts."""
    first = f"{stack.path}/discovery"
    return first if number == 1 else f"{first}-{number}"


def _page(entries: Sequence[tuple[str, str, str]], following: str | None) -> str:
    page: dict[str, object] = {
        section: {name: address for part, name, address in entries if part == section}
        for section in ("servers", "agents")
    }
    return json.dumps(page | ({"next": following} if following else {}), separators=(",", ":"))


def protected_resource_metadata(auth: Authentication, url: str) -> str:
    """What tells clients where to get a token (RFC 9728, Protected Resource Metadata)."""
    metadata: dict[str, object] = {
        "resource": url,
        "authorization_servers": [auth.issuer],
        "bearer_methods_supported": ["header"],
    }
    if auth.scopes:
        metadata["scopes_supported"] = list(auth.scopes)
    return json.dumps(metadata, separators=(",", ":"))


def client_configuration(servers: Mapping[str, str]) -> str:
    """An `.mcp.json` for MCP clients, from each server's address at the gateway."""
    return json.dumps(
        {"mcpServers": {name: {"type": "http", "url": url} for name, url in servers.items()}},
        indent=2,
    )
