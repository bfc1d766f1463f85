"""What the results of the conformance suite mean for a server of the platform."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

NEEDS_FIXTURE = "calls tools, resources or prompts of the suite's own, which the fixture has"

# A check of the suite in every scenario: each message on the wire matches the schema of the
# specification.
WIRE_CHECK = "wire-schema-valid"

_RESULT_FOLDER = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z")

Text = Annotated[str, Field(min_length=1)]


@unique
class Outcome(StrEnum):
    """What became of a scenario."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of a scenario.

    Attributes:
        id: The suite's name of it; may occur more than once in a scenario.
        status: SUCCESS, FAILURE, WARNING, SKIPPED or INFO.
        message: What is wrong, if anything is.
    """

    id: str
    status: str
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One scenario against one server.

    Attributes:
        scenario: The suite's name of it.
        outcome: Passed, failed or not applicable.
        reason: Why it failed or does not apply; empty if it passed.
        checks: How many checks passed.
        warnings: What the suite recommends besides.
    """

    scenario: str
    outcome: Outcome
    reason: str = ""
    checks: int = 0
    warnings: tuple[str, ...] = ()


class Excuse(BaseModel):
    """Scenarios that do not apply, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Text
    scenarios: tuple[Text, ...] = Field(min_length=1)


class Baseline(BaseModel):
    """What applies to which server, as `baseline.yaml` has it; see there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    not_applicable: Mapping[str, tuple[Excuse, ...]]
    fixture_free: tuple[Text, ...]
    fixture_checks: tuple[Text, ...]

    def excuses(self, revision: str) -> dict[str, str]:
        """Scenario to the reason why it applies to no server, at a revision."""
        entries = self.not_applicable.get(revision, ())
        return {name: entry.reason for entry in entries for name in entry.scenarios}


def read_baseline(path: Path) -> Baseline:
    """Read the baseline.

    Raises:
        pydantic.ValidationError: If it is not of the right form.
    """
    return Baseline.model_validate(yaml.safe_load(path.read_text()))


def required_scenarios(document: Mapping[str, Any]) -> list[str]:
    """The scenarios for servers that a set of the suite's requirements runs.

    Args:
        document: The set, as in the suite's `requirements/<revision>.yaml`.

    Returns:
        Those that are scored, then those that are run without being scored.
    """
    unscored = [entry["scenario"] for entry in document["not_scored"] if entry["leg"] == "server"]
    return [*document["server"], *unscored]


def read_results(folder: Path) -> dict[str, list[Check]]:
    """Read what the suite wrote to its output folder.

    Args:
        folder: Has one folder for each scenario, `server-<scenario>-<time>`, with `checks.json`.

    Returns:
        Scenario to its checks, in order.
    """
    results: dict[str, list[Check]] = {}
    for path in sorted(folder.glob("*/checks.json")):
        named = _RESULT_FOLDER.fullmatch(path.parent.name)
        if named:
            results[named["scenario"]] = [
                Check(id=one["id"], status=one["status"], message=one.get("errorMessage") or "")
                for one in json.loads(path.read_text())
            ]
    return results


def judge(
    required: Sequence[str],
    results: Mapping[str, Sequence[Check]],
    baseline: Baseline,
    revision: str,
    *,
    fixture: bool,
) -> list[Verdict]:
    """Judge a server by the results of a set of requirements.

    Args:
        required: The scenarios of the set.
        results: Scenario to its checks.
        baseline: What applies.
        revision: The revision that the set is of.
        fixture: Whether the server is the fixture.

    Returns:
        A verdict for each scenario, in the same order.
    """
    excuses = baseline.excuses(revision)
    verdicts: list[Verdict] = []
    for scenario in required:
        checks = results.get(scenario)
        if checks is None:
            reason = "the suite wrote no result of it: did it get to it, or run out of time?"
            verdicts.append(Verdict(scenario=scenario, outcome=Outcome.FAILED, reason=reason))
            continue
        excuse = excuses.get(scenario)
        if excuse is None and not fixture and scenario not in baseline.fixture_free:
            verdicts.append(_excused(scenario, checks, NEEDS_FIXTURE))
        elif excuse is not None:
            verdicts.append(_stale(scenario, checks) or _excused(scenario, checks, excuse))
        else:
            known = () if fixture else baseline.fixture_checks
            counted = [check for check in checks if f"{scenario}:{check.id}" not in known]
            verdicts.append(_judged(scenario, counted))
    return verdicts


def unknown_scenarios(baseline: Baseline, required: Mapping[str, Sequence[str]]) -> list[str]:
    """Entries of the baseline that name a scenario that the suite does not have.

    Args:
        baseline: The baseline.
        required: Revision to the scenarios of its requirements.

    Returns:
        A sentence for each.
    """
    everywhere = {scenario for scenarios in required.values() for scenario in scenarios}
    entries = [
        (f"not_applicable of {revision}", scenario, set(required.get(revision, ())))
        for revision in baseline.not_applicable
        for scenario in baseline.excuses(revision)
    ]
    entries += [("fixture_free", scenario, everywhere) for scenario in baseline.fixture_free]
    entries += [
        ("fixture_checks", check.partition(":")[0], everywhere) for check in baseline.fixture_checks
    ]
    return [
        f"baseline.yaml names {scenario!r} under {place}, and the suite has no such scenario there;"
        " take it out"
        for place, scenario, known in entries
        if scenario not in known
    ]


def _of(checks: Sequence[Check], status: str) -> list[Check]:
    return [check for check in checks if check.status == status]


def _told(checks: Sequence[Check]) -> str:
    return "; ".join(f"{check.id}: {check.message or 'no message'}" for check in checks)


def _stale(scenario: str, checks: Sequence[Check]) -> Verdict | None:
    """A failure, if the scenario passes although it is said not to apply."""
    passed = [check for check in _of(checks, "SUCCESS") if check.id != WIRE_CHECK]
    if not passed or _of(checks, "FAILURE"):
        return None
    reason = "passes, though baseline.yaml says that it does not apply; take it out there"
    return Verdict(scenario=scenario, outcome=Outcome.FAILED, reason=reason)


def _excused(scenario: str, checks: Sequence[Check], reason: str) -> Verdict:
    broken = [check for check in _of(checks, "FAILURE") if check.id == WIRE_CHECK]
    if broken:
        return Verdict(scenario=scenario, outcome=Outcome.FAILED, reason=_told(broken))
    return Verdict(scenario=scenario, outcome=Outcome.NOT_APPLICABLE, reason=reason)


def _judged(scenario: str, checks: Sequence[Check]) -> Verdict:
    failures, successes = _of(checks, "FAILURE"), _of(checks, "SUCCESS")
    reason = _told(failures)
    if not failures and not [check for check in successes if check.id != WIRE_CHECK]:
        reason = "no check of it was made; if that is right, baseline.yaml is to say why"
    return Verdict(
        scenario=scenario,
        outcome=Outcome.FAILED if reason else Outcome.PASSED,
        reason=reason,
        checks=len(successes),
        warnings=tuple(_told([check]) for check in _of(checks, "WARNING")),
    )
