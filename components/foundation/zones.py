"""The availability zones of the network."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation.origin import first_value, known
from core.config.errors import ConfigurationError
from core.config.model import Network
from core.network import zones as rules


class Zones(Component):
    """The zones of the stack's network and of its EKS cluster, kept in the stack's state.

    Type token `mcp-platform:foundation:Zones`. Creates a `pulumi.Stash` for each zone of the
    stack's own VPC, and one for all zones of its own EKS cluster. A deployed stack keeps its
    subnets when the account has more zones, and the cluster keeps its zones when the network has
    more.
    """

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mcp-platform:foundation:Zones", name, opts)
        self._name = name
        self.register()

    async def cluster(self, names: Sequence[str]) -> tuple[int, ...]:
        """The indexes of the subnets of the stack's own EKS cluster.

        Args:
            names: The zone of each private subnet.

        Raises:
            ConfigurationError: A zone of the cluster no longer has a subnet.
        """
        now = ",".join(names)
        first = first_value(f"{self._name}-cluster", now, parent=self)
        zones = (await known(first, now)).split(",")
        if faults := rules.cluster_left(zones, names):
            raise ConfigurationError(faults)
        return tuple(position for position, name in enumerate(names) if name in zones)

    async def choose(self, network: Network, opts: pulumi.InvokeOptions) -> list[str]:
        """Chooses the zones: those of the deployed stack, then the configured or the first ones.

        Args:
            network: The configured network.
            opts: The options of the look-up.

        Raises:
            ConfigurationError: The account has too few zones or lacks a configured zone, or a
                configured zone would move subnets.
        """
        found = await available(opts)
        if faults := rules.faults(network.zone_names, found):
            raise ConfigurationError(faults)
        candidates = network.zone_names or rules.usable(found)
        chosen: list[str] = []
        for position in range(network.zone_count):
            # In sequence, because a new zone must differ from the zones that are already chosen.
            now = next((name for name in candidates if name not in chosen), None)
            if now is None:
                raise ConfigurationError([rules.too_few(network.zone_count, found)])
            first = first_value(f"{self._name}-{position + 1}", now, parent=self)
            chosen.append(await known(first, now))
        if faults := rules.moved(chosen, network.zone_names):
            raise ConfigurationError(faults)
        return chosen


async def available(opts: pulumi.InvokeOptions) -> dict[str, str]:
    """The ids of the region's availability zones, by name, without Local and Wavelength Zones.

    The look-up includes zones in every state, so that an outage of a zone does not change the
    result.
    """
    found = await aws.get_availability_zones_output(
        filters=[
            {"name": "opt-in-status", "values": ["opt-in-not-required"]},
            {"name": "zone-type", "values": ["availability-zone"]},
        ],
        opts=opts,
    ).future()
    return dict(zip(found.names, found.zone_ids, strict=True)) if found else {}
