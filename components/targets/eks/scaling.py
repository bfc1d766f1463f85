"""The number of replicas of a workload, and how many may be unavailable at once."""

import pulumi
import pulumi_kubernetes as k8s

from components.targets.eks.labels import selector
from core.config.model import Replicas
from core.stack import Stack

# Scale in slowly, so that a short drop in load does not stop pods that are needed again soon.
_SCALE_IN_WAIT_SECONDS = 300


def scale(
    name: str,
    workload: str,
    *,
    metadata: k8s.meta.v1.ObjectMetaArgsDict,
    replicas: Replicas,
    opts: pulumi.ResourceOptions,
) -> None:
    """Creates the HorizontalPodAutoscaler of a workload, by average CPU utilization.

    Args:
        name: The prefix of the logical name.
        workload: The workload.
        metadata: The metadata of the object.
        replicas: The number of replicas, and the target utilization.
        opts: The options of the object.
    """
    k8s.autoscaling.v2.HorizontalPodAutoscaler(
        f"{name}-autoscaler",
        metadata=metadata,
        spec={
            "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": workload},
            "min_replicas": replicas.min,
            "max_replicas": replicas.max,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "average_utilization": replicas.cpu_percent,
                        },
                    },
                }
            ],
            "behavior": {"scale_down": {"stabilization_window_seconds": _SCALE_IN_WAIT_SECONDS}},
        },
        opts=opts,
    )


def disruption_budget(
    name: str,
    workload: str,
    *,
    metadata: k8s.meta.v1.ObjectMetaArgsDict,
    stack: Stack,
    opts: pulumi.ResourceOptions,
) -> None:
    """Creates the PodDisruptionBudget of a workload: one replica at a time may be unavailable.

    It never blocks the drain of a node, so that nodes can be updated.

    Args:
        name: The prefix of the logical name.
        workload: The workload.
        metadata: The metadata of the object.
        stack: The stack.
        opts: The options of the object.
    """
    k8s.policy.v1.PodDisruptionBudget(
        f"{name}-disruption-budget",
        metadata=metadata,
        spec={
            "max_unavailable": 1,
            "selector": {"match_labels": selector(workload, stack)},
            # Unhealthy pods do not block a drain.
            "unhealthy_pod_eviction_policy": "AlwaysAllow",
        },
        opts=opts,
    )
