"""The usage of a fleet on EKS without traffic: the load balancer, the cluster and its nodes."""

from dataclasses import replace

from core.alarms import metric_count
from core.config.enums import Nodes
from core.costs.bill import Usage
from core.load_balancer import usage as load_balancer
from core.resolved import ResolvedFleet
from core.targets.eks.alarms import DEPLOYMENT
from core.targets.eks.limits import LARGEST_OF_AUTO_MODE, Size, room, size, smallest_node

_LARGEST_TYPE = "r7g.8xlarge"

# Amazon EKS User Guide, "Create a Node Class for EKS Auto Mode": ephemeralStorage, by default.
_AUTO_MODE_DISK_GB = 80


def usage(fleet: ResolvedFleet, shared: Usage) -> Usage:
    """Adds the cluster and its nodes to the usage of every target."""
    shared = load_balancer.usage(fleet, shared)
    alarms = len(fleet.workloads) * metric_count(DEPLOYMENT)
    shared = replace(shared, alarms=shared.alarms + alarms)
    cluster = fleet.config.cluster
    if cluster.existing:
        return shared
    shared = replace(shared, clusters=1)
    if cluster.nodes is Nodes.AUTO:
        return _auto_mode(fleet, shared)
    return _managed_nodes(fleet, shared)


def _auto_mode(fleet: ResolvedFleet, shared: Usage) -> Usage:
    count, instance_type, node = _auto_mode_nodes(fleet)
    vcpus, has_more_memory = count * node.vcpus, instance_type.startswith("r")
    return replace(
        shared,
        node_vcpus=0 if has_more_memory else vcpus,
        memory_node_vcpus=vcpus if has_more_memory else 0,
        auto_mode_vcpus=0 if has_more_memory else vcpus,
        auto_mode_memory_vcpus=vcpus if has_more_memory else 0,
        disk_gb=count * _AUTO_MODE_DISK_GB,
    )


def _auto_mode_nodes(fleet: ResolvedFleet) -> tuple[int, str, Size]:
    """The number of nodes for the minimum number of replicas, by the smallest type that fits."""
    workloads = fleet.workloads.values()
    cpu = max((each.cpu for each in workloads), default=0)
    memory = max((each.memory_mib for each in workloads), default=0)
    # core.targets.eks.checks refuses pods that fit on no node, so their price has no effect.
    instance_type, node = smallest_node(cpu, memory) or (_LARGEST_TYPE, LARGEST_OF_AUTO_MODE)
    all_cpu = sum(each.config.replicas.min * each.cpu for each in workloads)
    all_memory = sum(each.config.replicas.min * each.memory_mib for each in workloads)
    count = max(-(-all_cpu // room(node).cpu), -(-all_memory // room(node).memory_mib))
    return count, instance_type, node


def _managed_nodes(fleet: ResolvedFleet, shared: Usage) -> Usage:
    nodes = fleet.config.cluster.managed_nodes
    groups = 2 if any(each.config.spot for each in fleet.workloads.values()) else 1
    node = size(nodes.instance_types[0])
    return replace(
        shared,
        node_vcpus=nodes.min * groups * node.vcpus if node else 0,
        disk_gb=nodes.min * groups * nodes.disk_gib,
    )
