"""The resolved fleet: what follows from a configuration on its target, worked out once.

`core.targets.resolve` makes it after parsing. Components read it and derive nothing again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.config.model import Agent, Chat, Fleet, Server
from core.environment import variable
from core.sidecars import network_edges
from core.stack import Stack
from core.timeouts import Chain, alb_idle_seconds


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of a workload: its own, or a sidecar.

    Attributes:
        name: The name of the server or agent that runs in it.
        config: The configuration of that server or agent.
        port: The port that it listens on.
        timeouts: Its timeouts.
        secrets: The declared secrets that it reads, by the variable that holds each value.
    """

    name: str
    config: Server | Agent
    port: int
    timeouts: Chain
    secrets: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A server or an agent that runs by itself.

    Attributes:
        name: Its name.
        config: Its configuration.
        containers: Its own container, then its sidecars in their order.
        cpu: CPU units of all containers, 1024 a vCPU.
        memory_mib: Memory of all containers in MiB, as the target provides it.
        callers: The agents that call it over the network, in the order of the configuration.
        callees: The servers that it calls over the network.
        host: Its DNS name in the network. Empty on Lambda, where functions have none.
        address: Where agents reach its MCP endpoint. Empty for agents, and on Lambda, where AWS
            chooses the host of the API.
        namespace: Its namespace in Kubernetes. Empty on the other targets.
        is_in_network: Whether it runs in the network of the fleet.
        files_path: The path of its files. None without storage.
    """

    name: str
    config: Server | Agent
    containers: tuple[Container, ...]
    cpu: int
    memory_mib: int
    callers: tuple[str, ...]
    callees: tuple[str, ...]
    host: str = ""
    address: str = ""
    namespace: str = ""
    is_in_network: bool = True
    files_path: str | None = None

    @property
    def container(self) -> Container:
        """Its own container."""
        return self.containers[0]

    @property
    def sidecars(self) -> tuple[Container, ...]:
        """Its sidecars."""
        return self.containers[1:]

    @property
    def is_autoscaled(self) -> bool:
        """Whether the number of its replicas follows its load."""
        return self.config.replicas.min < self.config.replicas.max


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Who calls whom over the network.

    Attributes:
        edges: Every (agent, server) pair.
        callers: The agents that call each server, by server.
        callees: The servers that each agent calls, by agent.
    """

    edges: tuple[tuple[str, str], ...]
    callers: Mapping[str, tuple[str, ...]]
    callees: Mapping[str, tuple[str, ...]]


def graph(fleet: Fleet) -> Graph:
    """Work out who calls whom; an agent and its sidecars need no network."""
    edges = tuple(network_edges(fleet))
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


def load_balancer_idle_seconds(fleet: Fleet) -> int:
    """The idle time of the load balancer: it outlasts the longest request of what is exposed."""
    return alb_idle_seconds(
        load.max_request_seconds for _, load in fleet.workloads() if load.expose
    )


def declared_secrets(load: Server | Agent) -> dict[str, str]:
    """The declared secrets that a workload reads, by the variable that holds each value."""
    return {variable(secret): secret for secret in load.secrets}


@dataclass(frozen=True, kw_only=True)
class ResolvedFleet:
    """A fleet on its target.

    Attributes:
        config: The configuration.
        stack: The stack that it is deployed as.
        workloads: What runs by itself, by name, in the order of the configuration. A server that
            runs as sidecars only is not among them.
        graph: Who calls whom over the network.
    """

    config: Fleet
    stack: Stack
    workloads: Mapping[str, Workload]
    graph: Graph

    @property
    def namespaces(self) -> dict[str, list[Workload]]:
        """The workloads of each namespace in Kubernetes, in the order of the configuration."""
        result: dict[str, list[Workload]] = {}
        for workload in self.workloads.values():
            result.setdefault(workload.namespace, []).append(workload)
        return result

    @property
    def server_addresses(self) -> dict[str, str]:
        """Where agents reach each server over the network, by name; on Lambda, none is known."""
        return {name: each.address for name, each in self.workloads.items() if each.address}

    @property
    def chats(self) -> list[str]:
        """The agents that people chat with through the gateway."""
        return [
            name
            for name, agent in self.config.agents.items()
            if agent.expose and agent.chat is Chat.WEBSOCKET
        ]
