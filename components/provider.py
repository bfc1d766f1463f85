"""The AWS provider of the program."""

import pulumi
import pulumi_aws as aws

from core.resolved import ResolvedFleet


def aws_provider(fleet: ResolvedFleet, config: pulumi.Config) -> aws.Provider:
    """Creates the AWS provider, which adds the default tags to all resources that support tags.

    Args:
        fleet: The fleet.
        config: The stack's `aws:` configuration. An explicit provider does not read it, so the
            account and the credentials are passed on.
    """
    return aws.Provider(
        "aws",
        region=fleet.stack.region,
        profile=config.get("profile"),
        allowed_account_ids=config.get_object("allowedAccountIds"),
        forbidden_account_ids=config.get_object("forbiddenAccountIds"),
        assume_roles=config.get_object("assumeRoles"),
        default_tags={
            "tags": {
                "project": fleet.stack.project,
                "stack": fleet.stack.name,
                "managed-by": "pulumi",
                **fleet.config.tags,
            }
        },
    )
