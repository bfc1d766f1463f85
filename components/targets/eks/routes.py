"""The way from the gateway's target groups to the pods."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.gateway.gateway import Route
from components.targets.eks.moves import per_namespace
from core.config.model import Nodes
from core.contract import PORT

_API_VERSIONS = {
    Nodes.AUTO: "eks.amazonaws.com/v1",
    Nodes.MANAGED: "elbv2.k8s.aws/v1beta1",
}
"""Whose controller binds target groups: Auto Mode's own, or the one that is installed."""


def target_group_tags(
    nodes: Nodes, cluster_name: pulumi.Output[str]
) -> dict[str, pulumi.Output[str]]:
    """What a target group carries so that EKS Auto Mode may register pods in it.

    Its role may only do that with what has the cluster's name on it (AWS managed policy
    AmazonEKSLoadBalancingPolicy); the installed controller's has the target groups by their ARNs.
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
    """Makes the binding by which the controller registers a workload's pods in its target group.

    It leaves targets alone that it did not register: while a fleet moves from ECS or to it, both
    answer through the same load balancer. And while a workload moves to another namespace, the
    bindings of both are there, which the controller admits in this mode alone (AWS Load Balancer
    Controller, webhooks, checkExistingTargetGroups).

    Args:
        name: The stem of the logical name.
        workload: The workload, of which the service has the name.
        namespace: Its namespace.
        labels: Its labels.
        nodes: How the cluster's nodes are managed.
        route: The way from the gateway.
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
