"""Log groups of the stack."""

import pulumi
import pulumi_aws as aws

from core.resolved import ResolvedFleet


def log_group(
    name: str,
    what: str,
    fleet: ResolvedFleet,
    *,
    key_arn: pulumi.Input[str],
    parent: pulumi.Resource,
    path: str | None = None,
) -> aws.cloudwatch.LogGroup:
    """Makes a log group under the stack's path, with retention, encrypted with the stack's key.

    Args:
        name: The logical name.
        what: What logs there: the last part of the group's path.
        fleet: The fleet.
        key_arn: The key.
        parent: The component that it belongs to.
        path: The path that the group is under, if not the stack's.
    """
    return aws.cloudwatch.LogGroup(
        name,
        # As it is, since the key's policy goes by the path; project, stack and workload together
        # are far below the 512 characters that CloudWatch Logs takes.
        name=f"{path or fleet.stack.path}/{what}",
        retention_in_days=fleet.config.observability.retention_days,
        kms_key_id=key_arn,
        opts=pulumi.ResourceOptions(parent=parent, protect=fleet.stack.production),
    )
