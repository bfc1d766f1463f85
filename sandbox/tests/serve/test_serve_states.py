"""How the sandbox runs state machines, beyond what the agents' definitions use."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.serve.step_functions import interpreter
from sandbox.serve.step_functions.interpreter import (
    MAX_PAYLOAD_BYTES,
    Execution,
    StateError,
    size_bytes,
)

RETRY = {
    "IntervalSeconds": 1,
    "BackoffRate": 2,
    "MaxAttempts": 2,
    "MaxDelaySeconds": 10,
    "JitterStrategy": "FULL",
}


def machine(seconds: float = 5, **made: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with these states, which starts at the first one."""
    return {
        "QueryLanguage": "JSONata",
        "StartAt": next(iter(made)),
        "TimeoutSeconds": seconds,
        "States": made,
    }


def task(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Type": "Task",
        "Resource": "do",
        "Arguments": "{% $states.input %}",
        "TimeoutSeconds": 5,
        "Retry": [],
        "Catch": [],
        "Next": "Done",
    }
    return made | changes


def mapped(state: Mapping[str, Any], most: int = 8) -> dict[str, Any]:
    return {
        "Type": "Map",
        "Items": "{% $states.input %}",
        "MaxConcurrency": most,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "INLINE"},
            "StartAt": "One",
            "States": {"One": state, "Last": {"Type": "Pass", "End": True}},
        },
        "Next": "Done",
    }


DONE = {"Type": "Succeed", "Output": "{% $states.input %}"}


def run(
    definition: Mapping[str, Any], given: object = None, do: interpreter.Task | None = None
) -> Execution:
    async def at_once(_seconds: float) -> None: ...

    tasks = {"do": do} if do else {}
    return asyncio.run(interpreter.run(definition, given, tasks, wait=at_once))


def failing(*names: str) -> interpreter.Task:
    """Fails with these errors, one per call, and then returns its input."""
    left = list(names)

    async def do(arguments: object) -> object:
        if left:
            raise StateError(left.pop(0), "it did")
        return arguments

    return do


def test_an_execution_that_ends_well_has_an_output_and_a_way() -> None:
    execution = run(machine(One=task(), Done=DONE), [1], failing())
    assert (execution.status, execution.output, execution.error) == ("SUCCEEDED", [1], None)
    assert execution.path == ["One", "Done"]


def test_an_execution_that_takes_too_long_is_timed_out() -> None:
    async def do(_arguments: object) -> object:
        return await asyncio.Event().wait()

    execution = run(machine(0.01, One=task(), Done=DONE), 1, do)
    assert (execution.status, execution.error) == ("TIMED_OUT", "States.Timeout")


def test_a_task_that_takes_too_long_fails_by_a_name_that_can_be_caught() -> None:
    async def do(_arguments: object) -> object:
        return await asyncio.Event().wait()

    caught = {"ErrorEquals": ["States.Timeout"], "Output": "late", "Next": "Done"}
    execution = run(machine(One=task(TimeoutSeconds=0.01, Catch=[caught]), Done=DONE), 1, do)
    assert (execution.status, execution.output) == ("SUCCEEDED", "late")


@pytest.mark.parametrize(("failures", "status"), [(2, "SUCCEEDED"), (3, "FAILED")])
def test_a_task_is_tried_again_as_often_as_it_says(failures: int, status: str) -> None:
    state = task(Retry=[{"ErrorEquals": ["Busy"], **RETRY}])
    execution = run(machine(One=state, Done=DONE), 1, failing(*["Busy"] * failures))
    assert execution.status == status


def test_each_retrier_counts_its_own_attempts() -> None:
    retriers = [{"ErrorEquals": [name], **RETRY} for name in ("Busy", "Away")]
    errors = failing("Busy", "Away", "Busy", "Away")
    assert run(machine(One=task(Retry=retriers), Done=DONE), 1, errors).status == "SUCCEEDED"


@pytest.mark.parametrize("name", ["States.Runtime", "States.DataLimitExceeded"])
def test_all_errors_does_not_mean_two_of_them(name: str) -> None:
    caught = {"ErrorEquals": ["States.ALL"], "Output": "caught", "Next": "Done"}
    definition = machine(One=task(Catch=[caught]), Done=DONE)
    assert run(definition, 1, failing("Other")).output == "caught"
    execution = run(definition, 1, failing(name))
    assert (execution.status, execution.error) == ("FAILED", name)


@pytest.mark.parametrize(("beyond", "status"), [(0, "SUCCEEDED"), (1, "FAILED")])
@pytest.mark.parametrize("way", ["in", "out", "assigned"])
def test_a_payload_is_held_to_the_quota(way: str, beyond: int, status: str) -> None:
    text = "x" * (MAX_PAYLOAD_BYTES - 2 + beyond)
    assert size_bytes(text) == MAX_PAYLOAD_BYTES + beyond

    async def do(_arguments: object) -> object:
        return text

    definition = {
        "in": machine(Done=DONE),
        "out": machine(One=task(Arguments={}), Done=DONE),
        "assigned": machine(
            One={"Type": "Pass", "Assign": {"kept": text}, "Output": {}, "Next": "Done"}, Done=DONE
        ),
    }[way]
    execution = run(definition, text if way == "in" else None, do)
    assert execution.status == status
    assert execution.error == ("States.DataLimitExceeded" if beyond else None)


def test_the_items_of_a_map_run_together_up_to_the_limit() -> None:
    running = most = 0

    async def do(arguments: object) -> object:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return arguments

    execution = run(machine(All=mapped(task(Next="Last"), most=3), Done=DONE), [*range(7)], do)
    assert execution.output == [*range(7)]
    assert most == 3


def test_a_map_without_a_limit_has_none() -> None:
    execution = run(machine(All=mapped(task(Next="Last"), most=0), Done=DONE), [1, 2], failing())
    assert execution.output == [1, 2]
    assert run(machine(All=mapped(task(), most=0), Done=DONE), []).output == []


def test_an_item_that_fails_ends_the_others_and_the_map() -> None:
    ended: list[object] = []

    async def do(arguments: object) -> object:
        if arguments == 1:
            raise StateError("Broken")
        try:
            return await asyncio.Event().wait()
        finally:
            ended.append(arguments)

    execution = run(machine(All=mapped(task(Next="Last")), Done=DONE), [0, 1, 2], do)
    assert (execution.status, execution.error) == ("FAILED", "Broken")
    assert ended == [0, 2]


def test_an_item_reads_variables_from_outside_and_cannot_set_them() -> None:
    first = {"Type": "Pass", "Assign": {"kept": 7}, "Next": "All"}
    reads = {"Type": "Pass", "Output": "{% $kept + $states.input %}", "Next": "Last"}
    read = run(machine(First=first, All=mapped(reads), Done=DONE), [1, 2])
    assert read.output == [8, 9]
    sets = {"Type": "Pass", "Assign": {"kept": 8}, "Next": "Last"}
    execution = run(machine(First=first, All=mapped(sets), Done=DONE), [1])
    assert (execution.error, execution.cause) == (
        "States.Runtime",
        "variables of an outer scope: kept",
    )


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        (machine(One={"Type": "Wait", "Seconds": 1}), "does not support Seconds"),
        (machine(One={"Type": "Parallel"}), "does not support states of type Parallel"),
        (machine(One=task(ResultPath="$.a")), "does not support ResultPath"),
        (machine(One=task(Retry=[{"ErrorEquals": ["A"], "Every": 1}])), "does not support Every"),
        (machine(One=task(Resource="arn:aws:states:::sns:publish")), "sns:publish"),
        (machine(All=mapped(task()) | {"ItemBatcher": {}}), "does not support ItemBatcher"),
        (machine(Done=DONE) | {"Comment": "x"}, "does not support Comment"),
    ],
)
def test_what_is_not_known_fails_and_is_not_skipped(
    definition: Mapping[str, Any], told: str
) -> None:
    execution = run(definition, [1], failing("A"))
    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert told in str(execution.cause)


@pytest.mark.parametrize(
    "expression",
    [
        "{% $nothing %}",
        "{% 1 + 'a' %}",
        "{% $error('no') %}",
        "{% $sum('a') %}",
        "{% 1/0 %}",
        "{% $number('x') %}",
        "{% $sum %}",
        "{% ( %}",
    ],
)
def test_an_expression_without_a_value_is_an_error(expression: str) -> None:
    execution = run(machine(Done={"Type": "Succeed", "Output": expression}))
    assert (execution.status, execution.error) == ("FAILED", "States.QueryEvaluationError")


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Choice", "Choices": [{"Condition": "{% 1 %}", "Next": "Done"}]},
        mapped(task()) | {"Items": "{% {'a': 1} %}"},
    ],
)
def test_a_condition_is_true_or_false_and_items_are_a_list(state: Mapping[str, Any]) -> None:
    execution = run(machine(One=state, Done=DONE), [1])
    assert (execution.status, execution.error) == ("FAILED", "States.QueryEvaluationError")


def test_the_first_rule_that_holds_decides() -> None:
    def rule(condition: str, to: str) -> dict[str, Any]:
        return {"Condition": f"{{% $states.input {condition} %}}", "Next": to}

    choice = {"Type": "Choice", "Choices": [rule("> 5", "Big"), rule("> 1", "Some")]}
    ends: dict[str, Any] = {
        name: {"Type": "Succeed", "Output": name} for name in ("Big", "Some", "Few")
    }
    definition = machine(Choose=choice | {"Default": "Few"}, **ends)
    assert [run(definition, number).output for number in (6, 5, 1)] == ["Big", "Some", "Few"]


def test_a_wait_is_the_longest_that_there_could_be() -> None:
    waits: list[float] = []

    async def noted(seconds: float) -> None:
        waits.append(seconds)

    retrier = {"ErrorEquals": ["Busy"], **RETRY, "MaxAttempts": 4, "MaxDelaySeconds": 3}
    definition = machine(One=task(Retry=[retrier]), Done=DONE)
    do = failing(*["Busy"] * 4)
    asyncio.run(interpreter.run(definition, 1, {"do": do}, wait=noted))
    assert waits == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("value", "bytes_"), [("abc", 5), ("\N{OCTOPUS}\u00e9", 8), ({"a": [1, 2]}, 11)]
)
def test_a_payload_counts_in_bytes_of_its_json(value: object, bytes_: int) -> None:
    assert size_bytes(value) == bytes_
