"""What the Inspector is run with, and what its ends mean."""

from subprocess import CompletedProcess

import pytest

from tests.conformance.inspector import (
    SAMPLES,
    Case,
    absent_cases,
    run_cases,
    server_cases,
    token_cases,
)

URL = "http://localhost:1/mcp"


def ended(status: int, stdout: str = "", stderr: str = "") -> CompletedProcess[str]:
    return CompletedProcess([], status, stdout, stderr)


def fault_of(case: Case, done: CompletedProcess[str]) -> str:
    faults = {ran.fault for ran in run_cases(iter([case]), URL, lambda *_: done)}
    (only,) = faults
    return only


def test_each_case_is_run_in_both_eras_with_its_own_arguments() -> None:
    given: list[tuple[str, ...]] = []

    def inspect(*arguments: str) -> CompletedProcess[str]:
        given.append(arguments)
        return ended(4)

    ran = run_cases(absent_cases(), URL, inspect)
    common = ("--cli", URL, "--transport", "http", "--format", "json", "--protocol-era")
    assert given == [
        (*common, "legacy", "--method", "tools/list"),
        (*common, "modern", "--method", "tools/list"),
    ]
    assert [(one.era, one.fault) for one in ran] == [("legacy", ""), ("modern", "")]


def test_a_case_is_right_by_its_status_and_its_answer() -> None:
    case = Case(name="a", arguments=(), status=0, answer='"words":2')
    assert fault_of(case, ended(0, '{"words":2}')) == ""
    assert fault_of(case, ended(0, '{"words":3}')) == (
        'answered {"words":3}, where "words":2 was to be'
    )


@pytest.mark.parametrize(("status", "expected"), [(0, 3), (3, 0), (4, 3)])
def test_another_status_is_a_failure_with_the_output(status: int, expected: int) -> None:
    case = Case(name="a", arguments=(), status=expected)
    assert fault_of(case, ended(status, "", "fetch failed\n")) == (
        f"ended with status {status} and not {expected}: fetch failed"
    )


def test_a_server_of_others_is_asked_for_its_tools_but_for_no_call() -> None:
    assert [(case.name, case.status) for case in server_cases(None)] == [
        ("tools/list", 0),
        ("a tool that there is not", 5),
    ]


def test_a_server_of_ours_is_called_and_has_to_answer_the_sample() -> None:
    listed, called, absent = server_cases(SAMPLES["adopter"])
    assert (listed.answer, listed.status) == ('"name":"measure"', 0)
    assert called.arguments == (
        *("--method", "tools/call", "--tool-name", "measure"),
        *("--tool-args-json", '{"text": "two words"}'),
    )
    assert (called.answer, called.status) == ('"words":2', 0)
    assert absent.status == 5


def test_no_token_and_wrong_tokens_need_authorization_and_the_right_one_does_not() -> None:
    cases = list(token_cases("right", "wrong"))
    assert [(case.arguments[3:], case.status) for case in cases] == [
        ((), 3),
        (("--header", "Authorization: Bearer word"), 3),
        (("--header", "Authorization: Bearer wrong"), 3),
        (("--header", "Authorization: Bearer right"), 0),
    ]
    # Else the Inspector opens a browser and waits for somebody to log in.
    assert all("--stored-auth-only" in case.arguments for case in cases)
