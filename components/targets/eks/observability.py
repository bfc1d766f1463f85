"""Alarms and dashboard of the Deployments."""

import pulumi

from components.foundation.alarms import Metric, alarm
from components.foundation.dashboards import Chart, dashboard_body
from components.gateway.gateway import Gateway
from components.gateway.observability import answer_alarms, traffic
from core.resolved import ResolvedFleet, Workload

_HIGH_PERCENT = 90

# CloudWatch User Guide, "Amazon EKS and Kubernetes Container Insights with enhanced observability
# metrics": of a pod's dimensions, PodName is the name of what made it, here the Deployment.
_INSIGHTS = "ContainerInsights"


def alarms(
    name: str,
    *,
    parent: pulumi.Resource,
    workload: Workload,
    cluster_name: pulumi.Output[str],
    gateway: Gateway,
    topic_arn: pulumi.Output[str],
) -> None:
    """Makes the alarms of a Deployment: its load, its copies and, behind the gateway, its answers.

    Args:
        name: The stem of the logical names.
        parent: The component that they belong to.
        workload: The workload.
        cluster_name: The cluster.
        gateway: The gateway.
        topic_arn: Who is told.
    """
    pods = {
        "ClusterName": cluster_name,
        "Namespace": workload.namespace,
        "PodName": workload.name,
    }
    for what in ("cpu", "memory"):
        alarm(
            f"{name}-{what}-alarm",
            parent=parent,
            topic_arn=topic_arn,
            description=f"{workload.name} uses {_HIGH_PERCENT} % of its {what} or more",
            threshold=_HIGH_PERCENT,
            minutes=5,
            metric=Metric(
                namespace=_INSIGHTS,
                name=f"pod_{what}_utilization_over_pod_limit",
                statistic="Average",
                dimensions=pods,
            ),
        )
    alarm(
        f"{name}-running-alarm",
        parent=parent,
        topic_arn=topic_arn,
        description=f"{workload.name} runs fewer copies than it should",
        threshold=1,
        minutes=10,
        metric=Metric(
            namespace=_INSIGHTS, name="replicas_desired", statistic="Maximum", dimensions=pods
        ),
        minus=Metric(
            namespace=_INSIGHTS, name="replicas_ready", statistic="Maximum", dimensions=pods
        ),
    )
    answer_alarms(name, parent=parent, workload=workload.name, gateway=gateway, topic_arn=topic_arn)


def dashboard(
    *,
    fleet: ResolvedFleet,
    cluster_name: pulumi.Output[str],
    gateway: Gateway,
) -> pulumi.Output[str]:
    """The dashboard's body: the gateway's traffic, then each Deployment's load and copies."""
    workloads = sorted(fleet.workloads.items())
    deployments = [
        Chart(
            title=title,
            stat=stat,
            metrics=[
                [
                    _INSIGHTS,
                    metric,
                    "ClusterName",
                    cluster_name,
                    "Namespace",
                    workload.namespace,
                    "PodName",
                    name,
                ]
                for name, workload in workloads
            ],
        )
        for title, stat, metric in (
            ("CPU, percent", "Average", "pod_cpu_utilization_over_pod_limit"),
            ("Memory, percent", "Average", "pod_memory_utilization_over_pod_limit"),
            ("Running copies", "Maximum", "replicas_ready"),
        )
    ]
    return dashboard_body(fleet.stack.region, [*traffic(gateway), *deployments])
