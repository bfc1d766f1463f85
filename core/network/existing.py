"""Checks of an existing VPC and its subnets, as AWS describes them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.config.errors import Fault, KeyPath, set_command
from core.config.model import Vpc
from core.network.zones import EXCLUDED

_AVAILABILITY_ZONE = re.compile(r"[a-z]+\d+-az\d+")
"""The ID of an Availability Zone. The ID of a Local Zone is longer, for example use1-atl1-az1."""


@dataclass(frozen=True, kw_only=True)
class FoundVpc:
    """A VPC as AWS describes it.

    Attributes:
        blocks: Its IPv4 blocks.
        dns_support: Whether DNS resolution is enabled.
        dns_hostnames: Whether DNS host names are enabled.
    """

    blocks: Sequence[str]
    dns_support: bool
    dns_hostnames: bool


@dataclass(frozen=True, kw_only=True)
class FoundSubnet:
    """A subnet as AWS describes it.

    Attributes:
        vpc_id: Its VPC.
        zone: The name of its zone.
        zone_id: The id of its zone.
    """

    vpc_id: str
    zone: str
    zone_id: str


def faults(
    vpc: Vpc, *, found: FoundVpc | str, subnets: Mapping[str, FoundSubnet | str]
) -> list[Fault]:
    """All faults of an existing VPC.

    Args:
        vpc: The configured VPC.
        found: The VPC, or the error of the lookup.
        subnets: Each subnet, or the error of its lookup.
    """
    return [
        *_vpc(vpc, found),
        *_subnets(vpc, "private_subnets", vpc.private_subnets, subnets),
        *_subnets(vpc, "public_subnets", vpc.public_subnets, subnets),
    ]


def _vpc(vpc: Vpc, found: FoundVpc | str) -> Iterator[Fault]:
    path: KeyPath = ("network", "vpc", "id")
    if isinstance(found, str):
        yield Fault(path=path, got=vpc.id, allowed=f"a VPC in this account and region ({found})")
        return
    # Amazon VPC User Guide, "DNS attributes for your VPC". Cloud Map's private names, the names of
    # EFS's mount targets and EKS's private endpoint need both.
    for on, what, option in (
        (found.dns_support, "DNS support", "--enable-dns-support"),
        (found.dns_hostnames, "DNS host names", "--enable-dns-hostnames"),
    ):
        if not on:
            yield Fault(
                path=path,
                got=f"{vpc.id}, without {what}",
                allowed=f"a VPC with {what}, which service discovery and file systems require",
                fix=f"aws ec2 modify-vpc-attribute --vpc-id {vpc.id} {option}",
            )
    if vpc.cidr not in found.blocks:
        yield Fault(
            path=("network", "vpc", "cidr"),
            got=vpc.cidr,
            allowed=f"an IPv4 CIDR block of {vpc.id}: {', '.join(found.blocks)}",
            fix=set_command(("network", "vpc", "cidr"), found.blocks[0]),
        )


def _subnets(
    vpc: Vpc, key: str, ids: Sequence[str], subnets: Mapping[str, FoundSubnet | str]
) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for position, id_ in enumerate(ids):
        problem = _problem(vpc, id_, subnets[id_], seen)
        if problem:
            got, allowed = problem
            yield Fault(path=("network", "vpc", key, position), got=got, allowed=allowed)


def _problem(
    vpc: Vpc, id_: str, found: FoundSubnet | str, seen: dict[str, str]
) -> tuple[str, str] | None:
    """The value and the allowed values, if a subnet is wrong. `seen` has the previous zones."""
    if isinstance(found, str):
        return id_, f"a subnet in this account and region ({found})"
    if found.vpc_id != vpc.id:
        return f"{id_}, which is in {found.vpc_id}", f"subnets of {vpc.id}"
    where = f"{id_}, which is in {found.zone}"
    if not _AVAILABILITY_ZONE.fullmatch(found.zone_id):
        return where, "subnets in Availability Zones, not in Local Zones or Wavelength Zones"
    if found.zone_id in EXCLUDED:
        return f"{where} ({found.zone_id})", f"another zone: {EXCLUDED[found.zone_id]}"
    if found.zone in seen:
        return (
            f"{where}, the zone of {seen[found.zone]}",
            "one subnet per zone: load balancers and file systems support only one",
        )
    seen[found.zone] = id_
    return None
