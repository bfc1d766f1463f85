"""Runs a state machine's definition without AWS: what ours uses of the Amazon States Language.

The query language is JSONata. A field that is not known here is refused rather than ignored, and
so are payloads over Step Functions' quota. Tasks do not run in parallel, and nobody waits between
attempts: how long Step Functions would, at most, is noted.
"""

import json
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException

MAX_PAYLOAD_BYTES = 262_144

_FIELDS = {
    "Pass": {"Assign", "Output", "Next", "End"},
    "Choice": {"Choices", "Default"},
    "Task": {
        "Resource", "Arguments", "TimeoutSeconds", "Retry", "Catch", "Assign", "Output", "Next"
    },
    "Map": {"Items", "MaxConcurrency", "ItemProcessor", "Next"},
    "Succeed": {"Output"},
    "Fail": {"Error", "Cause"},
}  # fmt: skip
_RULE_FIELDS = {"Condition", "Assign", "Next"}
_CATCH_FIELDS = {"ErrorEquals", "Assign", "Output", "Next"}
_RETRY_FIELDS = {
    "ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds",
    "JitterStrategy",
}  # fmt: skip
# "Handling errors in Step Functions workflows": States.ALL matches neither of them.
_NOT_IN_ALL = {"States.DataLimitExceeded", "States.Runtime"}

Task = Callable[[Any], Any]
Scope = ChainMap[str, Any]


class StateError(Exception):
    """An error with a name and a cause; what a task raises to fail, States.Timeout included."""

    def __init__(self, name: str, cause: str = "") -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause


@dataclass
class Execution:
    """How an execution went: it has an output or an error.

    Attributes:
        output: the output of a Succeed state.
        error: the name of the error that it failed with.
        cause: that error's cause.
        path: the states in the order in which they were entered, those of Map items included.
        waits: the longest wait before each further attempt, in seconds.
    """

    output: Any = None
    error: str | None = None
    cause: str | None = None
    path: list[str] = field(default_factory=list[str])
    waits: list[float] = field(default_factory=list[float])


@dataclass(frozen=True)
class _Machine:
    tasks: Mapping[str, Task]
    execution: Execution


def run(definition: Mapping[str, Any], given: object, tasks: Mapping[str, Task]) -> Execution:
    """Runs an execution to its end.

    Args:
        definition: the state machine, with JSONata as its query language.
        given: the input.
        tasks: by resource, what takes a task's arguments and gives its result, or raises.
    """
    assert definition["QueryLanguage"] == "JSONata"
    assert 1 <= definition["TimeoutSeconds"] <= 99_999_999
    machine = _Machine(tasks, Execution())
    try:
        machine.execution.output = _states(machine, definition, given, ChainMap({}))
    except StateError as error:
        machine.execution.error, machine.execution.cause = error.name, error.cause
    return machine.execution


def expressions(value: object) -> list[str]:
    """Every JSONata expression in a definition, without what marks it as one."""
    if isinstance(value, Mapping):
        return [found for inner in value.values() for found in expressions(inner)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    if isinstance(value, list):
        return [found for inner in value for found in expressions(inner)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return [value[2:-2]]
    return []


def size_bytes(value: object) -> int:
    """How much of the quota a payload takes."""
    return len(_json(value).encode())


@cache
def parsed(expression: str) -> Jsonata:
    """A JSONata expression that can be evaluated; JException says why it cannot be read."""
    made: Any = Jsonata(expression)
    # jsonata-python's own writes \u escapes for all that is not ASCII, the specification does not.
    made.register_lambda("string", _json)
    return made


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _states(machine: _Machine, states: Mapping[str, Any], given: Any, scope: Scope) -> Any:
    name = states["StartAt"]
    while True:
        state = states["States"][name]
        machine.execution.path.append(name)
        _known(state, _FIELDS[state["Type"]] | {"Type"})
        match state["Type"]:
            case "Succeed":
                return _within(_evaluated(state["Output"], {"input": given}, scope))
            case "Fail":
                raise StateError(
                    _evaluated(state["Error"], {"input": given}, scope),
                    _evaluated(state["Cause"], {"input": given}, scope),
                )
            case "Choice":
                name = _choice(state, given, scope)
                continue
            case "Map":
                given = _map(machine, state, given, scope)
            case "Task":
                name, given = _task(machine, state, given, scope)
                continue
            case _:
                given = _left(state, {"input": given}, given, scope)
        if state.get("End"):
            return given
        name = state["Next"]


def _choice(state: Mapping[str, Any], given: Any, scope: Scope) -> str:
    for rule in state["Choices"]:
        _known(rule, _RULE_FIELDS)
        matches = _evaluated(rule["Condition"], {"input": given}, scope)
        if not isinstance(matches, bool):
            raise StateError("States.QueryEvaluationError", f"{rule['Condition']}: {matches}")
        if matches:
            _left(rule, {"input": given}, given, scope)
            return rule["Next"]
    return state["Default"]


def _map(machine: _Machine, state: Mapping[str, Any], given: Any, scope: Scope) -> Any:
    items = _evaluated(state["Items"], {"input": given}, scope)
    assert isinstance(items, list), f"Items of a Map must be a list: {items}"
    results = [
        _states(machine, state["ItemProcessor"], item, scope.new_child())
        for item in items  # pyright: ignore[reportUnknownVariableType] - JSON
    ]
    return _left(state, {"input": given, "result": results}, results, scope)


def _task(
    machine: _Machine, state: Mapping[str, Any], given: Any, scope: Scope
) -> tuple[str, object]:
    assert 1 <= state["TimeoutSeconds"] <= 99_999_999
    attempts = [0] * len(state["Retry"])
    while True:
        try:
            arguments = _within(_evaluated(state["Arguments"], {"input": given}, scope))
            result = _within(machine.tasks[state["Resource"]](arguments))
            output = _left(state, {"input": given, "result": result}, result, scope)
        except StateError as error:
            retrier = _matching(state["Retry"], error, _RETRY_FIELDS)
            if retrier is not None and attempts[retrier] < state["Retry"][retrier]["MaxAttempts"]:
                machine.execution.waits.append(
                    _wait_seconds(state["Retry"][retrier], attempts[retrier])
                )
                attempts[retrier] += 1
                continue
            catcher = _matching(state["Catch"], error, _CATCH_FIELDS)
            if catcher is None:
                raise
            caught = state["Catch"][catcher]
            told = {"Error": error.name, "Cause": error.cause}
            output = _left(caught, {"input": given, "errorOutput": told}, told, scope)
            return caught["Next"], output
        return state["Next"], output


def _matching(
    handlers: Sequence[Mapping[str, Any]], error: StateError, known: set[str]
) -> int | None:
    for index, handler in enumerate(handlers):
        _known(handler, known)
        names = handler["ErrorEquals"]
        if "States.ALL" in names:
            assert names == ["States.ALL"]
            assert index == len(handlers) - 1
            if error.name not in _NOT_IN_ALL:
                return index
        if error.name in names:
            return index
    return None


def _wait_seconds(retrier: Mapping[str, Any], attempt: int) -> float:
    wait: float = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** attempt
    return min(wait, retrier["MaxDelaySeconds"])


def _left(state: Mapping[str, Any], known: Mapping[str, Any], default: Any, scope: Scope) -> Any:
    """Leaves a state: its output, and its variables into the scope, all of the values before."""
    assigned = {
        name: _evaluated(value, known, scope) for name, value in state.get("Assign", {}).items()
    }
    output = _evaluated(state["Output"], known, scope) if "Output" in state else default
    if sum(size_bytes(value) for value in assigned.values()) > MAX_PAYLOAD_BYTES:
        raise StateError("States.DataLimitExceeded", f"the variables {', '.join(assigned)}")
    hidden = set(assigned).intersection(*[[*scope.parents]])
    assert not hidden, f"variables of an outer scope: {hidden}"
    scope.update(assigned)
    return _within(output)


def _evaluated(template: Any, known: Mapping[str, Any], scope: Scope) -> Any:
    if isinstance(template, dict):
        return {name: _evaluated(value, known, scope) for name, value in template.items()}  # pyright: ignore[reportUnknownVariableType] - JSON
    if isinstance(template, list):
        return [_evaluated(value, known, scope) for value in template]  # pyright: ignore[reportUnknownVariableType] - JSON
    if not expressions(template):
        return template
    expression = parsed(template[2:-2])
    frame = expression.create_frame()
    for name, value in {**scope, "states": known}.items():
        frame.bind(name, value)
    try:
        value = expression.evaluate(None, frame)
    except JException as error:
        raise StateError("States.QueryEvaluationError", f"{template}: {error}") from error
    if value is None:
        raise StateError("States.QueryEvaluationError", f"{template} returned nothing")
    return json.loads(json.dumps(value))


def _within(payload: Any) -> Any:
    """Gives a payload back, as a copy that is JSON, or says that it is over the quota."""
    size = size_bytes(payload)
    if size > MAX_PAYLOAD_BYTES:
        raise StateError("States.DataLimitExceeded", f"{size} bytes")
    return json.loads(json.dumps(payload))


def _known(fields: Mapping[str, Any], known: set[str]) -> None:
    assert set(fields) <= known, f"not known here: {set(fields) - known}"
