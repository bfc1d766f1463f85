"""docs/eks.md: its numbers are those of the code, and its example is a fleet that is accepted."""

import re
from pathlib import Path
from typing import Any

import yaml

from core import timeouts
from core.config.errors import NAMESPACE
from core.config.model import Cluster, Fleet
from core.costs.prices import price
from core.load_balancer import checks as load_balancer_checks
from core.targets.dispatch import egress
from core.targets.eks.checks import MAX_PUBLIC_BLOCKS
from core.targets.eks.kubernetes import (
    AUTO_MODE_MAX_MEMORY_GIB,
    AUTO_MODE_MAX_VCPUS,
    PRE_STOP_SECONDS,
    grace_period_seconds,
    needs,
    timeouts_of,
)
from core.targets.eks.limits import LARGEST_OF_AUTO_MODE, room
from docs import eks_tables
from tests.core.configurations import changed, configuration, resolved

_ROOT = Path(__file__).resolve().parents[2]
_TEXT = (_ROOT / "docs/eks.md").read_text()


def _section(heading: str) -> str:
    """What stands below a heading of the second level, up to the next one."""
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", _TEXT, re.MULTILINE | re.DOTALL)
    return found


def _rows(heading: str) -> list[list[str]]:
    """The cells of the one table below a heading, without its head."""
    lines = [line for line in _section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def _example() -> dict[str, Any]:
    """The keys of the example's stack file, without their namespace."""
    config = yaml.safe_load((_ROOT / "examples" / "eks" / "Pulumi.eks.yaml").read_text())["config"]
    return {
        key.removeprefix(f"{NAMESPACE}:"): value
        for key, value in config.items()
        if key.startswith(f"{NAMESPACE}:")
    }


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _TEXT, re.MULTILINE | re.DOTALL)


def test_its_tables_are_what_the_code_says_now():
    made = eks_tables.parts(resolved(Fleet.model_validate(_example())))
    marks = r"<!-- (\w+): made by `make docs` -->\n(.*?)<!-- /\1 -->"
    marked = dict(re.findall(marks, _TEXT, re.DOTALL))
    assert marked == {name: f"{text}\n" for name, text in made.items()}, "run `make docs`"


def test_the_limits_are_those_of_the_code():
    most = room(LARGEST_OF_AUTO_MODE)
    assert {row[0]: row[1] for row in _rows("Limits")} == {
        "exposed workloads": str(load_balancer_checks.MAX_GATEWAY_ROUTES),
        "longest request": f"{timeouts.MAX_REQUEST_SECONDS} s",
        "`cpu` of a workload, Auto Mode": str(most.cpu),
        "`memory` of a workload, Auto Mode": f"{most.memory_mib} MiB",
        "blocks in `public_access_cidrs`": str(MAX_PUBLIC_BLOCKS),
    }


def test_every_limit_has_a_source():
    assert all(row[2] for row in _rows("Limits"))


def test_the_termination_times_of_a_pod_are_those_of_the_code():
    fleet = Fleet.model_validate(_example())
    rows = [[int(cell) for cell in row] for row in _rows("Pod termination")]
    said: list[list[int]] = []
    for seconds, *_ in rows:
        chain = timeouts_of(
            fleet.servers["clock"].model_copy(update={"max_request_seconds": seconds})
        )
        said.append([seconds, PRE_STOP_SECONDS, chain.stop_seconds, grace_period_seconds(chain)])
    assert said == rows


def test_the_times_show_the_longest_request_and_the_shortest_stop():
    rows = [[int(cell) for cell in row] for row in _rows("Pod termination")]
    assert rows[-1][0] == timeouts.MAX_REQUEST_SECONDS
    assert rows[0][0] + 5 == rows[0][2] == timeouts.chain(1).stop_seconds


def test_nodes_quotas_and_prices_are_as_the_page_says():
    words = " ".join(_TEXT.split())
    assert f"up to {AUTO_MODE_MAX_VCPUS} vCPU and {AUTO_MODE_MAX_MEMORY_GIB} GiB" in words
    assert (
        f"about {price('eks-auto-mode').usd / price('eks-node').usd:.0%}".replace("%", " %")
        in words
    )
    assert price("eks-cluster-extended").usd == 6 * price("eks-cluster").usd
    assert "at six times the price" in words
    server = Fleet.model_validate(_example()).servers["clock"]
    assert needs(server).pods == 2 * server.replicas.max
    assert "every replica twice" in " ".join(_section("Teams").split())


def test_without_nat_there_are_as_many_endpoints_as_the_page_says():
    fleet = Fleet.model_validate(changed(_example(), "network", "nat", value="none"))
    said = f"this example then has {len(egress(fleet).endpoint_services)} interface endpoints"
    assert said in " ".join(_section("What it costs").split())


def test_the_pre_stop_delay_is_that_of_the_code():
    assert f"For the first {PRE_STOP_SECONDS} s the pod serves" in _section("Pod termination")


def test_the_example_is_accepted_and_has_what_only_eks_has():
    example = configuration(_example())
    assert not example.faults(_ROOT)
    fleet, region = example.read(_ROOT)
    assert (fleet.target.value, region) == ("eks", "us-east-1")
    assert fleet.teams.keys() == {load.team for _, load in fleet.workloads() if load.team}
    assert fleet.cluster.access
    assert fleet.cluster.public_access_cidrs


def test_the_settings_that_the_page_shows_are_accepted_with_the_example():
    shown = [yaml.safe_load(block) for block in _blocks("yaml")]
    assert [list(each) for each in shown] == [["cluster"], ["gitops"]]
    for each in shown:
        ((key, value),) = each.items()
        assert not configuration(changed(_example(), key, value=value)).faults(_ROOT)


def test_the_commands_that_set_a_value_are_those_of_the_configuration():
    paths = re.findall(r"config set --path '(\S+)'", "".join(_blocks("sh")))
    assert paths == [
        f"{NAMESPACE}:cluster.version",
        f"{NAMESPACE}:cluster.deletion_protection",
    ]
    assert {path.partition(".")[2] for path in paths} < Cluster.model_fields.keys()


def test_every_link_leads_to_a_file_and_its_heading():
    for link in re.findall(r"\]\(([^)]+)\)", _TEXT):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        text = (_ROOT / "docs" / path).read_text() if path else _TEXT
        headings = {
            re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        }
        assert not anchor or anchor in headings, link


def test_every_decision_on_eks_has_its_page_and_is_linked_to():
    linked = set(re.findall(r"\]\(adr/(00\d\d)-", _TEXT))
    assert linked == {"0006", "0011", "0012", "0013", "0014", "0015", "0020"}
