"""The permission of Lambda to pull the fleet's images."""

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
    """Creates the repository policies that let Lambda pull images for functions of this account.

    Without them, Lambda would add a policy itself, and every preview would show it as drift. The
    owner of any other repository must add the policy there.

    Args:
        name: The prefix of the logical names.
        images: The images, by the name of their build.
        foundation: The foundation.
        parent: The parent component.

    Returns:
        The resources that must exist before a function is created.
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
