"""The EKS add-ons of the stack's own cluster."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.foundation.identity import mount_files
from components.foundation.storage import Storage
from components.targets.eks.cloudwatch import observability
from components.targets.eks.cluster import Cluster
from components.targets.eks.identities import Identity, identify, identity_role
from components.targets.eks.logs import cluster_log_group
from core.config.enums import AddOn, Nodes
from core.resolved import ResolvedFleet
from core.targets.eks.versions import ADDON_VERSIONS

_CLOUDWATCH_NAMESPACE = "amazon-cloudwatch"

# CloudWatch User Guide, "Container Insights": the log groups of the agent and of Fluent Bit.
_NODE_LOGS = ("application", "dataplane", "host", "performance")


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """An add-on to install: its configuration and its AWS identity."""

    configuration: Mapping[str, object] = field(default_factory=dict[str, object])
    identity: Identity | None = None


def network_addons(
    name: str, *, foundation: Foundation, cluster: Cluster, parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """Creates the add-ons that a managed node needs to become ready. Auto Mode has its own.

    Enforcement of network policies is off by default in `vpc-cni`, and is turned on here.

    Args:
        name: The prefix of the logical names.
        foundation: The foundation.
        cluster: The stack's own cluster.
        parent: The parent component.
    """
    cni = Identity(service_account="aws-node", managed_policy="AmazonEKS_CNI_Policy")
    return _addons(
        name,
        {
            "eks-pod-identity-agent": _Wanted(),
            "kube-proxy": _Wanted(),
            "vpc-cni": _Wanted(configuration={"enableNetworkPolicy": "true"}, identity=cni),
        },
        foundation=foundation,
        cluster=cluster,
        parent=parent,
        needed=[],
    )


def create_addons(
    name: str,
    *,
    fleet: ResolvedFleet,
    foundation: Foundation,
    cluster: Cluster,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> list[pulumi.Resource]:
    """Creates the add-ons that workloads need: metrics, logs, secrets and files.

    Args:
        name: The prefix of the logical names.
        fleet: The fleet.
        foundation: The foundation.
        cluster: The stack's own cluster.
        parent: The parent component.
        needed: The resources that must exist before the add-ons, such as nodes.
    """
    groups = [
        cluster_log_group(
            f"{name}-{what}-logs",
            pulumi.Output.concat("/aws/containerinsights/", cluster.name, "/", what),
            fleet=fleet,
            foundation=foundation,
            parent=parent,
        )
        for what in _NODE_LOGS
    ]
    wanted = {
        AddOn.METRICS_SERVER.value: _Wanted(),
        AddOn.SECRETS_STORE_CSI.value: _Wanted(
            # The driver copies secrets to a Kubernetes Secret, because workloads read variables.
            configuration={"secrets-store-csi-driver": {"syncSecret": {"enabled": True}}}
        ),
        AddOn.CLOUDWATCH.value: _Wanted(
            configuration=observability(fleet),
            identity=Identity(
                namespace=_CLOUDWATCH_NAMESPACE,
                service_account="cloudwatch-agent",
                managed_policy="CloudWatchAgentServerPolicy",
            ),
        ),
    }
    files: list[pulumi.Resource] = []
    if foundation.storage:
        wanted[AddOn.EFS_CSI.value] = _Wanted()
        files = _mounting(name, foundation.storage, foundation, cluster, parent)
    if fleet.config.cluster.nodes is Nodes.MANAGED:
        wanted["coredns"] = _Wanted()
    return _addons(
        name,
        wanted,
        foundation=foundation,
        cluster=cluster,
        parent=parent,
        needed=[*needed, *groups, *files],
    )


def _mounting(
    name: str,
    storage: Storage,
    foundation: Foundation,
    cluster: Cluster,
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    """Lets the EFS CSI driver on the nodes mount the fleet's files. It does not use pod roles.

    The add-on accepts a role only for its other service account (github.com/kubernetes-sigs/
    aws-efs-csi-driver, issue 1759).
    """
    identity = Identity(
        service_account="efs-csi-node-sa",
        statements=mount_files(storage.file_system_arn, *storage.access_point_arns.values()),
    )
    return identify(
        f"{name}-{AddOn.EFS_CSI.value}",
        identity,
        cluster=cluster,
        account=foundation.account,
        parent=parent,
    )


def _addons(
    name: str,
    wanted: Mapping[str, _Wanted],
    *,
    foundation: Foundation,
    cluster: Cluster,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> list[pulumi.Resource]:
    made: list[pulumi.Resource] = []
    for addon, each in wanted.items():
        ready: list[pulumi.Resource] = []
        associations: list[aws.eks.AddonPodIdentityAssociationArgsDict] = []
        if each.identity:
            role_arn, ready = identity_role(
                f"{name}-{addon}", each.identity, account=foundation.account, parent=parent
            )
            associations.append(
                {"role_arn": role_arn, "service_account": each.identity.service_account}
            )
        made.append(
            aws.eks.Addon(
                f"{name}-{addon}",
                cluster_name=cluster.name,
                addon_name=addon,
                addon_version=_version(addon, cluster, parent),
                configuration_values=json.dumps(each.configuration) if each.configuration else None,
                pod_identity_associations=associations or None,
                # An add-on that is already installed is not adopted, and not deleted on destroy.
                resolve_conflicts_on_create="NONE",
                # Manual changes in the add-on are reverted.
                resolve_conflicts_on_update="OVERWRITE",
                opts=pulumi.ResourceOptions(parent=parent, depends_on=[*needed, *ready]),
            )
        )
    return made


def _version(addon: str, cluster: Cluster, parent: pulumi.Resource) -> pulumi.Input[str]:
    """The pinned version, or the default version for the cluster's version of Kubernetes."""
    pinned = ADDON_VERSIONS.get(addon)
    if pinned:
        return pinned
    return aws.eks.get_addon_version_output(
        addon_name=addon,
        kubernetes_version=cluster.version,
        opts=pulumi.InvokeOptions(parent=parent),
    ).version
