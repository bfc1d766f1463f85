"""The ECS target: every workload is a Fargate service behind an Application Load Balancer."""

import pulumi

from components.foundation import Foundation
from components.gateway.gateway import Gateway
from components.targets.ecs.target import EcsTarget
from core.resolved import ResolvedFleet

__all__ = ["EcsTarget", "deploy"]


def deploy(
    fleet: ResolvedFleet,
    foundation: Foundation,
    certificate_arn: pulumi.Output[str] | None,
    opts: pulumi.ResourceOptions,
) -> EcsTarget:
    """Creates the gateway and the target. EKS has the same gateway, so it is not a child."""
    gateway = Gateway(
        "gateway",
        fleet=fleet,
        foundation=foundation,
        certificate_arn=certificate_arn,
        opts=opts,
    )
    return EcsTarget("ecs", fleet=fleet, foundation=foundation, gateway=gateway, opts=opts)
