"""The usage of the load balancer of a fleet, on ECS and EKS."""

from dataclasses import replace

from core.alarms import metric_count
from core.costs.bill import Usage
from core.load_balancer.alarms import EXPOSED_WORKLOAD
from core.resolved import ResolvedFleet


def usage(fleet: ResolvedFleet, shared: Usage) -> Usage:
    """Adds the load balancer and its alarms to the usage of every target."""
    exposed = [each for each in fleet.workloads.values() if each.config.expose]
    return replace(
        shared,
        load_balancers=shared.load_balancers + 1,
        alarms=shared.alarms + len(exposed) * metric_count(EXPOSED_WORKLOAD),
    )
