"""A fleet in the terms of Kubernetes: namespaces, quantities, quotas, termination of pods."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from core.config.model import Agent, Fleet, Server, Team
from core.timeouts import Chain, chain
from core.units import CPU_UNITS_A_VCPU, MILLICORES_A_VCPU

CLUSTER_DOMAIN = "svc.cluster.local"
"""The DNS suffix of services, in every EKS cluster."""

AUTO_MODE_MAX_VCPUS, AUTO_MODE_MAX_MEMORY_GIB = 32, 256
"""The largest node that EKS Auto Mode creates for a fleet: the size of an r8g.8xlarge."""

PRE_STOP_SECONDS = 30
"""The preStop delay. The pod serves requests until its target is deregistered and its address is
removed from the Service. The controllers that do this are notified of the deletion at the same time
as the node of the pod (Kubernetes, "Pod Lifecycle", termination of pods)."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The limits of a namespace for the sum of the requests of its pods.

    Attributes:
        millicores: Thousandths of a vCPU.
        memory_mib: Memory in MiB.
        pods: The number of pods.
    """

    millicores: int
    memory_mib: int
    pods: int


def namespace(fleet: Fleet, load: Server | Agent) -> str:
    """The namespace of a workload: that of its team, or that of workloads without a team."""
    return load.team or fleet.cluster.namespace


def namespaces(fleet: Fleet) -> dict[str, dict[str, Server | Agent]]:
    """The workloads by namespace and name, in the order of the configuration."""
    result: dict[str, dict[str, Server | Agent]] = {}
    for name, load in fleet.workloads():
        result.setdefault(namespace(fleet, load), {})[name] = load
    return result


def millicores(cpu: int) -> int:
    """Converts CPU units of the configuration to millicores, rounded up."""
    return -(-cpu * MILLICORES_A_VCPU // CPU_UNITS_A_VCPU)


def cpu_units(millicores: int) -> int:
    """Converts millicores to CPU units of the configuration, rounded up."""
    return -(-millicores * CPU_UNITS_A_VCPU // MILLICORES_A_VCPU)


def needs(load: Server | Agent) -> Quota:
    """The maximum that a workload needs: every replica twice.

    A rolling update starts all new pods while old pods still finish their requests.
    """
    pods = 2 * load.replicas.max
    return Quota(millicores=pods * millicores(load.cpu), memory_mib=pods * load.memory, pods=pods)


def quota(team: Team | None, loads: Iterable[Server | Agent]) -> Quota:
    """The quota of a namespace: that of its team, and for missing keys what its workloads need.

    Args:
        team: The team, if it declares a quota.
        loads: The workloads of the namespace.
    """
    most = [needs(load) for load in loads]
    return Quota(
        millicores=millicores(team.cpu)
        if team and team.cpu
        else sum(each.millicores for each in most),
        memory_mib=(team and team.memory) or sum(each.memory_mib for each in most),
        pods=(team and team.pods) or sum(each.pods for each in most),
    )


def timeouts_of(load: Server | Agent, alb_idle: int | None = None) -> Chain:
    """The timeouts of a workload: Kubernetes waits until its longest request has ended."""
    return chain(load.max_request_seconds, alb_idle=alb_idle, longest_stop=None)


def grace_period_seconds(timeouts: Chain) -> int:
    """The termination grace period of a pod: the time from its deletion to SIGKILL."""
    return PRE_STOP_SECONDS + timeouts.stop_seconds


def service_block(vpc_block: str) -> str:
    """The IPv4 block of the cluster's services, which must not overlap with the VPC's.

    It is one of the two default blocks of EKS (Amazon EKS API reference,
    KubernetesNetworkConfigRequest, serviceIpv4Cidr).
    """
    first, second = "172.20.0.0/16", "10.100.0.0/16"
    return second if IPv4Network(first).overlaps(IPv4Network(vpc_block)) else first
