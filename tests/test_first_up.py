"""The chain of a first `up`: what a resource needs, and which chain is the longest."""

from typing import Any

from tests import first_up
from tests.first_up import Chain, latency, longest_chain

DATA: dict[str, Any] = {
    "latencies": {
        "aws:a/vpc:Vpc": {"create": 10, "source": "estimate"},
        "aws:a/subnet:Subnet": {"create": 5, "source": "estimate"},
        "aws:a/nat:Nat": {"create": 100, "source": "estimate"},
        "aws:a/balancer:Balancer": {"create": 60, "source": "estimate"},
        "aws:a/service:Service": {"create": 30, "source": "estimate"},
    },
    "needs": [{"type": "aws:a/service:Service", "needed": ["aws:a/nat:*"], "why": "images"}],
}


def _urn(type_: str, name: str) -> str:
    return f"urn:pulumi:dev::project::component${type_}::{name}"


def _made(type_: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "urn": _urn(type_, name),
        "type": type_,
        "custom": True,
        "id": f"{name}-0123456789",
        **more,
    }


VPC, SUBNET = _urn("aws:a/vpc:Vpc", "vpc"), _urn("aws:a/subnet:Subnet", "subnet")
NAT, NETWORK = _urn("aws:a/nat:Nat", "nat"), _urn("pkg:index:Network", "network")

# A component with a VPC, a subnet of it and a NAT gateway in that.
NETWORK_RESOURCES: list[dict[str, Any]] = [
    {"urn": NETWORK, "type": "pkg:index:Network", "custom": False},
    _made("aws:a/vpc:Vpc", "vpc", parent=NETWORK),
    _made(
        "aws:a/subnet:Subnet",
        "subnet",
        parent=VPC,
        inputs={"vpcId": "vpc-0123456789"},
        propertyDependencies={"vpcId": [VPC]},
    ),
    _made(
        "aws:a/nat:Nat",
        "nat",
        parent=SUBNET,
        inputs={"subnetId": "subnet-0123456789"},
        propertyDependencies={"subnetId": [SUBNET]},
    ),
]

# It has a subnet from the component: its dependency is on all of it.
BALANCER = _made(
    "aws:a/balancer:Balancer",
    "balancer",
    inputs={"subnets": [{"id": "subnet-0123456789"}]},
    propertyDependencies={"subnets": [NETWORK]},
)


def test_a_chain_follows_the_inputs():
    assert longest_chain(NETWORK_RESOURCES, DATA) == Chain(115, ("vpc", "subnet", "nat"))


def test_of_a_component_only_what_an_input_has_the_id_of_is_needed():
    without_nat = [each for each in NETWORK_RESOURCES if each["urn"] != NAT]
    assert longest_chain([*without_nat, BALANCER], DATA).names == ("vpc", "subnet", "balancer")
    chain = longest_chain([*NETWORK_RESOURCES, BALANCER], DATA)
    assert chain == Chain(115, ("vpc", "subnet", "nat"))


def test_a_dependency_counts_only_if_it_is_listed_as_a_need():
    service = _made("aws:a/service:Service", "service", dependencies=[NAT])
    chain = longest_chain([*NETWORK_RESOURCES, service], DATA)
    assert chain == Chain(145, ("vpc", "subnet", "nat", "service"))
    other = _made("aws:a/balancer:Balancer", "balancer", dependencies=[NAT])
    assert longest_chain([*NETWORK_RESOURCES, other], DATA).seconds == 115


def test_a_resource_needs_its_provider_and_what_the_provider_comes_from():
    provider = _made(
        "pulumi:providers:k",
        "provider",
        inputs={"config": "at nat-0123456789"},
        propertyDependencies={"config": [NAT]},
    )
    inside = _made("aws:a/service:Service", "service", provider=f"{provider['urn']}::some-id")
    chain = longest_chain([*NETWORK_RESOURCES, provider, inside], DATA)
    assert chain == Chain(145, ("vpc", "subnet", "nat", "service"))


def test_every_latency_says_where_it_is_from_and_every_need_why():
    latencies, needs = first_up.DATA["latencies"], first_up.DATA["needs"]
    assert all(each["source"] and each["create"] > 0 for each in latencies.values())
    assert all(each["why"] and each["needed"] for each in needs)
    assert latency("aws:ec2/natGateway:NatGateway") > 60
    assert latency("aws:no/such:Type") == 0
