"""The errors of an existing VPC, reported together."""

from collections.abc import Mapping

import pytest

from core.config.errors import ConfigurationError
from core.config.model import Vpc
from core.network.existing import FoundSubnet, FoundVpc, faults

HERE, THERE = "vpc-0a1b2c3d4e5f60718", "vpc-0a1b2c3d4e5f60719"
A, B, C = (f"subnet-0a1b2c3d4e5f6071{digit}" for digit in "890")
VPC = Vpc(id=HERE, cidr="10.1.0.0/16", private_subnets=(A, B), public_subnets=(C,))
RIGHT = FoundVpc(blocks=["10.1.0.0/16"], dns_support=True, dns_hostnames=True)


def _subnet(zone: str, zone_id: str, vpc: str = HERE) -> FoundSubnet:
    return FoundSubnet(vpc_id=vpc, zone=zone, zone_id=zone_id)


FIRST = _subnet("eu-west-1a", "euw1-az3")
SUBNETS: Mapping[str, FoundSubnet | str] = {
    A: FIRST,
    B: _subnet("eu-west-1b", "euw1-az1"),
    C: FIRST,
}


def test_a_vpc_that_has_everything_has_no_fault():
    assert faults(VPC, found=RIGHT, subnets=SUBNETS) == []
    more = FoundVpc(blocks=["10.0.0.0/16", "10.1.0.0/16"], dns_support=True, dns_hostnames=True)
    assert faults(VPC, found=more, subnets=SUBNETS) == []


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (_subnet("eu-west-1a", "euw1-az3"), f"{B}, which is in eu-west-1a, the zone of {A}"),
        (_subnet("eu-west-1b", "euw1-az1", THERE), f"{B}, which is in {THERE}"),
        (_subnet("us-east-1c", "use1-az3"), f"{B}, which is in us-east-1c (use1-az3)"),
        (_subnet("us-east-1-atl-1a", "use1-atl1-az1"), "not in Local Zones or Wavelength Zones"),
        ("there is none", "a subnet in this account and region (there is none)"),
    ],
    ids=["same zone", "another VPC", "no Fargate", "Local Zone", "absent"],
)
def test_a_subnet_that_does_not_fit_is_reported(second: FoundSubnet | str, says: str):
    (fault,) = faults(VPC, found=RIGHT, subnets={**SUBNETS, B: second})
    assert fault.path == ("network", "vpc", "private_subnets", 1)
    assert says in str(ConfigurationError([fault]))


def test_a_vpc_without_dns_is_refused_with_the_commands_that_turn_it_on():
    without = FoundVpc(blocks=["10.2.0.0/16"], dns_support=False, dns_hostnames=False)
    support, names, block = faults(VPC, found=without, subnets=SUBNETS)
    modify = f"aws ec2 modify-vpc-attribute --vpc-id {HERE}"
    assert support.fix == f"{modify} --enable-dns-support"
    assert names.fix == f"{modify} --enable-dns-hostnames"
    assert block.path == ("network", "vpc", "cidr")
    assert block.fix == "pulumi config set --path 'mcp-platform:network.vpc.cidr' 10.2.0.0/16"


def test_all_errors_are_reported_together():
    absent = faults(VPC, found="no VPC", subnets={A: FIRST, B: FIRST, C: "no subnet"})
    assert [fault.path[2:] for fault in absent] == [
        ("id",),
        ("private_subnets", 1),
        ("public_subnets", 0),
    ]
