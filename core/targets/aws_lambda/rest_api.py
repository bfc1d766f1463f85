"""The routes of the REST APIs before a fleet on Lambda.

One API is the gateway. It checks tokens, or else wants requests that are signed with AWS
credentials (SigV4). Agents sign theirs: where the gateway is not for them, a second API is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from core.config.model import Agent, Fleet
from core.discovery import METADATA_PATH, agent_path, agents_have_an_api, server_path
from core.targets.aws_lambda.limits import MAX_EXPRESS_SECONDS


class Answer(Enum):
    """What answers a route."""

    WORKLOAD = auto()
    """The workload's function."""
    NOT_ALLOWED = auto()
    """405: a stream that a client leaves open would cost money until it is closed."""
    METADATA = auto()
    """The protected-resource metadata, without authentication."""
    START = auto()
    """The workload's state machine: starts an execution."""
    STATUS = auto()
    """The workload's state machine: returns the status of an execution."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method at one path.

    Attributes:
        path: The path, as API Gateway writes it: `/agents/assistant/{proxy+}`.
        method: The HTTP method, or `ANY` for all that have no route of their own.
        answer: What answers.
        workload: Whose function or state machine that is; None for the gateway's own answers.
    """

    path: str
    method: str
    answer: Answer
    workload: str | None = None


def gateway_routes(fleet: Fleet) -> list[Route]:
    """The routes of the gateway; where agents use it too, also to servers that are not exposed."""
    routes = [
        route
        for name, server in fleet.servers.items()
        if server.expose or not agents_have_an_api(fleet)
        for route in _server(name)
    ]
    for name, agent in fleet.agents.items():
        if agent.expose:
            routes += _agent(name, agent, fleet)
    if fleet.gateway.auth:
        routes += [
            Route(path=path, method="GET", answer=Answer.METADATA)
            for path in (METADATA_PATH, f"{METADATA_PATH}/{{proxy+}}")
        ]
    return routes


def internal_routes(fleet: Fleet) -> list[Route]:
    """The routes of the API for agents: none where the gateway is that one too."""
    if not agents_have_an_api(fleet):
        return []
    return [route for name in fleet.servers for route in _server(name)]


def resources(routes: Sequence[Route]) -> list[str]:
    """Every path of the routes and every path above it, the root left out, parents first."""
    paths = {
        "/".join(parts[:length])
        for parts in (route.path.split("/") for route in routes)
        for length in range(2, len(parts) + 1)
    }
    return sorted(paths)


def answers_at_once(agent: Agent) -> bool:
    """Whether a state machine is quick enough for its caller to wait: it is express then.

    Others are standard: `ask` starts them, and a path of its own says how far they are.
    """
    return agent.max_request_seconds <= MAX_EXPRESS_SECONDS


def agents_take_requests(fleet: Fleet) -> bool:
    """Whether the gateway hands all kinds of requests to an agent: those in containers get them."""
    return any(
        agent.expose and not fleet.is_state_machine(agent) for agent in fleet.agents.values()
    )


def _server(name: str) -> Iterator[Route]:
    path = server_path(name)
    yield Route(path=path, method="POST", answer=Answer.WORKLOAD, workload=name)
    yield Route(path=path, method="ANY", answer=Answer.NOT_ALLOWED, workload=name)


def _agent(name: str, agent: Agent, fleet: Fleet) -> Iterator[Route]:
    path = agent_path(name)
    if fleet.is_state_machine(agent):
        yield Route(path=f"{path}/ask", method="POST", answer=Answer.START, workload=name)
        if not answers_at_once(agent):
            yield Route(
                path=f"{path}/executions/{{id}}", method="GET", answer=Answer.STATUS, workload=name
            )
    else:
        for place in (path, f"{path}/{{proxy+}}"):
            yield Route(path=place, method="ANY", answer=Answer.WORKLOAD, workload=name)
