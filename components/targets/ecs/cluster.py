"""The cluster, and the security groups that all of its tasks share."""

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.foundation.network import HTTPS_PORT
from core.stack import Stack


class Cluster(pulumi.ComponentResource):
    """An ECS cluster on Fargate capacity.

    Type token `mcp-platform:ecs:Cluster`. Creates the cluster with Container Insights (enhanced),
    its capacity providers, and two security groups without which every task would need rules of
    its own: `outbound`, which all tasks carry, lets them reach what they start and work with over
    HTTPS; `routed`, which tasks behind the gateway carry, is what the gateway may reach.

    Attributes:
        arn: The cluster's ARN.
        cluster_name: The cluster's name.
        outbound_group_id: The security group of every task.
        routed_group_id: The security group of tasks behind the gateway.
    """

    arn: pulumi.Output[str]
    cluster_name: pulumi.Output[str]
    outbound_group_id: pulumi.Output[str]
    routed_group_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: Stack,
        foundation: Foundation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:ecs:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
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
        for destination in foundation.network.https_destinations:
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-outbound-{destination.name}",
                security_group_id=outbound.id,
                description=f"HTTPS to {destination.name}",
                ip_protocol="tcp",
                from_port=HTTPS_PORT,
                to_port=HTTPS_PORT,
                cidr_ipv4=destination.cidr,
                prefix_list_id=destination.prefix_list_id,
                referenced_security_group_id=destination.security_group_id,
                opts=child,
            )
        routed = aws.ec2.SecurityGroup(
            f"{name}-routed",
            description="Tasks behind the gateway",
            vpc_id=foundation.vpc_id,
            tags={"Name": f"{stack.label}-routed"},
            opts=child,
        )
        self.arn = cluster.arn
        # Through the providers, so that no service starts before the cluster has them.
        self.cluster_name = providers.cluster_name
        self.outbound_group_id = outbound.id
        self.routed_group_id = routed.id
        self.register_outputs(
            {
                "arn": self.arn,
                "cluster_name": self.cluster_name,
                "outbound_group_id": self.outbound_group_id,
                "routed_group_id": self.routed_group_id,
            }
        )
