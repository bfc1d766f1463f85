"""Who may reach whom: the rules that follow the fleet's graph, and no others."""

import pulumi
import pulumi_aws as aws


def allow(
    name: str,
    *,
    parent: pulumi.Resource,
    source: pulumi.Input[str],
    destination: pulumi.Input[str],
    port: int,
    description: str,
) -> None:
    """Opens one port from what carries one security group to what carries another, at both ends.

    Args:
        name: The logical name's stem.
        parent: The component that it belongs to.
        source: The security group that calls.
        destination: The security group that is called.
        port: The TCP port.
        description: Why, as operators read it.
    """
    child = pulumi.ResourceOptions(parent=parent)
    aws.vpc.SecurityGroupEgressRule(
        f"{name}-out",
        security_group_id=source,
        referenced_security_group_id=destination,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=description,
        opts=child,
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-in",
        security_group_id=destination,
        referenced_security_group_id=source,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=description,
        opts=child,
    )
