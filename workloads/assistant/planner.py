"""A planner without a model: the same question always makes the same tool calls.

A question is a row of clauses (`now timezone=Asia/Tokyo; then add a note name=x text='buy milk'`).
Each clause calls the tool whose name, server and parameters it shares most words with; arguments
are written `key=value`, and `$previous` stands for the text that the clause before gave.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.tool_servers import Tool

PREVIOUS = "$previous"
"""The argument that stands for the text of the step before."""

_SCANNED = re.compile(r"""=(?:"[^"]*"|'[^']*')|;|\n|\bthen\b|.""", re.IGNORECASE)
_ENDS = frozenset({";", "\n", "then"})
_ARGUMENT = re.compile(r"""(\w+)=("[^"]*"|'[^']*'|\S+)""")
_WORD = re.compile(r"[a-z0-9]+")
_SHORTEST_WORD = 3
# A word of the tool's name counts most; a description alone, all of it small talk, never decides.
_NAME_WEIGHT, _SERVER_WEIGHT, _PARAMETER_WEIGHT, _DESCRIPTION_WEIGHT = 6, 4, 4, 1
_LEAST_SCORE = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One clause and what to do about it: a call, or the reason why there is none."""

    clause: str
    tool: Tool | None
    arguments: Mapping[str, Any]
    fault: str | None


def plan(question: str, tools: Sequence[Tool]) -> list[Step]:
    """Turn a question into tool calls.

    Args:
        question: One or more clauses, separated by `;`, a line break or the word "then".
        tools: What can be called.

    Returns:
        A step for each clause, in order.
    """
    return [_step(clause, tools) for clause in _clauses(question)]


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


def _parameters(tool: Tool) -> Mapping[str, Mapping[str, Any]]:
    return tool.schema.get("properties", {})


def _score(tool: Tool, words: set[str], keys: set[str]) -> int:
    long_words = {word for word in words if len(word) >= _SHORTEST_WORD}
    return (
        _NAME_WEIGHT * len(_words(tool.name.replace("_", " ")) & words)
        + _SERVER_WEIGHT * len(_words(tool.server) & words)
        + _PARAMETER_WEIGHT * len(keys & set(_parameters(tool)))
        + _DESCRIPTION_WEIGHT * len(_words(tool.description) & long_words)
    )


def _unquoted(value: str) -> str:
    return value[1:-1] if value[0] in "\"'" else value.rstrip(",")


def _step(clause: str, tools: Sequence[Tool]) -> Step:
    given = {key: _unquoted(value) for key, value in _ARGUMENT.findall(clause)}
    words = _words(_ARGUMENT.sub(" ", clause))
    ranked = sorted(
        tools, key=lambda tool: (-_score(tool, words, set(given)), tool.server, tool.name)
    )
    if not ranked or _score(ranked[0], words, set(given)) < _LEAST_SCORE:
        return Step(clause=clause, tool=None, arguments={}, fault="no tool fits this")
    tool = ranked[0]
    arguments = {
        key: _converted(value, _parameters(tool).get(key, {}).get("type"))
        for key, value in given.items()
    }
    return Step(clause=clause, tool=tool, arguments=arguments, fault=_fault(tool, given))


def _fault(tool: Tool, given: Mapping[str, str]) -> str | None:
    parameters = sorted(_parameters(tool))
    unknown = sorted(set(given) - set(parameters))
    missing = sorted(set(tool.schema.get("required", ())) - set(given))
    if not unknown and not missing:
        return None
    parts = [f"{name} is no parameter" for name in unknown] + [f"{n} is missing" for n in missing]
    return f"{', '.join(parts)} (parameters of {tool.name}: {', '.join(parameters) or 'none'})"


def _converted(value: str, kind: object) -> Any:  # noqa: ANN401 - a JSON value of any kind
    """Give a written value the type that the schema asks for; what does not fit stays text."""
    if kind == "boolean" and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    for number, make in (("integer", int), ("number", float)):
        if kind == number:
            try:
                return make(value)
            except ValueError:
                return value
    return value
