"""The CIDR blocks of the subnets in the fleet's network.

The block of the network has eight slots of equal size. Zone i always has slot i, so that a new zone
adds two subnets and moves none. Six slots are for zones (no region has more), two stay empty.

The layout of a slot has the default proportions of Pulumi's VPC component::

    |        private, 1/2        |  public, 1/4  |  free, 1/4  |

Tasks, interface endpoints and mount targets of file systems each use an address in the private
subnet. The public subnet has only the load balancer and the NAT gateway. The free part is for
future types of subnets.
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
"""Prefix length of the smallest block in which every public subnet is a /27.

An Application Load Balancer requires subnets of at least /27 with eight free addresses (Elastic
Load Balancing User Guide, subnets for your load balancer). AWS reserves five addresses per subnet.
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
    """The CIDR blocks of the subnets; position i belongs to the i-th zone.

    Attributes:
        block: The block of the network.
        private: One private subnet per zone.
        public: One subnet per zone for the load balancer and the NAT gateway.
    """

    block: str
    private: tuple[str, ...]
    public: tuple[str, ...]


def plan(block: str, zones: int) -> Plan:
    """Allocates a private and a public subnet for every zone.

    Args:
        block: The block of the network, ``/16`` to ``/22``, such as ``10.0.0.0/16``. It must be
            private (RFC 1918, or 100.64.0.0/10 of RFC 6598). With a public range, the fleet could
            not reach the owners of these addresses.
        zones: The number of Availability Zones, 1 to 6. A load balancer needs two.

    Returns:
        The subnets. The subnets for n zones are the first ones of those for n + 1 zones.

    Raises:
        ValueError: If the block is invalid or the number of zones is out of range.
    """
    if not 1 <= zones <= MAX_ZONES:
        raise ValueError(f"{zones} zones are not supported; use 1 to {MAX_ZONES}")
    network = _parse(block)
    slots = list(network.subnets(prefixlen_diff=_SLOT_BITS))[:zones]
    return Plan(
        block=str(network),
        private=tuple(str(_part(slot, _PRIVATE_BITS - _SLOT_BITS, 0)) for slot in slots),
        public=tuple(str(_part(slot, _PUBLIC_BITS - _SLOT_BITS, 2)) for slot in slots),
    )


MOST_KNOWN: Final = 2**24
"""The maximum number of public addresses in all blocks of known clients: those of a /8."""


def too_open(blocks: Sequence[str]) -> list[int]:
    """The positions of the blocks to remove so that the others are within `MOST_KNOWN`.

    The sum of all blocks counts: `0.0.0.0/1` and `128.0.0.0/1` together cover all addresses.

    Args:
        blocks: IPv4 blocks. Invalid blocks are ignored.

    Returns:
        The positions of the largest blocks, in order. It is empty if no block has to be removed.
    """
    networks = {at: found for at, block in enumerate(blocks) if (found := _network(block))}
    gone: list[int] = []
    while _public(networks.values()) > MOST_KNOWN:
        largest = max(networks, key=lambda at: _public([networks[at]]))
        gone += [at for at, network in networks.items() if network == networks[largest]]
        networks = {at: network for at, network in networks.items() if at not in gone}
    return sorted(gone)


def overlap(block: str, others: Iterable[str]) -> bool:
    """Whether a block overlaps with any of the others. Invalid blocks do not overlap."""
    own = _network(block)
    return own is not None and any(
        own.overlaps(other) for other in map(_network, others) if other is not None
    )


def all_but(block: str) -> list[str]:
    """The blocks of all addresses outside of a block, in order."""
    rest = ipaddress.IPv4Network(EVERYWHERE).address_exclude(ipaddress.IPv4Network(block))
    return [str(network) for network in sorted(rest)]


def _network(block: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(block)
    except ValueError:
        return None


def _public(networks: Iterable[ipaddress.IPv4Network]) -> int:
    """The number of public addresses in the union of networks."""
    together = list(ipaddress.collapse_addresses(networks))
    private = (
        min(network, part, key=lambda one: one.num_addresses).num_addresses
        for network in together
        for part in _PRIVATE_RANGES
        if network.overlaps(part)
    )
    return sum(network.num_addresses for network in together) - sum(private)


def is_private(block: str) -> bool:
    """Whether an IPv4 block is private (RFC 1918, or 100.64.0.0/10 of RFC 6598).

    An invalid block is not private.
    """
    try:
        network = ipaddress.IPv4Network(block)
    except ValueError:
        return False
    return any(network.subnet_of(private) for private in _PRIVATE_RANGES)


def _part(slot: ipaddress.IPv4Network, bits: int, position: int) -> ipaddress.IPv4Network:
    """The part at a position, of 2**bits equal parts of a slot."""
    return list(slot.subnets(prefixlen_diff=bits))[position]


def _parse(block: str) -> ipaddress.IPv4Network:
    address, slash, length = block.partition("/")
    if not slash or not length.isdecimal():
        raise ValueError(f"{block!r} is not an IPv4 CIDR block such as 10.0.0.0/16")
    try:
        interface = ipaddress.IPv4Interface(f"{address}/{length}")
    except ValueError:
        raise ValueError(f"{block!r} is not an IPv4 CIDR block such as 10.0.0.0/16") from None
    network = interface.network
    if interface.ip != network.network_address:
        raise ValueError(f"{block!r} has host bits set; its network is {network}")
    if not LARGEST_BLOCK <= network.prefixlen <= SMALLEST_BLOCK:
        raise ValueError(
            f"{block!r} is a /{network.prefixlen}; the network must be /{LARGEST_BLOCK} to "
            f"/{SMALLEST_BLOCK}"
        )
    if not any(network.subnet_of(allowed) for allowed in _PRIVATE_RANGES):
        ranges = ", ".join(str(allowed) for allowed in _PRIVATE_RANGES)
        raise ValueError(f"{block!r} is not private; it must be in one of {ranges}")
    return network
