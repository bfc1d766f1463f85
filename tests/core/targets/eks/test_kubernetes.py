from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.model import Fleet
from core.targets.eks.kubernetes import (
    PRE_STOP_SECONDS,
    Quota,
    grace_period_seconds,
    millicores,
    namespace,
    namespaces,
    needs,
    quota,
    service_block,
    timeouts_of,
)

_IMAGE: dict[str, Any] = {"image": {"uri": "example.com/clock@sha256:" + "0" * 64}}


def _fleet(**keys: Any) -> Fleet:
    return Fleet.model_validate(
        {
            "target": "eks",
            "servers": {"clock": _IMAGE, "ledger": {**_IMAGE, "team": "payments"}},
            "agents": {
                "teller": {**_IMAGE, "team": "payments", "uses": ["ledger", "clock"]},
                "helper": {**_IMAGE, "uses": ["clock"]},
            },
        }
        | keys
    )


def test_a_workload_is_in_the_namespace_of_its_team_or_of_those_without():
    fleet = _fleet()
    assert {name: list(loads) for name, loads in namespaces(fleet).items()} == {
        "mcp": ["clock", "helper"],
        "payments": ["ledger", "teller"],
    }
    assert namespace(fleet, fleet.servers["ledger"]) == "payments"
    assert list(namespaces(_fleet(cluster={"namespace": "fleet"}))) == ["fleet", "payments"]


@pytest.mark.parametrize(
    ("cpu", "expected"), [(1, 1), (100, 98), (256, 250), (1024, 1000), (1025, 1001)]
)
def test_cpu_units_are_thousandths_of_a_vcpu_rounded_up(cpu: int, expected: int):
    assert millicores(cpu) == expected


@given(cpu=st.integers(1, 100_000))
def test_no_cpu_is_lost_and_less_than_a_thousandth_is_won(cpu: int):
    assert 0 <= millicores(cpu) * 1024 - cpu * 1000 < 1024


def test_a_workload_needs_every_copy_twice_at_its_most():
    load = {**_IMAGE, "cpu": 300, "memory": 700, "replicas": {"max": 3}}
    fleet = _fleet(servers={"clock": load}, agents={})
    assert needs(fleet.servers["clock"]) == Quota(millicores=6 * 293, memory_mib=6 * 700, pods=6)


# Two workloads of four copies each, of 256 CPU units and 512 MiB.
_BOTH = Quota(millicores=16 * 250, memory_mib=16 * 512, pods=16)


@pytest.mark.parametrize(
    ("teams", "expected"),
    [
        ({}, _BOTH),
        ({"payments": {}}, _BOTH),
        ({"payments": {"cpu": 8192}}, Quota(millicores=8000, memory_mib=16 * 512, pods=16)),
        ({"payments": {"memory": 9000}}, Quota(millicores=4000, memory_mib=9000, pods=16)),
        ({"payments": {"pods": 99}}, Quota(millicores=4000, memory_mib=16 * 512, pods=99)),
    ],
)
def test_a_quota_is_the_teams_own_and_what_is_needed_for_what_it_leaves_out(
    teams: dict[str, Any], expected: Quota
):
    fleet = _fleet(teams=teams)
    loads = {name: list(each.values()) for name, each in namespaces(fleet).items()}
    assert quota(fleet.teams.get("payments"), loads["payments"]) == expected
    assert quota(None, loads["mcp"]) == _BOTH


@pytest.mark.parametrize(("seconds", "stop"), [(1, 30), (25, 30), (26, 31), (60, 65), (3970, 3975)])
def test_kubernetes_waits_until_the_longest_request_has_ended(seconds: int, stop: int):
    fleet = _fleet(servers={"clock": {**_IMAGE, "max_request_seconds": seconds}}, agents={})
    timeouts = timeouts_of(fleet.servers["clock"], 4000)
    assert timeouts.stop_seconds == stop
    assert timeouts.alb_idle_seconds == 4000
    assert timeouts.server_grace_seconds >= seconds
    assert grace_period_seconds(timeouts) == PRE_STOP_SECONDS + stop


@pytest.mark.parametrize(
    ("vpc", "block"),
    [
        ("10.0.0.0/16", "172.20.0.0/16"),
        ("172.16.0.0/16", "172.20.0.0/16"),
        ("172.20.0.0/16", "10.100.0.0/16"),
        ("172.20.128.0/22", "10.100.0.0/16"),
        ("172.16.0.0/12", "10.100.0.0/16"),
        ("10.100.0.0/16", "172.20.0.0/16"),
    ],
)
def test_the_services_have_addresses_that_the_vpc_has_not(vpc: str, block: str):
    assert service_block(vpc) == block
    assert not IPv4Network(block).overlaps(IPv4Network(vpc))
