"""Answers that are streamed: server-sent events, and a WebSocket."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sse_starlette import EventSourceResponse
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from common.json_settings import faults

from .answering import ModelFailedError, NoServersError, Tell, silent

MAX_MESSAGE_BYTES = 64 * 1024
"""The longest question with what is around it, on every way in."""

_PING_SECONDS = 15
_PENDING_EVENTS = 16
_TOO_BIG = 1009  # RFC 6455, section 7.4.1

Reply = Callable[[str, Tell], Awaitable[dict[str, Any]]]
"""From a question to its answer; raises what `answering.answer` raises."""


class Question(BaseModel):
    """What is sent to the agent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Annotated[str, Field(min_length=1, max_length=4000)]


async def answer_or_error(reply: Reply, message: str) -> dict[str, Any]:
    """Answers a message by one message.

    Args:
        reply: Makes the answer.
        message: The JSON of a `Question`.

    Returns:
        The answer, or the `error` in its place.
    """
    try:
        return await reply(Question.model_validate_json(message).question, silent)
    except ValidationError as error:
        return {"error": faults(error)}
    except (NoServersError, ModelFailedError) as error:
        return {"error": str(error)}


def server_sent_events(reply: Reply, question: str, max_seconds: int) -> Response:
    """Streams an answer as it is made: events `tool` and `text`, and `done` with all, or `error`.

    Args:
        reply: Makes the answer; it is ended if the client goes away.
        question: The question.
        max_seconds: The longest time for an answer, which is also let to finish when the process
            is to end.

    Returns:
        The response.
    """
    send, receive = anyio.create_memory_object_stream[dict[str, str]](_PENDING_EVENTS)
    return EventSourceResponse(
        _all(receive),
        data_sender_callable=partial(_send_events, send, reply, question),
        ping=_PING_SECONDS,
        shutdown_grace_period=max_seconds,
        headers={"X-Accel-Buffering": "no"},
    )


async def _all(
    receive: MemoryObjectReceiveStream[dict[str, str]],
) -> AsyncGenerator[dict[str, str]]:
    async with receive:
        async for event in receive:
            yield event


async def _send_events(
    send: MemoryObjectSendStream[dict[str, str]], reply: Reply, question: str
) -> None:
    async def tell(event: str, data: Mapping[str, Any]) -> None:
        await send.send({"event": event, "data": json.dumps(data)})

    async with send:
        try:
            await tell("done", await reply(question, tell))
        except (NoServersError, ModelFailedError) as error:
            await tell("error", {"error": str(error)})


async def converse(websocket: WebSocket, reply: Reply) -> None:
    """Answers the questions that come over a WebSocket, one at a time, each by one message.

    Args:
        websocket: The connection, not accepted yet.
        reply: Makes an answer; it is ended if the client goes away.
    """

    async def respond(question: str) -> None:
        async with busy:
            await websocket.send_json(await answer_or_error(reply, question))

    busy = anyio.Lock()
    await websocket.accept()
    async with anyio.create_task_group() as group:
        try:
            while True:
                question = await websocket.receive_text()
                if len(question.encode()) > MAX_MESSAGE_BYTES:
                    await websocket.close(_TOO_BIG)
                    break
                if busy.locked():
                    await websocket.send_json({"error": "the question before is not answered yet"})
                else:
                    group.start_soon(respond, question)
                    await anyio.lowlevel.checkpoint()
        except WebSocketDisconnect:
            pass
        group.cancel_scope.cancel()
