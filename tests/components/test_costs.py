"""The resources in `core.costs.usage` are the resources that the program creates."""

from collections.abc import Callable
from typing import Any

import pytest

from core.config.model import Fleet
from core.costs.bill import monthly
from core.costs.usage import usage
from tests.components.fleets import EVERY_FLEET, FULL, LAMBDA, LAMBDA_FULL, MINIMAL, PUBLIC
from tests.components.recording import example, run
from tests.core.configurations import resolved

FIREWALL: dict[str, Any] = {**MINIMAL, "gateway": {"firewall": {}}}
LAMBDA_AGENT: dict[str, Any] = {
    "target": "lambda",
    "agents": {"assistant": {"image": {"context": "workloads/assistant"}}},
    "gateway": PUBLIC,
}
LAMBDA_INSIDE: dict[str, Any] = {
    "target": "lambda",
    "servers": {"clock": {**MINIMAL["servers"]["clock"], "private_network": True}},
    "network": {"nat": "none"},
}
_EVERY_FLEET = (
    EVERY_FLEET
    | {f"{name} example": example(name) for name in ("dev", "lambda", "eks")}
    | {"firewall": FIREWALL, "lambda agent": LAMBDA_AGENT, "lambda inside": LAMBDA_INSIDE}
)


@pytest.mark.parametrize(
    "configuration", [MINIMAL, FULL, FIREWALL, LAMBDA, LAMBDA_FULL, LAMBDA_AGENT, LAMBDA_INSIDE]
)
def test_the_estimate_counts_what_is_made(configuration: dict[str, Any]):
    recording = run(configuration)
    has = usage(resolved(Fleet.model_validate(configuration)))
    assert has.secrets == len(recording.of("secretsmanager.Secret"))
    assert has.kms_keys == len(recording.of("kms.Key"))
    assert has.load_balancers == len(recording.of("lb.LoadBalancer"))
    assert has.dashboards == len(recording.of("cloudwatch.Dashboard"))
    interface = [
        made
        for made in recording.of("ec2.VpcEndpoint")
        if made.inputs["vpcEndpointType"] == "Interface"
    ]
    zones = Fleet.model_validate(configuration).network.zones
    assert has.interface_endpoints == len(interface) * zones
    assert len(has.tasks) == len(recording.of("ecs.Service"))
    acls = recording.of("wafv2.WebAcl")
    assert has.web_acls == len(acls)
    assert has.web_acl_rules == sum(len(acl.inputs["rules"]) for acl in acls)
    memory = {made.name: made.inputs["memorySize"] for made in recording.of("lambda.Function")}
    warm = {
        made.name.removesuffix("-warm"): made.inputs["provisionedConcurrentExecutions"]
        for made in recording.of("lambda.ProvisionedConcurrencyConfig")
    }
    assert has.warm_gb * 1024 == sum(
        memory[f"{name}-function"] * count for name, count in warm.items()
    )


def _metric_count(alarm: dict[str, Any]) -> int:
    if "metricName" in alarm:
        return 1
    return sum("metric" in query for query in alarm["metricQueries"])


@pytest.mark.parametrize("configuration", _EVERY_FLEET.values(), ids=_EVERY_FLEET)
def test_the_estimate_counts_every_metric_of_every_alarm(configuration: dict[str, Any]):
    counts = [
        _metric_count(made.inputs) for made in run(configuration).of("cloudwatch.MetricAlarm")
    ]
    assert min(counts) > 0
    assert usage(resolved(Fleet.model_validate(configuration))).alarms == sum(counts)


# The resources of the program that are billed by the hour.
HOURLY: dict[str, Callable[[dict[str, Any]], bool]] = {
    "ec2.NatGateway": lambda _: True,
    "ec2.VpcEndpoint": lambda inputs: inputs["vpcEndpointType"] == "Interface",
    "ecs.Service": lambda _: True,
    "lambda.ProvisionedConcurrencyConfig": lambda _: True,
    "lb.LoadBalancer": lambda _: True,
}


def _hourly(configuration: dict[str, Any]) -> list[str]:
    made = run(configuration).resources.values()
    return [one.kind for one in made if one.kind in HOURLY and HOURLY[one.kind](one.inputs)]


def test_the_least_fleet_on_lambda_has_nothing_that_is_paid_by_the_hour():
    assert sorted(_hourly(MINIMAL)) == ["ec2.NatGateway", "ecs.Service", "lb.LoadBalancer"]
    assert _hourly(LAMBDA) == []
    bill = monthly(usage(resolved(Fleet.model_validate(LAMBDA))))
    assert [line.price.item for line in bill.lines if "hour" in line.price.unit] == []
