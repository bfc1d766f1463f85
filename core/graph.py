"""The graph of a fleet: which agents call which servers over the network."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.config.model import Fleet


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The calls over the network.

    Attributes:
        edges: Every pair (agent, server), in the order of the configuration.
        callers: The agents that call each server, by server.
        callees: The servers that each agent calls, by agent.
    """

    edges: tuple[tuple[str, str], ...]
    callers: Mapping[str, tuple[str, ...]]
    callees: Mapping[str, tuple[str, ...]]


def graph(fleet: Fleet) -> Graph:
    """Builds the graph from `uses`. Sidecars are excluded: their agent calls them on localhost."""
    edges = tuple(
        (name, server)
        for name, agent in fleet.agents.items()
        for server in agent.uses
        if server not in agent.sidecars
    )
    callers: dict[str, list[str]] = {}
    callees: dict[str, list[str]] = {}
    for agent, server in edges:
        callers.setdefault(server, []).append(agent)
        callees.setdefault(agent, []).append(server)
    return Graph(
        edges=edges,
        callers={name: tuple(agents) for name, agents in callers.items()},
        callees={name: tuple(servers) for name, servers in callees.items()},
    )
