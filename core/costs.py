"""What a fleet costs a month by standing there, from its configuration."""

from dataclasses import replace
from decimal import Decimal

from core import aws_lambda, egress, sidecars
from core.discovery import agents_have_an_api
from core.fleet import Agent, Fleet, Nat, Server, Target
from core.prices import MIB_A_GIB, Tasks, Usage, monthly

# Metrics that alarms look at (an alarm is paid by the metric). Of a workload: error lines.
_LINE_METRICS = 1

# Of a service: CPU, memory, and copies wanted and running; behind the gateway also its errors and
# unhealthy copies.
_SERVICE_METRICS, _GATEWAY_METRICS = 4, 2

# On Lambda: errors, throttles and duration of a function; failures and time-outs of a state
# machine; server errors of a REST API.
_FUNCTION_METRICS, _MACHINE_METRICS, _API_METRICS = 3, 2, 1

FIREWALL_RULES = 3


def usage(fleet: Fleet) -> Usage:
    """What a fleet has all the time: its fewest copies, and no traffic, logs or files yet."""
    network = fleet.network
    own = network.vpc is None
    gateways = {Nat.NONE: 0, Nat.SINGLE: 1, Nat.PER_ZONE: network.zones}[egress.nat(fleet)]
    endpoints = len(egress.endpoint_services(fleet)) * network.zones
    made = [secret for secret in fleet.secrets.values() if not secret.arn]
    shared = Usage(
        nat_gateways=gateways if own else 0,
        interface_endpoints=endpoints if own else 0,
        kms_keys=1,
        secrets=len(made) + len(fleet.servers),
        dashboards=1,
        web_acls=1 if fleet.gateway.firewall else 0,
        web_acl_rules=FIREWALL_RULES if fleet.gateway.firewall else 0,
    )
    return _on_lambda(fleet, shared) if fleet.target is Target.LAMBDA else _on_ecs(fleet, shared)


def _on_ecs(fleet: Fleet, shared: Usage) -> Usage:
    running = sidecars.services(fleet)
    return replace(
        shared,
        tasks=tuple(_tasks(fleet, name, load) for name, load in running.items()),
        load_balancers=1,
        alarms=len(list(fleet.workloads())) * _LINE_METRICS
        + len(running) * _SERVICE_METRICS
        + sum(load.expose for load in running.values()) * _GATEWAY_METRICS,
    )


def _tasks(fleet: Fleet, name: str, load: Server | Agent) -> Tasks:
    cpu, memory = sidecars.task_size(sidecars.containers(fleet, name, load))
    return Tasks(count=load.replicas.min, cpu=cpu, memory_mib=memory)


def _on_lambda(fleet: Fleet, shared: Usage) -> Usage:
    loads = [load for _, load in fleet.workloads()]
    containers = [load for load in loads if not fleet.is_state_machine(load)]
    warm = sum(
        load.concurrency.provisioned * aws_lambda.memory_mib(load.cpu, load.memory)
        for load in containers
    )
    checks = 1 if fleet.gateway.auth else 0
    apis = 2 if agents_have_an_api(fleet) and fleet.servers else 1
    return replace(
        shared,
        warm_gb=Decimal(warm) / MIB_A_GIB,
        alarms=len(loads) * (_LINE_METRICS + _FUNCTION_METRICS)
        + (len(loads) - len(containers)) * _MACHINE_METRICS
        + checks * _FUNCTION_METRICS
        + apis * _API_METRICS,
    )


def table(fleet: Fleet) -> str:
    """A Markdown table of what a fleet costs a month by standing there."""
    return bill_table(usage(fleet))


def bill_table(has: Usage) -> str:
    """A Markdown table of what this costs a month."""
    bill = monthly(has)
    rows = [
        f"| {line.price.item} | {line.quantity.normalize():f} {line.price.unit}"
        f"{'' if line.quantity == 1 or line.price.unit.endswith('s') else 's'} | {line.usd:.2f} |"
        for line in bill.lines
    ]
    return "\n".join(
        [
            "| item | a month | US dollars |",
            "|---|--:|--:|",
            *rows,
            f"| **total** | | **{bill.total_usd}** |",
        ]
    )
