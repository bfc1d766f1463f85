"""Answers a question with a model and the tools of the servers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from pydantic_ai import Agent as Runner
from pydantic_ai import AgentRunResultEvent, PartDeltaEvent, PartStartEvent, UsageLimits
from pydantic_ai import Tool as ModelTool
from pydantic_ai.exceptions import ToolFailed, UsageLimitExceeded
from pydantic_ai.messages import AgentStreamEvent, TextPart, TextPartDelta
from pydantic_ai.models import Model

from common.tool_servers import (
    MAX_RESULT_CHARACTERS,
    Connect,
    Tool,
    bounded,
    call,
    names,
    reason,
    survey,
    text,
)

from .models import FAILURES, failed

MAX_HISTORY_CHARACTERS = 400_000
"""The longest text of all results together: about 100,000 tokens, half of what most models take."""

Tell = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Told what happens: `tool`, a step that was taken; `text`, the next words of the answer."""


class NoServersError(Exception):
    """No server of the agent is reachable; the text names each with the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """The servers, the instructions and the limits of the agent.

    Attributes:
        servers: Name to URL of each server.
        instructions: The system prompt of the model.
        max_turns: The maximum number of tool calls for one question.
        max_seconds: The timeout of one question.
        server_seconds: The timeout for listing the tools of one server.
        reserve_seconds: The time before the end at which a call is cancelled, so that the model
            can still answer without its result.
    """

    servers: Mapping[str, str]
    instructions: str
    max_turns: int
    max_seconds: int
    server_seconds: float
    reserve_seconds: float


@dataclass(kw_only=True, slots=True)
class _Progress:
    """The state of an answer in progress."""

    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    servers: dict[str, Any]
    model: str
    said: str = ""
    answer: str | None = None
    stopped: str | None = None


async def silent(_event: str, _data: Mapping[str, Any]) -> None:
    """Discards progress."""


async def answer(
    agent: Agent, model: Model, question: str, connect: Connect, tell: Tell = silent
) -> dict[str, Any]:
    """Answers a question with a model and the servers' tools.

    Tool failures are reported to the model, which may try another approach.

    Args:
        agent: The servers and the limits.
        model: The model.
        question: The question.
        connect: Makes the transport to a server.
        tell: Called with each finished step and each part of the text.

    Returns:
        `answer`, `complete` (whether no limit was reached and no step failed), `steps` (each
        `server`, `tool`, `arguments`, and `text` or `error`), `servers` (the tools or the error of
        each), `stopped` (the limit that was reached, or None) and `model` (the one that answered,
        or all of them if none did).

    Raises:
        NoServersError: If there are servers and none is reachable.
        ModelFailedError: If the model fails.
    """
    progress = _Progress(
        servers={name: {"error": "no answer in time"} for name in agent.servers},
        model=model.model_name,
    )
    with anyio.move_on_after(agent.max_seconds) as limit:
        tools = await _survey(agent, connect, progress)
        last_call = limit.deadline - agent.reserve_seconds
        model_tools = [
            _model_tool(agent, name, tool, connect, last_call, tell, progress)
            for name, tool in names(tools).items()
        ]
        await _run(agent, model, question, model_tools, tell, progress)
    if limit.cancelled_caught:
        progress.stopped = f"time limit of {agent.max_seconds} s reached"
    return {
        "answer": progress.said if progress.answer is None else progress.answer,
        "complete": progress.stopped is None and not any("error" in s for s in progress.steps),
        "steps": progress.steps,
        "servers": progress.servers,
        "stopped": progress.stopped,
        "model": progress.model,
    }


async def _survey(agent: Agent, connect: Connect, progress: _Progress) -> list[Tool]:
    found, absent = await survey(agent.servers, connect, agent.server_seconds)
    progress.servers = {
        name: {"tools": sorted(tool.name for tool in found[name])}
        if name in found
        else {"error": f"cannot list its tools: {absent[name]}"}
        for name in agent.servers
    }
    if agent.servers and not found:
        told = "; ".join(f"{name}: {why}" for name, why in absent.items())
        raise NoServersError(f"no server is reachable: {told}")
    return [tool for tools in found.values() for tool in tools]


async def _run(
    agent: Agent,
    model: Model,
    question: str,
    tools: list[ModelTool[object]],
    tell: Tell,
    progress: _Progress,
) -> None:
    limits = UsageLimits(request_limit=agent.max_turns + 1, tool_calls_limit=agent.max_turns)
    runner = Runner(model, instructions=agent.instructions or None, tools=tools)
    try:
        async with runner.run_stream_events(question, usage_limits=limits) as events:
            async for event in events:
                if isinstance(event, AgentRunResultEvent):
                    progress.answer = event.result.output
                    progress.model = event.result.response.model_name or progress.model
                elif said := _words(event):
                    progress.said += said
                    await tell("text", {"text": said})
    except UsageLimitExceeded:
        progress.stopped = f"turn limit of {agent.max_turns} reached"
    except FAILURES as error:
        raise failed(model.model_name, error) from error


def _words(event: AgentStreamEvent) -> str:
    """The part of the answer in an event."""
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _model_tool(
    agent: Agent,
    name: str,
    tool: Tool,
    connect: Connect,
    last_call: float,
    tell: Tell,
    progress: _Progress,
) -> ModelTool[object]:
    characters = min(MAX_RESULT_CHARACTERS, MAX_HISTORY_CHARACTERS // agent.max_turns)

    async def use(**arguments: Any) -> str:  # noqa: ANN401 - as in the schema of the tool
        step: dict[str, Any] = {"server": tool.server, "tool": tool.name, "arguments": arguments}
        with anyio.CancelScope(deadline=last_call) as limit:
            try:
                result = await call(agent.servers[tool.server], tool.name, arguments, connect)
            except Exception as error:
                step["error"] = bounded(f"the call failed: {reason(error)}", characters)
            else:
                key = "error" if result.is_error else "text"
                step[key] = bounded(text(result), characters)
        if limit.cancelled_caught:
            step["error"] = "no result in time; the tool may have done its work"
        progress.steps.append(step)
        await tell("tool", step)
        if "error" in step:
            raise ToolFailed(step["error"])
        return step["text"]

    return ModelTool.from_schema(use, name, tool.description, dict(tool.schema))
