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
    """Creates a log group with the configured retention, encrypted with the stack's key.

    Args:
        name: The logical name.
        what: The source of the logs: the last part of the log group's name.
        fleet: The fleet.
        key_arn: The ARN of the key.
        parent: The parent component.
        path: The prefix of the log group's name. The default is the path of the stack.
    """
    return aws.cloudwatch.LogGroup(
        name,
        # Without a random suffix, because the key policy matches the name. Project, stack and
        # workload are far below the limit of CloudWatch Logs, which is 512 characters.
        name=f"{path or fleet.stack.path}/{what}",
        retention_in_days=fleet.config.observability.retention_days,
        kms_key_id=key_arn,
        opts=pulumi.ResourceOptions(parent=parent, protect=fleet.stack.production),
    )
