from decimal import Decimal
from typing import Any

import pytest

from core.costs import table, usage
from core.fleet import Fleet
from core.prices import Tasks, Usage, monthly

_IMAGE = {"image": {"uri": "example.com/clock@sha256:" + "0" * 64}}


def _fleet(**keys: Any) -> Fleet:
    return Fleet.model_validate({"servers": {"clock": _IMAGE}} | keys)


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
def test_the_way_out_costs_by_zone_and_strategy(
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


def test_the_table_has_a_row_for_each_item_and_their_sum():
    lines = table(_fleet()).splitlines()
    bill = monthly(usage(_fleet()))
    assert lines[:2] == ["| item | a month | US dollars |", "|---|--:|--:|"]
    assert len(lines) == len(bill.lines) + 3
    assert "| NAT gateway | 730 gateway-hours | 32.85 |" in lines
    assert "| KMS key | 1 key-month | 1.00 |" in lines
    assert lines[-1] == f"| **total** | | **{bill.total_usd}** |"
    assert abs(bill.total_usd - sum((line.usd for line in bill.lines), Decimal(0))) < 1
