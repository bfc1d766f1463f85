"""The official Inspector's command line as a client: what it asks, and how it has to end."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from subprocess import CompletedProcess
from typing import Any

ERAS = ("legacy", "modern")
"""Clients of 2025-11-25 and before, which shake hands, and of 2026-07-28 and after."""

# The exit statuses of the Inspector (its documentation, "CLI").
DONE = 0
AUTHORIZATION_NEEDED = 3
UNREACHABLE = 4
TOOL_ERROR = 5


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A call that a server answers, and a part of what it answers."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    answer: str


SAMPLES = {
    "adopter": Sample(tool="measure", arguments={"text": "two words"}, answer='"words":2'),
    "clock": Sample(
        tool="convert",
        arguments={"time": "2026-07-28T12:00", "to_timezone": "Asia/Tokyo"},
        answer='"time":"2026-07-28T21:00:00+09:00"',
    ),
    "fixture": Sample(tool="test_simple_text", answer="a simple text response"),
    # Writes nothing: the server may be a deployed one, with the notes of others.
    "notes": Sample(tool="list_notes", answer='"structuredContent":{"result":['),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run of the Inspector.

    Attributes:
        name: What it shows.
        arguments: What it is run with, besides the URL, the transport and the format.
        status: The exit status that it has to end with.
        answer: What its answer has to hold.
    """

    name: str
    arguments: tuple[str, ...]
    status: int
    answer: str = ""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A case that was run; `fault` says what is wrong with it, if anything is."""

    case: Case
    era: str
    fault: str = ""


def server_cases(sample: Sample | None) -> Iterator[Case]:
    """The cases for any server.

    Args:
        sample: A call that it answers; None for a server that is not one of this project's.

    Yields:
        The cases. `--strict` has the Inspector check that the schemas of the tools are portable.
    """
    listed = f'"name":"{sample.tool}"' if sample else '"tools":['
    arguments = ("--method", "tools/list", "--strict")
    yield Case(name="tools/list", arguments=arguments, status=DONE, answer=listed)
    if sample:
        yield Case(
            name="tools/call",
            arguments=(
                *("--method", "tools/call", "--tool-name", sample.tool),
                *("--tool-args-json", json.dumps(sample.arguments)),
            ),
            status=DONE,
            answer=sample.answer,
        )
    arguments = ("--method", "tools/call", "--tool-name", "no-such-tool")
    yield Case(name="a tool that there is not", arguments=arguments, status=TOOL_ERROR)


def token_cases(right: str, wrong: str) -> Iterator[Case]:
    """The cases for a server that requires a token.

    Args:
        right: A valid token.
        wrong: An invalid token, such as one for another audience.

    Yields:
        The cases.
    """
    arguments = ("--method", "tools/list", "--stored-auth-only")
    yield Case(name="no token", arguments=arguments, status=AUTHORIZATION_NEEDED)
    for name, token, status in (
        ("no token at all, but a word", "word", AUTHORIZATION_NEEDED),
        ("a wrong token", wrong, AUTHORIZATION_NEEDED),
        ("the right token", right, DONE),
    ):
        header = ("--header", f"Authorization: Bearer {token}")
        yield Case(name=name, arguments=(*arguments, *header), status=status)


def absent_cases() -> Iterator[Case]:
    """The cases for a port without a listener."""
    yield Case(name="nobody there", arguments=("--method", "tools/list"), status=UNREACHABLE)


def run_cases(
    cases: Iterator[Case], url: str, inspect: Callable[..., CompletedProcess[str]]
) -> list[Ran]:
    """Run cases in both eras.

    Args:
        cases: The cases.
        url: The server's `/mcp`.
        inspect: Runs the Inspector with arguments.

    Returns:
        Each case in each era.
    """
    common = ("--cli", url, "--transport", "http", "--format", "json", "--protocol-era")
    return [
        Ran(case=case, era=era, fault=_fault(case, inspect(*common, era, *case.arguments)))
        for case in cases
        for era in ERAS
    ]


def _fault(case: Case, done: CompletedProcess[str]) -> str:
    if done.returncode != case.status:
        said = (done.stderr or done.stdout).strip()[:500]
        return f"ended with status {done.returncode} and not {case.status}: {said}"
    if case.answer not in done.stdout:
        return f"answered {done.stdout.strip()[:500]}, where {case.answer} was to be"
    return ""
