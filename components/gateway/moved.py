"""Aliases of resources that were children of the gateway in earlier versions."""

import pulumi


def from_gateway(was: str) -> pulumi.Alias:
    """The alias of a resource that was a child of the gateway (see CHANGELOG.md)."""
    gateway = pulumi.create_urn("gateway", "mcp-platform:gateway:Gateway")
    return pulumi.Alias(name=f"gateway-{was}", parent=gateway)
