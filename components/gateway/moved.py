"""What was the load balancer's and is the fleet's now."""

import pulumi


def from_gateway(was: str) -> pulumi.Alias:
    """The name that a resource had as a child of the gateway; see CHANGELOG.md."""
    gateway = pulumi.create_urn("gateway", "mcp-platform:gateway:Gateway")
    return pulumi.Alias(name=f"gateway-{was}", parent=gateway)
