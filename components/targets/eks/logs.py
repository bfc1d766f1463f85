"""The log groups that belong to the stack's own cluster, and not to a workload."""

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
    """Makes a log group of the cluster.

    In production it stays when the cluster goes, with the audit log in it, until its entries are as
    old as the retention says. The log groups of the foundation are protected instead; this one may
    not be, since the fleet could then not leave EKS. No later cluster finds it in its way, as each
    has another name.

    Args:
        name: The logical name.
        called: The group's name, which has the cluster's in it.
        fleet: The fleet, for the retention.
        foundation: The foundation, for the key.
        parent: The component that it belongs to.
    """
    return aws.cloudwatch.LogGroup(
        name,
        name=called,
        retention_in_days=fleet.config.observability.retention_days,
        kms_key_id=foundation.key_arn,
        opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=fleet.stack.production),
    )
