"""awsx:ec2:Vpc of the sandbox compared with records of the real one, and its own rules."""

import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from sandbox.providers.awsx.provider import provider
from sandbox.tests.component_recorder import RECORDS, ZONES, Recording, construct

TWO_ZONES = {"cidrBlock": "10.0.0.0/16", "numberOfAvailabilityZones": 2, "subnetStrategy": "Auto"}
RECORDED: Mapping[str, Mapping[str, Any]] = {
    "vpc-2-zones-single-nat": {
        **TWO_ZONES,
        "natGateways": {"strategy": "Single"},
        "enableDnsHostnames": True,
    },
    "vpc-3-zones-nat-per-zone": {
        **TWO_ZONES,
        "numberOfAvailabilityZones": 3,
        "natGateways": {"strategy": "OnePerAz"},
        "enableDnsHostnames": True,
    },
    "vpc-2-zones-no-nat-with-endpoints": {
        **TWO_ZONES,
        "natGateways": {"strategy": "None"},
        "enableDnsHostnames": True,
        "subnetSpecs": [
            {"type": "Public", "name": "public", "cidrMask": 24},
            {"type": "Isolated", "name": "isolated", "cidrMask": 20},
        ],
        "vpcEndpointSpecs": [
            {"serviceName": "com.amazonaws.us-east-1.s3", "vpcEndpointType": "Gateway"},
            {
                "serviceName": "com.amazonaws.us-east-1.ecr.api",
                "vpcEndpointType": "Interface",
                "privateDnsEnabled": True,
            },
        ],
    },
}


def vpc(**inputs: Any) -> Recording:
    return construct(provider(), "awsx:ec2:Vpc", "net", {**TWO_ZONES, **inputs})


def names(recording: Recording, suffix: str) -> list[str]:
    return [one["name"] for one in recording.of_type(suffix)]


@pytest.mark.parametrize("record", RECORDED)
def test_the_children_are_those_of_the_real_component(record: str) -> None:
    made = construct(provider(), "awsx:ec2:Vpc", "net", RECORDED[record])
    assert made.resources == RECORDS[record]["resources"]
    assert made.invokes == RECORDS[record]["invokes"]


@pytest.mark.parametrize("record", RECORDED)
def test_the_outputs_are_those_of_the_real_component(record: str) -> None:
    made = construct(provider(), "awsx:ec2:Vpc", "net", RECORDED[record])
    expected = RECORDS[record]["outputs"]["awsx:ec2:Vpc net"]
    assert {key: made.outputs[key] for key in expected} == expected


def test_explicit_blocks_are_taken_zone_by_zone_and_invoke_nothing_for_named_zones() -> None:
    made = construct(
        provider(),
        "awsx:ec2:Vpc",
        "net",
        {
            "cidrBlock": "10.20.0.0/16",
            "availabilityZoneNames": ["eu-west-1a", "eu-west-1c"],
            "subnetStrategy": "Auto",
            "natGateways": {"strategy": "None"},
            "subnetSpecs": [
                {"type": "Private", "cidrBlocks": ["10.20.0.0/20", "10.20.16.0/20"]},
                {
                    "type": "Public",
                    "name": "edge",
                    "cidrBlocks": ["10.20.32.0/24", "10.20.33.0/24"],
                },
            ],
        },
    )
    subnets = made.inputs(":Subnet")
    assert {name: (one["availabilityZone"], one["cidrBlock"]) for name, one in subnets.items()} == {
        "net-edge-1": ("eu-west-1a", "10.20.32.0/24"),
        "net-edge-2": ("eu-west-1c", "10.20.33.0/24"),
        "net-private-1": ("eu-west-1a", "10.20.0.0/20"),
        "net-private-2": ("eu-west-1c", "10.20.16.0/20"),
    }
    assert made.invokes == []
    assert made.warnings == []
    assert [one["cidrBlocks"] for one in made.outputs["subnetLayout"]] == [
        ["10.20.0.0/20", "10.20.16.0/20"],
        ["10.20.32.0/24", "10.20.33.0/24"],
    ]


def test_three_zones_and_legacy_are_the_defaults() -> None:
    made = construct(provider(), "awsx:ec2:Vpc", "net", {})
    assert made.inputs("/vpc:Vpc")["net"]["cidrBlock"] == "10.0.0.0/16"
    assert made.inputs(":Subnet")["net-private-3"]["cidrBlock"] == "10.0.128.0/19"
    assert names(made, ":NatGateway") == ["net-1", "net-2", "net-3"]


@pytest.mark.parametrize("zones", range(1, 7))
def test_there_is_a_nat_gateway_per_zone_and_every_private_subnet_uses_its_own(zones: int) -> None:
    made = vpc(numberOfAvailabilityZones=zones)
    numbers = range(1, zones + 1)
    assert names(made, ":NatGateway") == names(made, ":Eip") == [f"net-{n}" for n in numbers]
    routes = made.inputs(":Route")
    assert all(routes[f"net-private-{n}"]["natGatewayId"] == f"<net-{n}>" for n in numbers)
    assert all(routes[f"net-public-{n}"]["gatewayId"] == "<net>" for n in numbers)


def test_without_nat_a_private_subnet_has_no_route() -> None:
    made = vpc(natGateways={"strategy": "None"})
    assert names(made, ":Route") == ["net-public-1", "net-public-2"]


def test_isolated_subnets_have_a_table_but_no_route_and_unused_ones_are_not_made() -> None:
    made = vpc(
        natGateways={"strategy": "None"},
        subnetSpecs=[
            {"type": "Isolated", "cidrMask": 20},
            {"type": "Unused", "cidrMask": 20},
            {"type": "Public", "cidrMask": 20},
        ],
    )
    assert names(made, ":Subnet") == [
        "net-isolated-1",
        "net-isolated-2",
        "net-public-1",
        "net-public-2",
    ]
    assert names(made, ":RouteTable") == names(made, ":Subnet")
    assert names(made, ":Route") == ["net-public-1", "net-public-2"]
    assert made.outputs["isolatedSubnetIds"] == ["<net-isolated-1>", "<net-isolated-2>"]
    assert made.inputs(":Subnet")["net-public-1"]["cidrBlock"] == "10.0.32.0/20"


def test_exact_accepts_a_layout_without_unused_addresses() -> None:
    made = vpc(
        subnetStrategy="Exact",
        natGateways={"strategy": "None"},
        subnetSpecs=[
            {"type": "Public", "cidrMask": 19},
            {"type": "Unused", "cidrMask": 19},
            {"type": "Isolated", "cidrMask": 18},
        ],
    )
    assert made.inputs(":Subnet")["net-isolated-2"]["cidrBlock"] == "10.0.192.0/18"
    assert made.outputs["subnetLayout"][1] == {"cidrMask": 19, "size": 8192, "type": "Unused"}


def test_subnets_are_listed_by_zone_with_the_public_ones_first() -> None:
    made = vpc()
    listed = [one["resource"].split()[1] for one in made.outputs["subnets"]]
    assert listed == ["net-public-1", "net-private-1", "net-public-2", "net-private-2"]


def test_tags_go_to_everything_and_a_specs_own_tags_to_its_subnet_only() -> None:
    made = vpc(
        tags={"team": "a"},
        subnetSpecs=[
            {"type": "Public", "tags": {"tier": "edge", "Name": "lost"}},
            {"type": "Private"},
        ],
    )
    assert made.inputs("/vpc:Vpc")["net"]["tags"] == {"Name": "net", "team": "a"}
    assert made.inputs(":Subnet")["net-public-1"]["tags"] == {
        "Name": "net-public-1",
        "SubnetType": "Public",
        "team": "a",
        "tier": "edge",
    }
    assert made.inputs(":RouteTable")["net-public-1"]["tags"] == {
        "Name": "net-public-1",
        "SubnetType": "Public",
        "team": "a",
    }
    assert made.inputs(":Eip")["net-1"]["tags"] == {"Name": "net-1", "team": "a"}


def test_tags_that_are_outputs_are_merged_when_they_are_known() -> None:
    made = construct(
        provider(),
        "awsx:ec2:Vpc",
        "net",
        TWO_ZONES,
        before=lambda: {"tags": pulumi.Output.from_input({"team": "b"})},
    )
    assert made.inputs(":NatGateway")["net-1"]["tags"] == {"Name": "net-1", "team": "b"}


def test_every_child_depends_on_its_parent() -> None:
    made = vpc()
    children = [one for one in made.resources if one["parent"] not in (None, "awsx:ec2:Vpc net")]
    assert len(children) == 21
    for one in children:
        assert one["parent"] in made.dependencies[f"{one['type']} {one['name']}"]


def test_name_tags_may_end_in_the_zone_while_logical_names_do_not() -> None:
    made = vpc(subnetNameTagStrategy="AvailabilityZone")
    assert made.inputs(":Subnet")["net-private-2"]["tags"]["Name"] == "net-private-1b"


def test_a_region_goes_to_every_child_and_to_the_look_up() -> None:
    made = vpc(region="us-east-1")
    children = [one for one in made.resources if one["parent"] is not None]
    assert len(children) == 22
    assert all(one["inputs"]["region"] == "us-east-1" for one in children)


def test_automatic_endpoints_get_subnets_tables_a_security_group_and_dns() -> None:
    made = vpc(
        vpcEndpointStrategy="Auto",
        vpcEndpointSpecs=[
            {"serviceName": "com.amazonaws.us-east-1.s3"},
            {"serviceName": "com.amazonaws.us-east-1.logs", "vpcEndpointType": "Interface"},
        ],
    )
    assert made.inputs("/vpc:Vpc")["net"]["enableDnsHostnames"] is True
    assert made.inputs("/vpc:Vpc")["net"]["enableDnsSupport"] is True
    endpoints = made.inputs(":VpcEndpoint")
    assert endpoints["com.amazonaws.us-east-1.s3"]["routeTableIds"] == [
        "<net-public-1>",
        "<net-private-1>",
        "<net-public-2>",
        "<net-private-2>",
    ]
    assert endpoints["com.amazonaws.us-east-1.logs"] == {
        "serviceName": "com.amazonaws.us-east-1.logs",
        "vpcEndpointType": "Interface",
        "privateDnsEnabled": True,
        "securityGroupIds": ["<com.amazonaws.us-east-1.logs-sg>"],
        "subnetIds": ["<net-private-1>", "<net-private-2>"],
        "tags": {"Name": "net"},
        "vpcId": "<net>",
    }
    assert made.inputs(":SecurityGroupRule") == {
        "com.amazonaws.us-east-1.logs-ingress": {
            "type": "ingress",
            "protocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrBlocks": ["10.0.0.0/16"],
            "securityGroupId": "<com.amazonaws.us-east-1.logs-sg>",
        }
    }


def test_explicit_settings_of_an_automatic_endpoint_are_kept() -> None:
    made = vpc(
        vpcEndpointStrategy="Auto",
        vpcEndpointSpecs=[
            {
                "serviceName": "com.amazonaws.us-east-1.logs",
                "vpcEndpointType": "Interface",
                "privateDnsEnabled": False,
                "subnetIds": ["subnet-1"],
                "securityGroupIds": ["sg-1"],
                "tags": {"team": "b"},
            }
        ],
        enableDnsHostnames=False,
    )
    endpoint = made.inputs(":VpcEndpoint")["com.amazonaws.us-east-1.logs"]
    assert endpoint["subnetIds"] == ["subnet-1"]
    assert endpoint["securityGroupIds"] == ["sg-1"]
    assert endpoint["privateDnsEnabled"] is False
    assert endpoint["tags"] == {"Name": "net", "team": "b"}
    assert names(made, ":SecurityGroup") == []


def test_legacy_endpoints_without_subnets_or_tables_are_warned_of() -> None:
    made = vpc(
        vpcEndpointSpecs=[
            {"serviceName": "s3"},
            {"serviceName": "logs", "vpcEndpointType": "Interface"},
        ]
    )
    assert len(made.warnings) == 2
    assert 'VPC endpoint "s3" is a Gateway endpoint without routeTableIds' in made.warnings[0]
    assert 'VPC endpoint "logs" is an Interface endpoint without subnetIds' in made.warnings[1]


def test_specs_without_a_strategy_are_warned_of_with_the_layout_for_auto() -> None:
    made = construct(
        provider(),
        "awsx:ec2:Vpc",
        "net",
        {"subnetSpecs": [{"type": "Public"}, {"type": "Private"}], "numberOfAvailabilityZones": 2},
    )
    assert len(made.warnings) == 1
    assert made.warnings[0].endswith(
        '[{"cidrMask":19,"type":"Private"},{"cidrMask":20,"type":"Public"}]'
    )


def test_unknown_properties_cause_a_warning() -> None:
    made = vpc(
        cidr="10.0.0.0/16",
        subnetSpecs=[{"type": "Public", "cidr": "10.0.0.0/24"}, {"type": "Private"}],
    )
    assert made.warnings == [
        "awsx:ec2:Vpc has no property cidr; it is ignored",
        "awsx:ec2:Vpc has no property subnetSpecs[0].cidr; it is ignored",
    ]


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"availabilityZoneNames": ["us-east-1a"]},
        "Only one of [availabilityZoneNames] and [numberOfAvailabilityZones] can be specified",
    ),
    (
        {"numberOfAvailabilityZones": len(ZONES) + 1},
        "does not have at least 7 Availability Zones",
    ),
    ({"natGateways": {"strategy": "Two"}}, "Unknown NatGatewayStrategy 'Two'"),
    (
        {"subnetSpecs": [{"type": "Private"}]},
        "public subnets must be declared to host the NAT Gateway resource",
    ),
    ({"subnetSpecs": [{"type": "Shared"}]}, "subnetSpecs[0].type must be one of Public"),
    (
        {"subnetStrategy": "Even"},
        "subnetStrategy must be one of Legacy, Auto, AutoMerge, Exact",
    ),
    ({"subnetSpecs": []}, "No subnets specified"),
    ({"cidrBlock": "10.0.0.0/33"}, "Invalid net: 10.0.0.0/33"),
    (
        {
            "subnetSpecs": [
                {"type": "Public", "cidrBlocks": ["10.0.0.0/24", "10.0.1.0/24"]},
                {"type": "Private", "cidrBlocks": ["10.0.1.0/24", "10.0.2.0/24"]},
            ]
        },
        "1. net-private-1: 10.0.1.0/24\n2. net-public-2: 10.0.1.0/24\n",
    ),
    (
        {"subnetStrategy": "Exact", "subnetSpecs": [{"type": "Public", "cidrMask": 20}]},
        "There are gaps in the subnet ranges.",
    ),
    (
        {
            "subnetStrategy": "AutoMerge",
            "subnetSpecs": [{"type": "Public", "cidrBlocks": ["10.0.0.0/24", "10.0.1.0/24"]}],
        },
        'subnetStrategy="AutoMerge" does not support subnetSpecs with explicit cidrBlocks.',
    ),
    (
        {
            "vpcEndpointStrategy": "Auto",
            "enableDnsSupport": False,
            "vpcEndpointSpecs": [{"serviceName": "logs", "vpcEndpointType": "Interface"}],
        },
        'vpcEndpointStrategy "Auto" requires enableDnsSupport to be true',
    ),
    ({"vpcEndpointSpecs": [{}]}, "vpcEndpointSpecs[0].serviceName is missing"),
]


@pytest.mark.parametrize(("inputs", "message"), REFUSED)
def test_inputs_that_the_real_component_refuses_are_refused(
    inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(pulumi.InputPropertiesError, match=re.escape(message)):
        vpc(**inputs)


NOT_SIMULATED: list[tuple[dict[str, Any], str]] = [
    ({"assignGeneratedIpv6CidrBlock": True}, "assignGeneratedIpv6CidrBlock"),
    ({"ipv4IpamPoolId": "ipam-pool-1"}, "ipv4IpamPoolId"),
    ({"ipv4NetmaskLength": 20}, "ipv4NetmaskLength"),
    ({"ipv6CidrBlock": "2600:1f16:0:aa00::/56"}, "ipv6CidrBlock"),
    ({"ipv6CidrBlockNetworkBorderGroup": "us-east-1"}, "ipv6CidrBlockNetworkBorderGroup"),
    ({"ipv6IpamPoolId": "ipam-pool-1"}, "ipv6IpamPoolId"),
    ({"ipv6NetmaskLength": 56}, "ipv6NetmaskLength"),
    (
        {"natGateways": {"elasticIpAllocationIds": ["eipalloc-1"]}},
        "natGateways.elasticIpAllocationIds",
    ),
    (
        {"subnetSpecs": [{"type": "Public", "assignIpv6AddressOnCreation": True}]},
        "subnetSpecs[0].assignIpv6AddressOnCreation",
    ),
]


@pytest.mark.parametrize(("inputs", "option"), NOT_SIMULATED)
def test_inputs_that_are_not_simulated_are_refused(inputs: dict[str, Any], option: str) -> None:
    message = f"awsx.ec2.Vpc: `{option}` is not simulated"
    with pytest.raises(pulumi.InputPropertiesError, match=re.escape(message)):
        vpc(**inputs)


def test_a_plain_property_may_not_be_an_output() -> None:
    with pytest.raises(pulumi.InputPropertiesError, match="cidrBlock must be a plain value"):
        construct(
            provider(),
            "awsx:ec2:Vpc",
            "net",
            {},
            before=lambda: {"cidrBlock": pulumi.Output.from_input("10.0.0.0/16")},
        )


def test_an_unsupported_component_of_awsx_is_refused() -> None:
    with pytest.raises(pulumi.InputPropertiesError, match="no stand-in for awsx:ec2:DefaultVpc"):
        construct(provider(), "awsx:ec2:DefaultVpc", "net", {})
