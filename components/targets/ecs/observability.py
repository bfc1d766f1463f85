"""Alarms and dashboard of the services."""

from collections.abc import Mapping

import pulumi

from components.foundation.alarms import create_alarms
from components.foundation.dashboards import Chart, dashboard_body
from components.gateway.gateway import Gateway
from components.gateway.observability import answer_alarms, traffic
from core.targets.ecs.alarms import INSIGHTS, NAMESPACE, SERVICE


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
    """Creates the alarms on a service: load, replicas and, if it is exposed, responses."""
    create_alarms(
        name,
        SERVICE,
        subject=workload,
        dimensions={"ClusterName": cluster_name, "ServiceName": service_name},
        topic_arn=topic_arn,
        parent=parent,
    )
    answer_alarms(name, parent=parent, workload=workload, gateway=gateway, topic_arn=topic_arn)


def dashboard(
    *,
    region: str,
    cluster_name: pulumi.Output[str],
    service_names: Mapping[str, pulumi.Output[str]],
    gateway: Gateway,
) -> pulumi.Output[str]:
    """The body of the dashboard: the gateway's traffic, and each service's load and replicas."""
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
            ("CPU, percent", "Average", NAMESPACE, "CPUUtilization"),
            ("Memory, percent", "Average", NAMESPACE, "MemoryUtilization"),
            ("Running copies", "Maximum", INSIGHTS, "RunningTaskCount"),
        )
    ]
    return dashboard_body(region, [*traffic(gateway), *services])
