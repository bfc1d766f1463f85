"""The account that a program runs in: every AWS look-up of the program is here."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account and partition that ARNs are made of.

    Attributes:
        id: The account's twelve digits.
        partition: `aws`, or that of another set of regions.
        region: The region.
    """

    id: pulumi.Output[str]
    partition: pulumi.Output[str]
    region: str

    def arn(self, service: str, resource: str, *, region: str | None = None) -> pulumi.Output[str]:
        """The ARN of a resource of this account, in this region unless another (or "") is said."""
        where = self.region if region is None else region
        return pulumi.Output.format(
            "arn:{0}:{1}:{2}:{3}:{4}", self.partition, service, where, self.id, resource
        )


def look_up(region: str, opts: pulumi.InvokeOptions) -> Account:
    """Asks AWS which account and partition the credentials belong to."""
    return Account(
        id=aws.get_caller_identity_output(opts=opts).account_id,
        partition=aws.get_partition_output(opts=opts).partition,
        region=region,
    )
