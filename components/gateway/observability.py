"""Alarms and charts of what the load balancer sees, for the targets behind it."""

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
    """Creates the alarms of a workload's answers and health, if the gateway routes to it.

    Args:
        name: The stem of the logical names.
        parent: The component that they belong to.
        workload: The workload.
        gateway: The gateway.
        topic_arn: The topic that they notify.
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
