"""The alarms on metrics of the load balancer, on ECS and EKS."""

from typing import Final

from core.alarms import Alarm, Metric

NAMESPACE: Final = "AWS/ApplicationELB"

EXPOSED_WORKLOAD: Final = (
    Alarm(
        suffix="5xx",
        description="{subject} answers with {threshold} server errors a minute or more",
        threshold=5,
        minutes=3,
        metric=Metric(namespace=NAMESPACE, name="HTTPCode_Target_5XX_Count", statistic="Sum"),
    ),
    Alarm(
        suffix="unhealthy",
        description="{subject} has copies that fail their health check",
        threshold=1,
        minutes=5,
        metric=Metric(namespace=NAMESPACE, name="UnHealthyHostCount", statistic="Maximum"),
    ),
)
"""The alarms of each workload that the gateway routes to."""
