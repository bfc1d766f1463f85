"""The usage of a fleet on ECS without traffic: the load balancer and the tasks."""

from dataclasses import replace

from core.alarms import metric_count
from core.costs.bill import Tasks, Usage
from core.load_balancer import usage as load_balancer
from core.resolved import ResolvedFleet
from core.targets.ecs.alarms import SERVICE


def usage(fleet: ResolvedFleet, shared: Usage) -> Usage:
    """Adds the tasks to the usage of every target."""
    shared = load_balancer.usage(fleet, shared)
    workloads = fleet.workloads.values()
    return replace(
        shared,
        tasks=tuple(
            Tasks(count=each.config.replicas.min, cpu=each.cpu, memory_mib=each.memory_mib)
            for each in workloads
        ),
        alarms=shared.alarms + len(workloads) * metric_count(SERVICE),
    )
