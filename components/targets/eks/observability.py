"""Alarms and dashboard of the Deployments."""

import pulumi

from components.foundation.alarms import create_alarms
from components.foundation.dashboards import Chart, dashboard_body
from components.gateway.gateway import Gateway
from components.gateway.observability import answer_alarms, traffic
from core.resolved import ResolvedFleet, Workload
from core.targets.eks.alarms import DEPLOYMENT, NAMESPACE


def alarms(
    name: str,
    *,
    parent: pulumi.Resource,
    workload: Workload,
    cluster_name: pulumi.Output[str],
    gateway: Gateway,
    topic_arn: pulumi.Output[str],
) -> None:
    """Creates the alarms on a Deployment: load, replicas and, if it is exposed, responses.

    Args:
        name: The prefix of the logical names.
        parent: The parent component.
        workload: The workload.
        cluster_name: The name of the cluster.
        gateway: The gateway.
        topic_arn: The ARN of the topic.
    """
    # CloudWatch User Guide, "Amazon EKS and Kubernetes Container Insights with enhanced
    # observability metrics": the dimension PodName has the name of the Deployment.
    pods = {
        "ClusterName": cluster_name,
        "Namespace": workload.namespace,
        "PodName": workload.name,
    }
    create_alarms(
        name,
        DEPLOYMENT,
        subject=workload.name,
        dimensions=pods,
        topic_arn=topic_arn,
        parent=parent,
    )
    answer_alarms(name, parent=parent, workload=workload.name, gateway=gateway, topic_arn=topic_arn)


def dashboard(
    *,
    fleet: ResolvedFleet,
    cluster_name: pulumi.Output[str],
    gateway: Gateway,
) -> pulumi.Output[str]:
    """The body of the dashboard: the gateway's traffic, and each Deployment's load and replicas."""
    workloads = sorted(fleet.workloads.items())
    deployments = [
        Chart(
            title=title,
            stat=stat,
            metrics=[
                [
                    NAMESPACE,
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
