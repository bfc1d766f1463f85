"""The Availability Zones that a network can use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.config.errors import Fault, rm_command, set_command, show

EXCLUDED: Final[Mapping[str, str]] = {
    "use1-az3": "Fargate does not support ARM64, and EKS does not support subnets there",
    "usw1-az2": "Fargate is not available, and EKS does not support subnets there",
    "cac1-az3": "EKS does not support subnets there",
    "apne1-az3": "Fargate is not available there",
    "cnn1-az3": "Fargate is not available there",
    "cnn1-az4": "Fargate is not available there",
}
"""Zones by ID that no stack uses, on any target: a change of the target keeps the subnets.

Sources: Amazon ECS Developer Guide, "Supported Regions for Amazon ECS on AWS Fargate" (us-west-1,
ap-northeast-1 and cn-north-1 list the zone ids that they support) and "Amazon ECS task definitions
for 64-bit ARM workloads"; Amazon EKS User Guide, "View Amazon EKS networking requirements for VPC
and subnets" (read 2026-12-01). The name of a zone, such as us-east-1a, depends on the account.
"""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The zones of a network.

    Attributes:
        names: The zone of each private subnet.
        cluster: The positions of the subnets of the control plane, if the stack creates an EKS
            cluster.
    """

    names: tuple[str, ...]
    cluster: tuple[int, ...] = ()


def usable(zones: Mapping[str, str]) -> list[str]:
    """The zones that a network may use, in a stable order.

    Args:
        zones: The region's availability zones: the names in this account, and their ids.
    """
    return sorted(name for name, id_ in zones.items() if id_ not in EXCLUDED)


def faults(wanted: Sequence[str], zones: Mapping[str, str]) -> list[Fault]:
    """The faults of `network.zone_names` in this account.

    Args:
        wanted: The names.
        zones: The region's availability zones: the names in this account, and their ids.
    """
    known = ", ".join(usable(zones))
    return [
        Fault(
            path=("network", "zone_names", position),
            got=_describe(name, zones),
            allowed=f"Availability Zones of this account: {known}",
        )
        for position, name in enumerate(wanted)
        if name not in zones or zones[name] in EXCLUDED
    ]


def too_few(count: int, zones: Mapping[str, str]) -> Fault:
    """The fault of a network with more zones than the account can use."""
    names = usable(zones)
    return Fault(
        path=("network", "zones"),
        got=str(count),
        allowed=f"at most {len(names)}: the usable zones of this account and region are "
        f"{', '.join(names) or 'none'}",
        fix=set_command(("network", "zones"), len(names)),
    )


def moved(deployed: Sequence[str], wanted: Sequence[str]) -> list[Fault]:
    """The error of a `network.zone_names` that moves subnets of a deployed stack, if any.

    Args:
        deployed: The zones of the first deployment, by position.
        wanted: The configured names, or none.
    """
    if all(name == has for name, has in zip(wanted, deployed, strict=False)):
        return []
    return [
        Fault(
            path=("network", "zone_names"),
            got=show(list(wanted)),
            allowed=f"{', '.join(deployed)}, in this order, the zones of the deployed subnets. Add "
            "new zones at the end",
            fix=rm_command(("network", "zone_names")),
        )
    ]


def cluster_left(cluster: Sequence[str], names: Sequence[str]) -> list[Fault]:
    """The error of a network without a zone that a deployed EKS cluster uses, if any.

    Amazon EKS User Guide, "View Amazon EKS networking requirements for VPC and subnets": a cluster
    keeps the zones of its creation.

    Args:
        cluster: The zones of the cluster.
        names: The zones of the network.
    """
    missing = [name for name in cluster if name not in names]
    if not missing:
        return []
    return [
        Fault(
            path=("network",),
            got=f"no private subnet in {', '.join(missing)}",
            allowed=f"subnets in {', '.join(cluster)}: the zones of a deployed EKS cluster cannot "
            "be changed",
        )
    ]


def _describe(name: str, zones: Mapping[str, str]) -> str:
    if name not in zones:
        return f"{name}, which does not exist in this account"
    return f"{name} ({zones[name]}): {EXCLUDED[zones[name]]}"
