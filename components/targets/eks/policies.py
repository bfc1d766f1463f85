"""Network policies for the connections of the fleet: egress and ingress."""

from collections.abc import Iterable
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s

from components.foundation import Foundation
from components.targets.eks.labels import selector
from core.config.enums import Exposure, Mesh
from core.config.model import Fleet
from core.contract import PORT
from core.resolved import ResolvedFleet, Workload
from core.stack import Stack

DNS_PORT = 53


@dataclass(frozen=True, kw_only=True)
class _Address:
    block: str
    port: int


CREDENTIALS = _Address(block="169.254.170.23/32", port=80)
"""The address and port of the EKS Pod Identity agent, which provides credentials to pods (Amazon
EKS User Guide, "EKS Pod Identity", considerations)."""

_NODE_LOCAL_DNS = "169.254.20.10/32"
"""The address of NodeLocal DNSCache on each node, if it is installed (Kubernetes, "Using NodeLocal
DNSCache in Kubernetes Clusters")."""

_DNS_PODS: k8s.networking.v1.NetworkPolicyPeerArgsDict = {
    "namespace_selector": {"match_labels": {"kubernetes.io/metadata.name": "kube-system"}},
    "pod_selector": {"match_labels": {"k8s-app": "kube-dns"}},
}
"""The pods of the cluster's DNS. CoreDNS has this label for compatibility."""

_MESH_PORT = 15008
_MESH_PROBES = "169.254.7.127/32"
"""The port of the tunnels between pods in an ambient mesh, and the source address of the kubelet's
probes (Istio, "Ambient and Kubernetes NetworkPolicy")."""


def peer_block(block: pulumi.Input[str]) -> k8s.networking.v1.NetworkPolicyPeerArgsDict:
    """A peer of a network policy: every address in an IPv4 block."""
    return {"ip_block": {"cidr": block}}


def dns_servers(
    service_block: pulumi.Input[str],
) -> list[k8s.networking.v1.NetworkPolicyPeerArgsDict]:
    """The peers of DNS egress, for every CNI that enforces the policies.

    The VPC CNI evaluates a packet with the address of the Service. Cilium and Calico evaluate it
    after translation to the address of a pod. With NodeLocal DNSCache, it goes to the node itself.

    Args:
        service_block: The IPv4 block of the services' addresses.
    """
    return [peer_block(service_block), peer_block(_NODE_LOCAL_DNS), _DNS_PODS]


def open_edges(
    name: str, *, fleet: ResolvedFleet, opts: pulumi.ResourceOptions
) -> dict[str, list[pulumi.Resource]]:
    """Allows each agent to call its servers: egress of the agent, ingress of the server.

    Args:
        name: The prefix of the logical names.
        fleet: The fleet.
        opts: The options of all policies.

    Returns:
        The policies that concern each workload, by workload.
    """
    stack = fleet.stack
    made: dict[str, list[pulumi.Resource]] = {workload: [] for workload in fleet.workloads}
    port = _MESH_PORT if fleet.config.mesh is Mesh.ISTIO else PORT
    for agent, server in fleet.graph.edges:
        ends = {end: fleet.workloads[end].namespace for end in (agent, server)}
        # Logical names separate the two workloads by an underscore, Kubernetes names by a dot.
        # Names of workloads contain neither.
        for direction, here, there in (("Egress", agent, server), ("Ingress", server, agent)):
            peer: k8s.networking.v1.NetworkPolicyPeerArgsDict = {
                "namespace_selector": {
                    "match_labels": {"kubernetes.io/metadata.name": ends[there]}
                },
                "pod_selector": {"match_labels": selector(there, stack)},
            }
            out = direction == "Egress"
            spec: k8s.networking.v1.NetworkPolicySpecArgsDict = {
                "pod_selector": {"match_labels": selector(here, stack)},
                "policy_types": [direction],
            }
            if out:
                spec["egress"] = [{"to": [peer], "ports": [_tcp(port)]}]
            else:
                spec["ingress"] = [{"from_": [peer], "ports": [_tcp(port)]}]
            policy = k8s.networking.v1.NetworkPolicy(
                f"{name}-use-{agent}_{server}-{'out' if out else 'in'}",
                # While a workload moves to another namespace, its old pods still send or receive
                # requests. A policy with another name is created before the old one is deleted.
                metadata={
                    "name": f"{'uses' if out else 'used-by'}.{here}.{there}.{ends[there]}",
                    "namespace": ends[here],
                },
                spec=spec,
                opts=opts,
            )
            made[agent].append(policy)
            made[server].append(policy)
    return made


def open_to_gateway(
    name: str,
    workload: Workload,
    *,
    stack: Stack,
    blocks: pulumi.Output[list[str]],
    opts: pulumi.ResourceOptions,
) -> k8s.networking.v1.NetworkPolicy:
    """Allows ingress from the load balancer to a workload, by the subnets of the load balancer.

    A network policy identifies pods and CIDR blocks, and a load balancer is not a pod.

    Args:
        name: The prefix of the logical name.
        workload: The workload.
        stack: The stack.
        blocks: The CIDR blocks of the load balancer's subnets.
        opts: The options of the object.
    """
    return k8s.networking.v1.NetworkPolicy(
        f"{name}-gateway",
        metadata={"name": f"gateway.{workload.name}", "namespace": workload.namespace},
        spec={
            "pod_selector": {"match_labels": selector(workload.name, stack)},
            "policy_types": ["Ingress"],
            "ingress": [
                {
                    "from_": blocks.apply(lambda known: [peer_block(block) for block in known]),
                    "ports": [_tcp(PORT)],
                }
            ],
        },
        opts=opts,
    )


def open_to_probes(
    name: str, namespaces: Iterable[str], *, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Allows ingress of the kubelet's probes to the pods of an ambient mesh.

    Args:
        name: The prefix of the logical names.
        namespaces: The namespaces.
        opts: The options of all policies.
    """
    return [
        k8s.networking.v1.NetworkPolicy(
            f"{name}-{each}-probes",
            metadata={"name": "mesh-probes", "namespace": each},
            spec={
                "pod_selector": {},
                "policy_types": ["Ingress"],
                "ingress": [{"from_": [peer_block(_MESH_PROBES)], "ports": [_tcp(PORT)]}],
            },
            opts=opts,
        )
        for each in namespaces
    ]


def gateway_blocks(
    fleet: Fleet, foundation: Foundation, parent: pulumi.Resource
) -> pulumi.Output[list[str]]:
    """The IPv4 blocks of the load balancer's subnets."""
    public = fleet.gateway.exposure is Exposure.PUBLIC
    network = foundation.network
    subnets = network.public_subnet_ids if public else network.private_subnet_ids

    def blocks(ids: list[str]) -> pulumi.Output[list[str]]:
        asked = pulumi.InvokeOptions(parent=parent)
        return pulumi.Output.all(
            *(aws.ec2.get_subnet_output(id=each, opts=asked).cidr_block for each in ids)
        )

    return subnets.apply(lambda ids: blocks(list(ids)))


def _tcp(port: int) -> k8s.networking.v1.NetworkPolicyPortArgsDict:
    return {"protocol": "TCP", "port": port}
