"""Alarms and charts of what the load balancer sees, for the targets behind it."""

import pulumi

from components.foundation.alarms import Metric, alarm
from components.foundation.dashboards import Chart
from components.gateway.gateway import Gateway

_NAMESPACE = "AWS/ApplicationELB"
_ERRORS_A_MINUTE = 5


def answer_alarms(
    name: str,
    *,
    parent: pulumi.Resource,
    workload: str,
    gateway: Gateway,
    topic_arn: pulumi.Output[str],
) -> None:
    """Makes the alarms of a workload's answers and health, if the gateway routes to it.

    Args:
        name: The stem of the logical names.
        parent: The component that they belong to.
        workload: The workload.
        gateway: The gateway.
        topic_arn: Who is told.
    """
    route = gateway.routes.get(workload)
    if not route:
        return
    targets = {
        "LoadBalancer": gateway.arn_suffix,
        "TargetGroup": route.target_group.arn_suffix,
    }
    alarm(
        f"{name}-5xx-alarm",
        parent=parent,
        topic_arn=topic_arn,
        description=f"{workload} answers with {_ERRORS_A_MINUTE} server errors a minute or more",
        threshold=_ERRORS_A_MINUTE,
        minutes=3,
        metric=Metric(
            namespace=_NAMESPACE,
            name="HTTPCode_Target_5XX_Count",
            statistic="Sum",
            dimensions=targets,
        ),
    )
    alarm(
        f"{name}-unhealthy-alarm",
        parent=parent,
        topic_arn=topic_arn,
        description=f"{workload} has copies that fail their health check",
        threshold=1,
        minutes=5,
        metric=Metric(
            namespace=_NAMESPACE,
            name="UnHealthyHostCount",
            statistic="Maximum",
            dimensions=targets,
        ),
    )


def traffic(gateway: Gateway) -> list[Chart]:
    """The charts of the gateway's traffic."""
    balancer = ("LoadBalancer", gateway.arn_suffix)
    failures = ("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count")
    return [
        Chart(
            title="Requests a minute",
            stat="Sum",
            metrics=[[_NAMESPACE, "RequestCount", *balancer]],
        ),
        Chart(
            title="Answers that failed",
            stat="Sum",
            metrics=[[_NAMESPACE, metric, *balancer] for metric in failures],
        ),
    ]
