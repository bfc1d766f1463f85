"""The role with which API Gateway writes logs."""

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from core.aws.iam import trust
from core.config.model import Fleet

# An account has one such role in each region, for all APIs. It therefore has the AWS managed policy
# instead of a policy for the log groups of this stack (API Gateway Developer Guide, "Set up
# CloudWatch logging for REST APIs").
_POLICY = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"


def log_role(
    name: str, *, fleet: Fleet, foundation: Foundation, parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """Sets the role of API Gateway, unless another stack does (`gateway.sets_log_role: false`).

    Returns:
        The resources that must exist before an API can log.
    """
    if not fleet.gateway.sets_log_role:
        return []
    # Retained when the stack is destroyed: without them, other APIs of the region could not log.
    child = pulumi.ResourceOptions(parent=parent, retain_on_delete=True)
    role = aws.iam.Role(
        f"{name}-log-role",
        description="API Gateway writes the logs of this region's APIs",
        assume_role_policy=pulumi.Output.json_dumps(
            trust("apigateway.amazonaws.com", foundation.account.id)
        ),
        opts=child,
    )
    policy = aws.iam.RolePolicyAttachment(
        f"{name}-log-policy",
        role=role.name,
        policy_arn=pulumi.Output.format(
            "arn:{0}:iam::aws:policy/{1}", foundation.account.partition, _POLICY
        ),
        opts=child,
    )
    account = aws.apigateway.Account(
        f"{name}-log-account",
        cloudwatch_role_arn=role.arn,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy], retain_on_delete=True),
    )
    return [account]
