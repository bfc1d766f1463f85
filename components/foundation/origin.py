"""The values of the first deployment, kept in the stack's state."""

import pulumi

from components.component import Component
from core.config.errors import ConfigurationError
from core.config.model import Network
from core.origin import moved_network, moved_region, place


class Memory(Component):
    """The values of the stack's first deployment, kept in its state.

    Type token `mcp-platform:foundation:Memory`. Creates a `pulumi.Stash` for each value. Its output
    keeps the first value until the stack is destroyed, also if the input changes (docs/adr/0017).

    Attributes:
        stack_name: The stack's name, before any `pulumi stack rename`.
        region: The AWS region.
    """

    stack_name: pulumi.Output[str]
    region: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack_name: str,
        region: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the component.

        Args:
            name: The component's name.
            stack_name: The stack's current name.
            region: The configured region.
            opts: The component's options.
        """
        super().__init__("mcp-platform:foundation:Memory", name, opts)
        self._name, self._now = name, (stack_name, region)
        self.stack_name = first_value(f"{name}-stack", stack_name, parent=self)
        self.region = first_value(f"{name}-region", region, parent=self)
        self.register()

    async def first_name(self) -> str:
        """The stack's name at its first deployment.

        Raises:
            ConfigurationError: The configured region is not the region of the first deployment.
        """
        name, region = self._now
        first_region = await known(self.region, region)
        if faults := moved_region(first_region, region):
            raise ConfigurationError(faults)
        return await known(self.stack_name, name)

    async def stay_in(self, network: Network) -> None:
        """Keeps the network in the state, and rejects another network.

        Call it after an existing VPC is validated, so that the id of an invalid VPC is not kept.

        Args:
            network: The configured network.

        Raises:
            ConfigurationError: The stack was first deployed in another network.
        """
        now = place(network)
        first = await known(first_value(f"{self._name}-network", now, parent=self), now)
        if faults := moved_network(first, network):
            raise ConfigurationError(faults)


def first_value(name: str, now: str, *, parent: pulumi.Resource) -> pulumi.Output[str]:
    """The value of the stack's first deployment.

    Args:
        name: The logical name.
        now: The current value. It is kept if the state has no value.
        parent: The parent component.
    """
    return pulumi.Stash(name, input=now, opts=pulumi.ResourceOptions(parent=parent)).output


async def known(first: pulumi.Output[str], now: str) -> str:
    """Waits for the value of the first deployment.

    The value is unknown if it is new and the update is limited to other resources (`--target`).
    The current value is then returned.
    """
    found = await first.future()
    return now if found is None else found
