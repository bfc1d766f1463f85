"""The network: the planned subnets, VPC endpoints without NAT, and an existing VPC."""

from typing import Any

import pulumi
import pytest

from core.network import cidrs
from tests.components.fleets import ADOPTED_NETWORK, EKS, EXISTING_VPC, FULL, MINIMAL, MODEL
from tests.components.recording import run

IMAGE = MINIMAL["servers"]["clock"]


def _with_network(**network: object) -> dict[str, Any]:
    return {**MINIMAL, "network": network}


@pytest.mark.parametrize("nat", ["none", "single", "per-zone"])
@pytest.mark.parametrize("zones", [2, 6])
def test_the_vpc_has_the_planned_subnets_and_no_nat_gateway_of_its_own(nat: str, zones: int):
    plan = cidrs.plan("172.20.0.0/16", zones)
    vpc = run(_with_network(cidr="172.20.0.0/16", zones=zones, nat=nat)).one("awsx.Vpc")
    assert vpc.name == "fleet-network-vpc"
    assert vpc.inputs == {
        "cidrBlock": "172.20.0.0/16",
        "availabilityZoneNames": [f"us-east-1{letter}" for letter in "abdefg"[:zones]],
        "enableDnsHostnames": True,
        "enableDnsSupport": True,
        "natGateways": {"strategy": "None"},
        "subnetStrategy": "Auto",
        "subnetSpecs": [
            {"type": "Private", "cidrBlocks": list(plan.private)},
            {"type": "Public", "cidrBlocks": list(plan.public)},
        ],
        "tags": {"Name": "mcp-platform-dev"},
    }


@pytest.mark.parametrize("target", ["ecs", "eks", "lambda"])
def test_the_default_security_group_of_the_vpc_lets_nothing_through(target: str):
    recording = run({**MINIMAL, "target": target})
    assert recording.one("ec2.DefaultSecurityGroup").inputs == {
        "vpcId": recording.one("awsx.Vpc").state["vpcId"],
        "ingress": [],
        "egress": [],
        "tags": {"Name": "mcp-platform-dev-default"},
    }


def test_the_default_security_group_of_an_existing_vpc_is_its_owners():
    assert run(ADOPTED_NETWORK).of("ec2.DefaultSecurityGroup") == []


def _zones(**network: object) -> list[str]:
    return run(_with_network(**network)).one("awsx.Vpc").inputs["availabilityZoneNames"]


def test_zones_are_looked_up_without_local_zones_and_those_that_need_an_opt_in():
    (asked,) = (
        args for token, args in run(MINIMAL).asked if token.endswith(":getAvailabilityZones")
    )
    assert asked == {
        "filters": [
            {"name": "opt-in-status", "values": ["opt-in-not-required"]},
            {"name": "zone-type", "values": ["availability-zone"]},
        ],
    }


def test_zones_can_be_chosen_by_name():
    assert _zones(zone_names=["us-east-1f", "us-east-1b"]) == ["us-east-1f", "us-east-1b"]


@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        ("us-east-1c", "us-east-1c (use1-az3): Fargate does not support ARM64"),
        ("us-east-1z", "us-east-1z, which does not exist in this account"),
    ],
)
def test_a_zone_that_the_account_does_not_have_or_no_stack_uses_is_refused(zone: str, reason: str):
    with pytest.raises(pulumi.RunError) as refused:
        _zones(zone_names=["us-east-1a", zone])
    assert f"mcp-platform:network.zone_names[1]\n    got:     {reason}" in str(refused.value)


LIVING = {"zones-1": "us-east-1d", "zones-2": "us-east-1a"}


@pytest.mark.parametrize("zones", [2, 3])
def test_a_deployed_stack_keeps_its_zones_and_an_added_one_is_different(zones: int):
    vpc = run(_with_network(zones=zones), remembered=LIVING).one("awsx.Vpc")
    expected = ["us-east-1d", "us-east-1a", "us-east-1b"][:zones]
    assert vpc.inputs["availabilityZoneNames"] == expected


def test_a_named_zone_that_would_move_subnets_is_refused():
    moving = _with_network(zone_names=["us-east-1a", "us-east-1d"])
    with pytest.raises(pulumi.RunError, match="us-east-1d, us-east-1a, in this order"):
        run(moving, remembered=LIVING)
    further = _with_network(zone_names=["us-east-1d", "us-east-1a", "us-east-1f"])
    vpc = run(further, remembered=LIVING).one("awsx.Vpc")
    assert vpc.inputs["availabilityZoneNames"] == ["us-east-1d", "us-east-1a", "us-east-1f"]


def test_a_deployed_cluster_keeps_its_zones_when_the_network_gets_another():
    three = {**EKS, "network": {"zones": 3}}
    recording = run(three, remembered={"zones-cluster": "us-east-1a,us-east-1b"})
    subnets = recording.one("awsx.Vpc").state["privateSubnetIds"]
    assert len(subnets) == 3
    assert recording.one("eks.Cluster").inputs["privateSubnetIds"] == subnets[:2]
    fresh = run(three)
    subnets = fresh.one("awsx.Vpc").state["privateSubnetIds"]
    assert fresh.one("eks.Cluster").inputs["privateSubnetIds"] == subnets
    assert fresh.one("pulumi.Stash", "zones-cluster").inputs["input"] == (
        "us-east-1a,us-east-1b,us-east-1d"
    )


def test_a_zone_of_a_deployed_cluster_cannot_be_removed():
    remembered = {"zones-cluster": "us-east-1a,us-east-1b,us-east-1d"}
    with pytest.raises(pulumi.RunError, match="no private subnet in us-east-1d"):
        run(EKS, remembered=remembered)
    moved = {"zones-cluster": "us-east-1a,us-east-1f"}
    with pytest.raises(pulumi.RunError, match="no private subnet in us-east-1f"):
        run({**EKS, "network": EXISTING_VPC}, remembered=moved)


def test_more_zones_than_the_account_can_use_are_refused():
    few = {"names": ["us-east-1a", "us-east-1c"], "zoneIds": ["use1-az1", "use1-az3"]}
    with pytest.raises(
        pulumi.RunError,
        match="at most 1: the usable zones of this account and region are us-east-1a",
    ):
        run(MINIMAL, answers={"aws:index/getAvailabilityZones:getAvailabilityZones": few})


_SUBNET = "$aws:ec2/vpc:Vpc$aws:ec2/subnet:Subnet"
"""The part of the URN after the types of the component, for children of awsx's subnets."""


@pytest.mark.parametrize(("nat", "gateways"), [("none", 0), ("single", 1), ("per-zone", 3)])
def test_nat_gateways_are_those_of_the_strategy_and_keep_what_awsx_made(nat: str, gateways: int):
    recording = run(_with_network(nat=nat, zones=3))
    public = recording.one("awsx.Vpc").state["publicSubnetIds"]
    made = recording.of("ec2.NatGateway")
    addresses = recording.of("ec2.Eip")
    zones = range(1, gateways + 1)
    # The inputs are those of awsx, so existing stacks do not change.
    assert [each.inputs for each in made] == [
        {
            "subnetId": public[zone - 1],
            "allocationId": address.state["allocationId"],
            "tags": {"Name": f"fleet-network-vpc-{zone}"},
        }
        for zone, address in zip(zones, addresses, strict=True)
    ]
    assert [each.inputs for each in addresses] == [
        {"tags": {"Name": f"fleet-network-vpc-{zone}"}} for zone in zones
    ]
    above = recording.one("awsx.Vpc").urn.rpartition("::")[0] + _SUBNET
    assert [each.aliases for each in made] == [
        [f"{above}$aws:ec2/natGateway:NatGateway::fleet-network-vpc-{zone}"] for zone in zones
    ]
    assert [each.aliases for each in addresses] == [
        [f"{above}$aws:ec2/eip:Eip::fleet-network-vpc-{zone}"] for zone in zones
    ]


@pytest.mark.parametrize(("nat", "through"), [("single", [0, 0, 0]), ("per-zone", [0, 1, 2])])
def test_every_private_subnet_has_a_default_route_through_a_nat_gateway(
    nat: str, through: list[int]
):
    recording = run(_with_network(nat=nat, zones=3))
    tables = [table["id"] for table in recording.one("awsx.Vpc").state["routeTables"]]
    gateways = [made.id for made in recording.of("ec2.NatGateway")]
    routes = recording.of("ec2.Route")
    above = recording.one("awsx.Vpc").urn.rpartition("::")[0] + _SUBNET
    # awsx creates the route tables by zone, with the public subnet first.
    assert [route.inputs for route in routes] == [
        {
            "routeTableId": table,
            "destinationCidrBlock": "0.0.0.0/0",
            "natGatewayId": gateways[gateway],
        }
        for table, gateway in zip(tables[1::2], through, strict=True)
    ]
    assert [route.aliases for route in routes] == [
        [
            f"{above}$aws:ec2/routeTable:RouteTable$aws:ec2/route:Route"
            f"::fleet-network-vpc-private-{zone}"
        ]
        for zone in (1, 2, 3)
    ]


@pytest.mark.parametrize("nat", ["none", "single", "per-zone"])
def test_s3_is_reached_from_every_route_table_with_any_nat(nat: str):
    recording = run(_with_network(nat=nat))
    endpoint = recording.one("ec2.VpcEndpoint", "fleet-network-s3").inputs
    assert endpoint["vpcEndpointType"] == "Gateway"
    assert endpoint["serviceName"] == "com.amazonaws.us-east-1.s3"
    assert len(set(endpoint["routeTableIds"])) == 4
    assert all(table.startswith("rtb-") for table in endpoint["routeTableIds"])


@pytest.mark.parametrize("nat", ["single", "per-zone"])
def test_with_nat_there_are_no_interface_endpoints(nat: str):
    assert run(_with_network(nat=nat)).names("ec2.VpcEndpoint") == ["fleet-network-s3"]


ALWAYS = {"ecr.api", "ecr.dkr", "logs", "secretsmanager"}


@pytest.mark.parametrize(
    ("workloads", "services"),
    [
        ({"servers": {"clock": IMAGE}}, ALWAYS),
        (
            {"servers": {"clock": IMAGE | {"exec": True, "writable_root": True}}},
            ALWAYS | {"ssmmessages"},
        ),
        ({"agents": {"assistant": IMAGE | {"models": [MODEL]}}}, ALWAYS | {"bedrock-runtime"}),
    ],
    ids=["plain", "exec", "models"],
)
def test_without_nat_there_are_endpoints_for_exactly_what_the_workloads_need(
    workloads: dict[str, Any], services: set[str]
):
    recording = run({**workloads, "network": {"nat": "none"}})
    endpoints = [made.inputs for made in recording.of("ec2.VpcEndpoint")]
    interfaces = [made for made in endpoints if made["vpcEndpointType"] == "Interface"]
    assert sorted(made["serviceName"] for made in interfaces) == sorted(
        f"com.amazonaws.us-east-1.{service}" for service in services
    )
    group = recording.one("ec2.SecurityGroup", "fleet-network-endpoints")
    vpc = recording.one("awsx.Vpc").state
    for made in interfaces:
        assert made["privateDnsEnabled"] is True
        assert made["subnetIds"] == vpc["privateSubnetIds"]
        assert made["securityGroupIds"] == [group.id]


def test_endpoints_are_reached_over_https_from_the_network_only():
    recording = run(_with_network(nat="none", cidr="10.7.0.0/16"))
    rule = recording.one("vpc.SecurityGroupIngressRule", "fleet-network-endpoints-https").inputs
    group = recording.one("ec2.SecurityGroup", "fleet-network-endpoints")
    assert rule["securityGroupId"] == group.id
    assert (rule["cidrIpv4"], rule["ipProtocol"]) == ("10.7.0.0/16", "tcp")
    assert (rule["fromPort"], rule["toPort"]) == (443, 443)


def test_all_traffic_is_logged_in_an_encrypted_group_of_the_stack():
    recording = run(FULL)
    group = recording.one("cloudwatch.LogGroup", "fleet-network-flow-logs")
    assert group.inputs == {
        "name": "/mcp-platform/dev/network/flow-logs",
        "retentionInDays": 90,
        "kmsKeyId": recording.one("kms.Key").state["arn"],
    }
    flow_log = recording.one("ec2.FlowLog")
    assert flow_log.inputs == {
        "vpcId": recording.one("awsx.Vpc").state["vpcId"],
        "trafficType": "ALL",
        "logDestinationType": "cloud-watch-logs",
        "logDestination": group.state["arn"],
        "iamRoleArn": recording.one("iam.Role", "fleet-network-flow-logs-role").state["arn"],
        "tags": {"Name": "mcp-platform-dev"},
    }
    policy = recording.one("iam.RolePolicy", "fleet-network-flow-logs-policy")
    assert policy.urn in flow_log.dependencies


def test_in_an_existing_network_nothing_of_a_network_is_made():
    recording = run(ADOPTED_NETWORK)
    network = recording.one("mcp-platform.Network")
    assert recording.children(network) == []
    assert recording.of("awsx.Vpc") == recording.of("ec2.VpcEndpoint") == []
    assert recording.of("ec2.FlowLog") == []
    vpc = EXISTING_VPC["vpc"]
    assert recording.outputs[network.urn] == {
        "vpc_id": vpc["id"],
        "cidr": vpc["cidr"],
        "private_subnet_ids": vpc["private_subnets"],
        "public_subnet_ids": vpc["public_subnets"],
    }


def test_an_existing_network_is_used_by_every_resource_in_a_network():
    recording = run(ADOPTED_NETWORK)
    vpc = EXISTING_VPC["vpc"]
    assert {made.inputs["vpcId"] for made in recording.of("ec2.SecurityGroup")} == {vpc["id"]}
    assert {made.inputs["vpcId"] for made in recording.of("lb.TargetGroup")} == {vpc["id"]}
    assert recording.one("servicediscovery.PrivateDnsNamespace").inputs["vpc"] == vpc["id"]
    assert recording.one("lb.LoadBalancer").inputs["subnets"] == vpc["public_subnets"]
    mounted = [made.inputs["subnetId"] for made in recording.of("efs.MountTarget")]
    assert mounted == vpc["private_subnets"]


def test_an_existing_network_is_checked_before_anything_is_made_in_it():
    without = {
        "enableDnsSupport": True,
        "enableDnsHostnames": False,
        "cidrBlockAssociations": [{"cidrBlock": "10.1.0.0/16"}],
    }
    subnet = {
        "vpcId": "vpc-0a1b2c3d4e5f60718",
        "availabilityZone": "us-east-1a",
        "availabilityZoneId": "use1-az1",
        "cidrBlock": "10.1.0.0/20",
    }
    answers = {"aws:ec2/getVpc:getVpc": without, "aws:ec2/getSubnet:getSubnet": subnet}
    with pytest.raises(pulumi.RunError) as refused:
        run(ADOPTED_NETWORK, preview=True, answers=answers)
    message = str(refused.value)
    assert "3 errors. No resources were changed." in message
    assert "without DNS host names" in message
    assert "mcp-platform:network.vpc.private_subnets[1]" in message
    assert "mcp-platform:network.vpc.public_subnets[1]" in message
