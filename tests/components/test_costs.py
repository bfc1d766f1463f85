"""What `core.costs` reckons with is what the program makes."""

from typing import Any

import pytest

from core.costs import usage
from core.fleet import Fleet
from tests.components.fleets import FULL, MINIMAL
from tests.components.recording import run


@pytest.mark.parametrize("configuration", [MINIMAL, FULL])
def test_the_estimate_counts_what_is_made(configuration: dict[str, Any]):
    recording = run(configuration)
    has = usage(Fleet.model_validate(configuration))
    alarms = [made.inputs for made in recording.of("cloudwatch.MetricAlarm")]
    metrics = [sum("metric" in query for query in each.get("metricQueries", [])) for each in alarms]
    assert has.alarms == sum(max(count, 1) for count in metrics)
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
