"""Runs state machines: the subset of the Amazon States Language that the fleet's agents use.

The query language is JSONata. An unsupported field or type of state fails the execution with
`States.Runtime`, and a payload over the quota of Step Functions with `States.DataLimitExceeded`.
Sources: Amazon States Language specification; AWS Step Functions Developer Guide ("Handling errors
in Step Functions workflows", "Transforming data with JSONata", "Passing data between states with
variables", "Step Functions service quotas").
"""

import asyncio
import json
from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonata import Jsonata

MAX_PAYLOAD_BYTES = 262_144
"""Step Functions quotas: input or output of a state or task, and the variables of one state."""

TIMEOUT = "States.Timeout"
"""The error of a task or an execution that timed out."""

_RUNTIME, _QUERY, _LIMIT = (
    "States.Runtime",
    "States.QueryEvaluationError",
    "States.DataLimitExceeded",
)
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
_MACHINE_FIELDS = {"QueryLanguage", "StartAt", "States", "TimeoutSeconds"}
_PROCESSOR_FIELDS = {"ProcessorConfig", "StartAt", "States"}
_RULE_FIELDS = {"Condition", "Assign", "Next"}
_CATCH_FIELDS = {"ErrorEquals", "Assign", "Output", "Next"}
_RETRY_FIELDS = {
    "ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds",
    "JitterStrategy",
}  # fmt: skip
# "Handling errors in Step Functions workflows": States.ALL matches neither of them.
_NOT_IN_ALL = {_LIMIT, _RUNTIME}

Task = Callable[[Any], Awaitable[Any]]
"""Runs the resource of a state: takes the arguments and returns the result, or raises."""

_Scope = ChainMap[str, Any]


class StateError(Exception):
    """An error with a name and a cause, which a task raises to fail.

    Attributes:
        name: Its name, which `Retry` and `Catch` match.
        cause: Its message.
    """

    def __init__(self, name: str, cause: str = "") -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause


@dataclass
class Execution:
    """The state of an execution; at its end it has an output or an error.

    Attributes:
        status: `RUNNING`, `SUCCEEDED`, `FAILED` or `TIMED_OUT`.
        output: The output of the state that ended it.
        error: The name of the error that it failed with.
        cause: That error's cause.
        path: The states in the order in which they were entered, those of a Map's items included.
    """

    status: str = "RUNNING"
    output: Any = None
    error: str | None = None
    cause: str | None = None
    path: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, kw_only=True)
class _Machine:
    tasks: Mapping[str, Task]
    wait: Callable[[float], Awaitable[object]]
    execution: Execution


async def run(
    definition: Mapping[str, Any],
    given: object,
    tasks: Mapping[str, Task],
    *,
    execution: Execution | None = None,
    wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Execution:
    """Runs an execution to its end.

    Args:
        definition: The state machine; its query language is JSONata.
        given: The input.
        tasks: The tasks by resource.
        execution: The execution to update; a new one by default.
        wait: Waits before a retry, for the maximum delay of Step Functions.

    Returns:
        The execution.
    """
    execution = execution or Execution()
    machine = _Machine(tasks=tasks, wait=wait, execution=execution)
    try:
        _must_know(definition, _MACHINE_FIELDS)
        async with asyncio.timeout(definition["TimeoutSeconds"]):
            execution.output = await _states(machine, definition, _within(given), ChainMap({}))
        execution.status = "SUCCEEDED"
    except StateError as error:
        execution.status, execution.error, execution.cause = "FAILED", error.name, error.cause
    except TimeoutError:
        execution.status, execution.error, execution.cause = "TIMED_OUT", TIMEOUT, ""
    return execution


def expressions(value: object) -> list[str]:
    """Every JSONata expression in a definition.

    Args:
        value: The definition, or a part of it.

    Returns:
        The expressions without their delimiters.
    """
    if isinstance(value, Mapping):
        return [found for inner in value.values() for found in expressions(inner)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    if isinstance(value, list):
        return [found for inner in value for found in expressions(inner)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return [value[2:-2]]
    return []


def size_bytes(value: object) -> int:
    """The size of a payload, for the quota.

    Args:
        value: The payload.

    Returns:
        Its size as JSON in UTF-8.
    """
    return len(_json(value).encode())


@cache
def parsed(expression: str) -> Jsonata:
    """A JSONata expression that can be evaluated.

    Args:
        expression: Its text.

    Returns:
        The expression.

    Raises:
        JException: it cannot be parsed.
    """
    made: Any = Jsonata(expression)
    # jsonata-python escapes characters outside of ASCII with \u; the specification does not.
    made.register_lambda("string", _json)
    return made


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def _states(machine: _Machine, states: Mapping[str, Any], given: Any, scope: _Scope) -> Any:  # noqa: ANN401 - JSON
    name = states["StartAt"]
    while True:
        state = states["States"][name]
        machine.execution.path.append(name)
        _must_know(state, _FIELDS.get(state["Type"], set()) | {"Type"})
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
                given = await _map(machine, state, given, scope)
            case "Task":
                name, given = await _task(machine, state, given, scope)
                continue
            case "Pass":
                given = _left(state, {"input": given}, given, scope)
            case other:
                raise StateError(_RUNTIME, f"the sandbox does not support states of type {other}")
        if state.get("End"):
            return given
        name = state["Next"]


def _choice(state: Mapping[str, Any], given: Any, scope: _Scope) -> str:  # noqa: ANN401 - JSON
    for rule in state["Choices"]:
        _must_know(rule, _RULE_FIELDS)
        matches = _evaluated(rule["Condition"], {"input": given}, scope)
        if not isinstance(matches, bool):
            raise StateError(_QUERY, f"{rule['Condition']}: {matches}")
        if matches:
            _left(rule, {"input": given}, given, scope)
            return rule["Next"]
    return state["Default"]


async def _map(machine: _Machine, state: Mapping[str, Any], given: Any, scope: _Scope) -> Any:  # noqa: ANN401 - JSON
    _must_know(state["ItemProcessor"], _PROCESSOR_FIELDS)
    items = _evaluated(state["Items"], {"input": given}, scope)
    if not isinstance(items, list):
        raise StateError(_QUERY, f"Items of a Map must be a list: {items}")
    free = asyncio.Semaphore(state["MaxConcurrency"] or max(1, len(items)))  # pyright: ignore[reportUnknownArgumentType] - JSON; 0 is no limit

    async def one(item: object) -> object:
        async with free:
            return await _states(machine, state["ItemProcessor"], item, scope.new_child())

    running = [asyncio.create_task(one(item)) for item in items]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    try:
        results = await asyncio.gather(*running)
    finally:
        # The first failure cancels the others.
        for task in running:
            task.cancel()
    return _left(state, {"input": given, "result": results}, results, scope)


async def _task(
    machine: _Machine, state: Mapping[str, Any], given: object, scope: _Scope
) -> tuple[str, object]:
    attempts = [0] * len(state["Retry"])
    while True:
        try:
            arguments = _within(_evaluated(state["Arguments"], {"input": given}, scope))
            result = _within(await _done(machine, state, arguments))
            output = _left(state, {"input": given, "result": result}, result, scope)
        except StateError as error:
            retrier = _matching(state["Retry"], error, _RETRY_FIELDS)
            if retrier is not None and attempts[retrier] < state["Retry"][retrier]["MaxAttempts"]:
                await machine.wait(_wait_seconds(state["Retry"][retrier], attempts[retrier]))
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


async def _done(machine: _Machine, state: Mapping[str, Any], arguments: object) -> object:
    task = machine.tasks.get(state["Resource"])
    if task is None:
        raise StateError(_RUNTIME, f"the sandbox does not support the resource {state['Resource']}")
    try:
        async with asyncio.timeout(state["TimeoutSeconds"]):
            return await task(arguments)
    except TimeoutError:
        raise StateError(TIMEOUT) from None


def _matching(
    handlers: Sequence[Mapping[str, Any]], error: StateError, known: set[str]
) -> int | None:
    for index, handler in enumerate(handlers):
        _must_know(handler, known)
        names = handler["ErrorEquals"]
        if error.name in names or ("States.ALL" in names and error.name not in _NOT_IN_ALL):
            return index
    return None


def _wait_seconds(retrier: Mapping[str, Any], attempt: int) -> float:
    wait: float = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** attempt
    return min(wait, retrier["MaxDelaySeconds"])


def _left(
    state: Mapping[str, Any], known: Mapping[str, Any], default: object, scope: _Scope
) -> object:
    """Ends a state: evaluates its output and variables, all with the variables before it."""
    assigned = {
        name: _evaluated(value, known, scope) for name, value in state.get("Assign", {}).items()
    }
    output = _evaluated(state["Output"], known, scope) if "Output" in state else default
    if sum(size_bytes(value) for value in assigned.values()) > MAX_PAYLOAD_BYTES:
        raise StateError(_LIMIT, f"the variables {', '.join(assigned)}")
    hidden = set(assigned).intersection(*[[*scope.parents]])
    if hidden:
        raise StateError(_RUNTIME, f"variables of an outer scope: {', '.join(sorted(hidden))}")
    scope.update(assigned)
    return _within(output)


def _evaluated(template: Any, known: Mapping[str, Any], scope: _Scope) -> Any:  # noqa: ANN401 - JSON
    if isinstance(template, dict):
        return {name: _evaluated(value, known, scope) for name, value in template.items()}  # pyright: ignore[reportUnknownVariableType] - JSON
    if isinstance(template, list):
        return [_evaluated(value, known, scope) for value in template]  # pyright: ignore[reportUnknownVariableType] - JSON
    if not expressions(template):
        return template
    try:
        expression = parsed(template[2:-2])
        frame = expression.create_frame()
        for name, value in {**scope, "states": known}.items():
            frame.bind(name, value)
        value = json.loads(json.dumps(expression.evaluate(None, frame)))
    except Exception as error:  # the library raises Python's own for much that JSONata refuses
        raise StateError(_QUERY, f"{template}: {error}") from error
    if value is None:
        raise StateError(_QUERY, f"{template} returned nothing")
    return value


def _within(payload: object) -> Any:  # noqa: ANN401 - JSON
    """A JSON copy of a payload; raises if it exceeds the quota."""
    size = size_bytes(payload)
    if size > MAX_PAYLOAD_BYTES:
        raise StateError(_LIMIT, f"{size} bytes")
    return json.loads(json.dumps(payload))


def _must_know(fields: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise StateError(_RUNTIME, f"the sandbox does not support {', '.join(unknown)}")
