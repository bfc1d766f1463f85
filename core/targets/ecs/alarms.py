"""The alarms of a fleet on ECS. Those of the load balancer are in `core.load_balancer.alarms`."""

from typing import Final

from core.alarms import Alarm, Metric

NAMESPACE: Final = "AWS/ECS"
INSIGHTS: Final = "ECS/ContainerInsights"

SERVICE: Final = (
    Alarm(
        suffix="cpu",
        description="{subject} uses {threshold} % of its cpu or more",
        threshold=90,
        minutes=5,
        metric=Metric(namespace=NAMESPACE, name="CPUUtilization", statistic="Average"),
    ),
    Alarm(
        suffix="memory",
        description="{subject} uses {threshold} % of its memory or more",
        threshold=90,
        minutes=5,
        metric=Metric(namespace=NAMESPACE, name="MemoryUtilization", statistic="Average"),
    ),
    Alarm(
        suffix="running",
        description="{subject} runs fewer copies than it should",
        threshold=1,
        minutes=10,
        metric=Metric(namespace=INSIGHTS, name="DesiredTaskCount", statistic="Maximum"),
        minus=Metric(namespace=INSIGHTS, name="RunningTaskCount", statistic="Maximum"),
    ),
)
"""The alarms of each service."""
