"""The foundation: network, key, secrets, images, logs, discovery and files of a fleet."""

from collections.abc import Mapping

import pulumi

from components.account import Account, look_up
from components.component import Component
from components.foundation.discovery import Discovery
from components.foundation.images import Images
from components.foundation.keys import Key
from components.foundation.network import Network
from components.foundation.observability import Observability
from components.foundation.storage import Storage
from components.foundation.vault import Vault
from core.network.zones import Placement
from core.resolved import ResolvedFleet


class Foundation(Component):
    """Everything of a fleet that does not depend on its target.

    Type token `mcp-platform:foundation:Foundation`. Creates the components `Key`, `Network`,
    `Vault`, `Observability`, `Discovery`, `Images` and, if a workload has files, `Storage`.

    Attributes:
        vpc_id: The VPC's id.
        key_arn: The encryption key's ARN.
    """

    vpc_id: pulumi.Output[str]
    key_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        zones: Placement,
        secret_values: Mapping[str, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the foundation.

        Args:
            name: The component's name.
            fleet: The fleet.
            zones: The availability zones of the network.
            secret_values: The values of the secrets with `source: config`, by name.
            opts: The component's options.
        """
        super().__init__("mcp-platform:foundation:Foundation", name, opts)
        stack = fleet.stack
        self.account: Account = look_up(stack.region, pulumi.InvokeOptions(parent=self))
        self.key = Key(f"{name}-key", stack=stack, account=self.account, opts=self.child_opts)
        self.network = Network(
            f"{name}-network",
            fleet=fleet,
            zones=zones,
            account=self.account,
            key_arn=self.key.arn,
            opts=self.child_opts,
        )
        self.vault = Vault(
            f"{name}-vault",
            fleet=fleet,
            key_arn=self.key.arn,
            values=secret_values,
            opts=self.child_opts,
        )
        self.observability = Observability(
            f"{name}-observability",
            fleet=fleet,
            key_arn=self.key.arn,
            opts=self.child_opts,
        )
        self.discovery = Discovery(
            f"{name}-discovery", stack=stack, vpc_id=self.network.vpc_id, opts=self.child_opts
        )
        self.images = Images(
            f"{name}-images", fleet=fleet, key_arn=self.key.arn, opts=self.child_opts
        )
        self.storage = (
            Storage(
                f"{name}-storage",
                fleet=fleet,
                account=self.account,
                network=self.network,
                key_arn=self.key.arn,
                opts=self.child_opts,
            )
            if fleet.config.with_storage()
            else None
        )
        self.vpc_id = self.network.vpc_id
        self.key_arn = self.key.arn
        self.register()
