"""Values that a deployed stack cannot change: its region and its network."""

from typing import Final

from core.config.errors import Fault, rm_command, set_command
from core.config.model import Network

_NEW_STACK: Final = (
    "To migrate, deploy a second stack, move the domain and the files, and destroy this stack "
    "(docs/changes.md)"
)


def place(network: Network) -> str:
    """The stored value of a network: its IPv4 block, or the id of an existing VPC."""
    return network.vpc.id if network.vpc else network.cidr


def moved_region(first: str, now: str) -> list[Fault]:
    """The error of a configuration that moves a deployed stack to another region, if any.

    Args:
        first: The region that the stack is deployed in.
        now: The configured region.
    """
    if now == first:
        return []
    return [
        Fault(
            path=("aws:region",),
            got=now,
            allowed=f"{first}, the region of this stack. {_NEW_STACK}",
            fix=set_command(("aws:region",), first),
        )
    ]


def moved_network(first: str, now: Network) -> list[Fault]:
    """The error of a configuration that moves a deployed stack to another network, if any.

    AWS cannot move a load balancer, cluster, mount target or namespace to another VPC. All of them
    would be replaced, with the files and the addresses that depend on them.

    Args:
        first: The network that the stack is deployed in, as returned by `place`.
        now: The configured network.
    """
    if place(now) == first:
        return []
    return [
        Fault(
            path=("network", "vpc", "id") if now.vpc else ("network", "cidr"),
            got=place(now),
            allowed=f"{_described(first)}, the network of this stack. {_NEW_STACK}",
            fix=_restore(first, now),
        )
    ]


def _described(network: str) -> str:
    return f"the existing VPC {network}" if _exists(network) else f"a new VPC with {network}"


def _restore(network: str, now: Network) -> str:
    """The commands that restore the network in the configuration."""
    if _exists(network):
        return set_command(("network", "vpc", "id"), network)
    back = set_command(("network", "cidr"), network)
    return f"{rm_command(('network', 'vpc'))} && {back}" if now.vpc else back


def _exists(network: str) -> bool:
    return network.startswith("vpc-")
