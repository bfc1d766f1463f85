"""The nodes of a cluster: the sizes of Graviton instances and their capacity for workloads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.config.model import Agent, Fleet, Server
from core.targets.eks.kubernetes import (
    AUTO_MODE_MAX_MEMORY_GIB,
    AUTO_MODE_MAX_VCPUS,
    namespaces,
    needs,
    quota,
)
from core.units import CPU_UNITS_A_VCPU, MIB_A_GIB, MILLICORES_A_VCPU

# Amazon EC2 instance types guide, "Specifications for Amazon EC2 general purpose instances", and
# those of compute and memory optimized ones. Generations 6, 7 and 8 have the same sizes.
_FAMILIES = re.compile(r"([cmr])[678]g\.(\w+)")
_GIB_A_VCPU: Final[Mapping[str, int]] = MappingProxyType({"c": 2, "m": 4, "r": 8})
_VCPUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "medium": 1,
        "large": 2,
        "xlarge": 4,
        "2xlarge": 8,
        "4xlarge": 16,
        "8xlarge": 32,
        "12xlarge": 48,
        "16xlarge": 64,
    }
)

# Amazon EC2 instance types guide, "Instance type naming conventions": the letter after the
# generation is the processor, and g is Graviton.
_GRAVITON = re.compile(r"[a-z]+\d+g[a-z-]*\.[a-z0-9-]+")

# Amazon EKS optimized AMI, nodeadm, kubelet defaults: the reserved memory depends on the maximum
# number of pods. This is the number in eni-max-pods.txt of the VPC CNI plugin, up to the limit of a
# managed node group: 110 pods below 30 vCPU, otherwise 250 (Amazon EKS User Guide, "Assign more IP
# addresses to Amazon EKS nodes").
_MAX_PODS: Final[Mapping[int, int]] = MappingProxyType(
    {1: 8, 2: 29, 4: 58, 8: 58, 16: 110, 32: 234, 48: 234, 64: 250}
)
_KUBELET_MIB, _KUBELET_MIB_A_POD = 255, 11
_EVICTION_MIB = 100

# The same source: 6 % of the first vCPU, 1 % of the second, 0.5 % of the next two, then 0.25 %.
_KUBELET_MILLICORES: Final = (60, 10, 5, 5)
_KUBELET_MILLICORES_A_FURTHER_VCPU = 2.5

# Karpenter, Settings, VM_MEMORY_OVERHEAD_PERCENT: the memory of the hypervisor and the kernel.
_KERNEL_PERCENT = 7.5

# The requests of the DaemonSets on every node, from the charts of the add-ons: CloudWatch agent
# 250m and 128 MiB, Fluent Bit 50m and 25 MiB, Secrets Store CSI driver and AWS provider 120m and
# 240 MiB, VPC CNI 50m, kube-proxy 100m. In Auto Mode, the last two do not run as pods.
_DAEMONS_MILLICORES, _DAEMONS_MIB = 570, 393


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of an instance.

    Attributes:
        vcpus: vCPU.
        memory_mib: Memory in MiB.
    """

    vcpus: int
    memory_mib: int

    def __str__(self) -> str:
        """The size as in the tables of AWS."""
        return f"{self.vcpus} vCPU with {self.memory_mib // MIB_A_GIB} GiB"


@dataclass(frozen=True, kw_only=True)
class Room:
    """The capacity of a node for workloads.

    Attributes:
        cpu: CPU units; 1024 are one vCPU.
        memory_mib: Memory in MiB.
    """

    cpu: int
    memory_mib: int


LARGEST_OF_AUTO_MODE: Final = Size(
    vcpus=AUTO_MODE_MAX_VCPUS, memory_mib=AUTO_MODE_MAX_MEMORY_GIB * MIB_A_GIB
)
"""The largest node that EKS Auto Mode creates for a fleet."""


@dataclass(frozen=True, kw_only=True)
class PoolLimit:
    """The limits of a node pool, for the sum of its nodes.

    Attributes:
        vcpus: vCPU.
        memory_gib: Memory in GiB.
    """

    vcpus: int
    memory_gib: int


def auto_mode_types() -> Iterator[tuple[str, Size]]:
    """The instance types that EKS Auto Mode may choose for a fleet, the cheapest first.

    They are of one generation, because sizes and price ratios are the same in all generations. None
    is larger than the node pools allow (`AUTO_MODE_MAX_VCPUS`).
    """
    for what, vcpus in _VCPUS.items():
        for family in "mr":
            if 1 < vcpus <= AUTO_MODE_MAX_VCPUS and (known := size(f"{family}7g.{what}")):
                yield f"{family}7g.{what}", known


def smallest_node(cpu: int, memory_mib: int) -> tuple[str, Size] | None:
    """The cheapest instance type of EKS Auto Mode that fits a pod; None if no type does.

    Args:
        cpu: The CPU request of the pod in CPU units; 1024 are one vCPU.
        memory_mib: The memory request of the pod in MiB.
    """
    for name, node in auto_mode_types():
        left = room(node)
        if cpu <= left.cpu and memory_mib <= left.memory_mib:
            return name, node
    return None


def pool_limit(fleet: Fleet) -> PoolLimit:
    """The limits of a node pool, so that an error in the cluster cannot add nodes without limit.

    They are higher than the fleet can need: one node per pod, of the smallest size that fits, with
    every replica twice for updates. If the quota of a team is larger, twice the quota counts,
    because a node is never full. One more node of the largest size is for add-ons, and for nodes
    that are being replaced.

    Args:
        fleet: The fleet.
    """
    vcpus, memory = AUTO_MODE_MAX_VCPUS, AUTO_MODE_MAX_MEMORY_GIB
    for name, loads in namespaces(fleet).items():
        alone = [_alone(load) for load in loads.values()]
        most = quota(fleet.teams.get(name), loads.values())
        vcpus += max(
            sum(each.vcpus for each in alone), 2 * -(-most.millicores // MILLICORES_A_VCPU)
        )
        memory += max(sum(each.memory_gib for each in alone), 2 * -(-most.memory_mib // MIB_A_GIB))
    return PoolLimit(vcpus=vcpus, memory_gib=memory)


def _alone(load: Server | Agent) -> PoolLimit:
    """The sum of the nodes of a workload if each of its pods has its own node."""
    found = smallest_node(load.cpu, load.memory)
    node, pods = found[1] if found else LARGEST_OF_AUTO_MODE, needs(load).pods
    return PoolLimit(vcpus=pods * node.vcpus, memory_gib=pods * node.memory_mib // MIB_A_GIB)


def is_graviton(instance_type: str) -> bool:
    """Whether an instance type, such as m7g.large, has a Graviton processor."""
    return _GRAVITON.fullmatch(instance_type) is not None


def size(instance_type: str) -> Size | None:
    """The size of an instance type; None if the table does not have the type."""
    found = _FAMILIES.fullmatch(instance_type)
    if found is None or found[2] not in _VCPUS:
        return None
    vcpus = _VCPUS[found[2]]
    return Size(vcpus=vcpus, memory_mib=vcpus * _GIB_A_VCPU[found[1]] * MIB_A_GIB)


def room(node: Size) -> Room:
    """The capacity of a node for workloads, without the kernel, the kubelet and the add-ons.

    It is an approximation, because the memory of the kernel depends on the instance type.

    Args:
        node: The size of an instance in the table.

    Returns:
        The capacity, rounded down.
    """
    further = max(node.vcpus - len(_KUBELET_MILLICORES), 0)
    kubelet = sum(_KUBELET_MILLICORES[: node.vcpus]) + further * _KUBELET_MILLICORES_A_FURTHER_VCPU
    left = node.vcpus * MILLICORES_A_VCPU - kubelet - _DAEMONS_MILLICORES
    kept = _KUBELET_MIB + _KUBELET_MIB_A_POD * _MAX_PODS[node.vcpus] + _EVICTION_MIB + _DAEMONS_MIB
    return Room(
        cpu=int(left * CPU_UNITS_A_VCPU // MILLICORES_A_VCPU),
        memory_mib=int(node.memory_mib * (100 - _KERNEL_PERCENT) // 100) - kept,
    )
