"""What the load balancer of a fleet adds to its bill, on ECS and EKS."""

from dataclasses import replace

from core.costs.bill import Usage
from core.resolved import ResolvedFleet

# For each exposed workload: its errors and its unhealthy replicas.
_EXPOSED_METRICS = 2


def usage(fleet: ResolvedFleet, shared: Usage) -> Usage:
    """Add the load balancer and its alarms to what every target uses."""
    exposed = [each for each in fleet.workloads.values() if each.config.expose]
    return replace(
        shared,
        load_balancers=shared.load_balancers + 1,
        alarms=shared.alarms + len(exposed) * _EXPOSED_METRICS,
    )
