"""The memory of the stack: what it was first deployed with."""

import pulumi

from components.component import Component
from core.config.errors import ConfigurationError
from core.config.model import Network
from core.origin import moved_network, moved_region, place


class Memory(Component):
    """What the stack was first deployed with, kept in its state.

    Type token `mcp-platform:foundation:Memory`. Creates a `pulumi.Stash` for each value: its output
    keeps the first value, also when the program gives it another one later, until the stack is
    destroyed. (See docs/adr/0017.)

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
        """Creates the memory.

        Args:
            name: The component's name.
            stack_name: The stack's name now.
            region: The configured region.
            opts: The component's options.
        """
        super().__init__("mcp-platform:foundation:Memory", name, opts)
        self._name, self._now = name, (stack_name, region)
        self.stack_name = first_value(f"{name}-stack", stack_name, parent=self)
        self.region = first_value(f"{name}-region", region, parent=self)
        self.register()

    async def first_name(self) -> str:
        """The name that the stack was first deployed with, in the region where it still is.

        Raises:
            ConfigurationError: The configuration moves it to another region.
        """
        name, region = self._now
        first_region = await known(self.region, region)
        if faults := moved_region(first_region, region):
            raise ConfigurationError(faults)
        return await known(self.stack_name, name)

    async def stay_in(self, network: Network) -> None:
        """Remembers the network, and refuses another one.

        An existing VPC is remembered once it is known to fit: nothing stays of a wrong id.

        Args:
            network: The configured network.

        Raises:
            ConfigurationError: The stack is in another network.
        """
        now = place(network)
        first = await known(first_value(f"{self._name}-network", now, parent=self), now)
        if faults := moved_network(first, network):
            raise ConfigurationError(faults)


def first_value(name: str, now: str, *, parent: pulumi.Resource) -> pulumi.Output[str]:
    """The value with which the stack was first deployed.

    Args:
        name: The logical name.
        now: The current value, which is kept if there is none yet.
        parent: The parent component.
    """
    return pulumi.Stash(name, input=now, opts=pulumi.ResourceOptions(parent=parent)).output


async def known(first: pulumi.Output[str], now: str) -> str:
    """Waits for a first value.

    It is unknown when it is new and the run is limited to other resources (`--target`); then it is
    the present one.
    """
    found = await first.future()
    return now if found is None else found
