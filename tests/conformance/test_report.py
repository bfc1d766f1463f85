"""The report of a run, its exit status and its command line."""

import argparse
from pathlib import Path

import pytest

from tests.conformance import node, run
from tests.conformance.inspector import Case, Ran
from tests.conformance.run import Report, named_url
from tests.conformance.verdicts import Outcome, Verdict

CASE = Case(name="tools/list", arguments=(), status=0)
PASSED = Verdict(scenario="ping", outcome=Outcome.PASSED, checks=2)
WARNED = Verdict(scenario="ping", outcome=Outcome.PASSED, checks=1, warnings=("a: better",))
EXCUSED = Verdict(scenario="tasks", outcome=Outcome.NOT_APPLICABLE, reason="no tasks")
FAILED = Verdict(scenario="caching", outcome=Outcome.FAILED, reason="b: no hints", checks=1)


def test_a_report_without_failures_counts_and_lists_what_does_not_apply() -> None:
    report = Report(
        scenarios={("clock", "2026-07-28"): [PASSED, EXCUSED]},
        inspections={"clock": [Ran(case=CASE, era="modern")]},
    )
    assert report.failures() == []
    assert report.lines() == [
        "| server | revision | scenarios | passed | failed | not applicable | checks |",
        "|---|---|--:|--:|--:|--:|--:|",
        "| clock | 2026-07-28 | 2 | 1 | 0 | 1 | 2 |",
        "",
        "| Inspector against | runs | as expected |",
        "|---|--:|--:|",
        "| clock | 1 | 1 |",
        "",
        "Not applicable:",
        "",
        "- no tasks: tasks",
    ]


def test_every_kind_of_failure_is_a_line() -> None:
    report = Report(
        scenarios={("clock", "2026-07-28"): [PASSED, FAILED]},
        inspections={
            "notes": [Ran(case=CASE, era="modern"), Ran(case=CASE, era="legacy", fault="x")]
        },
        faults=["the baseline is stale"],
    )
    assert report.failures() == [
        "the baseline is stale",
        "clock, 2026-07-28, caching: b: no hints",
        "notes, Inspector as a legacy client, tools/list: x",
    ]
    lines = report.lines()
    assert "| clock | 2026-07-28 | 2 | 1 | 1 | 0 | 3 |" in lines
    assert "| notes | 2 | 1 |" in lines
    assert lines[lines.index("Failed:") + 2 :] == [f"- {line}" for line in report.failures()]


def test_a_failure_of_several_servers_is_listed_once() -> None:
    report = Report(
        scenarios={
            ("clock", "2026-07-28"): [WARNED, EXCUSED],
            ("notes", "2026-07-28"): [WARNED, EXCUSED],
        }
    )
    lines = report.lines()
    assert lines.count("- 2026-07-28, ping, a: better (clock, notes)") == 1
    assert lines.count("- no tasks: tasks") == 1


def test_a_server_that_runs_already_is_named_with_its_url() -> None:
    url = "http://127.0.0.1:8800/servers/clock/mcp?a=b"
    assert named_url(f"clock={url}") == ("clock", url)


@pytest.mark.parametrize(
    "text", ["", "clock", "clock=", "=http://h/mcp", "clock=localhost:80/mcp", "clock=http://"]
)
def test_an_argument_that_is_no_name_with_a_url_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no name with an http\(s\) URL"):
        named_url(text)


def test_without_the_tools_the_run_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(node, "PACKAGES", tmp_path)
    assert run.main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"conformance: there is no {tmp_path}")
    assert said.err.endswith("; run `bin/setup conformance`\n")
    with pytest.raises(node.NotInstalledError, match="bin/setup conformance"):
        node.run("mcp-inspector", "--help")
