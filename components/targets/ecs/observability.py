"""Alarms and dashboard of the services."""

from collections.abc import Mapping

import pulumi

from components.foundation.alarms import Metric, alarm
from components.foundation.dashboards import Chart, dashboard_body
from components.gateway.gateway import Gateway
from components.gateway.observability import answer_alarms, traffic

_HIGH_PERCENT = 90


def alarms(
    name: str,
    *,
    parent: pulumi.Resource,
    workload: str,
    cluster_name: pulumi.Output[str],
    service_name: pulumi.Output[str],
    gateway: Gateway,
    topic_arn: pulumi.Output[str],
) -> None:
    """Makes the alarms of a service: its load, its copies and, behind the gateway, its answers."""
    service = {"ClusterName": cluster_name, "ServiceName": service_name}
    for what, metric in (("cpu", "CPUUtilization"), ("memory", "MemoryUtilization")):
        alarm(
            f"{name}-{what}-alarm",
            parent=parent,
            topic_arn=topic_arn,
            description=f"{workload} uses {_HIGH_PERCENT} % of its {what} or more",
            threshold=_HIGH_PERCENT,
            minutes=5,
            metric=Metric(
                namespace="AWS/ECS", name=metric, statistic="Average", dimensions=service
            ),
        )
    insights = "ECS/ContainerInsights"
    alarm(
        f"{name}-running-alarm",
        parent=parent,
        topic_arn=topic_arn,
        description=f"{workload} runs fewer copies than it should",
        threshold=1,
        minutes=10,
        metric=Metric(
            namespace=insights, name="DesiredTaskCount", statistic="Maximum", dimensions=service
        ),
        minus=Metric(
            namespace=insights, name="RunningTaskCount", statistic="Maximum", dimensions=service
        ),
    )
    answer_alarms(name, parent=parent, workload=workload, gateway=gateway, topic_arn=topic_arn)


def dashboard(
    *,
    region: str,
    cluster_name: pulumi.Output[str],
    service_names: Mapping[str, pulumi.Output[str]],
    gateway: Gateway,
) -> pulumi.Output[str]:
    """The dashboard's body: the gateway's traffic, then each service's load and copies."""
    services = [
        Chart(
            title=title,
            stat=stat,
            metrics=[
                [namespace, metric, "ClusterName", cluster_name, "ServiceName", service]
                for _, service in sorted(service_names.items())
            ],
        )
        for title, stat, namespace, metric in (
            ("CPU, percent", "Average", "AWS/ECS", "CPUUtilization"),
            ("Memory, percent", "Average", "AWS/ECS", "MemoryUtilization"),
            ("Running copies", "Maximum", "ECS/ContainerInsights", "RunningTaskCount"),
        )
    ]
    return dashboard_body(region, [*traffic(gateway), *services])
