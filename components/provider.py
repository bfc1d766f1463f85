"""The AWS provider of the program."""

import json
from typing import Any

import pulumi_aws as aws

from core.fleet import Fleet
from core.stack import Stack


def aws_provider(fleet: Fleet, stack: Stack) -> aws.Provider:
    """Makes the provider that tags everything which takes tags.

    An explicit provider does not read the stack's `aws:` configuration by itself, so what says
    which account to work in, and as whom, is passed on.
    """
    return aws.Provider(
        "aws",
        region=stack.region,
        profile=aws.config.profile,
        allowed_account_ids=_structured(aws.config.allowedAccountIds),
        forbidden_account_ids=_structured(aws.config.forbiddenAccountIds),
        assume_roles=_structured(aws.config.assumeRoles),
        default_tags={
            "tags": {
                "project": stack.project,
                "stack": stack.name,
                "managed-by": "pulumi",
                **fleet.tags,
            }
        },
    )


def _structured(value: str | None) -> Any:  # noqa: ANN401 - whatever the user's JSON holds
    return json.loads(value) if value else None
