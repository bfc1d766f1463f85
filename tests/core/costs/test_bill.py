from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.costs.bill import NOT_COUNTED, Tasks, Usage, monthly
from core.costs.prices import price_table

_EXAMPLE = Usage(
    tasks=(
        Tasks(count=1, cpu=256, memory_mib=512),
        Tasks(count=2, cpu=512, memory_mib=1024),
    ),
    load_balancers=1,
    nat_gateways=1,
    interface_endpoints=6,
    kms_keys=1,
    secrets=2,
    log_gb=Decimal(5),
    alarms=18,
    dashboards=1,
    warm_gb=Decimal("1.5"),
    web_acls=1,
    web_acl_rules=3,
    function_gb_seconds=Decimal(600_000),
    function_million_requests=Decimal("1.2"),
    rest_million_requests=Decimal("1.2"),
    file_gb=Decimal("1.5"),
    clusters=1,
    node_vcpus=4,
    memory_node_vcpus=8,
    auto_mode_vcpus=2,
    auto_mode_memory_vcpus=8,
    disk_gb=160,
)

# A warning names it; no bill counts it.
_NOT_ON_A_BILL = {"eks-cluster-extended"}


def test_a_worked_example_comes_to_this_sum():
    bill = monthly(_EXAMPLE)
    assert [(line.price.item, line.quantity, line.usd) for line in bill.lines] == [
        ("Fargate vCPU (Linux, arm64)", Decimal("912.50"), Decimal("29.54675")),
        ("Fargate memory (Linux, arm64)", Decimal("1825.0"), Decimal("6.497")),
        ("Application Load Balancer", Decimal(730), Decimal("16.425")),
        ("NAT gateway", Decimal(730), Decimal("32.85")),
        ("Interface endpoint", Decimal(4380), Decimal("43.80")),
        ("KMS key", Decimal(1), Decimal("1.00")),
        ("Secrets Manager secret", Decimal(2), Decimal("0.80")),
        ("CloudWatch Logs, taken in", Decimal(5), Decimal("2.50")),
        ("CloudWatch alarm, standard", Decimal(18), Decimal("1.80")),
        ("CloudWatch dashboard", Decimal(1), Decimal("3.00")),
        ("Lambda provisioned concurrency (arm64)", Decimal("1095.0"), Decimal("13.14026280")),
        ("Web ACL", Decimal(1), Decimal("5.00")),
        ("Rule of a web ACL", Decimal(3), Decimal("3.00")),
        ("Lambda duration (arm64)", Decimal(600_000), Decimal("8.00004")),
        ("Lambda requests", Decimal("1.2"), Decimal("0.24")),
        ("REST API requests", Decimal("1.2"), Decimal("4.20")),
        ("EFS, standard storage", Decimal("1.5"), Decimal("0.45")),
        ("EKS cluster, standard support", Decimal(730), Decimal("73.00")),
        ("EC2 node (m7g)", Decimal(2920), Decimal("119.136")),
        ("EC2 node (r7g)", Decimal(5840), Decimal("312.732")),
        ("EKS Auto Mode, on top of its nodes", Decimal(1460), Decimal("7.14816")),
        ("EKS Auto Mode, on top of its r7g nodes", Decimal(5840), Decimal("37.52784")),
        ("Disks of nodes (EBS gp3)", Decimal(160), Decimal("12.80")),
    ]
    assert bill.total_usd == Decimal("734.59")


def test_the_example_uses_every_price_of_the_table_once_and_in_order():
    prices = price_table().prices
    assert prices.keys() >= _NOT_ON_A_BILL
    assert [line.price for line in monthly(_EXAMPLE).lines] == [
        price for price_id, price in prices.items() if price_id not in _NOT_ON_A_BILL
    ]


def test_nothing_costs_nothing():
    bill = monthly(Usage())
    assert bill.lines == ()
    assert bill.total_usd == Decimal("0.00")


def test_one_vcpu_with_two_gb_for_a_month_comes_to_this():
    bill = monthly(Usage(tasks=(Tasks(count=1, cpu=1024, memory_mib=2048),)))
    assert [line.usd for line in bill.lines] == [Decimal("23.63740"), Decimal("5.19760")]
    assert bill.total_usd == Decimal("28.84")


@given(
    count=st.integers(0, 100), cpu=st.sampled_from([256, 16384]), memory=st.integers(512, 122_880)
)
def test_the_same_tasks_cost_the_same_together_or_one_by_one(count: int, cpu: int, memory: int):
    together = monthly(Usage(tasks=(Tasks(count=count, cpu=cpu, memory_mib=memory),)))
    apart = monthly(Usage(tasks=(Tasks(count=1, cpu=cpu, memory_mib=memory),) * count))
    assert together.total_usd == apart.total_usd


@given(gateways=st.integers(0, 6), endpoints=st.integers(0, 60), alarms=st.integers(0, 5000))
def test_the_total_is_the_sum_of_the_individual_lines(gateways: int, endpoints: int, alarms: int):
    alone = [
        monthly(Usage(nat_gateways=gateways)),
        monthly(Usage(interface_endpoints=endpoints)),
        monthly(Usage(alarms=alarms)),
    ]
    all_of_it = monthly(Usage(nat_gateways=gateways, interface_endpoints=endpoints, alarms=alarms))
    assert all_of_it.total_usd == sum(bill.total_usd for bill in alone)


def test_a_total_is_rounded_to_cents_only_at_the_end():
    bill = monthly(Usage(load_balancers=1))
    assert bill.lines[0].usd == Decimal("16.4250")
    assert bill.total_usd == Decimal("16.43")


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        (Usage(alarms=-1), "CloudWatch alarm, standard: -1 metric-month cannot be, it is negative"),
        (
            Usage(warm_gb=Decimal(-1)),
            r"Lambda provisioned concurrency \(arm64\): -730 GB-hour cannot be, it is negative",
        ),
        (Usage(log_gb=Decimal("-0.5")), "CloudWatch Logs, taken in: -0.5 GB cannot be"),
    ],
)
def test_a_negative_count_is_refused(usage: Usage, message: str):
    with pytest.raises(ValueError, match=f"^{message}"):
        monthly(usage)


def test_excluded_costs_are_listed():
    assert any("Container Insights" in sentence for sentence in NOT_COUNTED)
    assert any("transfer" in sentence for sentence in NOT_COUNTED)
