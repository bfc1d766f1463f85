"""Chat on Lambda: answers the messages of a WebSocket API on the connection of each message.

API Gateway invokes the agent's function asynchronously with each message, and Lambda Web Adapter
posts events that are not HTTP requests to `/events`. The answer is sent to the endpoint of the API.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, cast

import anyio
import anyio.to_thread
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.front import is_event, refuse_event
from common.json_log import log
from common.json_settings import faults
from common.settings import SettingError, https_url, needed

from .conversations import Reply, answer_or_error, within_limit, working

MAX_EVENT_BYTES = 1024 * 1024
"""AWS Lambda Developer Guide, "Lambda quotas": an asynchronous invocation."""

FAILED_STATUS = 599
"""What a failure is answered with. Lambda Web Adapter makes a function error of it, for which there
is an alarm, where `AWS_LWA_ERROR_STATUS_CODES` names it; no HTTP request gets it."""

_OBJECT = TypeAdapter(dict[str, Any])
_HTTP_FIELDS = frozenset({"httpMethod", "requestContext"})

_CONNECT_SECONDS = 2
_READ_SECONDS = 5
_ATTEMPTS = 2


class Message(BaseModel):
    """The event of an invocation: a connection, and the text of a message on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_=-]{1,128}$")]
    body: str


def receiver(env: Mapping[str, str], reply: Reply) -> Callable[[Request], Awaitable[Response]]:
    """Make the handler of `POST /events`.

    Args:
        env: `CHAT_ENDPOINT`, the https URL of the WebSocket API's stage, and `AWS_REGION`. The
            credentials come from the default chain of the AWS SDKs.
        reply: Makes the answer to the text of a message.

    Returns:
        The handler. It returns 200 if the answer was sent or the client has disconnected,
        `FAILED_STATUS` if there was no answer, if it could not be sent, or if an event is not a
        message, 400 for a request of the gateway that the adapter could not read, and 404 for a
        request that came in over HTTP.

    Raises:
        SettingError: If the environment is invalid.
    """
    post_to_connection = _post_to_connection(env)

    async def receive(request: Request) -> Response:
        body = await request.body()
        if not is_event(request) or _is_http(body):
            return await refuse_event(request)
        try:
            message = Message.model_validate_json(body)
        except ValidationError as error:
            log.warning("no message in an event", extra={"fields": {"reason": faults(error)}})
            return JSONResponse({"error": faults(error)}, FAILED_STATUS)
        try:
            failed = await _answered(post_to_connection, message, reply)
        except Exception:
            log.exception("an answer was not sent")
            failed = True
        return JSONResponse({}, FAILED_STATUS if failed else 200)

    return receive


async def _answered(
    post_to_connection: Callable[..., object], message: Message, reply: Reply
) -> bool:
    """Answers a message on its connection if it is open; returns whether the answer failed."""
    with anyio.CancelScope() as wanted:

        async def send(data: Mapping[str, Any]) -> None:
            text = within_limit(data).encode()
            if not await anyio.to_thread.run_sync(
                _posted, post_to_connection, message.connection_id, text
            ):
                wanted.cancel()

        async def send_if_possible(data: Mapping[str, Any]) -> None:
            try:
                await send(data)
            except (BotoCoreError, ClientError) as error:
                fields = {"error": type(error).__name__}
                log.warning("a keep-alive message was not sent", extra={"fields": fields})

        async with working(send_if_possible):
            answer = await answer_or_error(reply, message.body)
        await send(answer.message)
        return answer.failed
    return False


def _is_http(event: bytes) -> bool:
    """Whether an event is a request of API Gateway (proxy integration, input format)."""
    try:
        return not _HTTP_FIELDS.isdisjoint(_OBJECT.validate_json(event))
    except ValidationError:
        return False


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


def _posted(post_to_connection: Callable[..., object], connection_id: str, data: bytes) -> bool:
    """Sends data on a connection; returns whether it is open."""
    try:
        post_to_connection(ConnectionId=connection_id, Data=data)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "GoneException":
            raise
        log.info("the client disconnected before the answer")
        return False
    return True
