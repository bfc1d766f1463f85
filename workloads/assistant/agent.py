"""The assistant: an agent over HTTP that answers with the tools of the fleet's MCP servers.

`POST /ask` takes `{"question": "…"}` and returns the answer with every step that led to it. It
knows no server but those of `MCP_SERVERS`. No model is called yet, whatever `MODELS` says: a
planner that needs none (`planner`) picks the tools, and the answer's `model` says so. Calling
Bedrock models comes with a later version.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecurityMiddleware
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common.json_log import log
from common.json_settings import faults
from common.runtime import start
from common.security import authentication, transport_security
from common.settings import whole_number
from common.tool_servers import Connect, connection, servers

from .answering import Agent, answer

_MAX_BODY_BYTES = 64 * 1024


class Question(BaseModel):
    """The body of `POST /ask`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Annotated[str, Field(min_length=1, max_length=4000)]


def _agent(env: Mapping[str, str]) -> Agent:
    seconds = whole_number(env, "MAX_REQUEST_SECONDS", 60, 1, 3970)
    return Agent(
        servers=servers(env),
        models=[model.strip() for model in env.get("MODELS", "").split(",") if model.strip()],
        max_turns=whole_number(env, "MAX_TURNS", 8, 1, 100),
        max_seconds=seconds,
        server_seconds=min(10, seconds / 2),  # one absent server must not use up all the time
    )


async def _reply(agent: Agent, connect: Connect, body: str | bytes) -> dict[str, Any]:
    """Answer a `Question` in JSON; raises `ValidationError` for anything else."""
    question = Question.model_validate_json(body).question
    result = await answer(agent, question, connect)
    fields = {"complete": result["complete"], "steps": len(result["steps"])}
    log.info("question answered", extra={"fields": fields})
    return result


def _ask(
    env: Mapping[str, str], agent: Agent, connect: Connect
) -> Callable[[Request], Awaitable[Response]]:
    headers = TransportSecurityMiddleware(transport_security(env))

    async def ask(request: Request) -> Response:
        refused = await headers.validate_request(request, is_post=True)
        if refused is not None:
            return refused
        try:
            return JSONResponse(await _reply(agent, connect, await request.body()))
        except ValidationError as error:
            return JSONResponse({"error": faults(error)}, status_code=400)

    return ask


def _events(env: Mapping[str, str], agent: Agent, connect: Connect) -> list[Route]:
    if not env.get("CHAT_ENDPOINT"):
        return []
    from .chat import MAX_EVENT_BYTES, receiver  # noqa: PLC0415 - botocore would slow other starts

    receive = receiver(env, partial(_reply, agent, connect))
    return [Route("/events", receive, methods=["POST"], middleware=[_limit(MAX_EVENT_BYTES)])]


def _limit(max_body_bytes: int) -> Middleware:
    return Middleware(RequestBodyLimitMiddleware, max_body_size=max_body_bytes)


def build(env: Mapping[str, str], connect: Connect | None = None) -> Starlette:
    """Make the assistant's ASGI application.

    Args:
        env: The variables of the workload contract, and `MAX_REQUEST_SECONDS` (60 if unset), the
            longest time for an answer (at most 3970, the platform's own bound: an ALB's idle time
            ends at 4000 s (ELB API reference, `idle_timeout.timeout_seconds`), less a margin of
            30), `MAX_TURNS` (8), the most tool calls for one, and what `chat.receiver` reads.
        connect: Makes the transport to a server, if not `tool_servers.connection` does.

    Returns:
        The application, serving `POST /ask`, `GET /health` and, with `CHAT_ENDPOINT`,
        `POST /events`.

    Raises:
        SettingError: If the environment is not right.
    """
    agent = _agent(env)
    connect = connect or connection(env)
    middleware: list[Middleware] = []
    guard: list[Middleware] = []
    routes: list[Route] = []
    auth = authentication(env)
    if auth is not None:
        verifier, settings = auth
        resource = settings.resource_server_url
        metadata = build_resource_metadata_url(resource) if resource else None
        guard.append(Middleware(RequireAuthMiddleware, [], metadata))
        if resource:
            routes += create_protected_resource_routes(resource, [settings.issuer_url])
        middleware += [
            Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(verifier)),
            Middleware(AuthContextMiddleware),
        ]

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "servers": sorted(agent.servers)})

    ask = _ask(env, agent, connect)
    routes += [
        Route("/ask", ask, methods=["POST"], middleware=[_limit(_MAX_BODY_BYTES), *guard]),
        *_events(env, agent, connect),
        Route("/health", health, methods=["GET"]),
    ]
    return Starlette(routes=routes, middleware=middleware)


def main() -> int:
    """Serve the assistant; see `runtime.start` for the exit status."""
    return start(build)


if __name__ == "__main__":
    sys.exit(main())
