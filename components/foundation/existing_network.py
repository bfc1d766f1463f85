"""The validation of an existing VPC."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import pulumi
import pulumi_aws as aws

from core.config.errors import ConfigurationError
from core.config.model import Vpc
from core.network.existing import FoundSubnet, FoundVpc, faults

_Found = TypeVar("_Found")


async def check(vpc: Vpc, opts: pulumi.InvokeOptions) -> list[str]:
    """Validates that an existing VPC and its subnets fit the fleet, also in a preview.

    Args:
        vpc: The configured VPC.
        opts: The options of the look-ups.

    Returns:
        The zone of each private subnet.

    Raises:
        ConfigurationError: The VPC does not fit. The error lists every fault.
    """
    ids = list(dict.fromkeys([*vpc.private_subnets, *vpc.public_subnets]))
    found, answers = await asyncio.gather(
        _or_reason(_vpc(vpc.id, opts)),
        asyncio.gather(*(_or_reason(_subnet(id_, opts)) for id_ in ids)),
    )
    subnets = dict(zip(ids, answers, strict=True))
    if wrong := faults(vpc, found=found, subnets=subnets):
        raise ConfigurationError(wrong)
    private = (subnets[id_] for id_ in vpc.private_subnets)
    return [subnet.zone for subnet in private if isinstance(subnet, FoundSubnet)]


async def _or_reason(look_up: Awaitable[_Found]) -> _Found | str:
    """The result of a look-up, or the message of AWS if it fails."""
    try:
        return await look_up
    except Exception as error:  # the SDK raises no narrower type
        # The message of AWS follows the messages of the SDK and the engine.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return lines[-1].rpartition("returned an error: ")[2] if lines else type(error).__name__


async def _vpc(id_: str, opts: pulumi.InvokeOptions) -> FoundVpc:
    # Not `get_vpc_output`: if its look-up fails, the program ends and cannot catch the error.
    found: aws.ec2.GetVpcResult = await pulumi.runtime.invoke_async(
        "aws:ec2/getVpc:getVpc", {"id": id_}, opts, aws.ec2.GetVpcResult
    )
    return FoundVpc(
        blocks=[block.cidr_block for block in found.cidr_block_associations],
        dns_support=found.enable_dns_support,
        dns_hostnames=found.enable_dns_hostnames,
    )


async def _subnet(id_: str, opts: pulumi.InvokeOptions) -> FoundSubnet:
    found: aws.ec2.GetSubnetResult = await pulumi.runtime.invoke_async(
        "aws:ec2/getSubnet:getSubnet", {"id": id_}, opts, aws.ec2.GetSubnetResult
    )
    return FoundSubnet(
        vpc_id=found.vpc_id, zone=found.availability_zone, zone_id=found.availability_zone_id
    )
