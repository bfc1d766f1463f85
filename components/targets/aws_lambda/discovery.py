"""The servers in AWS Cloud Map, for clients that discover services there."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.targets.aws_lambda.workload import Workload
from core.stack import Stack


def register_servers(
    name: str,
    servers: dict[str, Workload],
    *,
    addresses: pulumi.Output[dict[str, str]],
    stack: Stack,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> pulumi.Output[str]:
    """Creates an HTTP namespace, with a service and an instance for every server.

    A function has no address for a DNS record. So the instance has the URL of the server, as in the
    discovery document, and the ARN of its function. It is registered after the routes to it are
    deployed (`needed`).

    Returns:
        The namespace's name.
    """
    child = pulumi.ResourceOptions(parent=parent)
    namespace = aws.servicediscovery.HttpNamespace(
        f"{name}-namespace",
        name=stack.label,
        description=f"Servers of {stack.label}",
        opts=child,
    )
    for server, workload in servers.items():
        service = aws.servicediscovery.Service(
            f"{name}-{server}-discovery",
            name=server,
            description=f"The MCP server {server}",
            namespace_id=namespace.id,
            # With this setting, instances are healthy by default, so a query for healthy instances
            # returns them. AWS cannot add it to a service later.
            health_check_custom_config={"failure_threshold": 1},
            # The name is unique in the namespace, so the old service must be deleted first.
            opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
        )
        aws.servicediscovery.Instance(
            f"{name}-{server}-instance",
            instance_id=server,
            service_id=service.id,
            attributes={"url": addresses[server], "function": workload.alias_arn},
            opts=pulumi.ResourceOptions(parent=parent, depends_on=needed),
        )
    return namespace.name
