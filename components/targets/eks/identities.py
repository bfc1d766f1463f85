"""The AWS identities of controllers: the role of each service account."""

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
    """A service account and the permissions of its role.

    Attributes:
        namespace: The namespace.
        service_account: The name of the service account.
        managed_policy: The AWS managed policy, instead of statements.
        statements: The permissions.
    """

    namespace: str = "kube-system"
    service_account: str
    managed_policy: str | None = None
    statements: Sequence[Statement] = ()


def identity_role(
    name: str, identity: Identity, *, account: Account, parent: pulumi.Resource
) -> tuple[pulumi.Output[str], list[pulumi.Resource]]:
    """Creates the role of a service account.

    Args:
        name: The prefix of the logical names.
        identity: The service account.
        account: The account.
        parent: The parent component.

    Returns:
        The role's ARN, and the resources that grant its permissions.
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
    """Creates the role of a service account and its EKS Pod Identity association.

    Args:
        name: The prefix of the logical names.
        identity: The service account.
        cluster: The stack's own cluster.
        account: The account.
        parent: The parent component.

    Returns:
        The resources that must exist before a pod of the service account starts.
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
