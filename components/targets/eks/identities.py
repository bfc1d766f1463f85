"""Who a controller of the cluster is in AWS: the role that its service account takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.account import Account
from components.foundation.identity import role
from components.targets.eks.cluster import Cluster
from core.aws.iam import Statement, pod_trust


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A service account, and what its role lets it do.

    Attributes:
        namespace: Its namespace.
        service_account: Its name.
        managed_policy: A policy that AWS keeps for it, instead of statements.
        statements: What it may do.
    """

    namespace: str = "kube-system"
    service_account: str
    managed_policy: str | None = None
    statements: Sequence[Statement] = ()


def identity_role(
    name: str, identity: Identity, *, account: Account, parent: pulumi.Resource
) -> tuple[pulumi.Output[str], list[pulumi.Resource]]:
    """Makes the role of a service account.

    Args:
        name: The stem of the logical names.
        identity: The service account.
        account: The account.
        parent: The component that it belongs to.

    Returns:
        The role's ARN, and what must be there before its permissions are in force.
    """
    made, ready = role(
        f"{name}-role",
        parent=parent,
        trust=pod_trust(identity.namespace, identity.service_account),
        description=f"{identity.service_account} in {identity.namespace}",
        statements=identity.statements,
    )
    if identity.managed_policy:
        policy = aws.iam.RolePolicyAttachment(
            f"{name}-policy",
            role=made.name,
            policy_arn=pulumi.Output.format(
                "arn:{0}:iam::aws:policy/{1}", account.partition, identity.managed_policy
            ),
            opts=pulumi.ResourceOptions(parent=parent),
        )
        return made.arn, [policy]
    return made.arn, ready


def identify(
    name: str,
    identity: Identity,
    *,
    cluster: Cluster,
    account: Account,
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    """Gives a service account its role, for what takes none from its own installation.

    Args:
        name: The stem of the logical names.
        identity: The service account.
        cluster: The stack's own cluster.
        account: The account.
        parent: The component that it belongs to.

    Returns:
        What must be there before a pod of that service account starts.
    """
    role_arn, ready = identity_role(name, identity, account=account, parent=parent)
    association = aws.eks.PodIdentityAssociation(
        f"{name}-identity",
        cluster_name=cluster.name,
        namespace=identity.namespace,
        service_account=identity.service_account,
        role_arn=role_arn,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return [*ready, association]
