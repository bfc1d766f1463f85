"""The assistant: an HTTP agent that answers with a model and the tools of the fleet's servers.

`POST /ask` accepts `{"question": "…"}` and returns the answer with its steps, as JSON or as
server-sent events. The servers are those of `MCP_SERVERS`, and the models those of `MODELS`.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio.to_thread
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecurityMiddleware
from pydantic import ValidationError
from pydantic_ai.models import Model
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from common.front import EVENTS_PATH, guarded
from common.json_log import log
from common.json_settings import faults
from common.runtime import start
from common.security import authentication, transport_security
from common.settings import whole_number
from common.tool_servers import Connect, connection, servers

from .answering import Agent, NoServersError, Tell, answer, silent
from .conversations import MAX_QUESTION_BYTES, Question, Reply, converse, server_sent_events
from .draining import DrainingWebSocket
from .models import ModelFailedError, bedrock

_EVENT_STREAM = "text/event-stream"


def _agent(env: Mapping[str, str]) -> Agent:
    seconds = whole_number(env, "MAX_REQUEST_SECONDS", 60, 1, 3970)
    return Agent(
        servers=servers(env),
        instructions=env.get("INSTRUCTIONS", ""),
        max_turns=whole_number(env, "MAX_TURNS", 8, 1, 100),
        max_seconds=seconds,
        # An unreachable server must not use all the time, nor a single call the time of the model.
        server_seconds=min(10, seconds / 2),
        reserve_seconds=min(10, seconds / 4),
    )


def _reply(agent: Agent, model: Callable[[], Model], connect: Connect) -> Reply:
    async def reply(question: str, tell: Tell) -> dict[str, Any]:
        # The first call looks for AWS credentials, over the network on some platforms.
        asked = await anyio.to_thread.run_sync(model)
        result = await answer(agent, asked, question, connect, tell)
        fields = {"complete": result["complete"], "steps": len(result["steps"])}
        log.info("question answered", extra={"fields": fields})
        return result

    return reply


def _ask(
    headers: TransportSecurityMiddleware, reply: Reply
) -> Callable[[Request], Awaitable[Response]]:
    async def ask(request: Request) -> Response:
        refused = await headers.validate_request(request, is_post=True)
        if refused is not None:
            return refused
        try:
            question = Question.model_validate_json(await request.body()).question
        except ValidationError as error:
            return JSONResponse({"error": faults(error)}, status_code=400)
        if _EVENT_STREAM in request.headers.get("accept", ""):
            return server_sent_events(reply, question)
        try:
            return JSONResponse(await reply(question, silent))
        except NoServersError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        except ModelFailedError as error:
            return JSONResponse({"error": str(error)}, status_code=502)

    return ask


def _chat(
    headers: TransportSecurityMiddleware, reply: Reply, challenge: str | None
) -> Callable[[WebSocket], Awaitable[None]]:
    async def chat(websocket: WebSocket) -> None:
        handshake = Request({**websocket.scope, "type": "http", "method": "GET"})
        refused = await headers.validate_request(handshake)
        if refused is None and challenge and not websocket.user.is_authenticated:
            refused = Response(status_code=401, headers={"WWW-Authenticate": challenge})
        if refused is not None:
            await websocket.send_denial_response(refused)
            return
        until = websocket.user.access_token.expires_at if challenge else None
        await converse(websocket, reply, until=until)

    return chat


def _events(env: Mapping[str, str], reply: Reply) -> list[Route]:
    if not env.get("CHAT_ENDPOINT"):
        return []
    from .chat import MAX_EVENT_BYTES, receiver  # noqa: PLC0415 - botocore would slow other starts

    receive = receiver(env, reply)
    return [Route(EVENTS_PATH, receive, methods=["POST"], middleware=[_limit(MAX_EVENT_BYTES)])]


def _limit(max_body_bytes: int) -> Middleware:
    return Middleware(RequestBodyLimitMiddleware, max_body_size=max_body_bytes)


def build(
    env: Mapping[str, str], connect: Connect | None = None, model: Model | None = None
) -> Starlette:
    """Make the assistant's ASGI application.

    Args:
        env: The variables of the workload contract, and `MAX_REQUEST_SECONDS` (60 if unset), the
            timeout of an answer (at most 3970, the platform's own limit: the idle timeout of an ALB
            is at most 4000 s (ELB API reference, `idle_timeout.timeout_seconds`), less a margin of
            30), `MAX_TURNS` (8), the maximum number of tool calls for one answer, and the variables
            of `chat.receiver`.
        connect: Makes the transport to a server; default: `tool_servers.connection`.
        model: The model; default: `models.bedrock`.

    Returns:
        The application, which serves `POST /ask`, the WebSocket `/chat`, `GET /health` and, with
        `CHAT_ENDPOINT`, `POST /events`.

    Raises:
        SettingError: If the environment is invalid.
    """
    agent = _agent(env)
    asked = (lambda: model) if model else bedrock(env)
    reply = _reply(agent, asked, connect or connection(env))
    headers = TransportSecurityMiddleware(transport_security(env))
    middleware: list[Middleware] = []
    guard: list[Middleware] = []
    routes: list[BaseRoute] = []
    challenge = None
    auth = authentication(env)
    if auth is not None:
        verifier, settings = auth
        resource = settings.resource_server_url
        metadata = build_resource_metadata_url(resource) if resource else None
        guard.append(Middleware(RequireAuthMiddleware, [], metadata))
        challenge = f'Bearer resource_metadata="{metadata}"' if metadata else "Bearer"
        if resource:
            routes += create_protected_resource_routes(resource, [settings.issuer_url])
        middleware += [
            Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(verifier)),
            Middleware(AuthContextMiddleware),
        ]

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "servers": sorted(agent.servers)})

    routes += [
        Route(
            "/ask",
            _ask(headers, reply),
            methods=["POST"],
            middleware=[_limit(MAX_QUESTION_BYTES), *guard],
        ),
        WebSocketRoute("/chat", _chat(headers, reply, challenge)),
        *_events(env, reply),
        Route("/health", health, methods=["GET"]),
    ]
    return guarded(Starlette(routes=routes, middleware=middleware), env)


def main() -> int:
    """Serve the assistant; see `runtime.start` for the exit status."""
    return start(build, "assistant", websockets=DrainingWebSocket)


if __name__ == "__main__":
    sys.exit(main())
