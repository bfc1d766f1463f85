"""The usage of a fleet on Lambda without traffic: provisioned concurrency and alarms."""

from dataclasses import replace
from decimal import Decimal

from core.alarms import metric_count
from core.costs.bill import Usage
from core.resolved import ResolvedFleet
from core.targets.aws_lambda import rest_api
from core.targets.aws_lambda.alarms import REST_API, STATE_MACHINE, functions
from core.units import MIB_A_GIB


def usage(fleet: ResolvedFleet, shared: Usage) -> Usage:
    """Adds the usage of Lambda without traffic to the usage of every target."""
    config = fleet.config
    machines = sum(config.is_state_machine(agent) for agent in config.agents.values())
    apis = 2 if rest_api.internal(config) else 1
    warm = sum(
        each.config.concurrency.provisioned * each.memory_mib for each in fleet.workloads.values()
    )
    return replace(
        shared,
        warm_gb=Decimal(warm) / MIB_A_GIB,
        alarms=shared.alarms
        + sum(metric_count(alarms) for alarms in functions(fleet).values())
        + machines * metric_count(STATE_MACHINE)
        + apis * metric_count(REST_API),
    )
