"""The network: `awsx.ec2.Vpc` by the plan, ways to AWS without NAT, a VPC that exists."""

from typing import Any

import pytest

from core import cidrs
from tests.components.fleets import ADOPTED_NETWORK, EXISTING_VPC, FULL, MINIMAL, MODEL
from tests.components.recording import run

IMAGE = MINIMAL["servers"]["clock"]


def _with_network(**network: object) -> dict[str, Any]:
    return {**MINIMAL, "network": network}


@pytest.mark.parametrize(
    ("nat", "strategy"), [("none", "None"), ("single", "Single"), ("per-zone", "OnePerAz")]
)
@pytest.mark.parametrize("zones", [2, 6])
def test_the_vpc_has_the_planned_subnets_and_the_nat_strategy_of_the_configuration(
    nat: str, strategy: str, zones: int
):
    plan = cidrs.plan("172.20.0.0/16", zones)
    vpc = run(_with_network(cidr="172.20.0.0/16", zones=zones, nat=nat)).one("awsx.Vpc")
    assert vpc.name == "fleet-network-vpc"
    assert vpc.inputs == {
        "cidrBlock": "172.20.0.0/16",
        "numberOfAvailabilityZones": zones,
        "enableDnsHostnames": True,
        "enableDnsSupport": True,
        "natGateways": {"strategy": strategy},
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


@pytest.mark.parametrize("nat", ["none", "single", "per-zone"])
def test_s3_is_reached_from_every_route_table_whatever_the_nat(nat: str):
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


def test_an_existing_network_is_used_by_everything_that_stands_in_one():
    recording = run(ADOPTED_NETWORK)
    vpc = EXISTING_VPC["vpc"]
    assert {made.inputs["vpcId"] for made in recording.of("ec2.SecurityGroup")} == {vpc["id"]}
    assert {made.inputs["vpcId"] for made in recording.of("lb.TargetGroup")} == {vpc["id"]}
    assert recording.one("servicediscovery.PrivateDnsNamespace").inputs["vpc"] == vpc["id"]
    assert recording.one("lb.LoadBalancer").inputs["subnets"] == vpc["public_subnets"]
    mounted = [made.inputs["subnetId"] for made in recording.of("efs.MountTarget")]
    assert mounted == vpc["private_subnets"]
