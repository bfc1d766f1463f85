"""The component eks:index:ServiceRole: an IAM role of a service with managed policies attached."""

import hashlib
import json
from collections.abc import Sequence

import pulumi

from sandbox.engine.components import Child, Component, Value, combine

TOKEN = "eks:index:ServiceRole"
_HASH_LENGTH = 8


class ServiceRole(Component):
    """A role that a service assumes, and one attachment per managed policy.

    Args:
        name: logical name; the role is `<name>-role`, an attachment `<name>-<hash of its policy>`.
        service: DNS name of the service, perhaps an output.
        policies: names of AWS managed policies.
        partition: AWS partition, perhaps an output.
        opts: options of the component.
        description: description of the role.
        actions: what the service may do to assume it.
        tags: tags of the role.

    Attributes:
        role: the role.
        attachments: its policies' attachments.
    """

    def __init__(
        self,
        name: str,
        *,
        service: Value,
        policies: Sequence[str],
        partition: Value,
        opts: pulumi.ResourceOptions,
        description: str | None = None,
        actions: Sequence[str] = ("sts:AssumeRole",),
        tags: Value = None,
    ) -> None:
        super().__init__(TOKEN, name, opts)
        here = pulumi.ResourceOptions(parent=self)
        inputs = {
            "description": description,
            "assumeRolePolicy": combine(lambda one: assume_role_policy(one, actions), service),
            "tags": tags,
        }
        self.role = Child("aws:iam/role:Role", f"{name}-role", inputs, here, ("arn", "name"))
        self.attachments = [
            Child(
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
                f"{name}-{policy_hash(policy)}",
                {
                    "policyArn": combine(lambda part, p=policy: policy_arn(part, p), partition),
                    "role": self.role,
                },
                here,
            )
            for policy in policies
        ]
        self.register_outputs({"resolvedRole": self.resolved_role, "directRole": self.role})

    @property
    def resolved_role(self) -> pulumi.Output[Child]:
        """The role, once its policies are attached."""
        attached = [attachment.id for attachment in self.attachments]
        return pulumi.Output.all(self.role["arn"], *attached).apply(lambda _: self.role)

    @property
    def resolved_arn(self) -> pulumi.Output[str]:
        """The role's ARN, once its policies are attached."""
        attached = [attachment.id for attachment in self.attachments]
        return pulumi.Output.all(self.role["arn"], *attached).apply(lambda all_: str(all_[0]))

    @property
    def complete(self) -> list[pulumi.Resource]:
        """The dependencies of a resource that uses the role."""
        return [self.role, *self.attachments]


def policy_arn(partition: str, policy: str) -> str:
    """ARN of an AWS managed policy.

    Args:
        partition: AWS partition.
        policy: name of the policy.

    Returns:
        The ARN.
    """
    return f"arn:{partition}:iam::aws:policy/{policy}"


def policy_hash(policy: str) -> str:
    """The part of an attachment's name that distinguishes policies.

    Args:
        policy: name of an AWS managed policy.

    Returns:
        Eight hexadecimal digits: SHA-1 of the policy's ARN in the partition `aws`, in every
        partition (source: pulumi-eks servicerole.ts).
    """
    arn = policy_arn("aws", policy).encode()
    return hashlib.sha1(arn, usedforsecurity=False).hexdigest()[:_HASH_LENGTH]


def assume_role_policy(service: str, actions: Sequence[str]) -> str:
    """The policy document that lets a service assume a role.

    Args:
        service: DNS name of the service.
        actions: the actions allowed.

    Returns:
        JSON with its keys in the order in which the real component writes them.
    """
    statement = {
        "Action": list(actions),
        "Effect": "Allow",
        "Principal": {"Service": [service]},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
