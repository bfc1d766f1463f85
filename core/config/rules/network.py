"""Rules about the network: the VPC, its zones and its subnets."""

import re
from collections.abc import Iterator
from string import ascii_lowercase

from core.config.errors import Fault, KeyPath, rm_command, set_command, show
from core.config.model import Network, Vpc
from core.config.rules.blocks import check_blocks, is_block
from core.config.rules.duplicates import duplicate
from core.config.rules.facts import Facts
from core.network import cidrs

# Elastic Load Balancing User Guide, "Subnets for your load balancer": at least two.
_MIN_ZONES = 2

_VPC_BLOCK = "10.1.0.0/16"


def check_network(facts: Facts) -> Iterator[Fault]:
    """`network.vpc` excludes the other keys; a new VPC must be large enough for its subnets."""
    network = facts.fleet.network
    if network.vpc:
        for key in sorted(network.model_fields_set - {"vpc"}):
            yield Fault(
                path=("network", key),
                got=show(getattr(network, key)),
                allowed="no value when network.vpc is set: an existing VPC is used as it is",
                fix=rm_command(("network", key)),
            )
        yield from _existing_vpc(network.vpc)
    else:
        faults = [*_zone_names(facts)]
        yield from faults
        zones = network.zones if faults else network.zone_count
        try:
            cidrs.plan(network.cidr, zones)
        except ValueError as error:
            yield Fault(
                path=("network", "cidr"),
                got=show(network.cidr),
                allowed=f"a private CIDR block for {zones} zones ({error})",
                fix=set_command(("network", "cidr"), Network().cidr),
            )


def _existing_vpc(vpc: Vpc) -> Iterator[Fault]:
    here = ("network", "vpc")
    yield from check_blocks((*here, "cidr"), (vpc.cidr,), listed=False)
    length = int(vpc.cidr.partition("/")[2]) if is_block(vpc.cidr) else cidrs.LARGEST_BLOCK
    if not cidrs.LARGEST_BLOCK <= length <= cidrs.SMALLEST_VPC:
        yield Fault(
            path=(*here, "cidr"),
            got=vpc.cidr,
            allowed=f"the CIDR block of a VPC, /{cidrs.LARGEST_BLOCK} to /{cidrs.SMALLEST_VPC}: "
            "clients in this block can reach a private gateway",
            fix=set_command((*here, "cidr"), _VPC_BLOCK),
        )
    seen: set[str] = set()
    for key in ("private_subnets", "public_subnets"):
        for position, subnet in enumerate(getattr(vpc, key)):
            if subnet in seen:
                allowed = "each subnet at most once, as private or as public"
                yield duplicate((*here, key, position), subnet, allowed)
            seen.add(subnet)


def _zone_names(facts: Facts) -> Iterator[Fault]:
    """Faults of `network.zone_names` that can be found without a call to AWS."""
    network = facts.fleet.network
    path: KeyPath = ("network", "zone_names")
    names, letters = network.zone_names[: len(ascii_lowercase)], ascii_lowercase
    if names and not _MIN_ZONES <= len(names) <= cidrs.MAX_ZONES:
        yield Fault(
            path=path,
            got=f"{len(names)} zones",
            allowed=f"{_MIN_ZONES} to {cidrs.MAX_ZONES} zones",
            fix=rm_command(path),
        )
    if names and "zones" in network.model_fields_set and network.zones != len(names):
        yield Fault(
            path=("network", "zones"),
            got=show(network.zones),
            allowed=f"no value when zone_names is set, or the number of zone_names ({len(names)})",
            fix=rm_command(("network", "zones")),
        )
    for position, name in enumerate(names):
        if not re.fullmatch(f"{re.escape(facts.region)}[a-z]", name) and facts.region:
            yield Fault(
                path=(*path, position),
                got=show(name),
                allowed=f"an Availability Zone of {facts.region}, for example {facts.region}a",
                fix=set_command((*path, position), f"{facts.region}{letters[position]}"),
            )
        elif name in names[:position]:
            yield Fault(
                path=(*path, position),
                got=f"{show(name)}, a duplicate",
                allowed="each zone at most once",
                fix=rm_command((*path, position)),
            )
