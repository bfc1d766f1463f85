from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.config.model import Fleet
from core.costs.bill import Tasks, Usage, monthly
from core.costs.usage import bill_table, table, usage
from core.resolved import ResolvedFleet
from tests.core.configurations import resolved

_IMAGE = {"image": {"uri": "example.com/clock@sha256:" + "0" * 64}}


def _fleet(**keys: Any) -> ResolvedFleet:
    return resolved(Fleet.model_validate({"servers": {"clock": _IMAGE}} | keys))


def test_the_smallest_fleet_has_one_of_everything():
    assert usage(_fleet()) == Usage(
        tasks=(Tasks(count=1, cpu=256, memory_mib=512),),
        load_balancers=1,
        nat_gateways=1,
        kms_keys=1,
        secrets=1,  # the request-state key
        alarms=7,
        dashboards=1,
    )


@pytest.mark.parametrize(
    ("network", "nat_gateways", "interface_endpoints"),
    [
        ({"nat": "single", "zones": 3}, 1, 0),
        ({"nat": "per-zone", "zones": 3}, 3, 0),
        ({"nat": "none", "zones": 3}, 0, 12),
        (
            {
                "vpc": {
                    "id": "vpc-0a1b2c3d4e5f60718",
                    "cidr": "10.1.0.0/16",
                    "private_subnets": ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"],
                }
            },
            0,
            0,
        ),
    ],
)
def test_egress_costs_by_zone_and_strategy(
    network: dict[str, Any], nat_gateways: int, interface_endpoints: int
):
    has = usage(_fleet(network=network))
    assert (has.nat_gateways, has.interface_endpoints) == (nat_gateways, interface_endpoints)


def test_hidden_workloads_have_fewer_alarms_and_agents_no_request_state_key():
    has = usage(_fleet(servers={}, agents={"assistant": _IMAGE | {"expose": False}}))
    assert (has.alarms, has.secrets) == (5, 0)


def test_a_secret_that_exists_already_is_not_paid_here():
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-a1B2c3"
    secrets = {"own": {"source": "generated"}, "there": {"source": "external", "arn": arn}}
    assert usage(_fleet(secrets=secrets)).secrets == 2


@pytest.mark.parametrize("target", ["ecs", "lambda", "eks"])
def test_a_firewall_is_paid_by_the_acl_and_by_its_rules(target: str):
    has = usage(_fleet(target=target, gateway={"firewall": {}}))
    without = usage(_fleet(target=target))
    assert (has.web_acls, has.web_acl_rules) == (1, 3)
    assert has == replace(without, web_acls=1, web_acl_rules=3)


def test_the_smallest_fleet_on_lambda_has_nothing_that_is_paid_by_the_hour():
    has = usage(_fleet(target="lambda"))
    assert has == Usage(
        kms_keys=1,
        secrets=1,  # the request-state key
        alarms=5,
        dashboards=1,
    )
    assert [line.price.item for line in monthly(has).lines if "hour" in line.price.unit] == []


def test_every_standing_cost_of_the_smallest_fleet_on_ecs_that_lambda_lacks_is_paid_by_the_hour():
    there = {line.price.item for line in monthly(usage(_fleet())).lines}
    on_lambda = {line.price.item for line in monthly(usage(_fleet(target="lambda"))).lines}
    hourly = {
        line.price.item for line in monthly(usage(_fleet())).lines if "hour" in line.price.unit
    }
    assert there - on_lambda == hourly


@pytest.mark.parametrize(
    ("network", "server", "nat_gateways", "interface_endpoints"),
    [
        ({"nat": "per-zone", "zones": 3}, {}, 0, 0),
        ({"nat": "per-zone", "zones": 3}, {"private_network": True}, 3, 0),
        ({"nat": "single"}, {"storage": {"mount": "/data"}}, 1, 0),
        ({"nat": "none", "zones": 3}, {}, 0, 0),
        ({"nat": "none", "zones": 3}, {"private_network": True}, 0, 3),
    ],
)
def test_on_lambda_egress_costs_only_for_functions_in_the_network(
    network: dict[str, Any], server: dict[str, Any], nat_gateways: int, interface_endpoints: int
):
    has = usage(_fleet(target="lambda", network=network, servers={"clock": _IMAGE | server}))
    assert (has.nat_gateways, has.interface_endpoints) == (nat_gateways, interface_endpoints)


@pytest.mark.parametrize(
    ("size", "warm_gb"),
    [
        ({"memory": 512, "cpu": 256}, Decimal(3) * 512 / 1024),
        ({"memory": 512, "cpu": 1024}, Decimal(3) * 1769 / 1024),
    ],
)
def test_what_is_kept_warm_is_paid_by_the_memory_of_the_functions(
    size: dict[str, int], warm_gb: Decimal
):
    server = _IMAGE | size | {"concurrency": {"provisioned": 3, "provisioned_max": 9}}
    assert usage(_fleet(target="lambda", servers={"clock": server})).warm_gb == warm_gb
    assert usage(_fleet(servers={"clock": server})).warm_gb == 0


_AUTH = {
    "issuer": "https://login.example.com",
    "jwks_uri": "https://login.example.com/jwks.json",
    "audience": "https://mcp.example.com",
}


@pytest.mark.parametrize(
    ("keys", "alarms"),
    [
        ({}, 4 + 1),
        ({"servers": {}, "agents": {"helper": _IMAGE}}, 4 + 1),
        ({"servers": {}, "agents": {"helper": {"runs_as": "state-machine"}}}, 6 + 1),
        # A function that checks tokens, and an API for agents, but for a fleet that has no server.
        ({"gateway": {"auth": _AUTH}}, 4 + 3 + 2),
        ({"gateway": {"allow_cidrs": ["203.0.113.0/24"]}}, 4 + 2),
        ({"servers": {}, "agents": {"helper": _IMAGE}, "gateway": {"auth": _AUTH}}, 4 + 3 + 1),
    ],
)
def test_on_lambda_alarms_are_paid_of_functions_state_machines_and_apis(
    keys: dict[str, Any], alarms: int
):
    assert usage(_fleet(target="lambda", **keys)).alarms == alarms


def _on_eks(cluster: dict[str, Any], **keys: Any) -> ResolvedFleet:
    return _fleet(target="eks", cluster=cluster, **keys)


def test_the_smallest_fleet_on_eks_has_a_cluster_and_a_node_instead_of_a_task():
    assert usage(_on_eks({})) == replace(
        usage(_fleet()), tasks=(), clusters=1, node_vcpus=2, auto_mode_vcpus=2, disk_gb=80
    )


@pytest.mark.parametrize(
    ("server", "vcpus", "disk_gb"),
    [
        # An m7g.large has room for 1392 CPU units and 6510 MiB, an m7g.xlarge for 3430 and 13769.
        ({"cpu": 1392, "memory": 6510}, 2, 80),
        ({"cpu": 696, "replicas": {"min": 2}}, 2, 80),
        ({"cpu": 697, "replicas": {"min": 2}}, 4, 160),
        ({"memory": 3256, "replicas": {"min": 2}}, 4, 160),
        ({"cpu": 1393}, 4, 80),
        ({"cpu": 1393, "replicas": {"min": 3}}, 8, 160),
    ],
)
def test_auto_mode_has_as_many_nodes_as_the_fewest_copies_need(
    server: dict[str, Any], vcpus: int, disk_gb: int
):
    has = usage(_on_eks({}, servers={"clock": _IMAGE | server}))
    assert (has.node_vcpus, has.auto_mode_vcpus, has.disk_gb) == (vcpus, vcpus, disk_gb)


@pytest.mark.parametrize(
    ("server", "vcpus", "disk_gb"),
    [
        # An r7g.large has room for 14 087 MiB, and costs less than an m7g.xlarge.
        ({"memory": 6511}, 2, 80),
        # 150 GiB fit in no m7g of 32 vCPU, and larger ones Auto Mode does not make.
        ({"memory": 150 * 1024}, 32, 80),
        ({"memory": 150 * 1024, "replicas": {"min": 2}}, 64, 160),
    ],
)
def test_auto_mode_takes_nodes_with_more_memory_where_others_are_too_small_or_cost_more(
    server: dict[str, Any], vcpus: int, disk_gb: int
):
    has = usage(_on_eks({}, servers={"clock": _IMAGE | server}))
    assert (has.node_vcpus, has.auto_mode_vcpus) == (0, 0)
    assert (has.memory_node_vcpus, has.auto_mode_memory_vcpus) == (vcpus, vcpus)
    assert has.disk_gb == disk_gb


@pytest.mark.parametrize(
    ("nodes", "spot", "vcpus", "disk_gb"),
    [
        ({}, False, 2 * 2, 2 * 50),
        ({}, True, 2 * 2 * 2, 2 * 2 * 50),
        ({"min": 3, "disk_gib": 100}, False, 3 * 2, 3 * 100),
        ({"instance_types": ["c7g.xlarge"]}, False, 2 * 4, 2 * 50),
        ({"instance_types": ["t4g.large"]}, False, 0, 2 * 50),
    ],
)
def test_managed_nodes_are_paid_by_the_fewest_of_each_group(
    nodes: dict[str, Any], spot: bool, vcpus: int, disk_gb: int
):
    cluster = {"nodes": "managed", "managed_nodes": nodes}
    has = usage(_on_eks(cluster, servers={"clock": _IMAGE | {"spot": spot}}))
    assert (has.clusters, has.node_vcpus, has.auto_mode_vcpus) == (1, vcpus, 0)
    assert has.disk_gb == disk_gb


def test_a_cluster_that_exists_already_is_not_paid_here():
    has = usage(_on_eks({"existing": {"name": "shared"}}))
    assert has == replace(usage(_fleet()), tasks=())


def test_a_fleet_of_nothing_needs_no_node():
    assert usage(_on_eks({}, servers={})).node_vcpus == 0


def test_the_table_of_use_names_units_once():
    has = Usage(function_gb_seconds=Decimal(2), rest_million_requests=Decimal(3))
    assert bill_table(has).splitlines()[2:] == [
        "| Lambda duration (arm64) | 2 GB-seconds | 0.00 |",
        "| REST API requests | 3 million requests | 10.50 |",
        "| **total** | | **10.50** |",
    ]


def test_the_table_has_a_row_for_each_item_and_their_sum():
    lines = table(_fleet()).splitlines()
    bill = monthly(usage(_fleet()))
    assert lines[:2] == ["| item | a month | US dollars |", "|---|--:|--:|"]
    assert len(lines) == len(bill.lines) + 3
    assert "| NAT gateway | 730 gateway-hours | 32.85 |" in lines
    assert "| KMS key | 1 key-month | 1.00 |" in lines
    assert lines[-1] == f"| **total** | | **{bill.total_usd}** |"
    assert abs(bill.total_usd - sum((line.usd for line in bill.lines), Decimal(0))) < 1
