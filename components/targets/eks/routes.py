"""Registration of pods in the target groups of the gateway."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.gateway.gateway import Route
from components.targets.eks.moves import per_namespace
from core.config.enums import Nodes
from core.contract import PORT

_API_VERSIONS = {
    Nodes.AUTO: "eks.amazonaws.com/v1",
    Nodes.MANAGED: "elbv2.k8s.aws/v1beta1",
}
"""The API group of the controller: that of Auto Mode, or of the installed controller."""


def target_group_tags(
    nodes: Nodes, cluster_name: pulumi.Output[str]
) -> dict[str, pulumi.Output[str]]:
    """The tags of a target group that let EKS Auto Mode register pods in it.

    The role of Auto Mode can only change target groups that have the name of the cluster as a tag
    (AWS managed policy AmazonEKSLoadBalancingPolicy). The role of the installed controller has the
    ARNs of the target groups.
    """
    return {"eks:eks-cluster-name": cluster_name} if nodes is Nodes.AUTO else {}


def bind(
    name: str,
    workload: str,
    *,
    namespace: str,
    labels: Mapping[str, str],
    nodes: Nodes,
    route: Route,
    opts: pulumi.ResourceOptions,
) -> k8s.apiextensions.CustomResource:
    """Creates the TargetGroupBinding of a workload.

    Several bindings can share the target group: the controller only deregisters targets that it
    registered. While a fleet moves between ECS and EKS, both serve requests through the same load
    balancer. While a workload moves to another namespace, both of its bindings exist, which the
    controller accepts only in this mode (AWS Load Balancer Controller, webhooks,
    checkExistingTargetGroups).

    Args:
        name: The prefix of the logical name.
        workload: The workload. Its service has the same name.
        namespace: The namespace of the workload.
        labels: The labels of the workload.
        nodes: How the nodes of the cluster are managed.
        route: The route of the gateway.
        opts: The options of the object.
    """
    logical, options = per_namespace(f"{name}-binding", namespace, opts)
    return k8s.apiextensions.CustomResource(
        logical,
        api_version=_API_VERSIONS[nodes],
        kind="TargetGroupBinding",
        metadata={"name": workload, "namespace": namespace, "labels": labels},
        spec={
            "targetGroupARN": route.target_group.arn,
            "targetType": "ip",
            "serviceRef": {"name": workload, "port": PORT},
            "multiClusterTargetGroup": True,
        },
        opts=options,
    )
