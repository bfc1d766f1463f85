"""Lambda's right to pull the fleet's images."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.foundation.images import Built
from core.aws.iam import Statement, document


def let_lambda_pull(
    name: str,
    images: Mapping[str, Built],
    *,
    foundation: Foundation,
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    """Makes the policies by which Lambda pulls images for this account's functions.

    Left out, Lambda would write them itself, and every preview would show them as drift. Images in
    repositories that are not the stack's own need their owner's policy.

    Args:
        name: The stem of the logical names.
        images: The images, by the name of their build.
        foundation: The foundation.
        parent: The component that it belongs to.

    Returns:
        What must be there before a function is made.
    """
    account = foundation.account
    statement = Statement(
        sid="LambdaPulls",
        principals={"Service": ("lambda.amazonaws.com",)},
        actions=("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        conditions={"ArnLike": {"aws:SourceArn": account.arn("lambda", "function:*")}},
    )
    return [
        aws.ecr.RepositoryPolicy(
            f"{name}-pull-{what}",
            repository=image.repository_name,
            policy=pulumi.Output.json_dumps(document([statement])),
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for what, image in images.items()
    ]
