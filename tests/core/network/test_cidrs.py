import re
from ipaddress import IPv4Address, IPv4Network, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.network.cidrs import Plan, all_but, is_private, overlap, plan, too_open

_ZONES = st.integers(1, 6)


@st.composite
def _blocks(draw: st.DrawFn) -> str:
    outer = IPv4Network(
        draw(st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]))
    )
    length = draw(st.integers(16, 22))
    size = 1 << (32 - length)
    offset = draw(st.integers(0, outer.num_addresses // size - 1)) * size
    return f"{IPv4Address(int(outer.network_address) + offset)}/{length}"


def _subnets(made: Plan) -> list[IPv4Network]:
    return [IPv4Network(subnet) for subnet in (*made.private, *made.public)]


@given(block=_blocks(), zones=_ZONES)
def test_every_zone_has_one_private_and_one_public_subnet(block: str, zones: int):
    made = plan(block, zones)
    assert made.block == block
    assert (len(made.private), len(made.public)) == (zones, zones)


@given(block=_blocks(), zones=_ZONES)
def test_subnets_lie_in_the_block_and_never_overlap(block: str, zones: int):
    subnets = _subnets(plan(block, zones))
    assert all(subnet.subnet_of(IPv4Network(block)) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))


@given(block=_blocks(), zones=st.integers(1, 5))
def test_adding_a_zone_moves_no_subnet(block: str, zones: int):
    before, after = plan(block, zones), plan(block, zones + 1)
    assert after.private[:-1] == before.private
    assert after.public[:-1] == before.public


@given(block=_blocks(), zones=_ZONES)
def test_sizes_follow_from_the_block_alone(block: str, zones: int):
    made, length = plan(block, zones), IPv4Network(block).prefixlen
    assert {IPv4Network(subnet).prefixlen for subnet in made.private} == {length + 4}
    assert {IPv4Network(subnet).prefixlen for subnet in made.public} == {length + 5}


@given(block=_blocks(), zones=_ZONES)
def test_every_subnet_can_hold_a_load_balancer(block: str, zones: int):
    reserved_by_aws = 5
    for subnet in _subnets(plan(block, zones)):
        assert 16 <= subnet.prefixlen <= 27
        assert subnet.num_addresses - reserved_by_aws >= 8


def test_the_example_network_is_laid_out_like_this():
    assert plan("10.0.0.0/16", 2) == Plan(
        block="10.0.0.0/16",
        private=("10.0.0.0/20", "10.0.32.0/20"),
        public=("10.0.16.0/21", "10.0.48.0/21"),
    )


def test_the_smallest_block_is_laid_out_like_this():
    assert plan("192.168.4.0/22", 6) == Plan(
        block="192.168.4.0/22",
        private=(
            "192.168.4.0/26",
            "192.168.4.128/26",
            "192.168.5.0/26",
            "192.168.5.128/26",
            "192.168.6.0/26",
            "192.168.6.128/26",
        ),
        public=(
            "192.168.4.64/27",
            "192.168.4.192/27",
            "192.168.5.64/27",
            "192.168.5.192/27",
            "192.168.6.64/27",
            "192.168.6.192/27",
        ),
    )


@pytest.mark.parametrize("block", ["10.0.0.0/23", "10.0.0.0/28", "10.0.0.0/32", "10.0.0.0/15"])
def test_a_block_of_a_wrong_size_is_refused(block: str):
    message = f"'{block}' is a /{block[-2:]}; the network must be /16 to /22"
    with pytest.raises(ValueError, match=re.escape(message)):
        plan(block, 2)


def test_a_block_with_host_bits_is_refused_and_the_right_one_named():
    message = "'10.0.5.0/16' has host bits set; its network is 10.0.0.0/16"
    with pytest.raises(ValueError, match=re.escape(message)):
        plan("10.0.5.0/16", 2)


@pytest.mark.parametrize(
    "block",
    [
        "",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/255.255.0.0",
        "10.0.0/16",
        "10.0.0.256/16",
        " 10.0.0.0/16",
        "10.0.0.0/16/16",
        "fd00::/16",
        "a network",
    ],
)
def test_an_invalid_ipv4_block_is_refused(block: str):
    with pytest.raises(
        ValueError, match=re.escape(f"{block!r} is not an IPv4 CIDR block such as 10.")
    ):
        plan(block, 2)


@pytest.mark.parametrize(
    "block",
    [
        "8.8.0.0/16",
        "9.255.0.0/16",
        "11.0.0.0/16",
        "100.63.0.0/16",
        "100.128.0.0/16",
        "127.0.0.0/16",
        "172.15.0.0/16",
        "172.32.0.0/16",
        "192.167.0.0/16",
        "192.169.0.0/16",
    ],
)
def test_a_block_that_is_not_private_is_refused(block: str):
    with pytest.raises(ValueError, match=re.escape(f"{block!r} is not private; it must be in")):
        plan(block, 2)


@pytest.mark.parametrize(
    "block",
    [
        "10.0.0.0/16",
        "10.255.0.0/16",
        "100.64.0.0/16",
        "100.127.0.0/16",
        "172.16.0.0/16",
        "172.31.0.0/16",
        "192.168.0.0/16",
    ],
)
def test_both_ends_of_every_private_range_are_taken(block: str):
    assert plan(block, 1).block == block


@pytest.mark.parametrize("zones", [0, 7, -1])
def test_an_impossible_number_of_zones_is_refused(zones: int):
    with pytest.raises(ValueError, match=f"^{zones} zones are not supported; use 1 to 6$"):
        plan("10.0.0.0/16", zones)


@pytest.mark.parametrize(
    "block",
    ["10.0.0.0/8", "10.1.2.3/32", "172.31.0.0/16", "192.168.0.0/16", "100.64.0.0/10"],
)
def test_a_block_inside_of_a_private_range_is_private(block: str):
    assert is_private(block)


@pytest.mark.parametrize(
    "block",
    ["8.0.0.0/7", "172.32.0.0/16", "100.128.0.0/9", "0.0.0.0/0", "203.0.113.0/24", "10.0.0.1/8"],
)
def test_a_block_with_public_addresses_is_not_private_and_neither_is_an_invalid_block(block: str):
    assert not is_private(block)


_EIGHT = "8.0.0.0/8"


@pytest.mark.parametrize(
    ("blocks", "positions"),
    [
        ([], []),
        ([_EIGHT], []),
        ([_EIGHT, "9.0.0.0/32"], [0]),
        (["8.0.0.0/9", "8.128.0.0/9"], []),
        (["8.0.0.0/9", "8.0.0.0/9", "8.128.0.0/9"], []),
        (["8.0.0.0/9", "9.0.0.0/9", "9.128.0.0/24"], [0]),
        (["0.0.0.0/0"], [0]),
        (["0.0.0.0/1", "128.0.0.0/1"], [0, 1]),
        (["203.0.113.0/24", "0.0.0.0/1", "128.0.0.0/1", "0.0.0.0/1"], [1, 2, 3]),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"], []),
        (["10.0.0.0/8", "11.0.0.0/8"], []),
        (["10.0.0.0/7"], []),
        (["8.0.0.0/6"], [0]),
        (["no block", _EIGHT], []),
    ],
)
def test_blocks_are_judged_by_the_public_addresses_that_they_hold_together(
    blocks: list[str], positions: list[int]
):
    assert too_open(blocks) == positions


@given(st.lists(st.integers(0, 2**16 - 1), max_size=20))
def test_what_is_left_is_never_too_open(numbers: list[int]):
    blocks = [f"{number >> 8}.{number & 255}.0.0/16" for number in numbers] + ["0.0.0.0/2"]
    gone = too_open(blocks)
    left = [block for position, block in enumerate(blocks) if position not in gone]
    assert too_open(left) == []
    assert len(blocks) - 1 in gone


@pytest.mark.parametrize(
    ("block", "others", "shared"),
    [
        ("10.0.0.0/16", [], False),
        ("10.0.0.0/16", ["10.1.0.0/16", "9.255.255.255/32"], False),
        ("10.0.0.0/16", ["10.0.255.255/32"], True),
        ("10.0.0.0/16", ["0.0.0.0/0"], True),
        ("10.0.0.0/16", ["nothing"], False),
        ("nothing", ["0.0.0.0/0"], False),
    ],
)
def test_blocks_overlap_where_they_share_an_address(block: str, others: list[str], shared: bool):
    assert overlap(block, others) is shared


@pytest.mark.parametrize(("block", "count"), [("10.0.0.0/16", 16), ("192.168.252.0/22", 22)])
def test_all_but_a_block_is_everything_else_once(block: str, count: int):
    rest = [ip_network(each) for each in all_but(block)]
    assert len(rest) == count
    assert sum(each.num_addresses for each in rest) == 2**32 - ip_network(block).num_addresses
    assert not any(each.overlaps(ip_network(block)) for each in rest)
