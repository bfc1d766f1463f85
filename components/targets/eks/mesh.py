"""The service mesh: Istio in ambient mode, with mutual TLS between all pods of the fleet."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.targets.eks.labels import selector
from core.aws.names import short_hash
from core.contract import PORT
from core.resolved import ResolvedFleet
from core.targets.eks.versions import CHARTS

_NAMESPACE = "istio-system"
_SECURITY = "security.istio.io/v1"

# The order is that of the Istio documentation ("Install with Helm (ambient)"). The profile sets the
# options of ambient mode.
_CHARTS: Mapping[str, Mapping[str, object]] = {
    "istio-base": {},
    "istiod": {"profile": "ambient"},
    "istio-cni": {"profile": "ambient"},
    "ztunnel": {},
}


def install(
    name: str, *, parent: pulumi.Resource, needed: Sequence[pulumi.Resource]
) -> list[pulumi.Resource]:
    """Installs the mesh in the stack's own cluster.

    Args:
        name: The prefix of the logical names.
        parent: The parent component.
        needed: The resources that must exist before: the nodes and the cluster's DNS.

    Returns:
        The resources that must exist before a pod of the mesh starts.
    """
    home = k8s.core.v1.Namespace(
        f"{name}-mesh-namespace",
        metadata={
            "name": _NAMESPACE,
            # The CNI plugin and ztunnel, which add pods to the mesh, need privileges on the node.
            "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=needed),
    )
    made: list[pulumi.Resource] = [home]
    for chart, values in _CHARTS.items():
        made.append(
            k8s.helm.v3.Release(
                f"{name}-mesh-{chart}",
                name=chart,
                namespace=_NAMESPACE,
                chart=CHARTS[chart].name,
                version=CHARTS[chart].version,
                repository_opts={"repo": CHARTS[chart].repository},
                values=values,
                atomic=True,
                opts=pulumi.ResourceOptions(parent=parent, depends_on=[*needed, made[-1]]),
            )
        )
    return made


def close(
    name: str,
    *,
    fleet: ResolvedFleet,
    gateway_blocks: pulumi.Output[list[str]],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Requires mutual TLS of all pods, and allows only the callers of each workload.

    A caller is identified by the certificate of its service account instead of its address. Only
    the load balancer, which is not in the mesh, is allowed without a certificate: on the port of
    the workloads behind it, from its subnets.

    Args:
        name: The prefix of the logical names.
        fleet: The fleet.
        gateway_blocks: The CIDR blocks of those subnets.
        opts: The options of all objects.

    Returns:
        The objects. Pods depend on them, so they are created first and deleted last.
    """
    made: list[pulumi.Resource] = [
        k8s.apiextensions.CustomResource(
            f"{name}-mesh-strict-{each}",
            api_version=_SECURITY,
            kind="PeerAuthentication",
            metadata={"name": "strict", "namespace": each},
            spec={"mtls": {"mode": "STRICT"}},
            opts=opts,
        )
        for each in fleet.namespaces
    ]
    for called, workload in fleet.workloads.items():
        here = workload.namespace
        matched = {"selector": {"matchLabels": selector(called, fleet.stack)}}
        rules: list[pulumi.Input[dict[str, object]]] = []
        homes = {caller: fleet.workloads[caller].namespace for caller in workload.callers}
        principals = [f"cluster.local/ns/{home}/sa/{caller}" for caller, home in homes.items()]
        if principals:
            rules.append({"from": [{"source": {"principals": principals}}]})
        if workload.config.expose:
            permissive = k8s.apiextensions.CustomResource(
                f"{name}-mesh-gateway-{called}",
                api_version=_SECURITY,
                kind="PeerAuthentication",
                metadata={"name": f"gateway.{called}", "namespace": here},
                spec={
                    **matched,
                    "mtls": {"mode": "STRICT"},
                    "portLevelMtls": {str(PORT): {"mode": "PERMISSIVE"}},
                },
                opts=opts,
            )
            made.append(permissive)
            rules.append(
                {
                    "from": [{"source": {"ipBlocks": gateway_blocks, "notPrincipals": ["*"]}}],
                    "to": [{"operation": {"ports": [str(PORT)]}}],
                }
            )
        # While a caller moves to another namespace, its old pods still call: a policy with another
        # name is created before the old one is deleted. Policies that allow traffic add up.
        mark = short_hash(",".join(sorted(set(homes.values()))))
        admitted = k8s.apiextensions.CustomResource(
            f"{name}-mesh-callers-{called}",
            api_version=_SECURITY,
            kind="AuthorizationPolicy",
            metadata={"name": f"{called}.{mark}", "namespace": here},
            # A policy without rules denies all traffic.
            spec={**matched, "action": "ALLOW", "rules": rules},
            opts=opts,
        )
        made.append(admitted)
    return made
