"""The subnets that awsx creates in a VPC's address block: the arithmetic, without Pulumi.

Facts from pulumi-awsx 3.11 (awsx/ec2/subnetDistributor{New,Legacy}.ts, subnetNaming.ts, vpc.ts):

* The block is divided into one equal part per zone (the next power of two of them, or
  `availabilityZoneCidrMask`), and every part is filled in the same way.
* `Auto` takes the subnets in the order given, each at the next address that its size allows. A
  subnet without a size gets its zone's part divided by the next power of two of their number.
  Without specs: Private gets half of the zone's part, Public the quarter after it, and a part
  larger than /16 is used like a /16.
* `AutoMerge` starts from Auto's two default subnets and overrides them with the given ones by type.
* `Exact` is Auto without unused addresses.
* `Legacy` (the default) puts private subnets first, public ones next, isolated ones last, with
  least prefixes of /19, /20 and /24, and supports neither "Unused" nor explicit blocks.
* Explicit `cidrBlocks`, one per zone, are taken as they are, except by `Legacy`, which ignores
  them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from itertools import pairwise
from typing import Any, Literal

Allocator = Literal["Legacy", "Auto", "AutoMerge", "Explicit"]
VALID_SIZES = tuple(2 ** (32 - prefix) for prefix in range(31))
"""Addresses of a subnet by prefix length, /0 to /30 (source: validSubnetSizes in awsx)."""
SMALLEST_ZONE = 26
"""Longest prefix of a zone's part for the default subnets: the smaller of the two is then a /28,
the smallest that AWS allows (source: awsx defaultSubnetInputs; VPC guide, "Subnet CIDR blocks")."""
LARGEST_ZONE = 16
"""Prefix that the default subnets assume for any larger part of a zone."""
"""Prefix lengths of a VPC's and a subnet's IPv6 block (source: VPC guide, "IPv6 CIDR blocks")."""
_LEGACY_LEAST_PREFIX = {"private": 19, "public": 20, "isolated": 24}
_REGION_OF_ZONE = re.compile(r"^[a-z]{2}(?:-[a-z]+)+-")
_BITS = 32


class SubnetError(ValueError):
    """Subnets that awsx refuses; the message is awsx's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """One subnet as the program describes it, made once in every zone.

    Attributes:
        type: Public, Private, Isolated or Unused.
        name: middle part of the subnet's name, or None for the type in lower case.
        cidr_blocks: one block per zone, or None.
        cidr_mask: prefix length, or None.
        size: number of addresses, or None.
        tags: extra tags, perhaps an output.
    """

    type: str
    name: str | None = None
    cidr_blocks: tuple[str, ...] | None = None
    cidr_mask: int | None = None
    size: int | None = None
    tags: Any = None

    @property
    def kind(self) -> str:
        """The type in lower case, as awsx compares it."""
        return self.type.lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subnet:
    """One subnet in one zone, without its block, see `allocate`.

    Attributes:
        spec: its spec.
        zone: name of the availability zone.
        name: logical name, always with the number of the zone.
        tag: value of the tag Name.
    """

    spec: Spec
    zone: str
    name: str
    tag: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Everything that determines a VPC's subnets, except the VPC's block.

    Attributes:
        vpc: logical name of the VPC.
        zones: names of the availability zones.
        specs: normalised specs, or None for the default subnets.
        allocator: the strategy that places them.
        zone_mask: prefix length of a zone's part, or None for an even split.
        tag_by_zone: whether the tag Name ends in the zone's letter instead of its number.
    """

    vpc: str
    zones: tuple[str, ...]
    specs: tuple[Spec, ...] | None
    allocator: Allocator
    zone_mask: int | None = None
    tag_by_zone: bool = False


DEFAULT_SPECS = (Spec(type="Private"), Spec(type="Public"))


def zone_suffix(zone: str) -> str:
    """The part of a zone's name after its region: `1a` of `us-east-1a`.

    Args:
        zone: name of an availability zone.

    Returns:
        The suffix, or the whole name if it has no region in front.
    """
    return _REGION_OF_ZONE.sub("", zone)


def check_zone_suffixes(zones: Iterable[str]) -> None:
    """Refuses zones that would give two subnets the same tag Name.

    Args:
        zones: names of the availability zones.

    Raises:
        SubnetError: two zones have one suffix.
    """
    seen: dict[str, str] = {}
    for zone in zones:
        suffix = zone_suffix(zone)
        if suffix in seen:
            raise SubnetError(
                'subnetNameTagStrategy="AvailabilityZone" requires availability zones with '
                f'distinct suffixes, but "{seen[suffix]}" and "{zone}" both reduce to "{suffix}".'
            )
        seen[suffix] = zone


def normalise(specs: Sequence[Spec], zone_count: int) -> tuple[Spec, ...]:
    """Checks specs against one another and fills in mask from size and size from mask.

    Args:
        specs: the specs as given.
        zone_count: number of availability zones.

    Returns:
        The specs with mask and size in agreement; explicit blocks as given.

    Raises:
        SubnetError: with all errors.
    """
    issues = [*_name_issues(specs), *_size_issues(specs)]
    if any(spec.cidr_blocks is not None for spec in specs):
        issues += [
            issue
            for index, spec in enumerate(specs)
            if (issue := _explicit_issue(index, spec, zone_count))
        ]
        result = tuple(specs)
    else:
        result = tuple(_with_mask_and_size(spec) for spec in specs)
        issues += [
            f"Subnet size {given.size} does not match the expected size for a "
            f"/{done.cidr_mask} subnet ({done.size})."
            for given, done in zip(specs, result, strict=True)
            if given.size is not None and done.size is not None and given.size != done.size
        ]
    if issues:
        raise SubnetError("Invalid subnet specifications:\n - " + "\n - ".join(issues))
    return result


def subnets(layout: Layout) -> list[Subnet]:
    """The subnets that a layout makes, without their blocks.

    Args:
        layout: the layout.

    Returns:
        The subnets in the order of `allocate`, "Unused" ones included.
    """
    match layout.allocator:
        case "Legacy" if layout.specs is None:
            order = [(zone, spec) for spec in DEFAULT_SPECS for zone in enumerate(layout.zones)]
        case "Legacy":
            sorted_specs = _by_legacy_kind(layout.specs)
            order = [(zone, spec) for zone in enumerate(layout.zones) for spec in sorted_specs]
        case "AutoMerge":
            merged = merge_with_defaults(layout.specs or (), DEFAULT_SPECS)
            order = [(zone, spec) for zone in enumerate(layout.zones) for spec in merged]
        case _:
            specs = DEFAULT_SPECS if layout.specs is None else layout.specs
            order = [(zone, spec) for zone in enumerate(layout.zones) for spec in specs]
    return [_subnet(layout, index, zone, spec) for (index, zone), spec in order]


def allocate(layout: Layout, block: str) -> list[str]:
    """The address blocks of a layout's subnets.

    Args:
        layout: the layout.
        block: the VPC's block, for example `10.0.0.0/16`.

    Returns:
        One block per subnet, in the order of `subnets`.

    Raises:
        SubnetError: the block is malformed or too small, or there are no subnets.
    """
    allocators: dict[Allocator, Callable[[Layout, IPv4Network], list[str]]] = {
        "Legacy": _allocate_legacy,
        "Auto": _allocate_auto,
        "AutoMerge": _allocate_merged,
        "Explicit": _allocate_explicit,
    }
    return allocators[layout.allocator](layout, network(block))


def merge_with_defaults(given: Sequence[Spec], defaults: Sequence[Spec]) -> tuple[Spec, ...]:
    """Overrides the default specs with unnamed ones of the same type, and appends the others.

    Args:
        given: the program's specs.
        defaults: the default specs.

    Returns:
        The defaults with their overrides, then the extra ones.

    Raises:
        SubnetError: two unnamed specs of one default type.
    """
    default_kinds = {spec.kind for spec in defaults}
    overrides: dict[str, Spec] = {}
    extra: list[Spec] = []
    for spec in given:
        if spec.kind not in default_kinds or spec.name is not None:
            extra.append(spec)
        elif spec.kind in overrides:
            raise SubnetError(_unique_names(spec.kind))
        else:
            overrides[spec.kind] = spec
    # awsx spreads the given spec over the default one. Normalising has set the given one's mask,
    # even if only to "none", which overrides too: no value of the default remains.
    return (*(overrides.get(default.kind, default) for default in defaults), *extra)


def check_overlaps(named_blocks: Sequence[tuple[str, str]]) -> None:
    """Refuses subnets that share an address.

    Args:
        named_blocks: (name, block) per subnet.

    Raises:
        SubnetError: lists every subnet that overlaps another.
    """
    networks = [network(block) for _, block in named_blocks]
    clashing = [
        named
        for index, named in enumerate(named_blocks)
        if any(networks[index].overlaps(other) for at, other in enumerate(networks) if at != index)
    ]
    if clashing:
        lines = (f"{number}. {name}: {block}\n" for number, (name, block) in enumerate(clashing, 1))
        raise SubnetError(
            "The following subnets overlap with at least one other subnet. Make the CIDR for the "
            "VPC larger, reduce the size of the subnets per AZ, or use less Availability Zones:\n\n"
            + "".join(lines)
        )


def check_no_gaps(block: str, named_blocks: Sequence[tuple[str, str]]) -> None:
    """Refuses subnets that leave an address of the VPC unused, or are not in its order.

    Args:
        block: the VPC's block.
        named_blocks: (name, block) per subnet, "Unused" ones included.

    Raises:
        SubnetError: lists the gaps.
    """
    vpc = network(block)
    gaps: list[str] = []
    first_name, first_block = named_blocks[0]
    if network(first_block).network_address != vpc.network_address:
        gaps.append(
            f"{first_name} ({first_block}) does not start at the beginning of the VPC ({block})"
        )
    for (before, before_block), (after, after_block) in pairwise(named_blocks):
        end = int(network(before_block).broadcast_address)
        if int(network(after_block).network_address) != end + 1:
            gaps.append(f"{before} ({before_block}) <=> {after} ({after_block})")
    last_name, last_block = named_blocks[-1]
    if last_usable(network(last_block)) != last_usable(vpc):
        # The extra brace is in awsx's message.
        gaps.append(
            f"{last_name} (ending {IPv4Address(last_usable(network(last_block)))}) ends before "
            f"VPC ends (at {IPv4Address(last_usable(vpc))}}})"
        )
    if gaps:
        raise SubnetError(
            "There are gaps in the subnet ranges. Please fix the following gaps: " + ", ".join(gaps)
        )


def resolved_layout(
    layout: Layout, placed: Sequence[tuple[Subnet, str]], *, as_given: bool
) -> list[dict[str, Any]]:
    """The component's output `subnetLayout`: one zone's subnets as specs for another strategy.

    Args:
        layout: the layout.
        placed: its subnets with their blocks.
        as_given: whether the specs are shown as the program gave them.

    Returns:
        Specs in wire format, without the properties that are not set.
    """
    if as_given and layout.specs is not None:
        return [
            _without_none(
                name=spec.name,
                cidrBlocks=None if spec.cidr_blocks is None else list(spec.cidr_blocks),
                cidrMask=spec.cidr_mask,
                size=spec.size,
                type=spec.type,
            )
            for spec in layout.specs
        ]
    # awsx takes the first subnets of the list for those of the first zone. This is wrong for
    # Legacy's default layout, which lists all private subnets first; awsx's result is kept.
    first_zone = placed[: len(placed) // len(layout.zones)]
    shown: list[dict[str, Any]] = []
    previous: IPv4Network | None = None
    for subnet, block in first_zone:
        current = network(block)
        if previous is not None:
            shown += [
                {"cidrMask": gap.prefixlen, "type": "Unused"} for gap in gaps(previous, current)
            ]
        shown.append({"cidrMask": current.prefixlen, "type": subnet.spec.type})
        previous = current
    return shown


def gaps(one: IPv4Network, other: IPv4Network) -> list[IPv4Network]:
    """The widest blocks that fill the space between two.

    Args:
        one: a block.
        other: another block.

    Returns:
        Blocks from the end of the lower one to the start of the higher one.
    """
    start, end = sorted((one, other), key=lambda block: int(block.network_address))
    found: list[IPv4Network] = []
    previous = one
    candidate = _following(start)
    while int(candidate.network_address) < int(end.network_address):
        while candidate.prefixlen > 0:
            wider = candidate.supernet()
            if previous.broadcast_address in wider or end.network_address in wider:
                break
            candidate = wider
        found.append(candidate)
        previous = candidate
        candidate = _following(candidate)
    return found


def network(block: str) -> IPv4Network:
    """Parses a block; bits after the prefix are cleared, as awsx does.

    Args:
        block: for example `10.0.0.0/16`.

    Returns:
        The network.

    Raises:
        SubnetError: it is not an IPv4 block.
    """
    try:
        return IPv4Network(block, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise SubnetError(f"Invalid net: {block}") from error


def last_usable(block: IPv4Network) -> int:
    """The last address of a block that is not its broadcast address.

    Args:
        block: the block.

    Returns:
        The address as a number; for /31 and /32 the last one.
    """
    return int(block.broadcast_address) - (1 if block.prefixlen < _BITS - 1 else 0)


def bits_for(count: int) -> int:
    """The number of bits that number the parts.

    Args:
        count: number of parts.

    Returns:
        The exponent of the next power of two; 0 for none or one.
    """
    return max(count - 1, 0).bit_length()


def _subnet(layout: Layout, index: int, zone: str, spec: Spec) -> Subnet:
    stem = f"{layout.vpc}-{spec.name if spec.name is not None else spec.kind}"
    name = f"{stem}-{index + 1}"
    tag = f"{stem}-{zone_suffix(zone)}" if layout.tag_by_zone else name
    return Subnet(spec=spec, zone=zone, name=name, tag=tag)


def _allocate_explicit(layout: Layout, _block: IPv4Network) -> list[str]:
    return [
        (spec.cidr_blocks or ())[index]
        for index in range(len(layout.zones))
        for spec in layout.specs or ()
    ]


def _allocate_merged(layout: Layout, block: IPv4Network) -> list[str]:
    defaults = _sized_defaults(_zone_prefix(layout, block))
    specs = merge_with_defaults(layout.specs or (), defaults)
    return _allocate_auto(replace(layout, specs=specs), block)


def _allocate_auto(layout: Layout, block: IPv4Network) -> list[str]:
    zone_prefix = _zone_prefix(layout, block)
    specs = _sized_defaults(zone_prefix) if layout.specs is None else layout.specs
    if not specs:
        raise SubnetError("No subnets specified")
    default_prefix = zone_prefix + bits_for(len(specs))
    prefixes = [default_prefix if spec.cidr_mask is None else spec.cidr_mask for spec in specs]
    zone_size = _size(zone_prefix)
    needed = sum(_size(prefix) for prefix in prefixes)
    if needed > zone_size:
        raise SubnetError(
            f"Subnets are too large for VPC. VPC has {zone_size} addresses, but subnets require "
            f"{needed} addresses."
        )
    first_zone = _block_at(int(block.network_address), zone_prefix)
    zone_starts = (
        int(first_zone.network_address) + i * zone_size for i in range(len(layout.zones))
    )
    return [str(placed) for start in zone_starts for placed in _fill(start, prefixes)]


def _zone_prefix(layout: Layout, block: IPv4Network) -> int:
    if layout.zone_mask is not None:
        return layout.zone_mask
    return block.prefixlen + bits_for(len(layout.zones))


def _fill(start: int, prefixes: Iterable[int]) -> Iterable[IPv4Network]:
    previous: IPv4Network | None = None
    for prefix in prefixes:
        if previous is None:
            previous = _block_at(start, prefix)
        else:
            previous = _following(_block_at(last_usable(previous), prefix))
        yield previous


def _sized_defaults(zone_prefix: int) -> tuple[Spec, ...]:
    if zone_prefix > SMALLEST_ZONE:
        raise SubnetError(
            "Automatic subnet creation requires a VPC with at least /26 available per AZ, but only "
            f"/{zone_prefix} is available.If you do need very small subnets, please specify them "
            "explicitly."
        )
    prefix = max(zone_prefix, LARGEST_ZONE)
    return tuple(
        replace(spec, cidr_mask=prefix + index) for index, spec in enumerate(DEFAULT_SPECS, 1)
    )


def _allocate_legacy(layout: Layout, block: IPv4Network) -> list[str]:
    zone_prefix = _deeper(block.prefixlen, bits_for(len(layout.zones)))
    start = int(block.network_address)
    zones = [
        _block_at(start + i * _size(zone_prefix), zone_prefix) for i in range(len(layout.zones))
    ]
    if layout.specs is None:
        halves = [_block_at(int(z.network_address), _deeper(zone_prefix, 1)) for z in zones]
        quarters = [
            _block_at(int(half.broadcast_address) + 1, _deeper(half.prefixlen, 1))
            for half in halves
        ]
        return [str(placed) for placed in (*halves, *quarters)]
    return [block for zone in zones for block in _fill_legacy(zone, layout.specs)]


def _fill_legacy(zone: IPv4Network, specs: Sequence[Spec]) -> Iterable[str]:
    start = int(zone.network_address)
    # A single subnet may take the zone's whole part.
    roomy = zone.prefixlen + (0 if len(specs) == 1 else 1)
    # A subnet that is larger than its zone must not start before the zone either.
    previous = _block_at(max(start - 1, 0), _BITS)
    end = start, zone.prefixlen
    for kind, least_prefix in _LEGACY_LEAST_PREFIX.items():
        base, base_prefix = end
        for index, spec in enumerate(spec for spec in specs if spec.kind == kind):
            prefix = max(roomy, least_prefix) if spec.cidr_mask is None else spec.cidr_mask
            _deeper(base_prefix, prefix - base_prefix)
            # awsx counts in sizes of this subnet from the end of the last one of another type, and
            # uses the address unchanged, even if it is not a multiple of the size.
            address = base + index * _size(prefix)
            if _block_at(address, prefix).overlaps(previous):
                address = int(_following(_block_at(int(previous[-1]), prefix)).network_address)
            previous = _block_at(address, prefix)
            end = address + _size(prefix), prefix
            yield f"{IPv4Address(address)}/{prefix}"


def _by_legacy_kind(specs: Sequence[Spec] | None) -> list[Spec]:
    # Legacy writes the three types in its own spelling.
    return [
        replace(spec, type=kind.capitalize())
        for kind in _LEGACY_LEAST_PREFIX
        for spec in specs or ()
        if spec.kind == kind
    ]


def _deeper(prefix: int, bits: int) -> int:
    if prefix + bits > _BITS:
        raise SubnetError(f"Requested {bits} new bits, but only {_BITS - prefix} are available.")
    return prefix + bits


def _size(prefix: int) -> int:
    if not 0 <= prefix <= _BITS:
        raise SubnetError(f"Invalid mask: {prefix}")
    return 2 ** (_BITS - prefix)


def _block_at(address: int, prefix: int) -> IPv4Network:
    size = _size(prefix)
    start = address // size * size
    if start + size > 2**_BITS:
        raise SubnetError(f"Invalid net: the block /{prefix} at {address} is past the last address")
    return IPv4Network((start, prefix))


def _following(block: IPv4Network) -> IPv4Network:
    return _block_at(int(block.broadcast_address) + 1, block.prefixlen)


def _unique_names(kind: str) -> str:
    return (
        f'Multiple subnet specs of type "{kind}" require unique names. You can have at most one '
        "unnamed subnet per type. All other subnets of the same type must have unique "
        '"name" properties to avoid duplicate resource names.'
    )


def _name_issues(specs: Sequence[Spec]) -> Iterable[str]:
    for kind in dict.fromkeys(spec.kind for spec in specs):
        names = [spec.name for spec in specs if spec.kind == kind]
        # Two specs without a name conflict like two specs with the same name.
        if len(set(names)) < len(names):
            yield _unique_names(kind)


def _size_issues(specs: Sequence[Spec]) -> Iterable[str]:
    invalid = [str(s.size) for s in specs if s.size is not None and s.size not in VALID_SIZES]
    if invalid:
        yield (
            f"The following subnet sizes are invalid: {', '.join(invalid)}. "
            f"Valid sizes are: {', '.join(map(str, VALID_SIZES))}."
        )


def _explicit_issue(index: int, spec: Spec, zone_count: int) -> str | None:
    if spec.cidr_blocks is None:
        return (
            "If any subnet spec has explicit cidrBlocks, all subnets must have explicit cidrBlocks."
        )
    if len(spec.cidr_blocks) != zone_count:
        return (
            f"The number of CIDR blocks in subnetSpecs[{index}] must match the number of "
            f"availability zones ({zone_count})."
        )
    blocks = [network(block) for block in spec.cidr_blocks]
    if spec.cidr_mask is not None and any(b.prefixlen != spec.cidr_mask for b in blocks):
        return (
            f"The cidrMask in subnetSpecs[{index}] must match all cidrBlocks or be left undefined."
        )
    if spec.size is not None and any(b.num_addresses != spec.size for b in blocks):
        return f"The size in subnetSpecs[{index}] must match all cidrBlocks or be left undefined."
    return None


def _with_mask_and_size(spec: Spec) -> Spec:
    mask = spec.cidr_mask
    if mask is None and spec.size in VALID_SIZES:
        mask = VALID_SIZES.index(spec.size)
    size = VALID_SIZES[mask] if mask is not None and 0 < mask < len(VALID_SIZES) else None
    return replace(spec, cidr_mask=mask, size=size)


def _without_none(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}
