"""The usage of a fleet without traffic: the minimum number of replicas."""

from core.alarms import log_alarm, metric_count
from core.config.enums import Nat
from core.costs.bill import Usage, monthly
from core.resolved import ResolvedFleet
from core.targets import dispatch

FIREWALL_RULES = 3


def usage(fleet: ResolvedFleet) -> Usage:
    """The usage of a fleet without traffic, logs and files."""
    return dispatch.usage(fleet, _shared(fleet))


def _shared(fleet: ResolvedFleet) -> Usage:
    config, network = fleet.config, fleet.config.network
    creates_network = network.vpc is None
    gateways = {Nat.NONE: 0, Nat.SINGLE: 1, Nat.PER_ZONE: network.zone_count}[fleet.egress.nat]
    endpoints = len(fleet.egress.endpoint_services) * network.zone_count
    created = [secret for secret in config.secrets.values() if not secret.arn]
    return Usage(
        nat_gateways=gateways if creates_network else 0,
        interface_endpoints=endpoints if creates_network else 0,
        kms_keys=1,
        secrets=len(created) + len(config.servers),
        alarms=metric_count(log_alarm(fleet.stack, name) for name, _ in config.workloads()),
        dashboards=1,
        web_acls=1 if config.gateway.firewall else 0,
        web_acl_rules=FIREWALL_RULES if config.gateway.firewall else 0,
    )


def table(fleet: ResolvedFleet) -> str:
    """A Markdown table of the monthly cost of a fleet without traffic."""
    return bill_table(usage(fleet))


def bill_table(has: Usage) -> str:
    """A Markdown table of the monthly cost of a usage."""
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
