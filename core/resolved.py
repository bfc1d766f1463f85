"""The resolved fleet: all values that are derived from a configuration for its target.

`core.targets.dispatch.resolve` creates it after parsing. Components read these values and do not
derive them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from core.config.enums import Chat
from core.config.model import Agent, Authentication, Fleet, Server
from core.discovery import documents
from core.environment import variable
from core.graph import Graph
from core.network.egress import Egress, callers
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
        environment: Its variables in plain text, except those with names or addresses that AWS
            chooses.
    """

    name: str
    config: Server | Agent
    port: int
    timeouts: Chain
    secrets: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A server or an agent that is not only a sidecar.

    Attributes:
        name: Its name.
        config: Its configuration.
        containers: Its own container, then its sidecars in their order.
        cpu: CPU units of all containers, 1024 a vCPU.
        memory_mib: Memory of all containers in MiB, as the target provides it.
        callers: The agents that call it over the network, in the order of the configuration.
        callees: The servers that it calls over the network.
        host: Its DNS name in the network. Empty on Lambda, where functions have none.
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


def load_balancer_idle_seconds(fleet: Fleet) -> int:
    """The idle time of the load balancer: longer than the longest request of exposed workloads."""
    return alb_idle_seconds(
        load.max_request_seconds for _, load in fleet.workloads() if load.expose
    )


def authentication(fleet: Fleet, graph: Graph, workload: str) -> Authentication | None:
    """The tokens that a workload checks itself, behind the gateway; None if it checks none.

    Agents have no token. A workload that agents call therefore checks none: the network allows only
    these agents and the gateway to call it.
    """
    return None if workload in graph.callers else fleet.gateway.auth


def declared_secrets(load: Server | Agent) -> dict[str, str]:
    """The declared secrets that a workload reads, by the variable that holds each value."""
    return {variable(secret): secret for secret in load.secrets}


@dataclass(frozen=True, kw_only=True)
class ResolvedFleet:
    """A fleet on its target.

    Attributes:
        config: The configuration.
        stack: The stack that it is deployed as.
        workloads: The workloads, by name, in the order of the configuration. Servers that run only
            as sidecars are not included.
        graph: The calls over the network.
        egress: The egress of the workloads.
        server_addresses: The address of each server for agents, by name. On Lambda, the id of the
            API, which AWS chooses, is replaced by zeros of the same length.
        clients_sign: Whether clients sign requests to the gateway with AWS credentials.
    """

    config: Fleet
    stack: Stack
    workloads: Mapping[str, Workload]
    graph: Graph
    egress: Egress
    server_addresses: dict[str, str]
    clients_sign: bool = False

    @cached_property
    def namespaces(self) -> dict[str, list[Workload]]:
        """The workloads of each namespace in Kubernetes, in the order of the configuration."""
        result: dict[str, list[Workload]] = {}
        for workload in self.workloads.values():
            result.setdefault(workload.namespace, []).append(workload)
        return result

    @cached_property
    def gateway_callers(self) -> tuple[str, ...]:
        """The IPv4 blocks that may call the load balancer, each once."""
        return tuple(dict.fromkeys(callers(self.config)))

    @cached_property
    def load_balancer_idle_seconds(self) -> int:
        """The idle time of the load balancer."""
        return load_balancer_idle_seconds(self.config)

    @cached_property
    def discovery_documents(self) -> list[str]:
        """The pages of the discovery document with `server_addresses`."""
        return documents(self.config, self.stack, self.server_addresses)

    @cached_property
    def chats(self) -> list[str]:
        """The agents that people chat with through the gateway."""
        return [
            name
            for name, agent in self.config.agents.items()
            if agent.expose and agent.chat is Chat.WEBSOCKET
        ]
