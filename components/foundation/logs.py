"""Log groups of the stack."""

import pulumi
import pulumi_aws as aws

from core import names
from core.fleet import Fleet
from core.stack import Stack


def log_group(
    name: str,
    what: str,
    fleet: Fleet,
    stack: Stack,
    *,
    key_arn: pulumi.Input[str],
    parent: pulumi.Resource,
) -> aws.cloudwatch.LogGroup:
    """Makes a log group under the stack's path, with retention, encrypted with the stack's key.

    Args:
        name: The logical name.
        what: What logs there: the last part of the group's path.
        fleet: The fleet, for the retention.
        stack: The stack, for the path.
        key_arn: The key.
        parent: The component that it belongs to.
    """
    return aws.cloudwatch.LogGroup(
        name,
        name=names.fit(f"{stack.path}/{what}", names.LOG_GROUP),
        retention_in_days=fleet.observability.retention_days,
        kms_key_id=key_arn,
        opts=pulumi.ResourceOptions(parent=parent, protect=stack.production),
    )
