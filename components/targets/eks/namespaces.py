"""The namespaces of the workloads: one for each team, isolated from all others."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.component import Component
from components.foundation import Foundation
from components.foundation.network import HTTPS_PORT
from components.targets.eks import mesh
from components.targets.eks.cluster import Cluster
from components.targets.eks.policies import (
    CREDENTIALS,
    DNS_PORT,
    dns_servers,
    gateway_blocks,
    open_edges,
    open_to_probes,
    peer_block,
)
from core import discovery
from core.config.enums import Mesh, Nat, Nodes
from core.network.cidrs import EVERYWHERE
from core.resolved import ResolvedFleet
from core.targets.eks.kubernetes import millicores, quota

DISCOVERY = "discovery"
"""The ConfigMap of the discovery document, in every namespace."""

_READINESS_GATES = {
    Nodes.AUTO: "eks.amazonaws.com/pod-readiness-gate-inject",
    Nodes.MANAGED: "elbv2.k8s.aws/pod-readiness-gate-inject",
}
"""The label with which the controller delays a rollout until the new targets are healthy."""

_PRIORITY = 1000


class Namespaces(Component):
    """The namespaces of the fleet, with the policies and limits for all pods in them.

    Type token `mcp-platform:eks:Namespaces`. Creates a priority class and, for each namespace:

    - The namespace, which enforces the Pod Security Standard `restricted`.
    - Network policies. They deny all ingress, and all egress except DNS, HTTPS and EKS Pod
      Identity, and allow the connections of the fleet.
    - A resource quota for all pods, and a limit range for each pod.
    - A ConfigMap with the discovery document.
    - With a mesh, policies that require mutual TLS and identify callers by certificate.

    Attributes:
        priority_class: The name of the priority class.
    """

    priority_class: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        foundation: Foundation,
        cluster: Cluster,
        needed: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the namespaces.

        Args:
            name: The component's name.
            fleet: The fleet.
            foundation: The foundation.
            cluster: The cluster.
            needed: The resources that must exist before the namespaces.
            opts: The component's options.
        """
        super().__init__("mcp-platform:eks:Namespaces", name, opts)
        here = pulumi.ResourceOptions(parent=self, depends_on=needed)
        self.cluster_name = cluster.name
        """The name of the cluster."""
        self.gateway_blocks = gateway_blocks(fleet.config, foundation, self)
        """The CIDR blocks of the load balancer's subnets."""
        priority = k8s.scheduling.v1.PriorityClass(
            f"{name}-priority",
            metadata={"name": fleet.stack.label},
            description=f"What answers requests of {fleet.stack.label}",
            value=_PRIORITY,
            # The scheduler prefers these pods to pods without a class, but evicts no running pod.
            preemption_policy="Never",
            global_default=False,
            opts=here,
        )
        made = [
            each
            for namespace in fleet.namespaces
            for each in _namespace(
                f"{name}-{namespace}",
                namespace,
                fleet=fleet,
                foundation=foundation,
                cluster=cluster,
                parent=self,
                needed=needed,
            )
        ]
        inside = pulumi.ResourceOptions(parent=self, depends_on=made)
        self.edges = open_edges(name, fleet=fleet, opts=inside)
        """The network policies of each workload's edges, by workload. They exist before its first
        pod starts and until its last pod stops."""
        if fleet.config.mesh is Mesh.ISTIO:
            meshed = [
                *open_to_probes(name, fleet.namespaces, opts=inside),
                *mesh.close(name, fleet=fleet, gateway_blocks=self.gateway_blocks, opts=inside),
            ]
            self.edges = {
                workload: [*policies, *meshed] for workload, policies in self.edges.items()
            }
        self.priority_class = priority.metadata.name
        self.ready = [*needed, priority, *made]
        """The resources that must exist before a workload."""
        self.register()


def _namespace(
    name: str,
    namespace: str,
    *,
    fleet: ResolvedFleet,
    foundation: Foundation,
    cluster: Cluster,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> list[pulumi.Resource]:
    enforced = {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
    }
    meshed = {"istio.io/dataplane-mode": "ambient"} if fleet.config.mesh is Mesh.ISTIO else {}
    made = k8s.core.v1.Namespace(
        name,
        metadata={
            "name": namespace,
            "labels": {
                "app.kubernetes.io/part-of": fleet.stack.label,
                **enforced,
                _READINESS_GATES[fleet.config.cluster.nodes]: "enabled",
                **meshed,
            },
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=needed),
    )
    inside = pulumi.ResourceOptions(parent=parent, depends_on=[made])
    most = quota(
        fleet.config.teams.get(namespace), [each.config for each in fleet.namespaces[namespace]]
    )
    bounds = {"cpu": f"{most.millicores}m", "memory": f"{most.memory_mib}Mi"}
    workloads = fleet.namespaces[namespace]
    largest = {
        "cpu": f"{max(millicores(workload.cpu) for workload in workloads)}m",
        "memory": f"{max(workload.memory_mib for workload in workloads)}Mi",
    }
    return [
        made,
        k8s.core.v1.ResourceQuota(
            f"{name}-quota",
            metadata={"name": "quota", "namespace": namespace},
            spec={
                "hard": {
                    **{f"requests.{what}": bound for what, bound in bounds.items()},
                    **{f"limits.{what}": bound for what, bound in bounds.items()},
                    "pods": str(most.pods),
                    # No service of the fleet has an address outside of the cluster.
                    "services.loadbalancers": "0",
                    "services.nodeports": "0",
                }
            },
            opts=inside,
        ),
        k8s.core.v1.LimitRange(
            f"{name}-limits",
            metadata={"name": "limits", "namespace": namespace},
            spec={
                "limits": [
                    {
                        "type": "Container",
                        "default": largest,
                        "default_request": largest,
                        "max": largest,
                    }
                ]
            },
            opts=inside,
        ),
        k8s.networking.v1.NetworkPolicy(
            f"{name}-deny",
            metadata={"name": "default-deny", "namespace": namespace},
            spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
            opts=inside,
        ),
        k8s.networking.v1.NetworkPolicy(
            f"{name}-way-out",
            metadata={"name": "way-out", "namespace": namespace},
            spec={
                "pod_selector": {},
                "policy_types": ["Egress"],
                "egress": [
                    {
                        "to": dns_servers(cluster.service_block),
                        "ports": [
                            {"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")
                        ],
                    },
                    {
                        "to": _reached(fleet, foundation, cluster),
                        "ports": [{"protocol": "TCP", "port": HTTPS_PORT}],
                    },
                    {
                        "to": [peer_block(CREDENTIALS.block)],
                        "ports": [{"protocol": "TCP", "port": CREDENTIALS.port}],
                    },
                ],
            },
            opts=inside,
        ),
        k8s.core.v1.ConfigMap(
            f"{name}-discovery",
            metadata={"name": DISCOVERY, "namespace": namespace},
            data={
                discovery.parameter(fleet.stack, number).rpartition("/")[2]: document
                for number, document in enumerate(fleet.discovery_documents, start=1)
            },
            opts=inside,
        ),
    ]


def _reached(
    fleet: ResolvedFleet, foundation: Foundation, cluster: Cluster
) -> list[k8s.networking.v1.NetworkPolicyPeerArgsDict]:
    """The peers of HTTPS egress: `Network.https_destinations`, but only as CIDR blocks."""
    if not fleet.config.network.vpc and fleet.egress.nat is Nat.NONE:
        return [peer_block(foundation.network.cidr), peer_block(cluster.service_block)]
    if fleet.egress.meets_gateway:
        return [{"ip_block": {"cidr": EVERYWHERE, "except_": [foundation.network.cidr]}}]
    return [peer_block(EVERYWHERE)]
