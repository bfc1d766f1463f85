"""The labels and the selector of a workload."""

from core.config.model import Agent
from core.resolved import Workload
from core.stack import Stack


def selector(workload: str, stack: Stack) -> dict[str, str]:
    """The selector of the pods of a workload. A selector cannot be changed."""
    return {"app.kubernetes.io/name": workload, "app.kubernetes.io/instance": stack.label}


def labels(workload: Workload, stack: Stack) -> dict[str, str]:
    """The labels of every object of a workload (Kubernetes, "Recommended Labels")."""
    return {
        **selector(workload.name, stack),
        "app.kubernetes.io/component": "agent" if isinstance(workload.config, Agent) else "server",
        "app.kubernetes.io/part-of": stack.project,
        "app.kubernetes.io/managed-by": "pulumi",
    }
