"""The EKS target: every workload is a Deployment behind the same load balancer as on ECS."""

import pulumi

from components.foundation import Foundation
from components.gateway.gateway import Gateway
from components.targets.eks.cluster import name_cluster
from components.targets.eks.routes import target_group_tags
from components.targets.eks.target import EksTarget
from core.resolved import ResolvedFleet

__all__ = ["EksTarget", "deploy"]


def deploy(
    fleet: ResolvedFleet,
    foundation: Foundation,
    certificate_arn: pulumi.Output[str] | None,
    aws_config: pulumi.Config,
    opts: pulumi.ResourceOptions,
) -> EksTarget:
    """Creates the gateway and the target. ECS has the same gateway, so it is not a child."""
    called = name_cluster(fleet)
    gateway = Gateway(
        "gateway",
        fleet=fleet,
        foundation=foundation,
        certificate_arn=certificate_arn,
        target_group_tags=target_group_tags(fleet.config.cluster.nodes, called),
        opts=opts,
    )
    return EksTarget(
        "eks",
        fleet=fleet,
        foundation=foundation,
        gateway=gateway,
        cluster_name=called,
        aws_config=aws_config,
        opts=opts,
    )
