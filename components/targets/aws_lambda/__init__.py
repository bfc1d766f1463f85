"""The Lambda target: every workload is a function or a state machine behind a REST API."""

import pulumi

from components.foundation import Foundation
from components.targets.aws_lambda.target import LambdaTarget
from core.resolved import ResolvedFleet

__all__ = ["LambdaTarget", "deploy"]


def deploy(
    fleet: ResolvedFleet,
    foundation: Foundation,
    certificate_arn: pulumi.Output[str] | None,
    opts: pulumi.ResourceOptions,
) -> LambdaTarget:
    """Creates the target. The gateway is part of it, because no other target uses a REST API."""
    return LambdaTarget(
        "lambda",
        fleet=fleet,
        foundation=foundation,
        certificate_arn=certificate_arn,
        opts=opts,
    )
