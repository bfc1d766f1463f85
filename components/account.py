"""The AWS account and partition that the program deploys to."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account, partition and region, as parts of ARNs.

    Attributes:
        id: The account id (12 digits).
        partition: The partition, such as `aws` or `aws-cn`.
        region: The region.
    """

    id: pulumi.Output[str]
    partition: pulumi.Output[str]
    region: str

    def arn(self, service: str, resource: str, *, region: str | None = None) -> pulumi.Output[str]:
        """The ARN of a resource of this account. The default of `region` is the stack's region."""
        where = self.region if region is None else region
        return pulumi.Output.format(
            "arn:{0}:{1}:{2}:{3}:{4}", self.partition, service, where, self.id, resource
        )


def look_up(region: str, opts: pulumi.InvokeOptions) -> Account:
    """Looks up the account and the partition of the credentials."""
    return Account(
        id=aws.get_caller_identity_output(opts=opts).account_id,
        partition=aws.get_partition_output(opts=opts).partition,
        region=region,
    )
