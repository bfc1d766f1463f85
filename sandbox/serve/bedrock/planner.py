"""A deterministic planner in place of a model.

A question is a list of clauses (`now timezone=Asia/Tokyo; then add a note name=x text='buy milk'`).
Each clause calls the tool whose name, server and parameters have the most words in common with it.
Arguments are written `key=value`; `$previous` is the text of the previous call's result. Requests
and responses are those of Bedrock's Converse (Amazon Bedrock API reference).
"""

import json
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from sandbox.values.tree import part, parts

PREVIOUS = "$previous"
"""The argument that stands for the text of the previous call's result."""

_SCANNED = re.compile(r"""=(?:"[^"]*"|'[^']*')|;|\n|\bthen\b|.""", re.IGNORECASE)
_ENDS = frozenset({";", "\n", "then"})
_ARGUMENT = re.compile(r"""(\w+)=("[^"]*"|'[^']*'|\S+)""")
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_WORD = re.compile(r"[a-z0-9]+")
_SHORTEST_WORD = 3
# A word of the tool's name counts most. A match in the description alone is not enough.
_NAME_WEIGHT, _SERVER_WEIGHT, _PARAMETER_WEIGHT, _DESCRIPTION_WEIGHT = 6, 4, 4, 1
_LEAST_SCORE = 6
_PIECE_WORDS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tool:
    """A tool of the request; its name is `server__tool`."""

    name: str
    description: str
    schema: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return part(self.schema, "properties")


def converse(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answers a request of Converse.

    Args:
        request: The request's body.

    Returns:
        The response's body: the next call of a tool, or the answer.
    """
    content = _next(request)
    calls = any("toolUse" in block for block in content)
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use" if calls else "end_turn",
        "usage": _usage(request, content),
        "metrics": {"latencyMs": 0},
    }


def converse_stream(request: Mapping[str, Any]) -> Generator[tuple[str, dict[str, Any]]]:
    """Answers a request of ConverseStream.

    Args:
        request: The request's body.

    Yields:
        The events, type and content, in their order.
    """
    content = _next(request)
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(content):
        if "toolUse" in block:
            use = block["toolUse"]
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
            delta: dict[str, Any] = {"toolUse": {"input": json.dumps(use["input"])}}
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        else:
            for piece in _pieces(block["text"]):
                delta = {"text": piece}
                yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
    calls = any("toolUse" in block for block in content)
    yield "messageStop", {"stopReason": "tool_use" if calls else "end_turn"}
    yield "metadata", {"usage": _usage(request, content), "metrics": {"latencyMs": 0}}


def _pieces(text: str) -> list[str]:
    words = re.findall(r"\S*\s*", text)
    return [
        "".join(words[i : i + _PIECE_WORDS]) for i in range(0, len(words), _PIECE_WORDS) if words[i]
    ]


def _usage(request: Mapping[str, Any], content: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The number of words, in place of tokens."""
    given, made = len(str(request.get("messages")).split()), len(str(content).split())
    return {"inputTokens": given, "outputTokens": made, "totalTokens": given + made}


def _next(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The next message: the call for the first clause without one, or the results of all."""
    messages = parts(request, "messages")
    question, results = _history(messages)
    tools = [_tool(one) for one in parts(part(request, "toolConfig"), "tools") if "toolSpec" in one]
    done = iter(results)
    said: list[str] = []
    for clause in _clauses(question):
        tool = _fitting(clause, tools)
        if tool is None:
            said.append(f"{clause}: no tool fits this")
        elif (result := next(done, None)) is not None:
            status, text = result
            said.append(f"{clause}: {text}" if status == "error" else text)
        else:
            previous = results[-1][1] if results else ""
            calls = sum("toolUse" in block for one in messages for block in parts(one, "content"))
            use = {
                # Call ids are unique in a conversation.
                "toolUseId": f"tooluse_{calls + 1}",
                "name": tool.name,
                "input": _arguments(clause, tool, previous),
            }
            return [{"toolUse": use}]
    return [{"text": "\n".join(said).strip() or "nothing was asked"}]


def _history(messages: Sequence[Mapping[str, Any]]) -> tuple[str, list[tuple[str, str]]]:
    """The last question, and the status and text of the call results after it."""
    question, results = "", list[tuple[str, str]]()
    for message in messages:
        for block in parts(message, "content"):
            if message["role"] == "user" and "text" in block:
                question, results = str(block["text"]), []
            elif "toolResult" in block:
                result = block["toolResult"]
                text = "\n".join(_text(one) for one in parts(result, "content"))
                results.append((str(result.get("status") or "success"), text))
    return question, results


def _text(block: Mapping[str, Any]) -> str:
    if "text" in block:
        return str(block["text"])
    value: object = block.get("json")
    if isinstance(value, dict):
        told = cast("dict[str, object]", value)
        value = told.get("return_value", told)
    return value if isinstance(value, str) else json.dumps(value)


def _tool(one: Mapping[str, Any]) -> _Tool:
    spec = part(one, "toolSpec")
    return _Tool(
        name=str(spec["name"]),
        description=str(spec.get("description") or ""),
        schema=part(spec, "inputSchema", "json"),
    )


def _clauses(question: str) -> list[str]:
    clauses = [""]
    for piece in _SCANNED.findall(question):
        if piece.lower() in _ENDS:
            clauses.append("")
        else:
            clauses[-1] += piece
    return [stripped for clause in clauses if (stripped := clause.strip(" ,.?!"))]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _score(tool: _Tool, words: set[str], keys: set[str]) -> int:
    long_words = {word for word in words if len(word) >= _SHORTEST_WORD}
    server, _, name = tool.name.rpartition("__")
    return (
        _NAME_WEIGHT * len(_words(name.replace("_", " ")) & words)
        + _SERVER_WEIGHT * len(_words(server) & words)
        + _PARAMETER_WEIGHT * len(keys & set(tool.parameters))
        + _DESCRIPTION_WEIGHT * len(_words(tool.description) & long_words)
    )


def _given(clause: str) -> dict[str, str]:
    return {
        # An unclosed quote is an ordinary character.
        key: value[1:-1] if _QUOTED.fullmatch(value) else value.rstrip(",")
        for key, value in _ARGUMENT.findall(clause)
    }


def _fitting(clause: str, tools: Sequence[_Tool]) -> _Tool | None:
    words, keys = _words(_ARGUMENT.sub(" ", clause)), set(_given(clause))
    ranked = sorted(tools, key=lambda tool: (-_score(tool, words, keys), tool.name))
    return ranked[0] if ranked and _score(ranked[0], words, keys) >= _LEAST_SCORE else None


def _arguments(clause: str, tool: _Tool, previous: str) -> dict[str, Any]:
    return {
        key: _converted(
            previous if value == PREVIOUS else value, part(tool.parameters, key).get("type")
        )
        for key, value in _given(clause).items()
    }


def _converted(value: str, kind: object) -> Any:  # noqa: ANN401 - a JSON value of any kind
    """Converts a written value to the type of the schema; it stays a string if it cannot be."""
    if kind == "boolean" and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    made: int | float | str = value
    with suppress(ValueError):
        if kind == "integer":
            made = int(value)
        elif kind == "number":
            made = float(value)
    # JSON has no infinity and no NaN.
    return value if isinstance(made, float) and not isfinite(made) else made
