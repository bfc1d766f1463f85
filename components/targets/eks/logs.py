"""The log groups of the stack's own cluster."""

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from core.resolved import ResolvedFleet


def cluster_log_group(
    name: str,
    called: pulumi.Input[str],
    *,
    fleet: ResolvedFleet,
    foundation: Foundation,
    parent: pulumi.Resource,
) -> aws.cloudwatch.LogGroup:
    """Creates a log group of the cluster.

    In production, it is retained when the cluster is deleted, so that the audit log stays available
    for the retention time. It is not protected like the log groups of the foundation, because the
    fleet could then not move to another target. It does not conflict with a later cluster, which
    has another name.

    Args:
        name: The logical name.
        called: The name of the log group, which contains the name of the cluster.
        fleet: The fleet, for the retention.
        foundation: The foundation, for the key.
        parent: The parent component.
    """
    return aws.cloudwatch.LogGroup(
        name,
        name=called,
        retention_in_days=fleet.config.observability.retention_days,
        kms_key_id=foundation.key_arn,
        opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=fleet.stack.production),
    )
