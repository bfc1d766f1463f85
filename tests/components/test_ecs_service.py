"""The services of the ECS target: deployment, scaling and alarms."""

import json
from typing import Any

import pytest

from tests.components.fleets import FULL, MINIMAL, with_server
from tests.components.recording import Recording, run

WORKLOADS = [*FULL["servers"], *FULL["agents"]]
HIDDEN = ["auditor", "quiet"]
FIXED = ["old", "quiet"]
BEHIND_GATEWAY = sorted(name for name in WORKLOADS if name not in HIDDEN)
SCALING = sorted(name for name in WORKLOADS if name not in FIXED)


def _service(recording: Recording, workload: str) -> dict[str, Any]:
    return recording.one("ecs.Service", f"ecs-{workload}-service").inputs


def test_the_cluster_has_enhanced_insights_and_both_kinds_of_capacity():
    recording = run(FULL)
    cluster = recording.one("ecs.Cluster")
    assert cluster.inputs["settings"] == [{"name": "containerInsights", "value": "enhanced"}]
    log = recording.one("cloudwatch.LogGroup", "fleet-observability-shell-log")
    assert log.inputs["name"] == "/mcp-platform/dev/shells/sessions"
    assert cluster.inputs["configuration"]["executeCommandConfiguration"] == {
        "logging": "OVERRIDE",
        "logConfiguration": {
            "cloudWatchLogGroupName": log.state["name"],
            "cloudWatchEncryptionEnabled": True,
        },
    }
    assert recording.one("ecs.ClusterCapacityProviders").inputs == {
        "clusterName": cluster.state["name"],
        "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
    }


def test_a_service_deploys_without_falling_below_its_count_and_rolls_back():
    recording = run(FULL)
    for name in WORKLOADS:
        service = _service(recording, name)
        assert {
            key: service[key]
            for key in (
                "deploymentMinimumHealthyPercent",
                "deploymentMaximumPercent",
                "deploymentCircuitBreaker",
                "availabilityZoneRebalancing",
                "enableEcsManagedTags",
                "propagateTags",
                "waitForSteadyState",
            )
        } == {
            "deploymentMinimumHealthyPercent": 100,
            "deploymentMaximumPercent": 200,
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "availabilityZoneRebalancing": "ENABLED",
            "enableEcsManagedTags": True,
            "propagateTags": "SERVICE",
            "waitForSteadyState": True,
        }


def test_a_service_runs_its_own_task_in_the_cluster_in_private_subnets_without_an_address():
    recording = run(FULL)
    subnets = recording.one("awsx.Vpc").state["privateSubnetIds"]
    for name in WORKLOADS:
        service = _service(recording, name)
        assert service["cluster"] == recording.one("ecs.Cluster").state["arn"]
        task = recording.one("ecs.TaskDefinition", f"ecs-{name}-task")
        assert service["taskDefinition"] == task.state["arn"]
        assert service["networkConfiguration"]["subnets"] == subnets
        assert service["networkConfiguration"]["assignPublicIp"] is False


def test_replicas_run_on_demand_and_with_spot_all_but_the_first_on_spare_capacity():
    recording = run(FULL)
    strategies = {
        name: _service(recording, name)["capacityProviderStrategies"] for name in WORKLOADS
    }
    on_demand = [{"capacityProvider": "FARGATE", "base": 1, "weight": 1}]
    spot = [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 0},
        {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1},
    ]
    assert strategies == dict.fromkeys(WORKLOADS, on_demand) | {"quiet": spot}
    assert [name for name in WORKLOADS if "launchType" in _service(recording, name)] == []


def test_a_shell_can_be_opened_only_where_asked():
    recording = run(FULL)
    assert [n for n in WORKLOADS if _service(recording, n)["enableExecuteCommand"]] == ["quiet"]


def test_servers_are_found_by_their_names_and_agents_are_not():
    recording = run(FULL)
    namespace = recording.one("servicediscovery.PrivateDnsNamespace").id
    for name in FULL["servers"]:
        entry = recording.one("servicediscovery.Service", f"ecs-{name}-discovery")
        assert entry.inputs["name"] == name
        assert entry.inputs["dnsConfig"] == {
            "namespaceId": namespace,
            "dnsRecords": [{"type": "A", "ttl": 10}],
            "routingPolicy": "MULTIVALUE",
        }
        assert entry.inputs["forceDestroy"] is True
        assert entry.inputs["healthCheckCustomConfig"] == {"failureThreshold": 1}
        registries = _service(recording, name)["serviceRegistries"]
        assert registries == {"registryArn": entry.state["arn"]}
    assert len(recording.of("servicediscovery.Service")) == len(FULL["servers"])
    assert [n for n in FULL["agents"] if "serviceRegistries" in _service(recording, n)] == []


def test_what_is_exposed_is_behind_the_gateway_and_the_rest_is_not():
    recording = run(FULL)
    behind = sorted(name for name in WORKLOADS if "loadBalancers" in _service(recording, name))
    assert behind == BEHIND_GATEWAY
    for name in behind:
        service = _service(recording, name)
        group = recording.one("lb.TargetGroup", f"gateway-{name}")
        assert service["loadBalancers"] == [
            {"targetGroupArn": group.state["arn"], "containerName": name, "containerPort": 8080}
        ]
        assert service["healthCheckGracePeriodSeconds"] == 60
    for name in HIDDEN:
        assert "healthCheckGracePeriodSeconds" not in _service(recording, name)


def test_a_service_waits_for_everything_that_its_tasks_need_to_start():
    recording = run(FULL)
    needed = {
        recording.one(kind, name).urn
        for kind, name in (
            ("ecs.ClusterCapacityProviders", "ecs-capacity"),
            ("iam.RolePolicy", "ecs-notes-task-policy"),
            ("iam.RolePolicy", "ecs-notes-execution-policy"),
            ("lb.ListenerRule", "gateway-notes-rule"),
            *(("efs.MountTarget", f"fleet-storage-zone-{zone}") for zone in (1, 2, 3)),
        )
    }
    dependencies = recording.one("ecs.Service", "ecs-notes-service").dependencies
    assert needed - set(dependencies) == set()
    assert not any(
        "MountTarget" in urn
        for urn in recording.one("ecs.Service", "ecs-clock-service").dependencies
    )


def test_a_service_waits_for_egress_and_is_deleted_before_it():
    with_nat = run(MINIMAL)
    routes = {made.urn for made in with_nat.of("ec2.Route")}
    assert len(routes) == 2
    assert routes <= set(with_nat.one("ecs.Service").dependencies)
    without = run(FULL)
    endpoints = {made.urn for made in without.of("ec2.VpcEndpoint")}
    assert len(endpoints) == 7
    admitted = without.one("vpc.SecurityGroupIngressRule", "fleet-network-endpoints-https").urn
    waits = set(without.one("ecs.Service", "ecs-clock-service").dependencies)
    assert endpoints | {admitted} <= waits


def test_a_task_definition_waits_for_its_own_secrets_values_and_for_none_that_are_set_outside():
    recording = run(FULL)
    for name, own in {
        "clock": {"request-state-clock"},
        "notes": {"secret-notes-api-key", "secret-made-up", "request-state-notes"},
        "quiet": {"request-state-quiet"},
        "assistant": set[str](),
    }.items():
        waits = recording.one("ecs.TaskDefinition", f"ecs-{name}-task").dependencies
        values = {urn.rpartition("::")[2] for urn in waits if "SecretVersion" in urn}
        assert values == {f"fleet-vault-{secret}-version" for secret in own}


def test_a_service_waits_for_the_endpoints_where_nothing_else_leads_out():
    recording = run({**MINIMAL, "network": {"nat": "none"}})
    endpoints = {made.urn for made in recording.of("ec2.VpcEndpoint")}
    assert len(endpoints) == 5
    assert endpoints <= set(recording.one("ecs.Service").dependencies)
    with_nat = run(MINIMAL).one("ecs.Service").dependencies
    assert [urn for urn in with_nat if "VpcEndpoint" in urn] == []


def test_a_deployment_waits_for_the_drain_of_a_replica():
    recording = run(with_server(max_request_seconds=3970))
    assert recording.one("ecs.Service").timeouts == dict.fromkeys(
        ("create", "update", "delete"), f"{20 * 60 + 3600 + 120}s"
    )
    assert run(MINIMAL).one("ecs.Service").timeouts["update"] == f"{20 * 60 + 90 + 65}s"


def test_the_kind_of_capacity_can_be_changed_as_the_provider_forces_a_deployment():
    recording = run(FULL)
    assert [n for n in WORKLOADS if not _service(recording, n)["forceNewDeployment"]] == []


def test_the_count_is_left_to_autoscaling_exactly_where_there_is_room_to_scale():
    recording = run(FULL)
    services = recording.of("ecs.Service")
    left = sorted(made.name for made in services if made.ignore_changes == ["desiredCount"])
    assert left == [f"ecs-{name}-service" for name in SCALING]
    assert {tuple(made.ignore_changes) for made in services} == {("desiredCount",), ()}
    assert recording.names("appautoscaling.Target") == [f"ecs-{name}-scaling" for name in SCALING]
    counts = {name: _service(recording, name)["desiredCount"] for name in WORKLOADS}
    assert counts == dict.fromkeys(WORKLOADS, 1) | {"quiet": 2}


def test_a_service_is_replaced_where_ecs_cannot_update_it():
    recording = run(FULL)
    triggers = {
        name: recording.one("ecs.Service", f"ecs-{name}-service").replacement_trigger
        for name in WORKLOADS
    }
    assert triggers == {
        name: f"{'gateway' if name in BEHIND_GATEWAY else 'private'}"
        f" {'autoscaled' if name in SCALING else 'fixed'}"
        for name in WORKLOADS
    }


def test_a_service_whose_deployment_failed_is_replaced_by_the_next_up():
    for made in run(FULL).of("ecs.Service"):
        assert made.replace_on_changes == ["#initerror"]


@pytest.mark.parametrize(("replicas", "scales"), [((2, 2), False), ((2, 3), True)])
def test_a_maximum_of_one_more_replica_enables_scaling(replicas: tuple[int, int], *, scales: bool):
    least, most = replicas
    recording = run(with_server(replicas={"min": least, "max": most}))
    targets = [made.inputs for made in recording.of("appautoscaling.Target")]
    assert [(made["minCapacity"], made["maxCapacity"]) for made in targets] == [replicas] * scales


def test_scaling_is_by_cpu_and_behind_the_gateway_by_requests_too():
    recording = run(FULL)
    by_requests = [name for name in SCALING if name in BEHIND_GATEWAY]
    assert recording.names("appautoscaling.Policy") == sorted(
        [
            *(f"ecs-{name}-scaling-cpu" for name in SCALING),
            *(f"ecs-{name}-scaling-requests" for name in by_requests),
        ]
    )


def test_scaling_holds_the_configured_values():
    recording = run(FULL)
    cluster, service = (
        recording.one("ecs.Cluster").state["name"],
        recording.one("ecs.Service", "ecs-notes-service").state["name"],
    )
    identity = {
        "resourceId": f"service/{cluster}/{service}",
        "scalableDimension": "ecs:service:DesiredCount",
        "serviceNamespace": "ecs",
    }
    target = recording.one("appautoscaling.Target", "ecs-notes-scaling").inputs
    assert target == {"minCapacity": 1, "maxCapacity": 6, **identity}
    suffixes = (
        recording.one("lb.LoadBalancer").state["arnSuffix"],
        recording.one("lb.TargetGroup", "gateway-notes").state["arnSuffix"],
    )
    expected = {
        "cpu": (70, "ECSServiceAverageCPUUtilization", None),
        "requests": (300, "ALBRequestCountPerTarget", "/".join(suffixes)),
    }
    for what, (value, metric, label) in expected.items():
        policy = recording.one("appautoscaling.Policy", f"ecs-notes-scaling-{what}").inputs
        assert identity.items() <= policy.items()
        assert policy["policyType"] == "TargetTrackingScaling"
        tracking = policy["targetTrackingScalingPolicyConfiguration"]
        assert (tracking["targetValue"], tracking["scaleOutCooldown"]) == (value, 60)
        assert tracking["scaleInCooldown"] == 300
        specification = tracking["predefinedMetricSpecification"]
        assert specification["predefinedMetricType"] == metric
        assert specification.get("resourceLabel") == label


def test_every_workload_has_its_alarms():
    everywhere = ("cpu", "memory", "running")
    assert run(FULL).names("cloudwatch.MetricAlarm") == sorted(
        [
            *(f"ecs-{name}-{what}-alarm" for name in WORKLOADS for what in everywhere),
            *(
                f"ecs-{name}-{what}-alarm"
                for name in BEHIND_GATEWAY
                for what in ("5xx", "unhealthy")
            ),
            *(f"fleet-observability-{name}-errors-alarm" for name in WORKLOADS),
        ]
    )


def test_every_alarm_notifies_the_topic_of_alarm_and_recovery():
    recording = run(FULL)
    topic = recording.one("sns.Topic").state["arn"]
    for made in recording.of("cloudwatch.MetricAlarm"):
        assert made.inputs["alarmActions"] == made.inputs["okActions"] == [topic]
        assert made.inputs["treatMissingData"] == "notBreaching"
        assert made.inputs["comparisonOperator"] == "GreaterThanOrEqualToThreshold"


@pytest.mark.parametrize(
    ("what", "metric", "statistic", "threshold", "minutes"),
    [
        ("cpu", ("AWS/ECS", "CPUUtilization"), "Average", 90, 5),
        ("memory", ("AWS/ECS", "MemoryUtilization"), "Average", 90, 5),
        ("5xx", ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"), "Sum", 5, 3),
        ("unhealthy", ("AWS/ApplicationELB", "UnHealthyHostCount"), "Maximum", 1, 5),
    ],
)
def test_an_alarm_watches_the_metric_of_its_workload(
    what: str, metric: tuple[str, str], statistic: str, threshold: int, minutes: int
):
    recording = run(FULL)
    alarm = recording.one("cloudwatch.MetricAlarm", f"ecs-notes-{what}-alarm").inputs
    service = {
        "ClusterName": recording.one("ecs.Cluster").state["name"],
        "ServiceName": recording.one("ecs.Service", "ecs-notes-service").state["name"],
    }
    targets = {
        "LoadBalancer": recording.one("lb.LoadBalancer").state["arnSuffix"],
        "TargetGroup": recording.one("lb.TargetGroup", "gateway-notes").state["arnSuffix"],
    }
    assert (alarm["namespace"], alarm["metricName"]) == metric
    assert alarm["dimensions"] == (service if metric[0] == "AWS/ECS" else targets)
    assert (alarm["statistic"], alarm["threshold"]) == (statistic, threshold)
    assert (alarm["evaluationPeriods"], alarm["period"]) == (minutes, 60)


def test_an_alarm_compares_the_running_replicas_with_the_desired():
    alarm = run(FULL).one("cloudwatch.MetricAlarm", "ecs-notes-running-alarm").inputs
    assert "metricName" not in alarm
    difference, first, second = alarm["metricQueries"]
    assert (difference["expression"], difference["returnData"]) == ("first - second", True)
    assert (first["id"], first["metric"]["metricName"]) == ("first", "DesiredTaskCount")
    assert (second["id"], second["metric"]["metricName"]) == ("second", "RunningTaskCount")
    assert first["metric"]["dimensions"] == second["metric"]["dimensions"]
    assert alarm["threshold"] == 1


def test_the_dashboard_shows_the_gateway_and_every_service():
    recording = run(FULL)
    body = recording.one("cloudwatch.Dashboard").json("dashboardBody")
    metrics = {
        each["properties"]["title"]: each["properties"]["metrics"] for each in body["widgets"]
    }
    assert {title: len(shown) for title, shown in metrics.items()} == {
        "Requests a minute": 1,
        "Answers that failed": 2,
        "CPU, percent": len(WORKLOADS),
        "Memory, percent": len(WORKLOADS),
        "Running copies": len(WORKLOADS),
    }
    services = [made.state["name"] for made in recording.of("ecs.Service")]
    assert [each[-1] for each in metrics["CPU, percent"]] == services
    assert json.dumps(body).count('"region": "us-east-1"') == 5
