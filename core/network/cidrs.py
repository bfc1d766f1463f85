"""Where the subnets of the fleet's network lie.

The block is cut in eight slots of equal size and zone i always has slot i, so that what a zone has
never depends on how many zones there are: adding a zone adds two subnets and moves none. Six slots
are for zones (no region has more), two stay empty.

A slot is cut like this, in the proportions that Pulumi's own network component has by default::

    |        private, 1/2        |  public, 1/4  |  free, 1/4  |

The workloads, the interface endpoints and the file systems' mount targets each take an address in
the private subnet, one for every task; the public subnet has only the load balancer and the NAT
gateway. The free part is for future kinds of subnets.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

EVERYWHERE: Final = "0.0.0.0/0"
"""The block of all addresses."""

MAX_ZONES: Final = 6
"""us-east-1 has six zones, no region has more (AWS Global Infrastructure, read 2026-11-22)."""

LARGEST_BLOCK: Final = 16
"""Prefix length of the largest IPv4 block of a VPC (Amazon VPC User Guide, VPC CIDR blocks)."""

SMALLEST_VPC: Final = 28
"""Prefix length of the smallest IPv4 block of a VPC (the same page)."""

SMALLEST_BLOCK: Final = 22
"""Prefix length of the smallest block in which every public subnet still is a /27.

A VPC's subnets may be as small as /28 (Amazon VPC User Guide, subnet sizing), but those of an
Application Load Balancer need a /27 with eight free addresses (Elastic Load Balancing User Guide,
subnets for your load balancer); AWS keeps five addresses of every subnet for itself.
"""

_SLOT_BITS = 3
_PRIVATE_BITS = _SLOT_BITS + 1
_PUBLIC_BITS = _SLOT_BITS + 2
_PRIVATE_RANGES = tuple(
    ipaddress.IPv4Network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The subnets of a network, in CIDR notation; position i belongs to the i-th zone.

    Attributes:
        block: the network's own block.
        private: one subnet a zone for what must not have a public address.
        public: one subnet a zone for the load balancer and the NAT gateway.
    """

    block: str
    private: tuple[str, ...]
    public: tuple[str, ...]


def plan(block: str, zones: int) -> Plan:
    """Lay out a private and a public subnet for every zone.

    Args:
        block: the network's block, ``/16`` to ``/22``, such as ``10.0.0.0/16``. It must be
            private (RFC 1918, or RFC 6598's 100.64.0.0/10). AWS itself would take public ranges,
            but then the true owners of those addresses cannot be reached from the fleet; who
            needs that can bring a VPC instead.
        zones: the number of availability zones, 1 to 6. (A load balancer needs two.)

    Returns:
        The plan. For every number of zones, it begins with the plan for fewer zones.

    Raises:
        ValueError: when the block is not such a block or the number is out of range; the message
            says what was got and what is allowed.
    """
    if not 1 <= zones <= MAX_ZONES:
        raise ValueError(f"{zones} zones are not possible: 1 to {MAX_ZONES} are")
    network = _parse(block)
    slots = list(network.subnets(prefixlen_diff=_SLOT_BITS))[:zones]
    return Plan(
        block=str(network),
        private=tuple(str(_part(slot, _PRIVATE_BITS - _SLOT_BITS, 0)) for slot in slots),
        public=tuple(str(_part(slot, _PUBLIC_BITS - _SLOT_BITS, 2)) for slot in slots),
    )


MOST_KNOWN: Final = 2**24
"""How many public addresses blocks of known callers may hold together: as many as a /8."""


def too_open(blocks: Sequence[str]) -> list[int]:
    """The positions of the blocks to remove so that the rest are blocks of known callers.

    The total of the blocks counts: `0.0.0.0/1` and `128.0.0.0/1` together cover all addresses.

    Args:
        blocks: IPv4 blocks; what is no block counts for nothing.

    Returns:
        The positions in their order, the largest blocks among them; none where all may stay.
    """
    networks = {at: found for at, block in enumerate(blocks) if (found := _network(block))}
    gone: list[int] = []
    while _public(networks.values()) > MOST_KNOWN:
        largest = max(networks, key=lambda at: _public([networks[at]]))
        gone += [at for at, network in networks.items() if network == networks[largest]]
        networks = {at: network for at, network in networks.items() if at not in gone}
    return sorted(gone)


def overlap(block: str, others: Iterable[str]) -> bool:
    """Whether a block shares an address with any of the others; what is no block shares none."""
    own = _network(block)
    return own is not None and any(
        own.overlaps(other) for other in map(_network, others) if other is not None
    )


def all_but(block: str) -> list[str]:
    """The blocks of all addresses but those of a block, in their order."""
    rest = ipaddress.IPv4Network(EVERYWHERE).address_exclude(ipaddress.IPv4Network(block))
    return [str(network) for network in sorted(rest)]


def _network(block: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(block)
    except ValueError:
        return None


def _public(networks: Iterable[ipaddress.IPv4Network]) -> int:
    """How many addresses that are not private some networks hold together."""
    together = list(ipaddress.collapse_addresses(networks))
    private = (
        min(network, part, key=lambda one: one.num_addresses).num_addresses
        for network in together
        for part in _PRIVATE_RANGES
        if network.overlaps(part)
    )
    return sum(network.num_addresses for network in together) - sum(private)


def is_private(block: str) -> bool:
    """Tell whether all of an IPv4 block is private; what is no block is not.

    Private are RFC 1918's ranges, and RFC 6598's 100.64.0.0/10.
    """
    try:
        network = ipaddress.IPv4Network(block)
    except ValueError:
        return False
    return any(network.subnet_of(private) for private in _PRIVATE_RANGES)


def _part(slot: ipaddress.IPv4Network, bits: int, position: int) -> ipaddress.IPv4Network:
    """Cut a slot in 2**bits equal parts and take the one at the position."""
    return list(slot.subnets(prefixlen_diff=bits))[position]


def _parse(block: str) -> ipaddress.IPv4Network:
    """Read a block and refuse what cannot be planned."""
    address, slash, length = block.partition("/")
    if not slash or not length.isdecimal():
        raise ValueError(f"{block!r} is not an IPv4 block such as 10.0.0.0/16")
    try:
        interface = ipaddress.IPv4Interface(f"{address}/{length}")
    except ValueError:
        raise ValueError(f"{block!r} is not an IPv4 block such as 10.0.0.0/16") from None
    network = interface.network
    if interface.ip != network.network_address:
        raise ValueError(f"{block!r} has host bits set: the block that holds it is {network}")
    if not LARGEST_BLOCK <= network.prefixlen <= SMALLEST_BLOCK:
        raise ValueError(
            f"{block!r} is a /{network.prefixlen}: the block of a network is "
            f"/{LARGEST_BLOCK} to /{SMALLEST_BLOCK}"
        )
    if not any(network.subnet_of(allowed) for allowed in _PRIVATE_RANGES):
        ranges = ", ".join(str(allowed) for allowed in _PRIVATE_RANGES)
        raise ValueError(f"{block!r} is not private: it must lie in one of {ranges}")
    return network
