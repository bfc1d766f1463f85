"""What a fleet on ECS costs a month by standing there, from its configuration."""

from core.endpoints import endpoint_services
from core.fleet import Fleet, Nat
from core.prices import Tasks, Usage, monthly

# Metrics that the alarms of a workload look at (an alarm is paid by the metric): error lines, CPU,
# memory, and copies wanted and running; behind the gateway also its errors and unhealthy copies.
_ALARM_METRICS, _GATEWAY_ALARM_METRICS = 5, 2


def usage(fleet: Fleet) -> Usage:
    """What a fleet has all the time: its fewest copies, and no traffic, logs or files yet."""
    network = fleet.network
    own = network.vpc is None
    gateways = {Nat.NONE: 0, Nat.SINGLE: 1, Nat.PER_ZONE: network.zones}[network.nat]
    endpoints = len(endpoint_services(fleet)) * network.zones if network.nat is Nat.NONE else 0
    loads = [load for _, load in fleet.workloads()]
    made = [secret for secret in fleet.secrets.values() if not secret.arn]
    return Usage(
        tasks=tuple(
            Tasks(count=load.replicas.min, cpu=load.cpu, memory_mib=load.memory) for load in loads
        ),
        load_balancers=1,
        nat_gateways=gateways if own else 0,
        interface_endpoints=endpoints if own else 0,
        kms_keys=1,
        secrets=len(made) + len(fleet.servers),
        alarms=sum(
            _ALARM_METRICS + (_GATEWAY_ALARM_METRICS if load.expose else 0) for load in loads
        ),
        dashboards=1,
    )


def table(fleet: Fleet) -> str:
    """A Markdown table of what a fleet costs a month by standing there."""
    bill = monthly(usage(fleet))
    rows = [
        f"| {line.price.item} | {line.quantity.normalize():f} {line.price.unit}"
        f"{'' if line.quantity == 1 else 's'} | {line.usd:.2f} |"
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
