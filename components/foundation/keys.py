"""The stack's encryption key."""

import pulumi
import pulumi_aws as aws

from components.account import Account
from components.component import Component
from core.aws.iam import Statement, document
from core.aws.partitions import service_host
from core.stack import Stack

# The actions that the account's administrators need on the key. `kms:*` would also allow actions
# that they do not need.
_ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RetireGrant",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)

# AWS KMS API reference, ScheduleKeyDeletion: 7 to 30 days.
_SHORTEST_WAIT_DAYS, _LONGEST_WAIT_DAYS = 7, 30

_THIS_KEY = "in a key's own policy, * is that key"


class Key(Component):
    """The customer-managed key that encrypts the data of the stack.

    Type token `mcp-platform:foundation:Key`. Creates a symmetric KMS key with yearly rotation, its
    key policy, and an alias with the name of the stack. The key policy lets IAM policies of the
    account grant access. It allows CloudWatch Logs to use the key for the log groups of the stack
    and of its cluster, and CloudWatch alarms to publish to the encrypted topic.

    Attributes:
        arn: The key's ARN.
    """

    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: Stack,
        account: Account,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:foundation:Key", name, opts)
        key = aws.kms.Key(
            f"{name}-cmk",
            description=f"Everything of {stack.label}",
            enable_key_rotation=True,
            deletion_window_in_days=(
                _LONGEST_WAIT_DAYS if stack.production else _SHORTEST_WAIT_DAYS
            ),
            policy=pulumi.Output.json_dumps(document(_policy(stack, account))),
            opts=pulumi.ResourceOptions(parent=self, protect=stack.production),
        )
        aws.kms.Alias(
            f"{name}-alias",
            name=f"alias/{stack.label}",
            target_key_id=key.key_id,
            opts=self.child_opts,
        )
        self.arn = key.arn
        self.register()


def _policy(stack: Stack, account: Account) -> list[Statement]:
    return [
        Statement(
            sid="AccountAdministers",
            principals={"AWS": (account.arn("iam", "root", region=""),)},
            actions=_ADMINISTRATION,
            resources=("*",),
            why_star=_THIS_KEY,
        ),
        Statement(
            sid="LogsEncrypt",
            principals={"Service": (service_host("logs", account.region),)},
            actions=(
                "kms:Decrypt",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ),
            resources=("*",),
            why_star=_THIS_KEY,
            conditions={
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        account.arn("logs", f"log-group:{path}/*")
                        for path in (
                            stack.path,
                            stack.executions_path,
                            stack.firewall_logs,
                            # The log groups of the stack's own cluster. AWS defines the prefix.
                            f"/aws/eks/{stack.label}-*",
                            f"/aws/containerinsights/{stack.label}-*",
                        )
                    ]
                }
            },
        ),
        Statement(
            sid="AlarmsNotify",
            principals={"Service": ("cloudwatch.amazonaws.com",)},
            actions=("kms:Decrypt", "kms:GenerateDataKey"),
            resources=("*",),
            why_star=_THIS_KEY,
            # Without a condition, as in the Amazon SNS Developer Guide ("Enable compatibility
            # between event sources from AWS services and encrypted topics"). AWS does not document
            # whether CloudWatch sends aws:SourceAccount to KMS. If it does not, a condition would
            # drop all alarms without an error.
        ),
    ]
