"""The deployed workloads, as the reader of each target reads them from the cloud.

A reader (`readers.ecs`, `readers.eks`, `readers.aws_lambda`) makes a `Fleet`, and the supervisor
(`processes.supervisor`) starts its processes. The applications answer requests by host: the load
balancer or API Gateway, AWS's APIs, issuers and the names of workloads.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.iam.evaluate import Context
from sandbox.profile import profile

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application. `source(scope)` is the caller."""

OPERATOR = "operator"
"""The caller through the loopback entry, with the operator's network and credentials."""

GATEWAY = "gateway"
"""The caller that forwards a client's request to a workload: the load balancer."""


LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""The hosts of the loopback interface of a machine, task or pod."""


class DeployedError(Exception):
    """The deployed resources cannot run. The message names the resource, the cause and the fix."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One container of a workload.

    Attributes:
        name: The workload's name. A sidecar is `agent/server`; a function of the platform is
            `authorizer` or `agent/tools`.
        image: The image's reference as deployed, `repository@sha256:…`.
        entry_point: The override of the image's ENTRYPOINT, or None.
        arguments: The override of the image's CMD, or None.
        environment: As deployed, with the secrets that the platform adds.
        files: Mount path in the container to `file-system-id/path/of/the/root`.
        port: The port that the container listens on, or None for a function without a web server.
        health_path: The path of the health check, or None.
        health_seconds: The timeout to become healthy.
        stop_seconds: The grace period from SIGTERM to SIGKILL.
        replicas: The number of replicas, as deployed.
        named_by_health: Whether the workload's private name resolves to healthy replicas only.
        kind: `task`, `function` or `pod`, as on the target.
    """

    name: str
    image: str
    entry_point: tuple[str, ...] | None = None
    arguments: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    port: int | None = field(default_factory=lambda: profile().port)
    health_path: str | None = field(default_factory=lambda: profile().health_path)
    health_seconds: float = 60
    stop_seconds: float = 30
    replicas: int = 1
    named_by_health: bool = True
    kind: str


class Allows(Protocol):
    """Decides whether the role of a process may perform an action on a resource."""

    def __call__(
        self, source: str, action: str, resource: str, context: Context | None = None, /
    ) -> bool:
        """Whether it may, with the condition keys of the request."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """The deployed workloads and their rules.

    Attributes:
        target: `ecs`, `eks` or `lambda`.
        region: The AWS region.
        entry: The gateway's URL, such as `https://mcp.example.com`, in place of which the loopback
            entry listens.
        processes: The processes, in a stable order.
        resolve: Maps a caller, a host and a port to the process that answers, or None. It resolves
            names of workloads only; the hosts of the gateway and of AWS have applications.
        refusal: Maps a caller (a process or `GATEWAY`), a process and a port to the reason why
            the deployed security groups or network policies do not allow the connection, or None.
        allows: Whether the role of a process may perform an action on a resource (an ARN), with the
            condition keys of the request. The operator is allowed every action.
        to_gateway: Maps a process and a port to the reason why it cannot connect to the load
            balancer that is the gateway, or None. A REST API is not in the network.
    """

    target: str
    region: str
    entry: str
    processes: tuple[Process, ...]
    resolve: Callable[[str, str, int], str | None]
    refusal: Callable[[str, str, int], str | None]
    allows: Allows
    to_gateway: Callable[[str, int], str | None] = lambda _source, _port: None


class Workloads(Protocol):
    """The processes that run; `processes.supervisor.Supervisor` is one."""

    def url(self, name: str) -> str | None:
        """The base URL, `http://127.0.0.1:port`, of a healthy replica (round robin), or None."""
        ...

    def named(self, name: str) -> str | None:
        """The base URL of a replica that the private name resolves to (round robin), or None."""
        ...


def source(scope: Scope) -> str:
    """The caller: a process's name, or `OPERATOR`."""
    return scope.get("state", {}).get("source", OPERATOR)
