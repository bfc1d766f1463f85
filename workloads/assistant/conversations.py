"""Streaming interfaces: server-sent events and a WebSocket."""

import json
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
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

from common.ending import ending
from common.json_log import log
from common.json_settings import faults
from common.runtime import MAX_WEBSOCKET_BYTES

from .answering import NoServersError, Tell, silent
from .models import ModelFailedError

MAX_QUESTION_BYTES = 64 * 1024
"""The maximum size of a request with a question, on every endpoint."""

PING_SECONDS = 15
"""The interval of comments on a stream without data, so that no proxy closes it."""

IDLE_SECONDS = 600
"""How long a WebSocket may be silent: as long as API Gateway lets it (Developer Guide, "Quotas for
configuring and running a WebSocket API"), so that every target has the same bound."""

_PENDING_EVENTS = 16

# Starlette raises these when it sends to a disconnected client.
_GONE = (WebSocketDisconnect, WebSocketDisconnected)

# RFC 6455, section 7.4.1.
_GOING_AWAY = 1001
_NO_TEXT = 1003
_TOO_BIG = 1009
_NOT_ALLOWED = 1008
# "Service Restart" in IANA's registry of close codes, which RFC 6455 refers to.
_RESTART = 1012

WORKING_SECONDS = 240
"""How often a message is sent while an answer is being made, so that API Gateway does not close the
connection for its silence: twice within `IDLE_SECONDS`, should one be lost."""

_WORKING = {"working": True}
_CUT_OFF = {"error": "the agent was stopped before the answer was complete"}
_LAST_WORDS_SECONDS = 1

_UNEXPECTED = {"error": "internal error"}

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Sends a message of a WebSocket."""

Reply = Callable[[str, Tell], Awaitable[dict[str, Any]]]
"""From a question to its answer; raises what `answering.answer` raises."""


class Question(BaseModel):
    """The request body of a question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S")]


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a message; `failed` if the agent, not the client, caused an error."""

    message: dict[str, Any]
    failed: bool = False


async def answer_or_error(reply: Reply, message: str) -> Answer:
    """Answers a message with one message.

    Args:
        reply: Makes the answer.
        message: The JSON of a `Question`.

    Returns:
        The answer or an `error`.
    """
    size = len(message.encode())
    if size > MAX_QUESTION_BYTES:
        return Answer({"error": f"{size} bytes; a question can have {MAX_QUESTION_BYTES} at most"})
    try:
        return Answer(await reply(Question.model_validate_json(message).question, silent))
    except ValidationError as error:
        return Answer({"error": faults(error)})
    except (NoServersError, ModelFailedError) as error:
        return Answer({"error": str(error)}, failed=True)
    except Exception:
        log.exception("a question was not answered")
        return Answer(_UNEXPECTED, failed=True)


def within_limit(answer: Mapping[str, Any]) -> str:
    """An answer as the text of a WebSocket message.

    Args:
        answer: The answer.

    Returns:
        Its JSON, or that of an `error` if it has more than `MAX_WEBSOCKET_BYTES`.
    """
    text = json.dumps(answer, ensure_ascii=False)
    size = len(text.encode())
    if size <= MAX_WEBSOCKET_BYTES:
        return text
    told = f"the answer has {size} bytes; a message can have {MAX_WEBSOCKET_BYTES} at most"
    return json.dumps({"error": told})


def server_sent_events(reply: Reply, question: str) -> Response:
    """Streams an answer: the events `tool` and `text`, then `done` with the whole, or `error`.

    Args:
        reply: Makes the answer; it is cancelled if the client disconnects.
        question: The question.

    Returns:
        The response.
    """
    send, receive = anyio.create_memory_object_stream[dict[str, str]](_PENDING_EVENTS)
    return EventSourceResponse(
        _all(receive),
        data_sender_callable=partial(_send_events, send, reply, question),
        ping=PING_SECONDS,
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


@asynccontextmanager
async def working(send: Send) -> AsyncGenerator[None]:
    """Sends `{"working": true}` every `WORKING_SECONDS` while the context is open.

    Args:
        send: Sends a message; its exception cancels the body of the context.
    """

    async def repeat() -> None:
        while True:
            await anyio.sleep(WORKING_SECONDS)
            await send(_WORKING)

    async with anyio.create_task_group() as group:
        group.start_soon(repeat)
        yield
        group.cancel_scope.cancel()


async def converse(websocket: WebSocket, reply: Reply, *, until: float | None = None) -> None:
    """Answers the questions on a WebSocket, one at a time, each with one message.

    While an answer is in progress, `working` sends messages. The connection is closed with 1001
    after `IDLE_SECONDS` without a question or an answer, with 1003 for a message that is not text,
    with 1008 for a message after the token has expired, with 1009 for a message that is too long,
    and with 1012 on SIGTERM: immediately, or after the answer in progress.

    Args:
        websocket: The connection, not accepted yet.
        reply: Makes an answer; it is cancelled if the client disconnects.
        until: When the token of the connection expires, in seconds since 1970.
    """
    await websocket.accept()
    chat = _Chat(websocket, reply, until)
    try:
        code = await chat.held()
    except anyio.get_cancelled_exc_class():
        # The stop timeout is over. Without a close code, this would look like a network error.
        with chat.last_words():
            await websocket.close(_RESTART)
        raise
    if code is not None:
        with suppress(*_GONE):
            await websocket.close(code)


class _Chat:
    """Serves one connection until it is closed."""

    def __init__(self, websocket: WebSocket, reply: Reply, until: float | None) -> None:
        self._websocket = websocket
        self._reply = reply
        self._until = until
        self._told = ending(websocket.app)
        self._busy = anyio.Lock()
        self._idle = anyio.CancelScope()

    async def held(self) -> int | None:
        """Has questions answered; returns the close code, None if the client closed."""
        code: int | None = None
        async with anyio.create_task_group() as group:
            self._idle.deadline = anyio.current_time() + IDLE_SECONDS
            with self._idle:
                group.start_soon(self._end_when_free)
                code = await self._questions(group)
            group.cancel_scope.cancel()
        if self._idle.cancelled_caught:
            return _RESTART if self._told.is_set() else _GOING_AWAY
        return code

    @contextmanager
    def last_words(self) -> Generator[None]:
        """Gives messages that are sent during a cancellation a moment to leave."""
        with anyio.move_on_after(_LAST_WORDS_SECONDS, shield=True), suppress(*_GONE):
            yield

    async def _end_when_free(self) -> None:
        await self._told.wait()
        async with self._busy:
            self._idle.cancel()

    async def _questions(self, group: TaskGroup) -> int | None:
        """Has questions answered until a message is invalid; returns the close code."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            question = message.get("text")
            if question is None:
                return _NO_TEXT
            if len(question.encode()) > MAX_QUESTION_BYTES:
                return _TOO_BIG
            if self._until is not None and time.time() > self._until:
                return _NOT_ALLOWED
            if self._busy.locked():
                await self._send({"error": "the question before is not answered yet"})
            else:
                group.start_soon(self._respond, question)
                await anyio.lowlevel.checkpoint()

    async def _respond(self, question: str) -> None:
        async with self._busy:
            self._idle.deadline = math.inf
            try:
                async with working(self._send):
                    answer = await answer_or_error(self._reply, question)
                await self._send(answer.message)
            except anyio.get_cancelled_exc_class():
                if self._told.is_set():
                    with self.last_words():
                        await self._send(_CUT_OFF)
                raise
        self._idle.deadline = anyio.current_time() + IDLE_SECONDS

    async def _send(self, message: Mapping[str, Any]) -> None:
        with suppress(*_GONE):
            await self._websocket.send_text(within_limit(message))
