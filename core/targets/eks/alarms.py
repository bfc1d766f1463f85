"""The alarms of a fleet on EKS. Those of the load balancer are in `core.load_balancer.alarms`."""

from typing import Final

from core.alarms import Alarm, Metric

# CloudWatch User Guide, "Amazon EKS and Kubernetes Container Insights with enhanced observability
# metrics".
NAMESPACE: Final = "ContainerInsights"

DEPLOYMENT: Final = (
    Alarm(
        suffix="cpu",
        description="{subject} uses {threshold} % of its cpu or more",
        threshold=90,
        minutes=5,
        metric=Metric(
            namespace=NAMESPACE, name="pod_cpu_utilization_over_pod_limit", statistic="Average"
        ),
    ),
    Alarm(
        suffix="memory",
        description="{subject} uses {threshold} % of its memory or more",
        threshold=90,
        minutes=5,
        metric=Metric(
            namespace=NAMESPACE, name="pod_memory_utilization_over_pod_limit", statistic="Average"
        ),
    ),
    Alarm(
        suffix="running",
        description="{subject} runs fewer copies than it should",
        threshold=1,
        minutes=10,
        metric=Metric(namespace=NAMESPACE, name="replicas_desired", statistic="Maximum"),
        minus=Metric(namespace=NAMESPACE, name="replicas_ready", statistic="Maximum"),
    ),
)
"""The alarms of each Deployment."""
