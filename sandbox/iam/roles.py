"""The permissions of a role, as IAM evaluates the deployed policies.

Facts from the IAM User Guide ("Policy evaluation logic"). All roles and resources are in one
account. Service control policies and session policies are not evaluated. AWS managed policies are
not evaluated either; they are not in the cloud, and so allow nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.cloud.store import Cloud
from sandbox.iam.evaluate import Context, Effect, effect, is_for, trusted
from sandbox.iam.policies import Statement, statements
from sandbox.values.tree import parts

_ROLE = "aws:iam/role:Role"
# The types that contain a resource's policy, and their property that identifies the resource.
_RESOURCE_POLICIES = (
    ("aws:secretsmanager/secret:Secret", "arn"),
    ("aws:secretsmanager/secretPolicy:SecretPolicy", "secretArn"),
    ("aws:efs/fileSystemPolicy:FileSystemPolicy", "fileSystemId"),
)


def allows(
    cloud: Cloud, role_arn: str, action: str, resource: str, context: Context | None = None
) -> bool:
    """Whether a role is allowed an action on a resource.

    Args:
        cloud: The cloud.
        role_arn: The role's ARN.
        action: The action, such as `secretsmanager:GetSecretValue`.
        resource: The ARN of the resource.
        context: The condition keys of the request.

    Returns:
        Whether a policy of the role, or a policy of the resource that names the role, allows the
        action, the permissions boundary of the role (if any) allows it, and no policy denies it.
    """
    asked = {"aws:PrincipalArn": role_arn, **(context or {})}
    own = list(_role_policies(cloud, role_arn))
    of_resource = [
        statement
        for document in _resource_policies(cloud, resource)
        for statement in statements(document)
        if is_for(statement, "AWS", _names(role_arn))
    ]
    if effect([*own, *of_resource], action, resource, asked) is Effect.DENY:
        return False
    bounds = _boundary(cloud, role_arn)
    if bounds is not None and effect(bounds, action, resource, asked) is not Effect.ALLOW:
        return False
    # A resource's policy that names the account delegates the decision to the roles' policies.
    to_role = [each for each in of_resource if is_for(each, "AWS", {role_arn, "*"})]
    return effect([*own, *to_role], action, resource, asked) is Effect.ALLOW


def denied(who: str, action: str, resource: str) -> str:
    """The error that AWS returns for a denied action.

    Args:
        who: The caller.
        action: The action.
        resource: The ARN of the resource.

    Returns:
        The message.
    """
    return (
        f"User: {who} is not authorized to perform: {action} on resource: {resource} because no "
        f"identity-based policy allows the {action} action"
    )


def trusts(
    cloud: Cloud, role_arn: str, service: str, action: str, context: Context | None = None
) -> bool:
    """Whether a service may assume a role.

    Args:
        cloud: The cloud.
        role_arn: The role's ARN.
        service: The service's principal, such as `ecs-tasks.amazonaws.com`.
        action: `sts:AssumeRole`, or another action of the service on the role.
        context: The condition keys of the request.

    Returns:
        Whether the role's trust policy allows the action and does not deny it.
    """
    policy = (_role(cloud, role_arn) or {}).get("assumeRolePolicy")
    return trusted(policy, service, action, context or {})


def _role(cloud: Cloud, role_arn: str) -> Mapping[str, Any] | None:
    found = (stored.properties for stored in cloud.list("aws", _ROLE))
    return next((each for each in found if each.get("arn") == role_arn), None)


def _role_policies(cloud: Cloud, role_arn: str) -> Iterator[Statement]:
    role = _role(cloud, role_arn)
    if role is None:
        return
    name = role["name"]
    for inline in parts(role, "inlinePolicies"):
        yield from statements(inline.get("policy"))
    for stored in cloud.list("aws", "aws:iam/rolePolicy:RolePolicy"):
        if stored.properties.get("role") == name:
            yield from statements(stored.properties.get("policy"))
    attached = [
        *(role.get("managedPolicyArns") or ()),
        *(
            stored.properties.get("policyArn")
            for stored in cloud.list("aws", "aws:iam/rolePolicyAttachment:RolePolicyAttachment")
            if stored.properties.get("role") in (name, role_arn)
        ),
        *(
            stored.properties.get("policyArn")
            for stored in cloud.list("aws", "aws:iam/policyAttachment:PolicyAttachment")
            if name in (stored.properties.get("roles") or ())
        ),
    ]
    for arn in attached:
        yield from _managed(cloud, arn)


def _managed(cloud: Cloud, arn: object) -> Iterator[Statement]:
    for stored in cloud.list("aws", "aws:iam/policy:Policy"):
        if stored.properties.get("arn") == arn:
            yield from statements(stored.properties.get("policy"))


def _boundary(cloud: Cloud, role_arn: str) -> list[Statement] | None:
    arn = (_role(cloud, role_arn) or {}).get("permissionsBoundary")
    return list(_managed(cloud, arn)) if arn else None


def _resource_policies(cloud: Cloud, resource: str) -> Iterator[object]:
    for type_, key in _RESOURCE_POLICIES:
        for stored in cloud.list("aws", type_):
            named = str(stored.properties.get(key))
            if resource == named or resource.endswith(f":file-system/{named}"):
                yield stored.properties.get("policy")


def _names(role_arn: str) -> set[str]:
    """The names of a role in a policy: its ARN, its account and the wildcard."""
    account = role_arn.split(":")[4]
    return {role_arn, account, f"{':'.join(role_arn.split(':')[:5])}:root", "*"}
