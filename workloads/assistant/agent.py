"""The assistant: an agent over HTTP that answers with the tools of the fleet's MCP servers.

`POST /ask` takes `{"question": "…"}` and returns the answer with every step that led to it. It
knows no server but those of `MCP_SERVERS`. No model is called yet, whatever `MODELS` says: a
planner that needs none (`planner`) picks the tools, and the answer's `model` says so. Calling
Bedrock models comes with a later version.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecurityMiddleware
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common.runtime import SettingError, log, start, whole_number
from common.security import authentication, transport_security

from .answering import Agent, Connect, answer

_MAX_BODY_BYTES = 64 * 1024
_URLS = TypeAdapter(dict[str, AnyHttpUrl])


class Question(BaseModel):
    """The body of `POST /ask`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Annotated[str, Field(min_length=1, max_length=4000)]


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors()
    )


def _servers(env: Mapping[str, str]) -> dict[str, str]:
    try:
        urls = _URLS.validate_json(env.get("MCP_SERVERS") or "{}")
    except ValidationError as error:
        raise SettingError(
            f"MCP_SERVERS must be a JSON object, server name to http(s) URL: {_faults(error)}"
        ) from error
    return {name: str(url) for name, url in urls.items()}


def _agent(env: Mapping[str, str]) -> Agent:
    seconds = whole_number(env, "MAX_REQUEST_SECONDS", 60, 1, 3970)
    return Agent(
        servers=_servers(env),
        models=[model.strip() for model in env.get("MODELS", "").split(",") if model.strip()],
        max_turns=whole_number(env, "MAX_TURNS", 8, 1, 100),
        max_seconds=seconds,
        server_seconds=min(10, seconds / 2),  # one absent server must not use up all the time
    )


def _ask(
    env: Mapping[str, str], agent: Agent, connect: Connect
) -> Callable[[Request], Awaitable[Response]]:
    headers = TransportSecurityMiddleware(transport_security(env))

    async def ask(request: Request) -> Response:
        refused = await headers.validate_request(request, is_post=True)
        if refused is not None:
            return refused
        try:
            body = Question.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": _faults(error)}, status_code=400)
        result = await answer(agent, body.question, connect)
        fields = {"complete": result["complete"], "steps": len(result["steps"])}
        log.info("question answered", extra={"fields": fields})
        return JSONResponse(result)

    return ask


def build(env: Mapping[str, str], connect: Connect = streamable_http_client) -> Starlette:
    """Make the assistant's ASGI application.

    Args:
        env: The variables of the workload contract, and `MAX_REQUEST_SECONDS` (60 if unset), the
            longest time for an answer (at most 3970, the platform's own bound: an ALB's idle time
            ends at 4000 s (ELB API reference, `idle_timeout.timeout_seconds`), less a margin of
            30), and `MAX_TURNS` (8), the most tool calls for one.
        connect: Makes the transport to a server.

    Returns:
        The application, serving `POST /ask` and `GET /health`.

    Raises:
        SettingError: If the environment is not right.
    """
    agent = _agent(env)
    middleware = [Middleware(RequestBodyLimitMiddleware, max_body_size=_MAX_BODY_BYTES)]
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
        Route("/ask", ask, methods=["POST"], middleware=guard),
        Route("/health", health, methods=["GET"]),
    ]
    return Starlette(routes=routes, middleware=middleware)


def main() -> int:
    """Serve the assistant; see `runtime.start` for the exit status."""
    return start(build)


if __name__ == "__main__":
    sys.exit(main())
