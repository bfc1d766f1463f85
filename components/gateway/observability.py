"""Alarms and charts of the load balancer, for ECS and EKS."""

import pulumi

from components.foundation.alarms import create_alarms
from components.foundation.dashboards import Chart
from components.gateway.gateway import Gateway
from core.load_balancer.alarms import EXPOSED_WORKLOAD, NAMESPACE


def answer_alarms(
    name: str,
    *,
    parent: pulumi.Resource,
    workload: str,
    gateway: Gateway,
    topic_arn: pulumi.Output[str],
) -> None:
    """Creates the alarms on a workload's responses and health, if it is behind the gateway.

    Args:
        name: The prefix of the logical names.
        parent: The parent component.
        workload: The workload.
        gateway: The gateway.
        topic_arn: The ARN of the topic.
    """
    route = gateway.routes.get(workload)
    if not route:
        return
    create_alarms(
        name,
        EXPOSED_WORKLOAD,
        subject=workload,
        dimensions={
            "LoadBalancer": gateway.arn_suffix,
            "TargetGroup": route.target_group.arn_suffix,
        },
        topic_arn=topic_arn,
        parent=parent,
    )


def traffic(gateway: Gateway) -> list[Chart]:
    """The charts of the gateway's traffic."""
    balancer = ("LoadBalancer", gateway.arn_suffix)
    failures = ("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count")
    return [
        Chart(
            title="Requests a minute",
            stat="Sum",
            metrics=[[NAMESPACE, "RequestCount", *balancer]],
        ),
        Chart(
            title="Answers that failed",
            stat="Sum",
            metrics=[[NAMESPACE, metric, *balancer] for metric in failures],
        ),
    ]
