"""NAT gateways, created outside of the VPC component."""

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

from core.config.enums import Nat
from core.network.cidrs import EVERYWHERE

# The types of the resources that `awsx.ec2.Vpc` creates. Each is the parent of the next.
_SUBNET = "aws:ec2/vpc:Vpc$aws:ec2/subnet:Subnet"
_ROUTE_TABLE = f"{_SUBNET}$aws:ec2/routeTable:RouteTable"


def nat_routes(
    name: str,
    *,
    nat: Nat,
    zones: int,
    vpc: awsx.ec2.Vpc,
    vpc_name: str,
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    """Creates NAT gateways by strategy, and the default route of every private subnet.

    `awsx.ec2.Vpc` can also create NAT gateways, but then its subnets are available only after
    them, which takes minutes. The load balancer, the mount targets and the EKS cluster need the
    subnets, but no NAT gateway. With the aliases, stacks from earlier versions keep the NAT
    gateways that awsx created.

    Args:
        name: The prefix of the logical names.
        nat: The strategy.
        zones: The number of zones.
        vpc: The VPC.
        vpc_name: Its logical name.
        parent: The parent component.

    Returns:
        The default routes. Each is created after its NAT gateway is available.
    """
    if nat is Nat.NONE:
        return []
    gateways = [
        _gateway(name, zone, vpc, vpc_name, parent)
        for zone in range(1 if nat is Nat.SINGLE else zones)
    ]
    return [
        aws.ec2.Route(
            f"{name}-egress-{zone + 1}",
            route_table_id=_private_route_table_id(vpc, zone),
            destination_cidr_block=EVERYWHERE,
            nat_gateway_id=gateways[0 if nat is Nat.SINGLE else zone].id,
            opts=pulumi.ResourceOptions(
                parent=parent,
                aliases=[_child_of_vpc(vpc, _ROUTE_TABLE, f"{vpc_name}-private-{zone + 1}")],
            ),
        )
        for zone in range(zones)
    ]


def _gateway(
    name: str, zone: int, vpc: awsx.ec2.Vpc, vpc_name: str, parent: pulumi.Resource
) -> aws.ec2.NatGateway:
    former = f"{vpc_name}-{zone + 1}"
    opts = pulumi.ResourceOptions(parent=parent, aliases=[_child_of_vpc(vpc, _SUBNET, former)])
    address = aws.ec2.Eip(f"{name}-nat-{zone + 1}-address", tags={"Name": former}, opts=opts)
    # A NAT gateway needs the internet gateway, which exists when the VPC's outputs resolve.
    return aws.ec2.NatGateway(
        f"{name}-nat-{zone + 1}",
        subnet_id=vpc.public_subnet_ids[zone],
        allocation_id=address.allocation_id,
        tags={"Name": former},
        opts=opts,
    )


def _private_route_table_id(vpc: awsx.ec2.Vpc, zone: int) -> pulumi.Output[str]:
    """The route table of a private subnet. In each zone, that of the public subnet is first."""
    return vpc.route_tables.apply(lambda tables: tables[2 * zone + 1].id)


def _child_of_vpc(vpc: awsx.ec2.Vpc, types: str, former: str) -> pulumi.Alias:
    """The alias of a resource that was a descendant of the VPC component, under these types."""
    # The URN of a child contains the types of its parents, but not their names.
    above = vpc.urn.apply(lambda urn: f"{urn.rpartition('::')[0]}${types}::{former}")
    return pulumi.Alias(name=former, parent=above)
