"""The labels by which the objects of a workload find one another."""

from core.fleet import Agent, Server
from core.stack import Stack


def selector(workload: str, stack: Stack) -> dict[str, str]:
    """What selects the pods of a workload, and no others: these labels never change."""
    return {"app.kubernetes.io/name": workload, "app.kubernetes.io/instance": stack.label}


def labels(workload: str, load: Server | Agent, stack: Stack) -> dict[str, str]:
    """What every object of a workload carries (Kubernetes, "Recommended Labels")."""
    return {
        **selector(workload, stack),
        "app.kubernetes.io/component": "agent" if isinstance(load, Agent) else "server",
        "app.kubernetes.io/part-of": stack.project,
        "app.kubernetes.io/managed-by": "pulumi",
    }
