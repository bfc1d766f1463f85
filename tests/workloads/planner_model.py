"""The sandbox's planner (sandbox/serve/bedrock/planner.py) as the model of an agent in a test."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from sandbox.serve.bedrock.planner import converse


def planner() -> FunctionModel:
    """A model that does what the clauses of a question say."""
    return FunctionModel(stream_function=_stream, model_name="planner")


async def _stream(
    messages: Sequence[ModelMessage], info: AgentInfo
) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
    tools = [
        {
            "toolSpec": {
                "name": tool.name,
                "description": tool.description,
                "inputSchema": {"json": tool.parameters_json_schema},
            }
        }
        for tool in info.function_tools
    ]
    request = {"messages": _converse(messages), "toolConfig": {"tools": tools}}
    for index, block in enumerate(converse(request)["output"]["message"]["content"]):
        if "toolUse" in block:
            use = block["toolUse"]
            yield {
                index: DeltaToolCall(
                    name=use["name"],
                    json_args=json.dumps(use["input"]),
                    tool_call_id=use["toolUseId"],
                )
            }
        else:
            yield block["text"]


def _converse(messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
    """Messages as Converse has them, as far as the planner reads them."""
    result: list[dict[str, Any]] = []
    for message in messages:
        blocks: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, UserPromptPart | TextPart):
                blocks.append({"text": str(part.content)})
            elif isinstance(part, ToolCallPart):
                blocks.append({"toolUse": {"name": part.tool_name}})
            elif isinstance(part, ToolReturnPart):
                status = "success" if part.outcome == "success" else "error"
                content = [{"text": str(part.content)}]
                blocks.append({"toolResult": {"status": status, "content": content}})
        role = "user" if message.kind == "request" else "assistant"
        result.append({"role": role, "content": blocks})
    return result
