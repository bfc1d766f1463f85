"""Answers a question: ask the servers for their tools, plan, take the steps within the limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from common.tool_servers import Connect, Tool, call, reason, survey, text

from .planner import PREVIOUS, Step, plan

_MODEL = "offline-planner"


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """What the agent may use, and for how long.

    Attributes:
        servers: Name to URL of each server.
        models: Bedrock models that it is allowed to invoke; it invokes none yet.
        max_turns: The most tool calls for one question.
        max_seconds: The longest time for one question.
        server_seconds: The longest time for listing one server's tools.
    """

    servers: Mapping[str, str]
    models: list[str]
    max_turns: int
    max_seconds: int
    server_seconds: float


async def _survey(agent: Agent, connect: Connect) -> tuple[list[Tool], dict[str, Any]]:
    """Ask every server for its tools; one that does not answer is reported, not fatal."""
    found, absent = await survey(agent.servers, connect, agent.server_seconds)
    report: dict[str, Any] = {
        name: {"tools": sorted(tool.name for tool in found[name])}
        if name in found
        else {"error": f"cannot list its tools: {absent[name]}"}
        for name in agent.servers
    }
    return [tool for tools in found.values() for tool in tools], report


async def _take(agent: Agent, step: Step, previous: str | None, connect: Connect) -> dict[str, Any]:
    """Take one step; whatever goes wrong becomes its `error`."""
    taken: dict[str, Any] = {"clause": step.clause}
    if step.tool is not None:
        taken |= {"server": step.tool.server, "tool": step.tool.name}
    if step.tool is None or step.fault:
        return taken | {"error": step.fault}
    if previous is None and PREVIOUS in step.arguments.values():
        return taken | {"error": f"{PREVIOUS} stands for nothing: no step before gave a text"}
    arguments = {
        key: previous if value == PREVIOUS else value for key, value in step.arguments.items()
    }
    try:
        result = await call(agent.servers[step.tool.server], step.tool.name, arguments, connect)
    except Exception as error:
        return taken | {"error": f"the call failed: {reason(error)}"}
    return taken | {"error" if result.is_error else "text": text(result)}


async def answer(agent: Agent, question: str, connect: Connect) -> dict[str, Any]:
    """Answer a question with the servers' tools.

    Args:
        agent: What may be used.
        question: See `planner`.
        connect: Makes the transport to a server.

    Returns:
        `answer` (the steps' texts, or why there are none), `complete` (whether every step was
        taken without an error), `steps`, `servers` (tools or error of each), `stopped` (the limit
        that was met, or None) and `model`.
    """
    steps: list[dict[str, Any]] = []
    servers: dict[str, Any] = {name: {"error": "no answer in time"} for name in agent.servers}
    stopped: str | None = None
    with anyio.move_on_after(agent.max_seconds) as limit:
        tools, servers = await _survey(agent, connect)
        planned = plan(question, tools)
        if len(planned) > agent.max_turns:
            stopped = f"turn limit of {agent.max_turns} reached"
        for step in planned[: agent.max_turns]:
            previous = steps[-1].get("text") if steps else None
            steps.append(await _take(agent, step, previous, connect))
    if limit.cancelled_caught:
        stopped = f"time limit of {agent.max_seconds} s reached"
    lines = [step.get("text", f"{step['clause']}: {step.get('error')}") for step in steps]
    return {
        "answer": "\n".join(lines) or "nothing was done",
        "complete": bool(steps) and stopped is None and all("text" in step for step in steps),
        "steps": steps,
        "servers": servers,
        "stopped": stopped,
        "model": {
            "name": _MODEL,
            "allowed": agent.models,
            "note": "no model is called: tools are picked by the words of the question",
        },
    }
