"""The private DNS names of the servers."""

import pulumi
import pulumi_aws as aws

from components.component import Component
from core.stack import Stack


class Discovery(Component):
    """The private DNS namespace of the stack, in AWS Cloud Map.

    Type token `mcp-platform:foundation:Discovery`. Creates the namespace; targets register their
    servers in it.

    Attributes:
        namespace_id: The namespace's id.
        namespace: Its name, such as `mcp-platform-dev.internal`.
    """

    namespace_id: pulumi.Output[str]
    namespace: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: Stack,
        vpc_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:foundation:Discovery", name, opts)
        namespace = aws.servicediscovery.PrivateDnsNamespace(
            f"{name}-namespace",
            name=stack.namespace,
            description=f"Servers of {stack.label}",
            vpc=vpc_id,
            opts=self.child_opts,
        )
        self.namespace_id = namespace.id
        self.namespace = namespace.name
        self.register()
