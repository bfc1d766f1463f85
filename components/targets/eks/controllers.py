"""The controllers of a cluster with managed nodes, which Auto Mode has of its own."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.account import Account
from components.foundation import Foundation
from components.gateway.gateway import Gateway
from components.targets.eks.cluster import Cluster
from components.targets.eks.identities import Identity, identify
from core.aws.iam import Statement
from core.stack import Stack
from core.targets.eks.versions import CHARTS


def install_controllers(
    name: str,
    *,
    stack: Stack,
    foundation: Foundation,
    gateway: Gateway,
    cluster: Cluster,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> list[pulumi.Resource]:
    """Installs what registers pods in target groups, and what makes nodes more and fewer.

    Each may do in AWS what it needs for that and nothing else.

    Args:
        name: The stem of the logical names.
        stack: The stack.
        foundation: The foundation.
        gateway: The gateway.
        cluster: The stack's own cluster.
        parent: The component that they belong to.
        needed: What must be there before: nodes, and the add-ons that pods start with.
    """
    wanted = {
        "aws-load-balancer-controller": (
            _register_targets(gateway),
            {
                "clusterName": cluster.name,
                "region": stack.region,
                "vpcId": foundation.vpc_id,
                # It makes no load balancers: the only one is the gateway's.
                "enableServiceMutatorWebhook": False,
                "createIngressClassResource": False,
                # Nor does it look for routes of the Gateway API, whose kinds are not there.
                "controllerConfig": {
                    "featureGates": {"ALBGatewayAPI": False, "NLBGatewayAPI": False}
                },
                "serviceAccount": {"name": "aws-load-balancer-controller"},
            },
        ),
        "cluster-autoscaler": (
            _scale_nodes(cluster.name, foundation.account),
            {
                "cloudProvider": "aws",
                "awsRegion": stack.region,
                "autoDiscovery": {"clusterName": cluster.name},
                "rbac": {"serviceAccount": {"name": "cluster-autoscaler"}},
                "fullnameOverride": "cluster-autoscaler",
            },
        ),
    }
    return [
        _controller(
            f"{name}-{controller}",
            Identity(service_account=controller, statements=statements),
            values,
            foundation=foundation,
            cluster=cluster,
            parent=parent,
            needed=needed,
        )
        for controller, (statements, values) in wanted.items()
    ]


def _controller(
    name: str,
    identity: Identity,
    values: Mapping[str, pulumi.Input[object]],
    *,
    foundation: Foundation,
    cluster: Cluster,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> k8s.helm.v3.Release:
    """Installs a chart of the controller's name, after its service account has its role."""
    ready = identify(name, identity, cluster=cluster, account=foundation.account, parent=parent)
    chart = CHARTS[identity.service_account]
    return k8s.helm.v3.Release(
        name,
        name=identity.service_account,
        namespace=identity.namespace,
        chart=chart.name,
        version=chart.version,
        repository_opts={"repo": chart.repository},
        values=values,
        atomic=True,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*needed, *ready]),
    )


def _register_targets(gateway: Gateway) -> list[Statement]:
    statements = [
        Statement(
            sid="FindTargets",
            actions=(
                "ec2:DescribeAvailabilityZones",
                "ec2:DescribeInstances",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ),
            resources=("*",),
            why_star="EC2 and Elastic Load Balancing offer no resource for what only describes",
        )
    ]
    target_groups = [route.target_group.arn for route in gateway.routes.values()]
    if target_groups:
        statements.append(
            Statement(
                sid="RegisterOwnTargets",
                actions=(
                    "elasticloadbalancing:DeregisterTargets",
                    "elasticloadbalancing:RegisterTargets",
                ),
                resources=tuple(target_groups),
            )
        )
    return statements


def _scale_nodes(cluster: pulumi.Output[str], account: Account) -> list[Statement]:
    """Cluster Autoscaler, "Cloud provider AWS", full permissions; EKS tags the groups of nodes."""
    return [
        Statement(
            sid="SeeNodeGroups",
            actions=(
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeLaunchConfigurations",
                "autoscaling:DescribeScalingActivities",
                "autoscaling:DescribeTags",
                "ec2:DescribeImages",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:GetInstanceTypesFromInstanceRequirements",
            ),
            resources=("*",),
            why_star="EC2 and Auto Scaling offer no resource for what only describes",
        ),
        Statement(
            sid="SeeOwnNodeGroups",
            actions=("eks:DescribeNodegroup",),
            resources=(pulumi.Output.concat(account.arn("eks", "nodegroup/"), cluster, "/*"),),
        ),
        Statement(
            sid="ResizeOwnNodeGroups",
            actions=(
                "autoscaling:SetDesiredCapacity",
                "autoscaling:TerminateInstanceInAutoScalingGroup",
            ),
            # EKS names the groups.
            resources=(
                account.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/eks-*"),
            ),
            conditions={"StringEquals": {"aws:ResourceTag/eks:cluster-name": cluster}},
        ),
    ]
