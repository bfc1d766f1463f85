"""`make conformance`: the official conformance suite and Inspector against every server.

By default the servers are this checkout's own, each a local process as its image starts it, and the
fixture, for the scenarios that call tools of the suite's own. With `--url` they are those that run
already, such as the deployed fleet behind its gateway:

    python -m tests.conformance.run --url clock=http://127.0.0.1:8800/servers/clock/mcp

It prints a table of the scenarios and a table of the Inspector's runs in Markdown, followed by the
failures, the recommendations of the suite, and why other scenarios do not apply. It exits with 1 if
an applicable scenario failed.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.conformance import inspector, node
from tests.conformance.inspector import Ran
from tests.conformance.servers import FIXTURE, NAMES, started
from tests.conformance.verdicts import (
    Outcome,
    Verdict,
    judge,
    read_baseline,
    unknown_scenarios,
)
from tests.workloads.local_http import AUDIENCE, issuing
from tests.workloads.support import free_port

BASELINE = Path(__file__).with_name("baseline.yaml")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found.

    Attributes:
        scenarios: Server and revision to the verdicts of the suite's scenarios.
        inspections: What was asked to the Inspector's runs.
        faults: What is wrong with the baseline.
    """

    scenarios: dict[tuple[str, str], Sequence[Verdict]] = field(
        default_factory=dict[tuple[str, str], Sequence[Verdict]]
    )
    inspections: dict[str, Sequence[Ran]] = field(default_factory=dict[str, Sequence[Ran]])
    faults: Sequence[str] = ()

    def failures(self) -> list[str]:
        """A line for everything that failed."""
        lines = [
            f"{server}, {revision}, {verdict.scenario}: {verdict.reason}"
            for (server, revision), verdicts in self.scenarios.items()
            for verdict in verdicts
            if verdict.outcome is Outcome.FAILED
        ]
        lines += [
            f"{server}, Inspector as a {ran.era} client, {ran.case.name}: {ran.fault}"
            for server, runs in self.inspections.items()
            for ran in runs
            if ran.fault
        ]
        return [*self.faults, *lines]

    def lines(self) -> list[str]:
        """The report in Markdown."""
        lines = [
            "| server | revision | scenarios | passed | failed | not applicable | checks |",
            "|---|---|--:|--:|--:|--:|--:|",
        ]
        for (server, revision), verdicts in self.scenarios.items():
            counts = Counter(verdict.outcome for verdict in verdicts)
            cells = [server, revision, len(verdicts), *(counts[outcome] for outcome in Outcome)]
            cells.append(sum(verdict.checks for verdict in verdicts))
            lines.append(f"| {' | '.join(map(str, cells))} |")
        lines += ["", "| Inspector against | runs | as expected |", "|---|--:|--:|"]
        for server, runs in self.inspections.items():
            good = sum(not ran.fault for ran in runs)
            lines.append(f"| {server} | {len(runs)} | {good} |")
        for title, found in (
            ("Failed:", self.failures()),
            ("Recommended by the suite, and not done:", self._warnings()),
            ("Not applicable:", self._reasons()),
        ):
            if found:
                lines += ["", title, "", *(f"- {line}" for line in found)]
        return lines

    def _warnings(self) -> list[str]:
        servers: dict[str, list[str]] = {}
        for (server, revision), verdicts in self.scenarios.items():
            for verdict in verdicts:
                for warning in verdict.warnings:
                    where = f"{revision}, {verdict.scenario}, {warning}"
                    servers.setdefault(where, []).append(server)
        return [f"{where} ({', '.join(names)})" for where, names in servers.items()]

    def _reasons(self) -> list[str]:
        reasons: dict[str, dict[str, None]] = {}
        for verdicts in self.scenarios.values():
            for verdict in verdicts:
                if verdict.outcome is Outcome.NOT_APPLICABLE:
                    reasons.setdefault(verdict.reason, {})[verdict.scenario] = None
        return [f"{reason}: {', '.join(scenarios)}" for reason, scenarios in reasons.items()]


def named_url(text: str) -> tuple[str, str]:
    """Read `name=URL`.

    Raises:
        argparse.ArgumentTypeError: If it is not that.
    """
    name, _, url = text.partition("=")
    parts = urlsplit(url)
    if not name or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name with an http(s) URL; write for example"
            " clock=http://127.0.0.1:8800/servers/clock/mcp"
        )
    return name, url


def examine(report: Report, name: str, url: str, folder: Path) -> None:
    """Run the suite and the Inspector against one server, into the report."""
    baseline = read_baseline(BASELINE)
    for revision in node.REVISIONS:
        results = node.conformance(url, revision, folder / f"{name}-{revision}")
        report.scenarios[name, revision] = judge(
            node.requirements(revision), results, baseline, revision, fixture=name == FIXTURE
        )
    cases = inspector.server_cases(inspector.SAMPLES.get(name))
    report.inspections[name] = inspector.run_cases(cases, url, _inspect)


_inspect = partial(node.run, "mcp-inspector")


def examine_refusals(report: Report, folder: Path) -> None:
    """Run the Inspector against a server that wants tokens, and where there is none."""
    with ExitStack() as stack:
        issuer, _ = stack.enter_context(issuing())
        env = {"AUTH_ISSUER": issuer.url, "AUTH_AUDIENCE": AUDIENCE}
        url = stack.enter_context(started("clock", folder, **env))
        cases = inspector.token_cases(issuer.token(), issuer.token(aud=f"{AUDIENCE}/other"))
        report.inspections["clock, with tokens"] = inspector.run_cases(cases, url, _inspect)
    nowhere = f"http://localhost:{free_port()}/mcp"
    absent = inspector.run_cases(inspector.absent_cases(), nowhere, _inspect)
    report.inspections["a closed port"] = absent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print.

    Args:
        arguments: Of the command line; those of the process if None.

    Returns:
        The exit status: 0, or 1 if something failed that applies or the tools are not installed.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--url",
        type=named_url,
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a server that runs already; may be given again, and then none is started here",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="keep the suite's own results and the servers' logs here, in a folder that is new",
    )
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = options.results or Path(temporary)
        folder.mkdir(parents=True, exist_ok=options.results is None)
        try:
            required = {revision: node.requirements(revision) for revision in node.REVISIONS}
            report = Report(faults=unknown_scenarios(read_baseline(BASELINE), required))
            for name, url in options.url:
                examine(report, name, url, folder)
            if not options.url:
                for name in NAMES:
                    with started(name, folder) as url:
                        examine(report, name, url, folder)
                examine_refusals(report, folder)
        except node.NotInstalledError as error:
            print(f"conformance: {error}", file=sys.stderr)
            return 1
    print("\n".join(report.lines()))
    failures = len(report.failures())
    print(f"\n{failures} failed, in {time.monotonic() - began:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
