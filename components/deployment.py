"""The deployment of a fleet: provider, foundation, gateway, target and published outputs."""

from collections.abc import Mapping

import pulumi

from components import targets
from components.foundation import Foundation
from components.foundation.existing_network import check
from components.foundation.origin import Memory
from components.foundation.zones import Zones
from components.gateway.certificate import Certificate
from components.provider import aws_provider
from components.publish import Published
from core.config.model import Fleet
from core.network.zones import Placement
from core.stack import Stack
from core.targets.dispatch import resolve


async def deploy(
    fleet: Fleet,
    stack: Stack,
    memory: Memory,
    *,
    secret_values: Mapping[str, pulumi.Output[str]],
    aws_config: pulumi.Config,
) -> dict[str, object]:
    """Deploys the fleet.

    Args:
        fleet: The fleet.
        stack: The stack.
        memory: The values of the stack's first deployment.
        secret_values: The values of the secrets with `source: config`, by name.
        aws_config: The stack's `aws:` configuration.

    Returns:
        The stack's outputs.

    Raises:
        ConfigurationError: The account or its network does not fit the configuration.
    """
    resolved = resolve(fleet, stack)
    provider = aws_provider(resolved, aws_config)
    opts = pulumi.ResourceOptions(providers=[provider])
    zones = await _zones(fleet, memory, pulumi.InvokeOptions(provider=provider))
    foundation = Foundation(
        "fleet", fleet=resolved, zones=zones, secret_values=secret_values, opts=opts
    )
    gateway = fleet.gateway
    certificate_arn = None
    if gateway.certificate_arn:
        certificate_arn = pulumi.Output.from_input(gateway.certificate_arn)
    elif gateway.domain and gateway.zone:
        made = Certificate("certificate", domain=gateway.domain, zone=gateway.zone, opts=opts)
        certificate_arn = made.arn
    target = targets.deploy(resolved, foundation, certificate_arn, aws_config, opts)
    published = Published(
        "published", fleet=resolved, foundation=foundation, target=target, opts=opts
    )
    return published.outputs


async def _zones(fleet: Fleet, memory: Memory, opts: pulumi.InvokeOptions) -> Placement:
    """The zones of the network. An existing network is validated first."""
    zones, network = Zones("zones"), fleet.network
    existing = await check(network.vpc, opts) if network.vpc else []
    await memory.stay_in(network)
    names = existing or await zones.choose(network, opts)
    own_cluster = fleet.has_cluster and not fleet.cluster.existing
    return Placement(names=tuple(names), cluster=await zones.cluster(names) if own_cluster else ())
