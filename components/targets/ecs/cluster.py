"""The cluster, and the security groups that all of its tasks share."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.traffic import let_out
from core.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An ECS cluster on Fargate capacity.

    Attributes:
        arn: The cluster's ARN.
        name: The cluster's name.
        outbound_group_id: The security group that every task carries: it may reach what it starts
            and works with over HTTPS.
        routed_group_id: The security group of tasks behind the gateway, which the gateway may
            reach. Without the two, every task would need these rules of its own, and the gateway
            one for every task, more than a security group holds.
    """

    arn: pulumi.Output[str]
    name: pulumi.Output[str]
    outbound_group_id: pulumi.Output[str]
    routed_group_id: pulumi.Output[str]


def create_cluster(
    name: str, *, stack: Stack, foundation: Foundation, parent: pulumi.Resource
) -> Cluster:
    """Makes the cluster with Container Insights (enhanced), its capacity and the shared groups."""
    child = pulumi.ResourceOptions(parent=parent)
    cluster = aws.ecs.Cluster(
        f"{name}-cluster",
        settings=[{"name": "containerInsights", "value": "enhanced"}],
        opts=child,
    )
    providers = aws.ecs.ClusterCapacityProviders(
        f"{name}-capacity",
        cluster_name=cluster.name,
        capacity_providers=["FARGATE", "FARGATE_SPOT"],
        opts=child,
    )
    outbound = aws.ec2.SecurityGroup(
        f"{name}-outbound",
        description="Every task, to what it starts and works with",
        vpc_id=foundation.vpc_id,
        tags={"Name": f"{stack.label}-outbound"},
        opts=child,
    )
    let_out(
        f"{name}-outbound",
        parent=parent,
        group=outbound,
        destinations=foundation.network.https_destinations,
    )
    routed = aws.ec2.SecurityGroup(
        f"{name}-routed",
        description="Tasks behind the gateway",
        vpc_id=foundation.vpc_id,
        tags={"Name": f"{stack.label}-routed"},
        opts=child,
    )
    return Cluster(
        # Both through the capacity, so that no service starts before the cluster has it.
        arn=pulumi.Output.all(cluster.arn, providers.id).apply(lambda made: made[0]),
        name=providers.cluster_name,
        outbound_group_id=outbound.id,
        routed_group_id=routed.id,
    )
