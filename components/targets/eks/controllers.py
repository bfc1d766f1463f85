"""The controllers of a cluster with managed nodes. Auto Mode includes them."""

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
    """Installs the AWS Load Balancer Controller and the Cluster Autoscaler.

    Each has only the AWS permissions that it needs.

    Args:
        name: The prefix of the logical names.
        stack: The stack.
        foundation: The foundation.
        gateway: The gateway.
        cluster: The stack's own cluster.
        parent: The parent component.
        needed: The nodes and add-ons that must exist before the controllers.
    """
    wanted = {
        "aws-load-balancer-controller": (
            _register_targets(gateway),
            {
                "clusterName": cluster.name,
                "region": stack.region,
                "vpcId": foundation.vpc_id,
                # The controller creates no load balancers. The gateway has the only one.
                "enableServiceMutatorWebhook": False,
                "createIngressClassResource": False,
                # The custom resources of the Gateway API are not installed.
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
    """Installs the Helm chart of a controller after its service account has its role."""
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
    """The permissions of the Cluster Autoscaler ("Cloud provider AWS", full permissions)."""
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
            # EKS generates the names of the Auto Scaling groups.
            resources=(
                account.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/eks-*"),
            ),
            conditions={"StringEquals": {"aws:ResourceTag/eks:cluster-name": cluster}},
        ),
    ]
