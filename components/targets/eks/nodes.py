"""The nodes of the stack's own cluster: Graviton, because images are built for arm64."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks
import pulumi_kubernetes as k8s

from components.foundation import Foundation
from components.targets.eks.cluster import Cluster
from core.aws.iam import trust
from core.aws.partitions import ec2_principal
from core.config.enums import Nodes
from core.config.model import Fleet
from core.targets.eks.kubernetes import AUTO_MODE_MAX_MEMORY_GIB, AUTO_MODE_MAX_VCPUS
from core.targets.eks.limits import pool_limit
from core.units import MIB_A_GIB

CAPACITY_LABELS = {
    Nodes.AUTO: ("karpenter.sh/capacity-type", "on-demand"),
    Nodes.MANAGED: ("eks.amazonaws.com/capacityType", "ON_DEMAND"),
}
"""The node label with the type of capacity, and its value for on-demand capacity."""

_NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")


def has_spot(fleet: Fleet) -> bool:
    """Whether a workload uses Spot capacity."""
    return any(load.spot for _, load in fleet.workloads())


def node_pools(
    name: str, *, fleet: Fleet, cluster: Cluster, parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """Creates the node pools of EKS Auto Mode and turns network policies on.

    The built-in pools of Auto Mode have no Graviton nodes for workloads and no Spot capacity
    (Amazon EKS User Guide, "Create a node pool for EKS Auto Mode").

    Args:
        name: The prefix of the logical names.
        fleet: The fleet.
        cluster: The stack's own cluster.
        parent: The parent component.

    Returns:
        The resources that must exist before a pod can be scheduled.
    """
    capacities = ["on-demand", *(["spot"] if has_spot(fleet) else [])]
    most = pool_limit(fleet)
    pools = [
        k8s.apiextensions.CustomResource(
            f"{name}-nodes-{capacity}",
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata={"name": f"graviton-{capacity}"},
            spec={
                "template": {
                    "spec": {
                        "nodeClassRef": {
                            "group": "eks.amazonaws.com",
                            "kind": "NodeClass",
                            "name": "default",
                        },
                        "requirements": [
                            _one_of("kubernetes.io/arch", "arm64"),
                            _one_of("karpenter.sh/capacity-type", capacity),
                            _one_of("eks.amazonaws.com/instance-category", "c", "m", "r"),
                            # `Lt` excludes the limit itself.
                            _below("eks.amazonaws.com/instance-cpu", AUTO_MODE_MAX_VCPUS),
                            _below(
                                "eks.amazonaws.com/instance-memory",
                                AUTO_MODE_MAX_MEMORY_GIB * MIB_A_GIB,
                            ),
                        ],
                    }
                },
                "limits": {"cpu": str(most.vcpus), "memory": f"{most.memory_gib}Gi"},
                # Pods that can run on both types of capacity run on Spot, which costs less.
                **({"weight": 10} if capacity == "spot" else {}),
                # Consolidate one node at a time, if it saves cost; pods shut down gracefully.
                "disruption": {
                    "consolidationPolicy": "WhenEmptyOrUnderutilized",
                    "consolidateAfter": "5m",
                    "budgets": [{"nodes": "1"}],
                },
            },
            opts=pulumi.ResourceOptions(parent=parent, depends_on=cluster.ready),
        )
        for capacity in capacities
    ]
    # Network policies are off by default (Amazon EKS User Guide, "Use Network Policies with EKS
    # Auto Mode"). A patch, because the ConfigMap may already exist with keys of another owner.
    policies = k8s.core.v1.ConfigMapPatch(
        f"{name}-network-policies",
        metadata={
            "name": "amazon-vpc-cni",
            "namespace": "kube-system",
            # Without network policies, every pod can connect to every other pod, so this key is set
            # even if another field manager owns it.
            "annotations": {"pulumi.com/patchForce": "true"},
        },
        data={"enable-network-policy-controller": "true"},
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=cluster.ready,
            aliases=[pulumi.Alias(type_="kubernetes:core/v1:ConfigMap")],
        ),
    )
    return [*pools, policies]


def node_groups(
    name: str,
    *,
    fleet: Fleet,
    foundation: Foundation,
    cluster: Cluster,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> list[pulumi.Resource]:
    """Creates managed node groups: one on demand and, if a workload uses Spot, one on Spot.

    Args:
        name: The prefix of the logical names.
        fleet: The fleet.
        foundation: The foundation.
        cluster: The stack's own cluster.
        parent: The parent component.
        needed: The add-ons that a node needs to become ready.

    Returns:
        The resources that must exist before a pod can be scheduled.
    """
    wanted = fleet.cluster.managed_nodes
    child = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        f"{name}-node-role",
        description=f"Nodes of {name}",
        assume_role_policy=pulumi.Output.json_dumps(
            trust(ec2_principal(foundation.account.region), foundation.account.id)
        ),
        opts=child,
    )
    policies = [
        aws.iam.RolePolicyAttachment(
            f"{name}-node-{policy}",
            role=role.name,
            policy_arn=pulumi.Output.format(
                "arn:{0}:iam::aws:policy/{1}", foundation.account.partition, policy
            ),
            opts=child,
        )
        for policy in _NODE_POLICIES
    ]
    template = aws.ec2.LaunchTemplate(
        f"{name}-node-template",
        block_device_mappings=[
            {
                "device_name": "/dev/xvda",
                "ebs": {
                    "volume_size": wanted.disk_gib,
                    "volume_type": "gp3",
                    "encrypted": "true",
                    "delete_on_termination": "true",
                },
            }
        ],
        # With one hop, pods cannot read the credentials of the node.
        metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
        update_default_version=True,
        opts=child,
    )
    return [
        eks.ManagedNodeGroup(
            f"{name}-nodes-{suffix}",
            cluster=cluster.component,
            version=cluster.version,
            node_role_arn=role.arn,
            subnet_ids=foundation.network.private_subnet_ids,
            ami_type="AL2023_ARM_64_STANDARD",
            capacity_type=capacity,
            instance_types=list(wanted.instance_types),
            scaling_config={
                "min_size": wanted.min,
                "desired_size": wanted.min,
                "max_size": wanted.max,
            },
            # The Cluster Autoscaler changes the desired size.
            ignore_scaling_changes=True,
            launch_template={
                "id": template.id,
                "version": template.latest_version.apply(str),
            },
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[*policies, *needed]),
        )
        for suffix, capacity in (
            ("on-demand", "ON_DEMAND"),
            *([("spot", "SPOT")] if has_spot(fleet) else []),
        )
    ]


def _one_of(label: str, *values: str) -> dict[str, object]:
    return {"key": label, "operator": "In", "values": list(values)}


def _below(label: str, most: int) -> dict[str, object]:
    return {"key": label, "operator": "Lt", "values": [str(most + 1)]}
