"""What a fleet costs a month by standing there, from its configuration."""

from dataclasses import replace
from decimal import Decimal

from core import sidecars
from core.config.model import Agent, Chat, Fleet, Nat, Nodes, Server, Target
from core.costs.bill import MIB_A_GIB, Tasks, Usage, monthly
from core.discovery import agents_have_an_api
from core.network import egress
from core.targets.aws_lambda import limits as lambda_limits
from core.targets.eks.limits import LARGEST_OF_AUTO_MODE, Size, room, size, smallest_node

# Metrics that alarms look at (an alarm is paid by the metric). Of a workload: error lines.
_LINE_METRICS = 1

# Of a service: CPU, memory, and copies wanted and running; behind the gateway also its errors and
# unhealthy copies.
_SERVICE_METRICS, _GATEWAY_METRICS = 4, 2

# On Lambda: errors, throttles and duration of a function; failures and time-outs of a state
# machine; server errors of a REST API; lost messages of a chat.
_FUNCTION_METRICS, _MACHINE_METRICS, _API_METRICS, _CHAT_METRICS = 3, 2, 1, 1

FIREWALL_RULES = 3

_LARGEST_TYPE = "r7g.8xlarge"

# Amazon EKS User Guide, "Create a Node Class for EKS Auto Mode": ephemeralStorage, by default.
_AUTO_MODE_DISK_GB = 80


def usage(fleet: Fleet) -> Usage:
    """What a fleet has all the time: its fewest copies, and no traffic, logs or files yet."""
    network = fleet.network
    own = network.vpc is None
    gateways = {Nat.NONE: 0, Nat.SINGLE: 1, Nat.PER_ZONE: network.zone_count}[egress.nat(fleet)]
    endpoints = len(egress.endpoint_services(fleet)) * network.zone_count
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
    if fleet.target is Target.LAMBDA:
        return _on_lambda(fleet, shared)
    shared = _behind_a_load_balancer(fleet, shared)
    return _on_ecs(fleet, shared) if fleet.target is Target.ECS else _on_eks(fleet, shared)


def _behind_a_load_balancer(fleet: Fleet, shared: Usage) -> Usage:
    running = sidecars.services(fleet)
    return replace(
        shared,
        load_balancers=1,
        alarms=len(list(fleet.workloads())) * _LINE_METRICS
        + len(running) * _SERVICE_METRICS
        + sum(load.expose for load in running.values()) * _GATEWAY_METRICS,
    )


def _on_ecs(fleet: Fleet, shared: Usage) -> Usage:
    running = sidecars.services(fleet)
    return replace(shared, tasks=tuple(_tasks(fleet, name, load) for name, load in running.items()))


def _tasks(fleet: Fleet, name: str, load: Server | Agent) -> Tasks:
    cpu, memory = sidecars.task_size(sidecars.containers(fleet, name, load))
    return Tasks(count=load.replicas.min, cpu=cpu, memory_mib=memory)


def _on_eks(fleet: Fleet, shared: Usage) -> Usage:
    if fleet.cluster.existing:
        return shared
    shared = replace(shared, clusters=1)
    if fleet.cluster.nodes is Nodes.AUTO:
        count, (name, node) = _auto_mode_nodes(fleet)
        vcpus, large = count * node.vcpus, name.startswith("r")
        return replace(
            shared,
            node_vcpus=0 if large else vcpus,
            memory_node_vcpus=vcpus if large else 0,
            auto_mode_vcpus=0 if large else vcpus,
            auto_mode_memory_vcpus=vcpus if large else 0,
            disk_gb=count * _AUTO_MODE_DISK_GB,
        )
    wanted = fleet.cluster.managed_nodes
    groups = 2 if any(load.spot for _, load in fleet.workloads()) else 1
    node = size(wanted.instance_types[0])
    return replace(
        shared,
        node_vcpus=wanted.min * groups * node.vcpus if node else 0,
        disk_gb=wanted.min * groups * wanted.disk_gib,
    )


def _auto_mode_nodes(fleet: Fleet) -> tuple[int, tuple[str, Size]]:
    """How many nodes the fewest replicas need, and of which type: the smallest that takes each."""
    loads = [load for _, load in fleet.workloads()]
    cpu = max((load.cpu for load in loads), default=0)
    memory = max((load.memory for load in loads), default=0)
    # What no node takes is refused (core.targets.eks.checks), and has no price.
    found = smallest_node(cpu, memory) or (_LARGEST_TYPE, LARGEST_OF_AUTO_MODE)
    _, node = found
    all_cpu = sum(load.replicas.min * load.cpu for load in loads)
    all_memory = sum(load.replicas.min * load.memory for load in loads)
    count = max(-(-all_cpu // room(node).cpu), -(-all_memory // room(node).memory_mib))
    return count, found


def _on_lambda(fleet: Fleet, shared: Usage) -> Usage:
    loads = [load for _, load in fleet.workloads()]
    containers = [load for load in loads if not fleet.is_state_machine(load)]
    warm = sum(
        load.concurrency.provisioned * lambda_limits.memory_mib(load.cpu, load.memory)
        for load in containers
    )
    checks = 1 if fleet.gateway.auth else 0
    chats = sum(load.chat is Chat.WEBSOCKET and load.expose for load in fleet.agents.values())
    apis = 2 if agents_have_an_api(fleet) and fleet.servers else 1
    return replace(
        shared,
        warm_gb=Decimal(warm) / MIB_A_GIB,
        alarms=len(loads) * (_LINE_METRICS + _FUNCTION_METRICS)
        + (len(loads) - len(containers)) * _MACHINE_METRICS
        + checks * _FUNCTION_METRICS
        + chats * _CHAT_METRICS
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
