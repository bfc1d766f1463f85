"""Chat: questions that come over a WebSocket, answered on the connection that they came from.

API Gateway invokes the agent's function with each message, without waiting, and Lambda Web Adapter
posts what is no HTTP request to `/events`. The answer goes back through the API's own endpoint.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, cast

import anyio.to_thread
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.json_log import log
from common.json_settings import faults
from common.runtime import MAX_WEBSOCKET_BYTES
from common.settings import SettingError, https_url, needed

from .conversations import Reply, answer_or_error

MAX_EVENT_BYTES = 1024 * 1024
"""AWS Lambda Developer Guide, "Lambda quotas": an asynchronous invocation."""

# Lambda Web Adapter writes the context of the gateway's request here, over whatever a caller sent,
# and `null` for what is no HTTP request (aws-lambda-web-adapter 1.0.0, src/lib.rs). Without the
# check, whoever may ask questions could write on other people's connections.
_CONTEXT_HEADER = "x-amzn-request-context"

_CONNECT_SECONDS = 2
_READ_SECONDS = 5
_ATTEMPTS = 2


class Message(BaseModel):
    """What the function is invoked with: a connection, and the text that was sent on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_=-]{1,128}$")]
    body: str


def receiver(env: Mapping[str, str], reply: Reply) -> Callable[[Request], Awaitable[Response]]:
    """Make the handler of `POST /events`.

    Args:
        env: `CHAT_ENDPOINT`, the https URL of the WebSocket API's stage, and `AWS_REGION`. The
            credentials are found as every AWS SDK finds them.
        reply: From a message's text to its answer.

    Returns:
        The handler. It answers 200 when the answer was sent or nobody is there for it anymore,
        400 for an event that is no message, and 404 to whatever came as an HTTP request.

    Raises:
        SettingError: If the environment is not right.
    """
    post_to_connection = _post_to_connection(env)

    async def receive(request: Request) -> Response:
        if request.headers.get(_CONTEXT_HEADER) != "null":
            return Response(status_code=404)
        try:
            message = Message.model_validate_json(await request.body())
        except ValidationError as error:
            log.warning("no message in an event", extra={"fields": {"reason": faults(error)}})
            return JSONResponse({"error": faults(error)}, status_code=400)
        answer = await answer_or_error(reply, message.body)
        await anyio.to_thread.run_sync(
            _post, post_to_connection, message.connection_id, _within_limit(answer)
        )
        return JSONResponse({})

    return receive


def _post_to_connection(env: Mapping[str, str]) -> Callable[..., object]:
    region = needed(env, "AWS_REGION", "CHAT_ENDPOINT")
    endpoint = https_url(env["CHAT_ENDPOINT"], "CHAT_ENDPOINT")
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    try:
        client = Session().create_client(
            "apigatewaymanagementapi", region_name=region, endpoint_url=endpoint, config=config
        )
    except BotoCoreError as error:
        raise SettingError(f"AWS_REGION is {region!r}: {error}") from error
    return cast("Any", client).post_to_connection


def _within_limit(answer: Mapping[str, Any]) -> bytes:
    data = json.dumps(answer, ensure_ascii=False).encode()
    if len(data) <= MAX_WEBSOCKET_BYTES:
        return data
    told = f"the answer has {len(data)} bytes; a message can have {MAX_WEBSOCKET_BYTES} at most"
    return json.dumps({"error": told}).encode()


def _post(post_to_connection: Callable[..., object], connection_id: str, data: bytes) -> None:
    try:
        post_to_connection(ConnectionId=connection_id, Data=data)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "GoneException":
            raise
        log.info("nobody is there for the answer anymore")
