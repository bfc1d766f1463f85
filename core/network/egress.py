"""Egress of the private subnets: NAT gateways, or interface endpoints of single AWS services.

The modules `core.targets.<target>.network` decide which workloads run in the network and which
services they need. `core.targets.dispatch.egress` calls the module of the fleet's target.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.aws.names import short_hash
from core.config.enums import Exposure, Nat
from core.config.model import Agent, Fleet, Server
from core.network import cidrs

IMAGES_AND_LOGS = ("ecr.api", "ecr.dkr", "logs")
"""The services for image pulls and logs. S3 stores the layers of images and has a gateway endpoint.
"""


@dataclass(frozen=True, kw_only=True)
class Egress:
    """The egress of the workloads of a fleet.

    Attributes:
        inside: The workloads that run in the network, in the order of the configuration.
        nat: The NAT gateways to create.
        endpoint_services: The AWS services that need an interface endpoint, because there is no
            NAT.
        meets_gateway: Whether a workload could call the gateway, and with it every workload behind
            it, without a token.
    """

    inside: tuple[str, ...]
    nat: Nat
    endpoint_services: tuple[str, ...]
    meets_gateway: bool


def egress(
    fleet: Fleet, *, inside: Sequence[str], services: Sequence[str], meets_gateway: bool
) -> Egress:
    """The egress of a fleet. Without workloads in the network, it has no NAT and no endpoints.

    Args:
        fleet: The fleet.
        inside: The workloads that run in the network.
        services: The AWS services that they need.
        meets_gateway: Whether they could call the gateway without a token.
    """
    nat = fleet.network.nat if inside else Nat.NONE
    return Egress(
        inside=tuple(inside),
        nat=nat,
        endpoint_services=tuple(services) if inside and nat is Nat.NONE else (),
        meets_gateway=meets_gateway,
    )


def shell_services(loads: Iterable[Server | Agent]) -> list[str]:
    """The services that a shell in a container needs, if a workload allows one."""
    return ["ssmmessages"] if any(load.exec for load in loads) else []


def model_services(loads: Iterable[Server | Agent]) -> list[str]:
    """The services that invoke models, if a workload has any."""
    has_models = any(isinstance(load, Agent) and load.models for load in loads)
    return ["bedrock-runtime"] if has_models else []


def network_mark(fleet: Fleet) -> str:
    """A hash of the values that determine the private subnets.

    Published versions of a function keep their network interfaces until the function is deleted. A
    change of subnets therefore needs a new function.
    """
    network = fleet.network
    if network.vpc:
        return short_hash(" ".join([network.vpc.id, *sorted(network.vpc.private_subnets)]))
    zones = " ".join(network.zone_names) or network.zones
    return short_hash(f"{network.cidr} {zones}")


def block(fleet: Fleet) -> str:
    """The IPv4 block of the network."""
    return fleet.network.vpc.cidr if fleet.network.vpc else fleet.network.cidr


def callers(fleet: Fleet) -> tuple[str, ...]:
    """The IPv4 blocks that may call the load balancer."""
    public = fleet.gateway.exposure is Exposure.PUBLIC
    return fleet.gateway.allow_cidrs or (cidrs.EVERYWHERE if public else block(fleet),)


def meets_load_balancer(fleet: Fleet) -> bool:
    """Whether workloads could call the load balancer without a token.

    With a domain, the load balancer answers on port 443, and workloads may call that port of other
    addresses.
    """
    return (
        fleet.gateway.domain is not None
        and fleet.gateway.auth is None
        and cidrs.overlap(block(fleet), callers(fleet))
    )
