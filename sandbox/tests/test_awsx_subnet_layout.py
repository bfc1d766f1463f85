"""The arithmetic of awsx's subnets, by examples of its rules and by properties."""

import re
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.providers.awsx import subnet_layout

ZONES = tuple(f"us-east-1{letter}" for letter in "abcdef")
PUBLIC, PRIVATE, ISOLATED, UNUSED = (
    subnet_layout.Spec(type=kind) for kind in ("Public", "Private", "Isolated", "Unused")
)


def spec(kind: str, **values: object) -> subnet_layout.Spec:
    return subnet_layout.Spec(type=kind, **values)  # pyright: ignore[reportArgumentType] -- any property


def layout(
    allocator: subnet_layout.Allocator,
    zones: int,
    *specs: subnet_layout.Spec,
    zone_mask: int | None = None,
    tag_by_zone: bool = False,
) -> subnet_layout.Layout:
    normal = subnet_layout.normalise(specs, zones) if specs else None
    return subnet_layout.Layout(
        vpc="net",
        zones=ZONES[:zones],
        specs=normal,
        allocator=allocator,
        zone_mask=zone_mask,
        tag_by_zone=tag_by_zone,
    )


def blocks(made: subnet_layout.Layout, vpc: str = "10.0.0.0/16") -> dict[str, str]:
    names = [subnet.name for subnet in subnet_layout.subnets(made)]
    return dict(zip(names, subnet_layout.allocate(made, vpc), strict=True))


@pytest.mark.parametrize(
    ("zones", "private", "public"),
    [
        (1, ["10.0.0.0/17"], ["10.0.128.0/18"]),
        (2, ["10.0.0.0/18", "10.0.128.0/18"], ["10.0.64.0/19", "10.0.192.0/19"]),
        (3, ["10.0.0.0/19", "10.0.64.0/19", "10.0.128.0/19"], ["10.0.32.0/20"]),
        (4, ["10.0.0.0/19"], ["10.0.32.0/20"]),
        (5, ["10.0.0.0/20", "10.0.32.0/20"], ["10.0.16.0/21"]),
        (6, ["10.0.0.0/20"], ["10.0.16.0/21"]),
    ],
)
def test_auto_without_specs_halves_each_zones_part(
    zones: int, private: list[str], public: list[str]
) -> None:
    made = blocks(layout("Auto", zones))
    for index, block in enumerate(private, 1):
        assert made[f"net-private-{index}"] == block
    for index, block in enumerate(public, 1):
        assert made[f"net-public-{index}"] == block
    assert len(made) == 2 * zones


def test_auto_uses_a_zones_part_over_16_like_a_16() -> None:
    assert blocks(layout("Auto", 2), "10.0.0.0/8") == {
        "net-private-1": "10.0.0.0/17",
        "net-public-1": "10.0.128.0/18",
        "net-private-2": "10.128.0.0/17",
        "net-public-2": "10.128.128.0/18",
    }


def test_auto_places_the_specs_in_order_with_gaps_for_alignment() -> None:
    made = blocks(layout("Auto", 2, spec("Public", cidr_mask=24), spec("Isolated", cidr_mask=20)))
    assert made == {
        "net-public-1": "10.0.0.0/24",
        "net-isolated-1": "10.0.16.0/20",
        "net-public-2": "10.0.128.0/24",
        "net-isolated-2": "10.0.144.0/20",
    }


def test_auto_shares_a_zones_part_among_specs_without_size() -> None:
    made = blocks(layout("Auto", 1, PUBLIC, PRIVATE, ISOLATED))
    assert list(made.values()) == ["10.0.0.0/18", "10.0.64.0/18", "10.0.128.0/18"]


def test_a_size_is_the_same_as_its_mask() -> None:
    by_size = blocks(layout("Auto", 2, spec("Public", size=256), spec("Private", size=4096)))
    by_mask = blocks(layout("Auto", 2, spec("Public", cidr_mask=24), spec("Private", cidr_mask=20)))
    assert by_size == by_mask


def test_a_zone_mask_sets_the_distance_of_the_zones() -> None:
    made = blocks(layout("Auto", 2, spec("Public", cidr_mask=24), zone_mask=20))
    assert made == {"net-public-1": "10.0.0.0/24", "net-public-2": "10.0.16.0/24"}


def test_an_unused_spec_reserves_addresses() -> None:
    specs = (spec("Public", cidr_mask=20), spec("Unused", cidr_mask=20), spec("Private"))
    made = blocks(layout("Auto", 1, *specs))
    assert made["net-private-1"] == "10.0.64.0/18"


def test_legacy_puts_private_first_in_any_order_and_drops_unused() -> None:
    made = blocks(layout("Legacy", 2, ISOLATED, PUBLIC, UNUSED, PRIVATE))
    assert made == {
        "net-private-1": "10.0.0.0/19",
        "net-public-1": "10.0.32.0/20",
        "net-isolated-1": "10.0.48.0/24",
        "net-private-2": "10.0.128.0/19",
        "net-public-2": "10.0.160.0/20",
        "net-isolated-2": "10.0.176.0/24",
    }


def test_legacy_without_specs_lists_all_private_subnets_before_all_public_ones() -> None:
    assert blocks(layout("Legacy", 3)) == {
        "net-private-1": "10.0.0.0/19",
        "net-private-2": "10.0.64.0/19",
        "net-private-3": "10.0.128.0/19",
        "net-public-1": "10.0.32.0/20",
        "net-public-2": "10.0.96.0/20",
        "net-public-3": "10.0.160.0/20",
    }


def test_legacy_gives_a_lone_subnet_the_whole_of_a_small_zone() -> None:
    assert blocks(layout("Legacy", 2, PRIVATE), "10.0.0.0/24") == {
        "net-private-1": "10.0.0.0/25",
        "net-private-2": "10.0.0.128/25",
    }


def test_legacy_moves_a_subnet_that_would_overlap_to_the_next_block_of_its_size() -> None:
    small, large = spec("Private", cidr_mask=24), spec("Private", name="big", cidr_mask=20)
    made = blocks(layout("Legacy", 1, small, large))
    assert made == {"net-private-1": "10.0.0.0/24", "net-big-1": "10.0.16.0/20"}


def test_legacy_writes_addresses_that_are_no_multiple_of_their_size_as_awsx_does() -> None:
    tiny, half = spec("Isolated", name="a", cidr_mask=27), spec("Isolated", name="b", cidr_mask=17)
    made = blocks(layout("Legacy", 1, spec("Public", cidr_mask=27), tiny, half))
    assert list(made.values()) == ["10.0.0.0/27", "10.0.0.32/27", "10.0.128.32/17"]


def test_legacy_ignores_explicit_blocks_and_auto_takes_them() -> None:
    given = spec("Private", cidr_blocks=("10.0.64.0/24", "10.0.65.0/24"))
    assert blocks(layout("Legacy", 2, given))["net-private-1"] == "10.0.0.0/19"
    assert list(blocks(layout("Explicit", 2, given)).values()) == ["10.0.64.0/24", "10.0.65.0/24"]


def test_auto_merge_keeps_the_default_subnet_that_was_not_given() -> None:
    made = blocks(
        layout("AutoMerge", 2, spec("Public", cidr_mask=20), spec("Isolated", cidr_mask=24))
    )
    assert made == {
        "net-private-1": "10.0.0.0/18",
        "net-public-1": "10.0.64.0/20",
        "net-isolated-1": "10.0.80.0/24",
        "net-private-2": "10.0.128.0/18",
        "net-public-2": "10.0.192.0/20",
        "net-isolated-2": "10.0.208.0/24",
    }


def test_auto_merge_sizes_a_given_spec_like_auto_and_not_like_the_default_one() -> None:
    made = blocks(layout("AutoMerge", 2, spec("Public", tags={"a": "b"})))
    assert made["net-private-1"] == "10.0.0.0/18"
    assert made["net-public-1"] == "10.0.64.0/18"


def test_auto_merge_refuses_two_unnamed_specs_of_one_default_type() -> None:
    with pytest.raises(
        subnet_layout.SubnetError, match='subnet specs of type "public" require unique'
    ):
        subnet_layout.merge_with_defaults((PUBLIC, PUBLIC), subnet_layout.DEFAULT_SPECS)


def test_auto_merge_adds_a_named_spec_beside_the_default_one() -> None:
    made = blocks(layout("AutoMerge", 1, spec("Private", name="data", cidr_mask=24)))
    assert list(made) == ["net-private-1", "net-public-1", "net-data-1"]


def test_tags_by_zone_leave_the_logical_names_alone() -> None:
    made = subnet_layout.subnets(layout("Auto", 2, tag_by_zone=True))
    assert [(one.name, one.tag) for one in made][:2] == [
        ("net-private-1", "net-private-1a"),
        ("net-public-1", "net-public-1a"),
    ]


@pytest.mark.parametrize(
    ("zone", "suffix"),
    [
        ("us-east-1a", "1a"),
        ("us-gov-west-1b", "1b"),
        ("us-west-2-lax-1a", "2-lax-1a"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_the_suffix_of_a_zone_is_what_follows_its_region(zone: str, suffix: str) -> None:
    assert subnet_layout.zone_suffix(zone) == suffix


def test_zones_with_one_suffix_are_refused() -> None:
    with pytest.raises(
        subnet_layout.SubnetError, match='"us-east-1a" and "eu-west-1a" both reduce to "1a"'
    ):
        subnet_layout.check_zone_suffixes(("us-east-1a", "eu-west-1a"))


@pytest.mark.parametrize(("vpc", "fits"), [("10.0.0.0/25", True), ("10.0.0.0/26", False)])
def test_the_default_subnets_need_a_26_per_zone(vpc: str, fits: bool) -> None:
    if fits:
        assert blocks(layout("Auto", 2), vpc)["net-public-2"] == "10.0.0.96/28"
    else:
        with pytest.raises(
            subnet_layout.SubnetError, match="at least /26 available per AZ, but only /27"
        ):
            blocks(layout("Auto", 2), vpc)


@pytest.mark.parametrize(("second", "fits"), [(18, True), (17, False)])
def test_specs_may_fill_but_not_exceed_a_zone(second: int, fits: bool) -> None:
    made = layout("Auto", 2, spec("Public", cidr_mask=18), spec("Private", cidr_mask=second))
    if fits:
        assert blocks(made)["net-private-2"] == "10.0.192.0/18"
    else:
        with pytest.raises(
            subnet_layout.SubnetError,
            match="VPC has 32768 addresses, but subnets require 49152 addresses",
        ):
            blocks(made)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ((PUBLIC, PUBLIC), 'Multiple subnet specs of type "public" require unique names'),
        (
            (spec("Public", name="a"), spec("Public", name="a")),
            'Multiple subnet specs of type "public" require unique names',
        ),
        ((spec("Public", size=300),), "The following subnet sizes are invalid: 300. Valid sizes"),
        (
            (spec("Public", size=256, cidr_mask=25),),
            "Subnet size 256 does not match the expected size for a /25 subnet (128).",
        ),
        (
            (spec("Public", cidr_blocks=("10.0.0.0/24", "10.0.1.0/24")), PRIVATE),
            "If any subnet spec has explicit cidrBlocks, all subnets must have explicit",
        ),
        (
            (spec("Public", cidr_blocks=("10.0.0.0/24",)),),
            "The number of CIDR blocks in subnetSpecs[0] must match the number of availability "
            "zones (2).",
        ),
        (
            (spec("Public", cidr_mask=25, cidr_blocks=("10.0.0.0/24", "10.0.1.0/24")),),
            "The cidrMask in subnetSpecs[0] must match all cidrBlocks or be left undefined.",
        ),
        (
            (spec("Public", size=128, cidr_blocks=("10.0.0.0/24", "10.0.1.0/24")),),
            "The size in subnetSpecs[0] must match all cidrBlocks or be left undefined.",
        ),
        ((spec("Public", cidr_blocks=("10.0.0.0/24", "ten")),), "Invalid net: ten"),
    ],
)
def test_inconsistent_specs_are_refused(
    specs: tuple[subnet_layout.Spec, ...], message: str
) -> None:
    with pytest.raises(subnet_layout.SubnetError, match=re.escape(message)):
        subnet_layout.normalise(specs, 2)


def test_all_errors_of_the_specs_are_reported_together() -> None:
    with pytest.raises(subnet_layout.SubnetError) as caught:
        subnet_layout.normalise((spec("Public", size=300), PUBLIC), 2)
    assert str(caught.value).count("\n - ") == 2


@pytest.mark.parametrize("mask", [33, -1])
def test_a_mask_outside_of_ipv4_is_refused(mask: int) -> None:
    with pytest.raises(subnet_layout.SubnetError, match=f"Invalid mask: {mask}"):
        blocks(layout("Auto", 1, spec("Public", cidr_mask=mask)))


def test_legacy_refuses_more_bits_than_there_are() -> None:
    with pytest.raises(
        subnet_layout.SubnetError, match="Requested 17 new bits, but only 16 are available"
    ):
        blocks(layout("Legacy", 1, spec("Public", cidr_mask=33)))


def test_overlapping_subnets_are_all_listed() -> None:
    with pytest.raises(subnet_layout.SubnetError) as caught:
        subnet_layout.check_overlaps(
            [("a", "10.0.0.0/24"), ("b", "10.0.1.0/24"), ("c", "10.0.0.128/25")]
        )
    assert str(caught.value).endswith("1. a: 10.0.0.0/24\n2. c: 10.0.0.128/25\n")


def test_subnets_that_touch_do_not_overlap() -> None:
    subnet_layout.check_overlaps([("a", "10.0.0.0/25"), ("b", "10.0.0.128/25")])


def test_exact_accepts_a_full_cover_and_names_every_gap() -> None:
    subnet_layout.check_no_gaps("10.0.0.0/23", [("a", "10.0.0.0/24"), ("b", "10.0.1.0/24")])
    with pytest.raises(subnet_layout.SubnetError) as caught:
        subnet_layout.check_no_gaps("10.0.0.0/22", [("a", "10.0.1.0/24"), ("b", "10.0.2.128/25")])
    assert str(caught.value) == (
        "There are gaps in the subnet ranges. Please fix the following gaps: "
        "a (10.0.1.0/24) does not start at the beginning of the VPC (10.0.0.0/22), "
        "a (10.0.1.0/24) <=> b (10.0.2.128/25), "
        "b (ending 10.0.2.254) ends before VPC ends (at 10.0.3.254})"
    )


def test_gaps_are_filled_with_the_widest_blocks() -> None:
    found = subnet_layout.gaps(IPv4Network("10.0.0.0/24"), IPv4Network("10.0.16.0/20"))
    assert [str(one) for one in found] == [
        "10.0.1.0/24",
        "10.0.2.0/23",
        "10.0.4.0/22",
        "10.0.8.0/21",
    ]


def test_the_layout_of_legacy_is_given_as_specs_with_the_gaps_as_unused() -> None:
    made = layout("Legacy", 1, spec("Private", cidr_mask=24), spec("Public", cidr_mask=22))
    placed = list(
        zip(subnet_layout.subnets(made), subnet_layout.allocate(made, "10.0.0.0/16"), strict=True)
    )
    assert subnet_layout.resolved_layout(made, placed, as_given=False) == [
        {"cidrMask": 24, "type": "Private"},
        {"cidrMask": 24, "type": "Unused"},
        {"cidrMask": 23, "type": "Unused"},
        {"cidrMask": 22, "type": "Public"},
    ]


@st.composite
def any_specs(draw: st.DrawFn) -> tuple[subnet_layout.Spec, ...]:
    count = draw(st.integers(1, 5))
    kinds = draw(
        st.lists(st.sampled_from(("Public", "Private", "Isolated")), min_size=count, max_size=count)
    )
    masks = draw(st.lists(st.none() | st.integers(20, 28), min_size=count, max_size=count))
    return tuple(
        subnet_layout.Spec(type=kind, name=f"{kind.lower()}{index}", cidr_mask=mask)
        for index, (kind, mask) in enumerate(zip(kinds, masks, strict=True))
    )


def asked_prefixes(made: subnet_layout.Layout, vpc: IPv4Network) -> list[int]:
    """Prefix lengths that a layout of Auto requests in one zone."""
    specs = made.specs or ()
    default = (
        vpc.prefixlen + subnet_layout.bits_for(len(made.zones)) + subnet_layout.bits_for(len(specs))
    )
    return [default if one.cidr_mask is None else one.cidr_mask for one in specs]


@given(any_specs(), st.integers(1, 6), st.integers(16, 20))
def test_auto_fills_every_zone_alike_in_order_and_in_the_sizes_asked_for(
    specs: tuple[subnet_layout.Spec, ...], zones: int, prefix: int
) -> None:
    made = layout("Auto", zones, *specs)
    vpc = IPv4Network(f"10.0.0.0/{prefix}")
    asked = asked_prefixes(made, vpc)
    part = list(vpc.subnets(subnet_layout.bits_for(zones)))[:zones]
    if sum(2 ** (32 - one) for one in asked) > part[0].num_addresses:
        with pytest.raises(subnet_layout.SubnetError, match="Subnets are too large for VPC"):
            subnet_layout.allocate(made, str(vpc))
        return
    found = [IPv4Network(block) for block in subnet_layout.allocate(made, str(vpc))]
    for index, zone in enumerate(part):
        mine = found[index * len(specs) : (index + 1) * len(specs)]
        assert [one.prefixlen for one in mine] == asked
        assert mine[0].network_address == zone.network_address
        assert all(a.broadcast_address < b.network_address for a, b in pairwise(mine))


@given(any_specs(), st.integers(1, 6), st.integers(8, 12))
def test_auto_with_the_largest_first_never_leaves_its_zone(
    specs: tuple[subnet_layout.Spec, ...], zones: int, prefix: int
) -> None:
    vpc = IPv4Network(f"10.0.0.0/{prefix}")
    # Those without a size get the largest ones: an eighth of a zone, at least a /18.
    made = layout("Auto", zones, *sorted(specs, key=lambda one: one.cidr_mask or 0))
    found = [IPv4Network(block) for block in subnet_layout.allocate(made, str(vpc))]
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))
    parts = list(vpc.subnets(subnet_layout.bits_for(zones)))
    assert all(one.subnet_of(parts[index // len(specs)]) for index, one in enumerate(found))


@given(any_specs(), st.sampled_from((3, 5)))
def test_another_zone_within_the_same_power_of_two_moves_no_subnet(
    specs: tuple[subnet_layout.Spec, ...], zones: int
) -> None:
    fewer = blocks(layout("Auto", zones, *specs), "10.0.0.0/12")
    more = blocks(layout("Auto", zones + 1, *specs), "10.0.0.0/12")
    assert all(more[name] == block for name, block in fewer.items())


@given(
    st.lists(st.sampled_from((PUBLIC, PRIVATE, ISOLATED)), min_size=1, max_size=5),
    st.integers(1, 6),
)
def test_legacy_keeps_the_order_private_public_isolated_in_every_zone(
    kinds: list[subnet_layout.Spec], zones: int
) -> None:
    specs = tuple(replace(one, name=f"{one.kind}{index}") for index, one in enumerate(kinds))
    made = layout("Legacy", zones, *specs)
    placed = list(
        zip(subnet_layout.subnets(made), subnet_layout.allocate(made, "10.0.0.0/12"), strict=True)
    )
    order = {"private": 0, "public": 1, "isolated": 2}
    for zone in made.zones:
        mine = [(order[s.spec.kind], IPv4Network(b)) for s, b in placed if s.zone == zone]
        assert len(mine) == len(specs)
        for (kind, before), (next_kind, after) in pairwise(mine):
            assert kind <= next_kind
            assert before.broadcast_address < after.network_address
