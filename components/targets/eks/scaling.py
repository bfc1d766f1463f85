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
    """Makes the autoscaler that holds a workload's average CPU use.

    Args:
        name: The stem of the logical name.
        workload: The workload.
        metadata: What its objects are called, and where they are.
        replicas: How many copies, and the use to hold.
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
    """Makes the budget by which nodes are drained: one copy of a workload at a time.

    It never blocks a drain: a node that cannot be drained is never patched.

    Args:
        name: The stem of the logical name.
        workload: The workload.
        metadata: What its objects are called, and where they are.
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
