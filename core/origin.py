"""What a stack was first deployed with, and what of it a living stack cannot change."""

from dataclasses import dataclass

from core.faults import Fault, rm_command, set_command
from core.fleet import Network

_NEW_STACK = (
    "To move, deploy a second stack there, move the domain and the files, and destroy this one "
    "(docs/changes.md)"
)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a stack was first deployed with.

    Attributes:
        name: The stack's name, which the names of everything in AWS begin with.
        region: The AWS region.
        network: The IPv4 block of the stack's own VPC, or the id of an existing VPC.
    """

    name: str
    region: str
    network: str


def place(network: Network) -> str:
    """The network as an `Origin` keeps it."""
    return network.vpc.id if network.vpc else network.cidr


def moved(origin: Origin, *, region: str, network: Network) -> list[Fault]:
    """Finds what the configuration moves to another place, which a living stack cannot do.

    AWS moves no load balancer, no cluster, no mount target and no namespace to another VPC or
    region. All of them would have to be replaced, with the files and the addresses that depend on
    them.

    Args:
        origin: What the stack was first deployed with.
        region: The configured region.
        network: The configured network.

    Returns:
        One fault for the region and one for the network, as far as they differ.
    """
    faults: list[Fault] = []
    if region != origin.region:
        faults.append(
            Fault(
                path=("aws:region",),
                got=region,
                allowed=f"{origin.region}, where this stack is deployed. {_NEW_STACK}",
                mend=set_command(("aws:region",), origin.region),
            )
        )
    now = place(network)
    if now != origin.network:
        path = ("network", "vpc", "id") if network.vpc else ("network", "cidr")
        faults.append(
            Fault(
                path=path,
                got=now,
                allowed=f"{_described(origin.network)}, which this stack is deployed in. "
                f"{_NEW_STACK}",
                mend=_way_back(origin.network, network),
            )
        )
    return faults


def _described(network: str) -> str:
    return f"the existing VPC {network}" if _exists(network) else f"a VPC of its own, {network}"


def _way_back(network: str, now: Network) -> str:
    """The commands that put the network back into the configuration."""
    if _exists(network):
        return set_command(("network", "vpc", "id"), network)
    back = set_command(("network", "cidr"), network)
    return f"{rm_command(('network', 'vpc'))} && {back}" if now.vpc else back


def _exists(network: str) -> bool:
    return network.startswith("vpc-")
