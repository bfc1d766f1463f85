"""The cluster of the workloads: one that the stack creates, or an existing one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks
import pulumi_random as random

from components.foundation import Foundation
from components.foundation.network import HTTPS_PORT
from components.targets.eks.logs import cluster_log_group
from core.config.enums import AccessPolicy, Nodes
from core.resolved import ResolvedFleet
from core.targets.eks.kubernetes import service_block
from core.targets.eks.versions import NEWEST, support_warning

_CONTROL_PLANE_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")

# Amazon EKS User Guide, "Review access policy permissions".
_ACCESS_POLICIES = {
    AccessPolicy.CLUSTER_ADMIN: "AmazonEKSClusterAdminPolicy",
    AccessPolicy.ADMIN: "AmazonEKSAdminPolicy",
    AccessPolicy.EDIT: "AmazonEKSEditPolicy",
    AccessPolicy.VIEW: "AmazonEKSViewPolicy",
}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An EKS cluster.

    Attributes:
        name: The cluster's name.
        arn: The cluster's ARN.
        version: The version of Kubernetes.
        security_group_id: The security group of the nodes and pods.
        service_block: The IPv4 block of the services.
        endpoint: The URL of the Kubernetes API.
        authority: The certificate authority of the API, in base64.
        component: The cluster that the stack creates; none for an existing cluster.
        ready: The resources that must exist before its API is used.
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    version: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    service_block: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    authority: pulumi.Output[str]
    component: eks.Cluster | None
    ready: list[pulumi.Resource]


def name_cluster(fleet: ResolvedFleet) -> pulumi.Output[str]:
    """The name of the cluster, with a random suffix that differs for each new cluster.

    EKS writes logs after the cluster is deleted and creates the log group again. A later cluster of
    the same name would conflict with it (github.com/terraform-aws-modules/terraform-aws-eks,
    issue 2763). An existing cluster keeps its name.
    """
    if fleet.config.cluster.existing:
        return pulumi.Output.from_input(fleet.config.cluster.existing.name)
    suffix = random.RandomId("eks-cluster-name", byte_length=3)
    return pulumi.Output.concat(fleet.stack.label, "-", suffix.hex)


def create_cluster(
    name: str,
    called: pulumi.Output[str],
    *,
    fleet: ResolvedFleet,
    foundation: Foundation,
    parent: pulumi.Resource,
) -> Cluster:
    """Creates the stack's own cluster, with the log group of its control plane.

    The API accepts connections from the VPC and from the configured CIDR blocks. Kubernetes Secrets
    are encrypted with the stack's key. Extended support costs six times as much and is off: AWS
    upgrades the cluster when the standard support of its version ends.

    Args:
        name: The prefix of the logical names.
        called: The cluster's name, from `name_cluster`.
        fleet: The fleet.
        foundation: The foundation.
        parent: The parent component.
    """
    wanted, network = fleet.config.cluster, foundation.network
    version = wanted.version or NEWEST
    # The date only affects a warning in the preview, not a resource.
    if warning := support_warning(version, datetime.now(UTC).date()):
        pulumi.log.warn(warning, parent)
    logs = cluster_log_group(
        f"{name}-control-plane-logs",
        # EKS creates the log group without retention if it does not exist.
        pulumi.Output.concat("/aws/eks/", called, "/cluster"),
        fleet=fleet,
        foundation=foundation,
        parent=parent,
    )
    auto = wanted.nodes is Nodes.AUTO
    block = service_block(network.cidr)
    asked = wanted.deletion_protection
    protected = fleet.stack.production if asked is None else asked
    cluster = eks.Cluster(
        f"{name}-cluster",
        name=called,
        version=version,
        vpc_id=foundation.vpc_id,
        # EKS does not accept a subnet in another zone after the cluster is created.
        private_subnet_ids=network.cluster_subnet_ids,
        kubernetes_service_ip_address_range=block,
        endpoint_private_access=True,
        endpoint_public_access=bool(wanted.public_access_cidrs),
        public_access_cidrs=list(wanted.public_access_cidrs) or None,
        authentication_mode=eks.AuthenticationMode.API,
        access_entries=_access_entries(fleet, foundation),
        auto_mode={"enabled": True} if auto else None,
        # Auto Mode includes its own. For managed nodes, `addons` creates them with versions.
        bootstrap_self_managed_addons=False,
        use_default_vpc_cni=True,
        kube_proxy_addon_options={"enabled": False},
        coredns_addon_options={"enabled": False},
        create_instance_role=False,
        skip_default_node_group=True,
        skip_default_security_groups=True,
        upgrade_policy={"support_type": "STANDARD"},
        deletion_protection=protected,
        enabled_cluster_log_types=list(_CONTROL_PLANE_LOGS),
        encryption_config_key_arn=foundation.key_arn,
        # Pulumi rejects the deletion first. AWS would do so only after all resources in the
        # cluster are deleted.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[logs], protect=protected),
    )
    made = cluster.eks_cluster
    reachable = aws.vpc.SecurityGroupIngressRule(
        f"{name}-api",
        security_group_id=made.vpc_config.cluster_security_group_id,
        description="The API, from the VPC",
        ip_protocol="tcp",
        from_port=HTTPS_PORT,
        to_port=HTTPS_PORT,
        cidr_ipv4=network.cidr,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return Cluster(
        name=made.name,
        arn=made.arn,
        version=made.version,
        security_group_id=made.vpc_config.cluster_security_group_id,
        service_block=pulumi.Output.from_input(block),
        endpoint=made.endpoint,
        authority=made.certificate_authority.data,
        component=cluster,
        ready=[cluster, reachable],
    )


def existing_cluster(called: pulumi.Output[str], *, parent: pulumi.Resource) -> Cluster:
    """Looks up an existing cluster.

    Args:
        called: The cluster's name.
        parent: The parent component.
    """
    found = aws.eks.get_cluster_output(name=called, opts=pulumi.InvokeOptions(parent=parent))
    return Cluster(
        name=found.name,
        arn=found.arn,
        version=found.version,
        security_group_id=found.vpc_config.cluster_security_group_id,
        service_block=found.kubernetes_network_configs[0].service_ipv4_cidr,
        endpoint=found.endpoint,
        authority=found.certificate_authorities[0].data,
        component=None,
        ready=[],
    )


def _access_entries(
    fleet: ResolvedFleet, foundation: Foundation
) -> Mapping[str, eks.AccessEntryArgsDict]:
    return {
        who: {
            "principal_arn": access.principal_arn,
            "access_policies": {
                access.policy.value: {
                    "policy_arn": pulumi.Output.format(
                        "arn:{0}:eks::aws:cluster-access-policy/{1}",
                        foundation.account.partition,
                        _ACCESS_POLICIES[access.policy],
                    ),
                    "access_scope": {
                        "type": "namespace" if access.namespaces else "cluster",
                        "namespaces": list(access.namespaces) or None,
                    },
                }
            },
        }
        for who, access in fleet.config.cluster.access.items()
    }
