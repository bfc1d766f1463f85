"""What a living stack cannot change: its region and its network."""

import pytest

from core.faults import ConfigurationError
from core.fleet import Network, Vpc
from core.origin import Origin, moved, place

OWN = Origin(name="dev", region="eu-west-1", network="10.0.0.0/16")
VPC = Vpc(
    id="vpc-0a1b2c3d4e5f60718",
    cidr="10.1.0.0/16",
    private_subnets=("subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"),
)
OTHER_VPC = VPC.model_copy(update={"id": "vpc-0a1b2c3d4e5f60719"})
THERE = Origin(name="dev", region="eu-west-1", network=VPC.id)


@pytest.mark.parametrize(
    ("origin", "network"),
    [
        (OWN, Network()),
        (OWN, Network(zones=3)),
        (THERE, Network(vpc=VPC)),
        (THERE, Network(vpc=VPC, cidr="10.7.0.0/16")),
    ],
    ids=["own", "more zones", "existing", "a block that is not used"],
)
def test_a_stack_that_stays_where_it_is_has_no_fault(origin: Origin, network: Network):
    assert moved(origin, region="eu-west-1", network=network) == []


@pytest.mark.parametrize(
    ("origin", "network", "path", "command"),
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
    origin: Origin, network: Network, path: str, command: str
):
    (fault,) = moved(origin, region="eu-west-1", network=network)
    text = str(ConfigurationError([fault]))
    assert f"mcp-platform:{path}\n" in text
    assert f"got:     {place(network)}\n" in text
    assert origin.network in fault.allowed
    assert "docs/changes.md" in fault.allowed
    assert fault.mend == command


def test_another_region_is_refused_together_with_another_network():
    region, network = moved(OWN, region="us-east-1", network=Network(vpc=VPC))
    assert region.path == ("aws:region",)
    assert region.mend == "pulumi config set --path 'aws:region' eu-west-1"
    assert network.path == ("network", "vpc", "id")
