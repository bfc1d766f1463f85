"""The component eks:index:NodeGroupSecurityGroup, and the cluster's own security group.

Facts from pulumi-eks 4.4 (nodes/securitygroup.ts).
"""

import pulumi

from sandbox.engine.components import Child, Component, Inputs, Value, combine, merged_tags
from sandbox.providers.eks.core import output_of

TOKEN = "eks:index:NodeGroupSecurityGroup"
EVERYWHERE = {"fromPort": 0, "toPort": 0, "protocol": "-1"}
HTTPS = {"fromPort": 443, "toPort": 443, "protocol": "tcp"}
_UNPRIVILEGED = {"fromPort": 1025, "toPort": 65535, "protocol": "tcp"}
_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"


class NodeGroupSecurityGroup(Component):
    """`eks:index:NodeGroupSecurityGroup`: the nodes' security group and its rules.

    Args:
        name: logical name.
        args: inputs in wire format.
        opts: options of the component.
    """

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TOKEN, name, opts)
        group, rule = node_security_group(
            name,
            self,
            vpc_id=args.get("vpcId"),
            cluster_group_id=combine(
                lambda one: output_of(one, "id"),
                pulumi.Output.from_input(args.get("clusterSecurityGroup")),
            ),
            cluster_name=combine(
                lambda one: output_of(one, "name"), pulumi.Output.from_input(args.get("eksCluster"))
            ),
            tags=args.get("tags"),
        )
        self.outputs = {"securityGroup": group, "securityGroupRule": rule}
        self.register_outputs({})


def cluster_security_group(name: str, parent: Component, *, vpc_id: Value, tags: Value) -> Child:
    """Creates the control plane's security group, which allows all egress.

    Args:
        name: logical name of the cluster component.
        parent: that component.
        vpc_id: the VPC.
        tags: tags of the group, its Name included.

    Returns:
        The group.
    """
    opts = pulumi.ResourceOptions(parent=parent)
    inputs = {"vpcId": vpc_id, "revokeRulesOnDelete": True, "tags": tags}
    group = Child(_GROUP, f"{name}-eksClusterSecurityGroup", inputs, opts)
    _internet_egress(f"{name}-eksClusterInternetEgressRule", group, opts)
    return group


def node_security_group(
    name: str,
    parent: Component,
    *,
    vpc_id: Value,
    cluster_group_id: Value,
    cluster_name: Value,
    tags: Value,
) -> tuple[Child, Child]:
    """Creates the nodes' security group and the rules between it and the control plane's.

    Args:
        name: logical name of the component.
        parent: the component.
        vpc_id: the VPC.
        cluster_group_id: the control plane's security group.
        cluster_name: name of the EKS cluster.
        tags: additional tags, which take precedence.

    Returns:
        The group, and the rule that lets nodes reach the API server.
    """
    opts = pulumi.ResourceOptions(parent=parent)
    own = combine(
        lambda cluster: {
            "Name": f"{name}-nodeSecurityGroup",
            f"kubernetes.io/cluster/{cluster}": "owned",
        },
        cluster_name,
    )
    group = Child(
        _GROUP,
        f"{name}-nodeSecurityGroup",
        {"vpcId": vpc_id, "revokeRulesOnDelete": True, "tags": merged_tags(own, tags)},
        opts,
    )

    def ingress(suffix: str, description: str, inputs: Inputs) -> Child:
        common = {"description": description, "type": "ingress", "securityGroupId": group.id}
        return Child(
            _RULE, f"{name}-{suffix}", {**common, **inputs}, opts, ("securityGroupRuleId",)
        )

    from_cluster = {"sourceSecurityGroupId": cluster_group_id}
    ingress(
        "eksNodeIngressRule",
        "Allow nodes to communicate with each other",
        {**EVERYWHERE, "self": True},
    )
    ingress(
        "eksNodeClusterIngressRule",
        "Allow worker Kubelets and pods to receive communication from the cluster control plane",
        {**_UNPRIVILEGED, **from_cluster},
    )
    ingress(
        "eksExtApiServerClusterIngressRule",
        "Allow pods running extension API servers on port 443 to receive communication from cluster"
        " control plane",
        {**HTTPS, **from_cluster},
    )
    _internet_egress(f"{name}-eksNodeInternetEgressRule", group, opts)
    to_cluster = {"securityGroupId": cluster_group_id, "sourceSecurityGroupId": group.id}
    rule = ingress(
        "eksClusterIngressRule",
        "Allow pods to communicate with the cluster API Server",
        {**HTTPS, **to_cluster},
    )
    return group, rule


def _internet_egress(name: str, group: Child, opts: pulumi.ResourceOptions) -> None:
    inputs = {
        "description": "Allow internet access.",
        "type": "egress",
        **EVERYWHERE,
        "cidrBlocks": ["0.0.0.0/0"],
        "securityGroupId": group.id,
    }
    Child(_RULE, name, inputs, opts)
