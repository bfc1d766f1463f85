"""Sidecars: the containers of each task, servers with their own task, and the sizes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.config.errors import Fault
from core.config.model import Fleet
from core.costs.bill import Tasks
from core.costs.usage import usage
from core.graph import graph
from core.sidecars import containers, services, task_size
from core.stack import Stack
from core.targets.dispatch import resolve
from tests.core.configurations import DIGEST_URI, configuration, fixed, many, only_fault, resolved

_STACK = Stack(project="mcp-platform", name="dev", region="us-east-1", production=False)
_IMAGE: dict[str, Any] = {"image": {"uri": DIGEST_URI}}
_HIDDEN = _IMAGE | {"expose": False}
_AGENT = "pulumi config set --path 'mcp-platform:agents.helper"


def _own(
    servers: dict[str, dict[str, Any]], sidecars: list[str], **agent: object
) -> dict[str, Any]:
    """Servers and an agent that uses all of them, some as sidecars."""
    helper = {**_IMAGE, "uses": [*servers], "sidecars": sidecars, **agent}
    return {"servers": servers, "agents": {"helper": helper}}


def _fleet(
    servers: dict[str, dict[str, Any]], sidecars: list[str], **further: dict[str, Any]
) -> Fleet:
    own = _own(servers, sidecars)
    return Fleet.model_validate(own | {"agents": own["agents"] | further})


def test_a_task_has_its_workload_first_and_then_its_sidecars_in_their_order():
    fleet = _fleet(many(3), ["w2", "w0"])
    assert [*containers(fleet, "helper", fleet.agents["helper"])] == ["helper", "w2", "w0"]
    assert [*containers(fleet, "w2", fleet.servers["w2"])] == ["w2"]


def test_a_task_is_as_large_as_all_in_it():
    fleet = _fleet({"a": _IMAGE | {"cpu": 512, "memory": 1024}, "b": _IMAGE}, ["a", "b"])
    assert task_size(containers(fleet, "helper", fleet.agents["helper"])) == (1024, 2048)
    assert task_size(containers(fleet, "a", fleet.servers["a"])) == (512, 1024)


@pytest.mark.parametrize(
    ("server", "sidecars", "others", "runs"),
    [
        # Exposed, it runs for the gateway.
        (_IMAGE, ["clock"], {}, True),
        # Hidden, it runs for clients over the network,
        (_HIDDEN, [], {}, True),
        (_HIDDEN, ["clock"], {"other": _IMAGE | {"uses": ["clock"]}}, True),
        # and not for agents that have it as a sidecar.
        (_HIDDEN, ["clock"], {}, False),
        (_HIDDEN, ["clock"], {"other": _IMAGE | {"uses": ["clock"], "sidecars": ["clock"]}}, False),
    ],
)
def test_a_server_runs_in_its_own_task_for_clients_over_the_network(
    server: dict[str, Any], sidecars: list[str], others: dict[str, Any], *, runs: bool
):
    fleet = _fleet({"clock": server}, sidecars, **others)
    assert [*services(fleet)] == [*(["clock"] if runs else []), "helper", *others]


def test_an_unused_server_runs_in_its_own_task_though_it_is_hidden():
    assert [*services(Fleet.model_validate({"servers": {"clock": _HIDDEN}}))] == ["clock"]


def test_only_servers_that_are_not_sidecars_are_called_over_the_network():
    others = {"other": _IMAGE | {"uses": ["w1"]}}
    assert list(graph(_fleet(many(3), ["w1"], **others)).edges) == [
        ("helper", "w0"),
        ("helper", "w2"),
        ("other", "w1"),
    ]


def test_a_sidecar_alone_has_no_address_in_the_network():
    fleet = _fleet({"beside": _HIDDEN, "clock": _IMAGE}, ["beside", "clock"])
    found = resolve(fleet, _STACK)
    addresses = found.server_addresses
    assert addresses == {"clock": "http://clock.mcp-platform-dev.internal:8080/mcp"}
    (document,) = found.discovery_documents
    assert json.loads(document) == {
        "servers": addresses,
        "agents": {"helper": "/agents/helper"},
    }
    helper = found.workloads["helper"].container.environment
    assert json.loads(helper["MCP_SERVERS"]) == {
        "beside": "http://localhost:8081/mcp",
        "clock": "http://localhost:8082/mcp",
    }


_AUTH = {
    "issuer": "https://login.example.com",
    "jwks_uri": "https://login.example.com/jwks.json",
    "audience": "https://mcp.example.com",
}


@pytest.mark.parametrize(("sidecars", "checks"), [(["clock"], True), ([], False)])
def test_a_server_that_only_the_gateway_reaches_checks_tokens_and_its_sidecar_does_not(
    sidecars: list[str], *, checks: bool
):
    own = _own({"clock": _IMAGE}, sidecars) | {"gateway": {"auth": _AUTH}}
    workloads = resolve(Fleet.model_validate(own), _STACK).workloads
    alone = workloads["clock"].container.environment
    assert alone["PORT"] == "8080"
    assert ("AUTH_ISSUER" in alone, "AUTH_AUDIENCE" in alone) == (checks, checks)
    if not sidecars:
        return
    beside = workloads["helper"].sidecars[0].environment
    tokens = ("AUTH_ISSUER", "AUTH_AUDIENCE")
    assert beside == {name: value for name, value in alone.items() if name not in tokens} | {
        "PORT": "8081"
    }


def test_a_sidecar_is_paid_in_its_agents_tasks_and_in_none_of_its_own():
    server = _HIDDEN | {"replicas": {"min": 3, "max": 3}}
    apart, beside = (usage(resolved(_fleet({"clock": server}, own))) for own in ([], ["clock"]))
    assert apart.tasks == (
        Tasks(count=3, cpu=256, memory_mib=512),
        Tasks(count=1, cpu=256, memory_mib=512),
    )
    assert (apart.alarms, beside.alarms) == (5 + 7, 1 + 7)
    assert beside == replace(
        apart, tasks=(Tasks(count=1, cpu=512, memory_mib=1024),), alarms=beside.alarms
    )


@pytest.mark.parametrize(
    ("server", "agent"),
    [
        ({"cpu": 256, "memory": 512}, {"cpu": 256, "memory": 512}),
        # Neither alone is a size of Fargate.
        ({"cpu": 100, "memory": 100}, {"cpu": 156, "memory": 412}),
        ({"cpu": 16128, "memory": 122368}, {"cpu": 256, "memory": 512}),
    ],
)
def test_an_agent_and_its_sidecars_have_a_size_together_that_fargate_offers(
    root: Path, server: dict[str, int], agent: dict[str, int]
):
    assert not configuration(_own({"clock": _HIDDEN | server}, ["clock"], **agent)).faults(root)


@pytest.mark.parametrize(
    ("server", "wrong", "got", "allowed", "fix"),
    [
        (
            {"cpu": 512, "memory": 1024},
            "cpu",
            "cpu 768 with memory 1536",
            (
                "cpu must be one of 256, 512, 1024, 2048, 4096, 8192, 16384. The nearest size "
                "is cpu 1024 with memory 2048"
            ),
            f"{_AGENT}.cpu' 512 && {_AGENT}.memory' 1024",
        ),
        (
            {"cpu": 256, "memory": 513},
            "memory",
            "cpu 512 with memory 1025",
            (
                "with cpu 512, memory must be 1024 to 4096 in steps of 1024. The nearest size "
                "is cpu 512 with memory 2048"
            ),
            f"{_AGENT}.memory' 1535",
        ),
    ],
)
def test_an_agent_and_its_sidecars_have_no_other_size_and_the_agents_share_makes_it_one(
    root: Path, server: dict[str, int], wrong: str, got: str, allowed: str, fix: str
):
    own = _own({"clock": _HIDDEN | server}, ["clock"])
    assert only_fault(own, root) == Fault(
        path=("agents", "helper", wrong),
        got=f"{got}, including its sidecars",
        allowed=f"a size that Fargate supports: {allowed}",
        fix=fix,
    )
    assert not fixed(configuration(own), fix).faults(root)


def test_sidecars_that_are_too_large_for_any_task_are_taken_out(root: Path):
    largest = {"cpu": 16384, "memory": 122880}
    own = _own({"clock": _HIDDEN | largest}, ["clock"])
    fault = only_fault(own, root)
    assert fault == Fault(
        path=("agents", "helper", "sidecars"),
        got="cpu 16640 with memory 123392, including its sidecars",
        allowed=(
            "a size that Fargate supports: cpu must be one of 256, 512, 1024, 2048, 4096, "
            "8192, 16384. The nearest size is cpu 16384 with memory 122880"
        ),
        fix="pulumi config rm --path 'mcp-platform:agents.helper.sidecars'",
    )
    assert not fixed(configuration(own), fault.fix or "").faults(root)


def test_a_server_that_also_runs_in_its_own_task_has_its_own_size(root: Path):
    odd = {"cpu": 100, "memory": 100}
    own = _own({"clock": _IMAGE | odd}, ["clock"], cpu=156, memory=412)
    assert only_fault(own, root).path == ("servers", "clock", "cpu")


def test_the_size_of_a_task_is_not_judged_while_a_sidecar_cannot_be_read(root: Path):
    own = _own({"clock": _HIDDEN | {"cpu": 100, "memory": 100, "colour": "red"}}, ["clock"])
    own["agents"]["helper"] |= {"cpu": 156, "memory": 412}
    assert only_fault(own, root).path == ("servers", "clock", "colour")


def test_an_agent_has_9_sidecars_and_no_tenth(root: Path):
    servers = many(11, cpu=1, memory=10, expose=False)

    def with_sidecars(count: int) -> dict[str, Any]:
        beside = {name: servers[name] for name in [*servers][:count]}
        return _own(beside, [*beside], cpu=256 - count, memory=512 - 10 * count)

    assert not configuration(with_sidecars(9)).faults(root)
    expected = Fault(
        path=("agents", "helper", "sidecars"),
        got="10 sidecars",
        allowed="at most 9: Amazon ECS allows 10 containers per task, and one is the agent",
        fix="pulumi config rm --path 'mcp-platform:agents.helper.sidecars[9]'",
    )
    assert only_fault(with_sidecars(10), root) == expected
    fault = only_fault(with_sidecars(11), root)
    assert fault == replace(
        expected,
        got="11 sidecars",
        fix=f"pulumi config rm --path 'mcp-platform:agents.helper.sidecars[10]' && {expected.fix}",
    )
    after = fixed(configuration(with_sidecars(11)), fault.fix or "")
    assert ("agents", "helper", "sidecars") not in [fault.path for fault in after.faults(root)]


@pytest.mark.parametrize(
    ("section", "name", "sizes"),
    [("servers", "clock", (5, 507)), ("agents", "helper", (507, 5))],
)
def test_a_container_beside_others_has_6_mib_or_more(
    root: Path, section: str, name: str, sizes: tuple[int, int]
):
    def sized(server: int, agent: int) -> dict[str, Any]:
        clock = _HIDDEN | {"cpu": 128, "memory": server}
        return _own({"clock": clock}, ["clock"], cpu=128, memory=agent)

    assert only_fault(sized(*sizes), root) == Fault(
        path=(section, name, "memory"),
        got="5",
        allowed="at least 6 MiB, the minimum of a container",
        fix=f"pulumi config set --path 'mcp-platform:{section}.{name}.memory' 6",
    )
    least = (size + 1 if size == 5 else size - 1 for size in sizes)
    assert not configuration(sized(*least)).faults(root)


def test_sidecars_keep_sessions_in_memory_however_many_copies_their_agent_has(root: Path):
    stateful = _HIDDEN | {"sessions": "legacy-stateful", "replicas": {"max": 4}}
    assert not configuration(_own({"clock": stateful}, ["clock"])).faults(root)
    by_itself = only_fault(_own({"clock": stateful | {"expose": True}}, ["clock"]), root)
    assert by_itself.path == ("servers", "clock", "replicas", "max")


def test_sidecars_take_none_of_the_rules_of_a_security_group(root: Path):
    own = _own(many(61), ["w0"])
    assert not configuration(own).faults(root)
    own["agents"]["helper"]["sidecars"] = []
    assert only_fault(own, root).path == ("agents", "helper", "uses")


def test_agents_that_have_a_server_beside_them_do_not_count_as_callers_of_it(root: Path):
    apart = many(61, uses=["clock"], expose=False)
    beside = {name: agent | {"sidecars": ["clock"]} for name, agent in apart.items()}
    servers = {"clock": _IMAGE}
    own = {"servers": servers, "agents": apart | {"w0": beside["w0"]}}
    assert not configuration(own).faults(root)
    assert only_fault(own | {"agents": apart}, root).path == ("servers", "clock")
