"""The memory of the stack: what it was first deployed with."""

import asyncio

import pulumi

from core.origin import Origin


class Memory(pulumi.ComponentResource):
    """What the stack was first deployed with, kept in its state.

    Type token `mcp-platform:foundation:Memory`. Creates a `pulumi.Stash` for each value: its output
    stays what it was first given, whatever the program gives it later, until the stack is
    destroyed. (See docs/adr/0017.)

    Attributes:
        stack_name: The stack's name, before any `pulumi stack rename`.
        region: The AWS region.
        network: The IPv4 block of the stack's own VPC, or the id of an existing one.
    """

    stack_name: pulumi.Output[str]
    region: pulumi.Output[str]
    network: pulumi.Output[str]

    def __init__(
        self, name: str, *, now: Origin, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Makes the memory.

        Args:
            name: The component's name.
            now: What the stack is deployed with now, for a stack that is new.
            opts: The component's options.
        """
        super().__init__("mcp-platform:foundation:Memory", name, None, opts)
        self._now = now
        self.stack_name = first_value(f"{name}-stack", now.name, parent=self)
        self.region = first_value(f"{name}-region", now.region, parent=self)
        self.network = first_value(f"{name}-network", now.network, parent=self)
        self.register_outputs(
            {"stack_name": self.stack_name, "region": self.region, "network": self.network}
        )

    async def origin(self) -> Origin:
        """What the stack was first deployed with."""
        name, region, network = await asyncio.gather(
            known(self.stack_name, self._now.name),
            known(self.region, self._now.region),
            known(self.network, self._now.network),
        )
        return Origin(name=name, region=region, network=network)


def first_value(name: str, now: str, *, parent: pulumi.Resource) -> pulumi.Output[str]:
    """The value that a name was first given in this stack.

    Args:
        name: The logical name.
        now: The value, where the name is new.
        parent: The component that it belongs to.
    """
    return pulumi.Stash(name, input=now, opts=pulumi.ResourceOptions(parent=parent)).output


async def known(first: pulumi.Output[str], now: str) -> str:
    """Waits for a first value.

    It is unknown when it is new and the run is limited to other resources (`--target`); then it is
    the present one.
    """
    found = await first.future()
    return now if found is None else found
