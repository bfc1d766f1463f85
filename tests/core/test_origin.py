"""A deployed stack cannot change its region and its network."""

import pytest

from core.config.errors import ConfigurationError
from core.config.model import Network, Vpc
from core.origin import moved_network, moved_region, place

OWN = "10.0.0.0/16"
VPC = Vpc(
    id="vpc-0a1b2c3d4e5f60718",
    cidr="10.1.0.0/16",
    private_subnets=("subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"),
)
OTHER_VPC = VPC.model_copy(update={"id": "vpc-0a1b2c3d4e5f60719"})
THERE = VPC.id


@pytest.mark.parametrize(
    ("first", "network"),
    [
        (OWN, Network()),
        (OWN, Network(zones=3)),
        (THERE, Network(vpc=VPC)),
        (THERE, Network(vpc=VPC, cidr="10.7.0.0/16")),
    ],
    ids=["own", "more zones", "existing", "a block that is not used"],
)
def test_a_stack_that_stays_where_it_is_has_no_fault(first: str, network: Network):
    assert moved_network(first, network) == []


@pytest.mark.parametrize(
    ("first", "network", "path", "command"),
    [
        (
            OWN,
            Network(cidr="10.7.0.0/16"),
            "network.cidr",
            "pulumi config set --path 'mcp-platform:network.cidr' 10.0.0.0/16",
        ),
        (
            OWN,
            Network(vpc=VPC),
            "network.vpc.id",
            "pulumi config rm --path 'mcp-platform:network.vpc' && "
            "pulumi config set --path 'mcp-platform:network.cidr' 10.0.0.0/16",
        ),
        (
            THERE,
            Network(vpc=OTHER_VPC),
            "network.vpc.id",
            "pulumi config set --path 'mcp-platform:network.vpc.id' vpc-0a1b2c3d4e5f60718",
        ),
        (
            THERE,
            Network(),
            "network.cidr",
            "pulumi config set --path 'mcp-platform:network.vpc.id' vpc-0a1b2c3d4e5f60718",
        ),
    ],
    ids=["another block", "into an existing", "into another", "out of an existing"],
)
def test_another_network_is_refused_with_the_command_that_undoes_it(
    first: str, network: Network, path: str, command: str
):
    (fault,) = moved_network(first, network)
    text = str(ConfigurationError([fault]))
    assert f"mcp-platform:{path}\n" in text
    assert f"got:     {place(network)}\n" in text
    assert first in fault.allowed
    assert "docs/changes.md" in fault.allowed
    assert fault.fix == command


def test_another_region_is_refused_with_the_command_that_undoes_it():
    assert moved_region("eu-west-1", "eu-west-1") == []
    (fault,) = moved_region("eu-west-1", "us-east-1")
    assert (fault.path, fault.got) == (("aws:region",), "us-east-1")
    assert fault.fix == "pulumi config set --path 'aws:region' eu-west-1"
    assert "docs/changes.md" in fault.allowed
