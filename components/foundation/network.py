"""The network of the fleet."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

from components.account import Account
from components.component import Component
from components.foundation.logs import log_group
from components.foundation.nat import nat_routes
from core.aws import iam
from core.config.model import Vpc
from core.network import cidrs
from core.network.zones import Placement
from core.resolved import ResolvedFleet
from core.stack import Stack

HTTPS_PORT = 443


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A destination of HTTPS egress. Exactly one of the last three attributes is set.

    Attributes:
        name: The name, for the logical names of its rules.
        cidr: An IPv4 block.
        prefix_list_id: The id of an AWS-managed prefix list.
        security_group_id: The security group of the destination.
    """

    name: str
    cidr: str | None = None
    prefix_list_id: pulumi.Output[str] | None = None
    security_group_id: pulumi.Output[str] | None = None


class Network(Component):
    """The VPC of the fleet, with a private and a public subnet in every zone.

    Type token `mcp-platform:foundation:Network`. For an existing VPC, it creates nothing and only
    returns the ids. Otherwise it creates:

    - With `awsx.ec2.Vpc`, a VPC, its subnets (see `core.network.cidrs`), its route tables and an
      internet gateway. The default security group has no rules.
    - NAT gateways by strategy, and the default routes.
    - A gateway endpoint for S3 and, without NAT, interface endpoints for the AWS services that
      workloads use.
    - Flow logs in a log group of the stack.

    Attributes:
        vpc_id: The VPC's id.
        cidr: The VPC's IPv4 block.
        private_subnet_ids: The ids of the private subnets, one in each zone.
        public_subnet_ids: The ids of the public subnets, one in each zone. The list is empty for an
            existing VPC without public subnets.
    """

    vpc_id: pulumi.Output[str]
    cidr: str
    private_subnet_ids: pulumi.Output[Sequence[str]]
    public_subnet_ids: pulumi.Output[Sequence[str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        zones: Placement,
        account: Account,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:foundation:Network", name, opts)
        self._name = name
        self.https_destinations: list[Destination] = []
        """The destinations of HTTPS egress: all; all outside of the network, if the gateway in it
        validates no tokens; or only AWS services, without NAT."""
        self.egress: list[pulumi.Resource] = []
        """The routes or endpoints for egress. Resources that pull images or call AWS depend on
        them, so that they are created first and deleted last."""
        if vpc := fleet.config.network.vpc:
            self._adopt(vpc)
        else:
            self._create(fleet, zones.names)
            self._flow_logs(fleet, account, key_arn)
        self.cluster_subnet_ids = self.private_subnet_ids.apply(
            lambda ids: [ids[position] for position in zones.cluster]
        )
        """The private subnets of the stack's own EKS cluster."""
        self.register()

    def _adopt(self, vpc: Vpc) -> None:
        self.vpc_id = pulumi.Output.from_input(vpc.id)
        self.cidr = vpc.cidr
        self.private_subnet_ids = pulumi.Output.from_input(vpc.private_subnets)
        self.public_subnet_ids = pulumi.Output.from_input(vpc.public_subnets)
        self.zones = len(vpc.private_subnets)
        self.https_destinations = [Destination(name="anywhere", cidr=cidrs.EVERYWHERE)]

    def _create(self, fleet: ResolvedFleet, zones: Sequence[str]) -> None:
        stack, egress = fleet.stack, fleet.egress
        plan = cidrs.plan(fleet.config.network.cidr, len(zones))
        vpc_name = f"{self._name}-vpc"
        vpc = awsx.ec2.Vpc(
            vpc_name,
            cidr_block=plan.block,
            availability_zone_names=list(zones),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            nat_gateways={"strategy": awsx.ec2.NatGatewayStrategy.NONE},
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
            subnet_specs=[
                {"type": awsx.ec2.SubnetType.PRIVATE, "cidr_blocks": list(plan.private)},
                {"type": awsx.ec2.SubnetType.PUBLIC, "cidr_blocks": list(plan.public)},
            ],
            tags={"Name": stack.label},
            opts=pulumi.ResourceOptions(parent=self, transforms=[_stay_in_zone]),
        )
        self.vpc_id = vpc.vpc_id
        self.cidr = plan.block
        self.private_subnet_ids = vpc.private_subnet_ids
        self.public_subnet_ids = vpc.public_subnet_ids
        self.zones = len(zones)
        # The default security group of a new VPC allows traffic between its members and all
        # egress. The program adopts it and removes its rules. AWS deletes it with the VPC.
        aws.ec2.DefaultSecurityGroup(
            f"{self._name}-default-group",
            vpc_id=self.vpc_id,
            ingress=[],
            egress=[],
            tags={"Name": f"{stack.label}-default"},
            opts=self.child_opts,
        )

        s3 = aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{stack.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=vpc.route_tables.apply(lambda tables: [table.id for table in tables]),
            tags={"Name": f"{stack.label}-s3"},
            opts=self.child_opts,
        )
        if egress.endpoint_services:
            group, endpoints = self._interface_endpoints(egress.endpoint_services, stack)
            self.egress = [s3, *endpoints]
            self.https_destinations = [
                Destination(name="endpoints", security_group_id=group.id),
                Destination(name="s3", prefix_list_id=s3.prefix_list_id),
            ]
        else:
            self.egress = nat_routes(
                self._name,
                nat=egress.nat,
                zones=len(zones),
                vpc=vpc,
                vpc_name=vpc_name,
                parent=self,
            )
            self.https_destinations = (
                [
                    Destination(name=f"outside-{block.replace('/', '-')}", cidr=block)
                    for block in cidrs.all_but(plan.block)
                ]
                if egress.meets_gateway
                else [Destination(name="anywhere", cidr=cidrs.EVERYWHERE)]
            )

    def _interface_endpoints(
        self, services: Sequence[str], stack: Stack
    ) -> tuple[aws.ec2.SecurityGroup, list[pulumi.Resource]]:
        """Creates the interface endpoints of the AWS services that workloads use without NAT.

        Returns:
            The security group of the endpoints, and the resources that must exist before a workload
            calls them: the endpoints and the rule for HTTPS ingress.
        """
        group = aws.ec2.SecurityGroup(
            f"{self._name}-endpoints",
            description="Interface endpoints, reached from the VPC",
            vpc_id=self.vpc_id,
            tags={"Name": f"{stack.label}-endpoints"},
            opts=self.child_opts,
        )
        admitted = aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-endpoints-https",
            security_group_id=group.id,
            description="HTTPS from the VPC",
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            cidr_ipv4=self.cidr,
            opts=self.child_opts,
        )
        endpoints = [
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service.replace('.', '-')}",
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{stack.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=self.private_subnet_ids,
                security_group_ids=[group.id],
                tags={"Name": f"{stack.label}-{service}"},
                opts=self.child_opts,
            )
            for service in services
        ]
        return group, [*endpoints, admitted]

    def _flow_logs(
        self, fleet: ResolvedFleet, account: Account, key_arn: pulumi.Input[str]
    ) -> None:
        group = log_group(
            f"{self._name}-flow-logs",
            "network/flow-logs",  # names of workloads contain no slash
            fleet,
            key_arn=key_arn,
            parent=self,
        )
        role = aws.iam.Role(
            f"{self._name}-flow-logs-role",
            description=f"Writes the flow logs of {fleet.stack.label}",
            assume_role_policy=pulumi.Output.json_dumps(
                iam.trust("vpc-flow-logs.amazonaws.com", account.id)
            ),
            opts=self.child_opts,
        )
        policy = aws.iam.RolePolicy(
            f"{self._name}-flow-logs-policy",
            role=role.name,
            policy=pulumi.Output.json_dumps(
                iam.document(
                    [
                        iam.Statement(
                            sid="WriteFlowLogs",
                            actions=("logs:CreateLogStream", "logs:PutLogEvents"),
                            resources=(pulumi.Output.concat(group.arn, ":*"),),
                        ),
                        iam.Statement(
                            sid="FindLogGroup",
                            actions=("logs:DescribeLogGroups", "logs:DescribeLogStreams"),
                            resources=(account.arn("logs", "log-group:*"),),
                        ),
                    ]
                )
            ),
            opts=self.child_opts,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags={"Name": fleet.stack.label},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )


def _stay_in_zone(
    made: pulumi.ResourceTransformArgs,
) -> pulumi.ResourceTransformResult | None:
    """Ignores changes of a subnet's zone, for stacks from before zones were kept in the state.

    Such a stack can be in a zone that is no longer chosen. Its subnet cannot be replaced, because
    the CIDR block of the replacement would conflict with it.
    """
    if made.type_ != "aws:ec2/subnet:Subnet":
        return None
    stay = pulumi.ResourceOptions(ignore_changes=["availabilityZone"])
    opts = pulumi.ResourceOptions.merge(made.opts, stay)
    return pulumi.ResourceTransformResult(props=made.props, opts=opts)
