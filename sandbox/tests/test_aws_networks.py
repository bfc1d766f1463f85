"""Resources stay in their network, also in an update; zones are those of the account."""

from typing import Any

import pytest

from sandbox.engine.provider import Made, RefusedError
from sandbox.providers.aws.zones import zone_id
from sandbox.tests.test_aws_eks import CLUSTER as KUBERNETES
from sandbox.tests.test_aws_eks import cluster_inputs

VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
BALANCER, NAT = "aws:lb/loadBalancer:LoadBalancer", "aws:ec2/natGateway:NatGateway"
GROUP, EIP = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/eip:Eip"
FILES, MOUNT_TARGET = "aws:efs/fileSystem:FileSystem", "aws:efs/mountTarget:MountTarget"
ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"


def _network(account: Any, name: str, zones: str = "ab") -> tuple[Made, list[str]]:
    vpc = account.make(VPC, name, cidrBlock="10.0.0.0/16")
    subnets = [
        account.make(
            SUBNET,
            f"{name}-{zone}",
            vpcId=vpc.id,
            cidrBlock=f"10.0.{number}.0/24",
            availabilityZone=f"us-east-1{zone}",
        ).id
        for number, zone in enumerate(zones)
    ]
    return vpc, subnets


def test_an_account_shows_the_local_zones_that_it_has_opted_in_to_first(account: Any) -> None:
    answer = account.invoke(ZONES)
    assert answer["names"][:3] == ["us-east-1-atl-1a", "us-east-1-bos-1a", "us-east-1a"]
    assert answer["zoneIds"][:3] == ["use1-atl1-az1", "use1-bos1-az1", "use1-az1"]


@pytest.mark.parametrize(
    "filter_",
    [
        {"name": "opt-in-status", "values": ["opt-in-not-required"]},
        {"name": "zone-type", "values": ["availability-zone"]},
    ],
)
def test_filters_leave_local_zones_out(account: Any, filter_: dict[str, Any]) -> None:
    answer = account.invoke(ZONES, filters=[filter_])
    assert answer["names"] == [f"us-east-1{letter}" for letter in "abcdef"]


@pytest.mark.parametrize(
    ("region", "zones"),
    [
        ("us-west-1", {"us-west-1a": "usw1-az1", "us-west-1c": "usw1-az3"}),
        ("eu-west-1", {f"eu-west-1{zone}": f"euw1-az{n + 1}" for n, zone in enumerate("abc")}),
    ],
)
def test_each_region_has_its_zones(account: Any, region: str, zones: dict[str, str]) -> None:
    answer = account.invoke(ZONES, region=region)
    assert dict(zip(answer["names"], answer["zoneIds"], strict=True)) == zones
    assert {name: zone_id(name) for name in zones} == zones


def test_a_subnet_outputs_the_id_of_its_zone(account: Any) -> None:
    vpc = account.make(VPC, cidrBlock="10.0.0.0/16")
    made = account.make(
        SUBNET, vpcId=vpc.id, cidrBlock="10.0.0.0/24", availabilityZone="us-east-1c"
    )
    assert made.properties["availabilityZoneId"] == "use1-az3"


def test_a_nat_gateway_in_a_local_zone_is_refused(account: Any) -> None:
    vpc = account.make(VPC, cidrBlock="10.0.0.0/16")
    subnet = account.make(
        SUBNET, vpcId=vpc.id, cidrBlock="10.0.0.0/24", availabilityZone="us-east-1-atl-1a"
    )
    address = account.make(EIP, domain="vpc")
    with pytest.raises(RefusedError, match=r"NotAvailableInZone.*us-east-1-atl-1a"):
        account.make(NAT, subnetId=subnet.id, allocationId=address.id)


def test_a_load_balancer_takes_one_subnet_of_a_zone(account: Any) -> None:
    _, subnets = _network(account, "net", zones="aa")
    with pytest.raises(RefusedError, match="multiple subnets in the same Availability Zone"):
        account.make(BALANCER, name="b", subnets=subnets)


def test_a_load_balancer_stays_in_its_network(account: Any) -> None:
    _, here = _network(account, "here", zones="abc")
    other, there = _network(account, "there")
    made = account.make(BALANCER, name="b", subnets=here[:2])
    assert account.update(BALANCER, made, name="b", subnets=here)["subnets"] == here
    group = account.make(GROUP, vpcId=other.id)
    for moved in ({"subnets": there}, {"subnets": here, "securityGroups": [group.id]}):
        with pytest.raises(RefusedError, match="of the VPC of the load balancer"):
            account.update(BALANCER, made, name="b", **moved)


def test_a_cluster_stays_in_its_network_and_its_zones(account: Any) -> None:
    inputs = cluster_inputs(account)
    _, here = _network(account, "here", zones="abcb")
    _, there = _network(account, "there")
    inside = {**inputs["vpcConfig"], "subnetIds": here[:2]}
    made = account.make(KUBERNETES, **{**inputs, "vpcConfig": inside})
    same = {**inside, "subnetIds": [here[0], here[3]]}
    account.update(KUBERNETES, made, **{**inputs, "vpcConfig": same})
    for subnets, reason in ((there, "of the VPC of the cluster"), (here[:3], "exact set")):
        moved = {**inside, "subnetIds": subnets}
        with pytest.raises(RefusedError, match=reason):
            account.update(KUBERNETES, made, **{**inputs, "vpcConfig": moved})


def test_the_mount_targets_of_a_file_system_are_in_one_network(account: Any) -> None:
    _, here = _network(account, "here")
    _, there = _network(account, "there")
    files = account.make(FILES)
    account.make(MOUNT_TARGET, "a", fileSystemId=files.id, subnetId=here[0])
    with pytest.raises(RefusedError, match="mount targets in another VPC"):
        account.make(MOUNT_TARGET, "b", fileSystemId=files.id, subnetId=there[1])
    account.make(MOUNT_TARGET, "b", fileSystemId=files.id, subnetId=here[1])
