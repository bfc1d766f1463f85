"""Answers that are streamed: server-sent events, and a WebSocket."""

import json
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sse_starlette import EventSourceResponse
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from common.json_log import log
from common.json_settings import faults

from .answering import NoServersError, Tell, silent
from .models import ModelFailedError

MAX_QUESTION_BYTES = 64 * 1024
"""The longest question with what is around it, on every way in."""

PING_SECONDS = 15
"""How often a stream on which nothing happens gets a comment, so that nobody takes it for dead."""

IDLE_SECONDS = 600
"""How long a WebSocket may be silent: as long as API Gateway lets it (Developer Guide, "Quotas for
configuring and running a WebSocket API"), so that every target has the same bound."""

_PENDING_EVENTS = 16

# What Starlette raises the first time that something is sent to nobody, and from then on.
_GONE = (WebSocketDisconnect, WebSocketDisconnected)

# RFC 6455, section 7.4.1.
_GOING_AWAY = 1001
_NO_TEXT = 1003
_TOO_BIG = 1009
_NOT_ALLOWED = 1008

_UNEXPECTED = {"error": "internal error"}

Reply = Callable[[str, Tell], Awaitable[dict[str, Any]]]
"""From a question to its answer; raises what `answering.answer` raises."""


class Question(BaseModel):
    """What is sent to the agent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S")]


async def answer_or_error(reply: Reply, message: str) -> dict[str, Any]:
    """Answers a message by one message.

    Args:
        reply: Makes the answer.
        message: The JSON of a `Question`.

    Returns:
        The answer, or the `error` in its place.
    """
    size = len(message.encode())
    if size > MAX_QUESTION_BYTES:
        return {"error": f"{size} bytes; a question can have {MAX_QUESTION_BYTES} at most"}
    try:
        return await reply(Question.model_validate_json(message).question, silent)
    except ValidationError as error:
        return {"error": faults(error)}
    except (NoServersError, ModelFailedError) as error:
        return {"error": str(error)}
    except Exception:
        log.exception("a question was not answered")
        return _UNEXPECTED


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
        ping=PING_SECONDS,
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
        except Exception:
            log.exception("a question was not answered")
            await tell("error", _UNEXPECTED)


async def converse(websocket: WebSocket, reply: Reply, *, until: float | None = None) -> None:
    """Answers the questions that come over a WebSocket, one at a time, each by one message.

    It closes the connection with 1001 after `IDLE_SECONDS` in which nothing is asked or answered,
    with 1003 for a message that is no text, with 1008 for one after the token's time, and with 1009
    for one that is too long.

    Args:
        websocket: The connection, not accepted yet.
        reply: Makes an answer; it is ended if the client goes away.
        until: When the token ends that it was opened with, in seconds since 1970.
    """
    await websocket.accept()
    code: int | None = _GOING_AWAY
    async with anyio.create_task_group() as group:
        with anyio.move_on_after(IDLE_SECONDS) as idle:
            code = await _questions(websocket, reply, group, idle, until)
        group.cancel_scope.cancel()
    if code is not None:
        with suppress(*_GONE):
            await websocket.close(code)


async def _questions(
    websocket: WebSocket,
    reply: Reply,
    group: TaskGroup,
    idle: anyio.CancelScope,
    until: float | None,
) -> int | None:
    """Has questions answered until a message is none; returns the code of that, None at the end."""
    busy = anyio.Lock()

    async def send(message: Mapping[str, Any]) -> None:
        with suppress(*_GONE):
            await websocket.send_json(message)

    async def respond(question: str) -> None:
        async with busy:
            idle.deadline = math.inf
            await send(await answer_or_error(reply, question))
        idle.deadline = anyio.current_time() + IDLE_SECONDS

    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        question = message.get("text")
        if question is None:
            return _NO_TEXT
        if len(question.encode()) > MAX_QUESTION_BYTES:
            return _TOO_BIG
        if until is not None and time.time() > until:
            return _NOT_ALLOWED
        if busy.locked():
            await send({"error": "the question before is not answered yet"})
        else:
            group.start_soon(respond, question)
            await anyio.lowlevel.checkpoint()
