"""The AWS provider of the program."""

import pulumi
import pulumi_aws as aws

from core.resolved import ResolvedFleet


def aws_provider(fleet: ResolvedFleet, config: pulumi.Config) -> aws.Provider:
    """Makes the provider that tags everything which takes tags.

    Args:
        fleet: The fleet.
        config: The stack's `aws:` configuration. An explicit provider does not read it by itself,
            so what says which account to work in, and as whom, is passed on.
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
