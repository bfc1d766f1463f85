"""Security group rules for the connections of the fleet."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.foundation.network import HTTPS_PORT, Destination


def allow(
    name: str,
    *,
    parent: pulumi.Resource,
    source: pulumi.Input[str],
    destination: pulumi.Input[str],
    port: int,
    description: str,
) -> list[pulumi.Resource]:
    """Allows TCP traffic from one security group to another: an egress and an ingress rule.

    Args:
        name: The prefix of the logical names.
        parent: The parent component.
        source: The security group of the client.
        destination: The security group of the server.
        port: The TCP port.
        description: The description of both rules.

    Returns:
        The rules. Resources in one of the groups depend on them, so that the rules exist before
        the resources start and until the resources are deleted.
    """
    child = pulumi.ResourceOptions(parent=parent)
    egress = aws.vpc.SecurityGroupEgressRule(
        f"{name}-out",
        security_group_id=source,
        referenced_security_group_id=destination,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=description,
        opts=child,
    )
    ingress = aws.vpc.SecurityGroupIngressRule(
        f"{name}-in",
        security_group_id=destination,
        referenced_security_group_id=source,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description=description,
        opts=child,
    )
    return [egress, ingress]


def let_out(
    name: str,
    *,
    parent: pulumi.Resource,
    group: aws.ec2.SecurityGroup,
    destinations: Sequence[Destination],
) -> list[pulumi.Resource]:
    """Allows HTTPS egress from a security group to the destinations.

    Returns:
        The rules. Resources in the group depend on them, as with `allow`.
    """
    return [
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-{destination.name}",
            security_group_id=group.id,
            description=f"HTTPS to {destination.name}",
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            cidr_ipv4=destination.cidr,
            prefix_list_id=destination.prefix_list_id,
            referenced_security_group_id=destination.security_group_id,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for destination in destinations
    ]
