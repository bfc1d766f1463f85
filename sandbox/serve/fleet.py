"""The deployed workloads, as the reader of each target finds them in the cloud.

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
"""An ASGI application. `source(scope)` says who asks."""

OPERATOR = "operator"
"""The caller through the loopback entry, with the operator's network and credentials."""

GATEWAY = "gateway"
"""Who asks a workload on behalf of a client: the load balancer."""


LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""The hosts by which a request means the machine, task or pod itself."""


class DeployedError(Exception):
    """What is deployed cannot be run; the text says what, where and what fixes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One container of a workload.

    Attributes:
        name: The workload's name; of a sidecar `agent/server`, of a platform's own function
            `authorizer` or `agent/tools`.
        image: The image's reference as deployed, `repository@sha256:…`.
        entry_point: What replaces the image's ENTRYPOINT, or None.
        arguments: What replaces the image's CMD, or None.
        environment: As deployed, with the secrets that the platform puts in.
        files: Folder of a mount, as the container sees it, to `file-system-id/path/of/the/root`.
        port: The port that the container listens on, or None for a function without a web server.
        health_path: What is asked on the port, or None.
        health_seconds: How long it may take to become healthy.
        stop_seconds: From SIGTERM to SIGKILL.
        replicas: How many run at once, as deployed.
        named_by_health: Whether the workload's private name leads to healthy replicas only.
        kind: `task`, `function` or `pod`, as the target calls it.
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
    """Whether the role of a process may do an action on a resource, with the request's keys."""

    def __call__(
        self, source: str, action: str, resource: str, context: Context | None = None, /
    ) -> bool:
        """Decides it."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """What the cloud has.

    Attributes:
        target: `ecs`, `eks` or `lambda`.
        region: The AWS region.
        entry: The gateway's URL, such as `https://mcp.example.com`, that the loopback entry
            stands for.
        processes: What runs, in a stable order.
        resolve: From who asks, a host and a port to the process that answers there, or None. Only
            names of workloads; the gateway's and AWS's hosts have applications of their own.
        refusal: From who asks (a process or `GATEWAY`), a process and a port to the reason why
            the deployed security groups or network policies do not let it through, or None.
        allows: Whether the role of a process may do an action on a resource (an ARN), with the
            condition keys of the request. The operator may do everything.
        to_gateway: From a process and a port to the reason why it is not let through to the load
            balancer that is the gateway, or None. A REST API is in no network.
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
        """The base URL, `http://127.0.0.1:port`, of a healthy replica, each in turn, or None."""
        ...

    def named(self, name: str) -> str | None:
        """The base URL of a replica that the workload's private name leads to, each in turn."""
        ...


def source(scope: Scope) -> str:
    """Who asks: a process's name, or `OPERATOR`."""
    return scope.get("state", {}).get("source", OPERATOR)
