"""What the results of the suite mean, and the files that say what applies and what is installed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conformance.run import BASELINE
from tests.conformance.verdicts import (
    NEEDS_FIXTURE,
    Baseline,
    Check,
    Excuse,
    Outcome,
    Verdict,
    judge,
    read_baseline,
    read_results,
    required_scenarios,
    unknown_scenarios,
)

REVISION = "2026-07-28"
GOOD = Check(id="good", status="SUCCESS")
BAD = Check(id="bad", status="FAILURE", message="it is wrong")
WIRE = Check(id="wire-schema-valid", status="SUCCESS")
BROKEN_WIRE = Check(id="wire-schema-valid", status="FAILURE", message="no such field")
WARNING = Check(id="advice", status="WARNING", message="better not")
SKIPPED = Check(id="skipped", status="SKIPPED")

SMALL = Baseline(
    not_applicable={REVISION: (Excuse(reason="no tasks", scenarios=("tasks",)),)},
    fixture_free=("list",),
    fixture_checks=("list:bad",),
)


def verdict(scenario: str, *checks: Check, fixture: bool = True) -> Verdict:
    (only,) = judge([scenario], {scenario: checks}, SMALL, REVISION, fixture=fixture)
    return only


def test_a_scenario_passes_if_a_check_of_its_own_does_and_none_fails() -> None:
    assert verdict("call", GOOD, WIRE, SKIPPED) == Verdict(
        scenario="call", outcome=Outcome.PASSED, checks=2
    )


def test_a_scenario_fails_by_one_failed_check_and_says_which() -> None:
    found = verdict("call", GOOD, BAD, WIRE)
    assert (found.outcome, found.reason) == (Outcome.FAILED, "bad: it is wrong")


def test_a_warning_fails_nothing_and_is_reported() -> None:
    found = verdict("call", GOOD, WARNING)
    assert (found.outcome, found.warnings) == (Outcome.PASSED, ("advice: better not",))


@pytest.mark.parametrize("checks", [(), (WIRE,), (SKIPPED, WIRE), (WARNING,)], ids=str)
def test_a_scenario_that_tested_nothing_has_not_passed(checks: Sequence[Check]) -> None:
    found = verdict("call", *checks)
    assert found.outcome is Outcome.FAILED
    assert found.reason.startswith("no check of it was made")


def test_a_scenario_that_the_suite_did_not_get_to_has_failed() -> None:
    (found,) = judge(["call"], {}, SMALL, REVISION, fixture=True)
    assert found.outcome is Outcome.FAILED
    assert found.reason.startswith("the suite wrote no result of it")


def test_what_the_suite_did_not_have_to_run_is_not_judged() -> None:
    assert judge([], {"call": [BAD]}, SMALL, REVISION, fixture=True) == []


@pytest.mark.parametrize("checks", [(BAD, WIRE), (GOOD, BAD), (WIRE,), (SKIPPED,), (WARNING,)])
def test_an_excused_scenario_does_not_apply_if_it_does_not_pass(checks: Sequence[Check]) -> None:
    assert verdict("tasks", *checks) == Verdict(
        scenario="tasks", outcome=Outcome.NOT_APPLICABLE, reason="no tasks"
    )


def test_an_excused_scenario_that_passes_is_a_stale_entry_and_fails() -> None:
    found = verdict("tasks", GOOD, WIRE)
    assert found.outcome is Outcome.FAILED
    assert found.reason == (
        "passes, though baseline.yaml says that it does not apply; take it out there"
    )


@pytest.mark.parametrize(("scenario", "fixture"), [("tasks", True), ("call", False)])
def test_no_excuse_is_good_for_a_message_against_the_schema(scenario: str, fixture: bool) -> None:
    found = verdict(scenario, BAD, BROKEN_WIRE, fixture=fixture)
    assert (found.outcome, found.reason) == (Outcome.FAILED, "wire-schema-valid: no such field")


def test_an_excuse_is_good_for_its_revision_only() -> None:
    (found,) = judge(["tasks"], {"tasks": [BAD]}, SMALL, "2025-11-25", fixture=True)
    assert found.outcome is Outcome.FAILED


@pytest.mark.parametrize("checks", [(GOOD,), (BAD,)])
def test_a_server_without_the_fixtures_tools_is_not_asked_for_them(checks: Sequence[Check]) -> None:
    assert verdict("call", *checks, fixture=False) == Verdict(
        scenario="call", outcome=Outcome.NOT_APPLICABLE, reason=NEEDS_FIXTURE
    )


def test_a_scenario_free_of_the_fixture_applies_to_every_server_but_for_the_named_checks() -> None:
    other = Check(id="other", status="FAILURE", message="so it is")
    assert verdict("list", GOOD, BAD, fixture=False).outcome is Outcome.PASSED
    assert verdict("list", GOOD, BAD, fixture=True).outcome is Outcome.FAILED
    found = verdict("list", GOOD, BAD, other, fixture=False)
    assert (found.outcome, found.reason) == (Outcome.FAILED, "other: so it is")


def test_the_requirements_for_servers_are_those_scored_and_those_only_run() -> None:
    document: dict[str, Any] = {
        "server": ["ping"],
        "client": ["initialize"],
        "not_scored": [
            {"scenario": "tasks", "leg": "server", "reason": "extension"},
            {"scenario": "auth/dpop", "leg": "client", "reason": "extension"},
        ],
    }
    assert required_scenarios(document) == ["ping", "tasks"]


def test_results_are_found_by_the_names_of_the_suites_folders(tmp_path: Path) -> None:
    checks = [
        {"id": "a", "status": "SUCCESS", "name": "A"},
        {"id": "b", "status": "FAILURE", "errorMessage": "no"},
    ]
    for folder, written in (
        ("server-server-sse-polling-2026-11-23T05-24-24-763Z", checks),
        ("server-sep-2164-resource-not-found-2026-11-23T05-24-24-763Z", []),
        ("something-else", checks),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "checks.json").write_text(json.dumps(written))
    (tmp_path / "server-ping-2026-11-23T05-24-24-763Z").mkdir()  # died before it wrote any
    assert read_results(tmp_path) == {
        "server-sse-polling": [
            Check(id="a", status="SUCCESS"),
            Check(id="b", status="FAILURE", message="no"),
        ],
        "sep-2164-resource-not-found": [],
    }


def test_a_name_in_the_baseline_that_the_suite_does_not_have_is_reported() -> None:
    assert unknown_scenarios(SMALL, {REVISION: ["tasks", "list"], "2025-11-25": []}) == []
    assert unknown_scenarios(SMALL, {REVISION: [], "2025-11-25": ["tasks"]}) == [
        f"baseline.yaml names '{scenario}' under {place}, and the suite has no such scenario there;"
        " take it out"
        for scenario, place in (
            ("tasks", f"not_applicable of {REVISION}"),
            ("list", "fixture_free"),
            ("list", "fixture_checks"),
        )
    ]


BROKEN_BASELINES: list[dict[str, Any]] = [
    {"not_applicable": {REVISION: [{"reason": "", "scenarios": ["a"]}]}},
    {"not_applicable": {REVISION: [{"reason": "so", "scenarios": []}]}},
    {"not_applicable": {REVISION: [{"scenarios": ["a"]}]}},
    {"expected_failures": ["a"]},
]


@pytest.mark.parametrize("change", BROKEN_BASELINES)
def test_a_baseline_without_a_reason_or_with_an_unknown_key_is_refused(
    tmp_path: Path, change: Mapping[str, Any]
) -> None:
    whole: dict[str, Any] = {"not_applicable": {}, "fixture_free": [], "fixture_checks": []}
    whole |= change
    path = tmp_path / "baseline.yaml"
    path.write_text(json.dumps(whole))
    with pytest.raises(ValidationError):
        read_baseline(path)


def test_the_baseline_names_each_scenario_once_and_excuses_no_mandatory_one() -> None:
    baseline = read_baseline(BASELINE)
    for revision, entries in baseline.not_applicable.items():
        named = [scenario for entry in entries for scenario in entry.scenarios]
        assert sorted(named) == sorted(set(named)), revision
    assert set(baseline.fixture_free) & set(baseline.excuses("2026-07-28")) == set()
    of_everybody = {check.partition(":")[0] for check in baseline.fixture_checks}
    assert of_everybody <= set(baseline.fixture_free)


def test_the_packages_are_pinned_exactly_and_the_lock_names_no_registry() -> None:
    folder = BASELINE.parent
    pins: dict[str, str] = json.loads((folder / "package.json").read_text())["dependencies"]
    locked: dict[str, Any] = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in pins} == pins
    assert [path for path, entry in locked.items() if "resolved" in entry] == []
    assert [path for path, entry in locked.items() if path and "integrity" not in entry] == []
