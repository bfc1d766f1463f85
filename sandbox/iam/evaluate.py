"""What a role may do, as IAM decides it from the deployed policies.

Facts from the IAM User Guide ("Policy evaluation logic", "IAM JSON policy elements: Condition
operators", "… Resource", "… NotPrincipal"). All roles and resources are of one account. AWS's own
managed policies are not in the cloud: they allow nothing here. Service control policies, session
policies and permissions boundaries that AWS manages are likewise not known.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from sandbox.cloud.store import Cloud
from sandbox.iam.policies import Statement, arn_like, like, listed, statements
from sandbox.values.tree import parts

Context = Mapping[str, str | Sequence[str]]
"""Condition keys, such as `aws:SecureTransport`, to their value or values."""

_ROLE = "aws:iam/role:Role"
# Where AWS keeps the policy of a resource: type of the object, what names the resource, the policy.
_RESOURCE_POLICIES = (
    ("aws:secretsmanager/secret:Secret", "arn"),
    ("aws:secretsmanager/secretPolicy:SecretPolicy", "secretArn"),
    ("aws:efs/fileSystemPolicy:FileSystemPolicy", "fileSystemId"),
)


def allows(
    cloud: Cloud, role_arn: str, action: str, resource: str, context: Context | None = None
) -> bool:
    """Whether a role may do something.

    Args:
        cloud: The cloud.
        role_arn: The role's ARN.
        action: The action, such as `secretsmanager:GetSecretValue`.
        resource: The ARN of what it is done to.
        context: What else is known of the request. A condition on a key that is not here does not
            hold, but for operators that end in `IfExists` or say `Not`.

    Returns:
        Whether a policy of the role, or of the resource for this very role, allows it and none
        denies it, and the role's permissions boundary, if it has one, allows it too.
    """
    asked = {"aws:PrincipalArn": role_arn, **(context or {})}
    request = (action, resource, asked)
    own = list(_role_policies(cloud, role_arn))
    of_resource = [
        statement
        for document in _resource_policies(cloud, resource)
        for statement in statements(document)
        if _is_for(statement, "AWS", _names(role_arn))
    ]
    if any(_applies(each, "Deny", *request) for each in (*own, *of_resource)):
        return False
    bounds = _boundary(cloud, role_arn)
    if bounds is not None and (
        any(_applies(each, "Deny", *request) for each in bounds)
        or not any(_applies(each, "Allow", *request) for each in bounds)
    ):
        return False
    # A resource's policy that names the whole account leaves it to the policies of its roles.
    to_role = [each for each in of_resource if _is_for(each, "AWS", {role_arn, "*"})]
    return any(_applies(each, "Allow", *request) for each in (*own, *to_role))


def denied(who: str, action: str, resource: str) -> str:
    """The error that AWS returns for a denied action.

    Args:
        who: The caller.
        action: The action.
        resource: The ARN of what it would be done to.

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
    """Whether a service may take a role.

    Args:
        cloud: The cloud.
        role_arn: The role's ARN.
        service: The service's principal, such as `ecs-tasks.amazonaws.com`.
        action: `sts:AssumeRole`, or what else the service does with the role.
        context: What else is known of the request.

    Returns:
        Whether the role's trust policy allows it and does not deny it.
    """
    role = _role(cloud, role_arn)
    found = [
        # A trust policy is of one role, and names no resource.
        {**each, "Resource": "*"}
        for each in statements((role or {}).get("assumeRolePolicy"))
        if _is_for(each, "Service", {service})
    ]
    request = (action, role_arn, context or {})
    return not any(_applies(each, "Deny", *request) for each in found) and any(
        _applies(each, "Allow", *request) for each in found
    )


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


def _applies(
    statement: Statement, effect: str, action: str, resource: str, context: Context
) -> bool:
    return (
        statement.get("Effect") == effect
        and _element(statement, "Action", lambda one: like(one.lower(), action.lower()))
        and _element(statement, "Resource", lambda one: arn_like(_filled(one, context), resource))
        and all(
            _holds(operator, key, listed(wanted), context, unknown=effect == "Deny")
            for operator, keys in cast("dict[str, Any]", statement.get("Condition") or {}).items()
            for key, wanted in keys.items()
        )
    )


def _element(statement: Statement, name: str, matches: Callable[[str], bool]) -> bool:
    if f"Not{name}" in statement:
        return not any(matches(one) for one in listed(statement[f"Not{name}"]))
    return any(matches(one) for one in listed(statement.get(name)))


def _names(role_arn: str) -> set[str]:
    """What a policy may call a role: itself, its account, everybody."""
    account = role_arn.split(":")[4]
    return {role_arn, account, f"{':'.join(role_arn.split(':')[:5])}:root", "*"}


def _is_for(statement: Statement, kind: str, names: set[str]) -> bool:
    def named(element: str) -> bool:
        who = statement.get(element)
        given = {"AWS": who} if isinstance(who, str) else cast("dict[str, Any]", who or {})
        return not names.isdisjoint(listed(given.get(kind)))

    return not named("NotPrincipal") if "NotPrincipal" in statement else named("Principal")


def _holds(
    operator: str, key: str, wanted: Sequence[str], context: Context, *, unknown: bool
) -> bool:
    """Whether one key of a condition holds; `unknown` for an operator that is not known here."""
    quantifier, _, name = operator.rpartition(":")
    given = next((v for k, v in context.items() if k.lower() == key.lower()), None)
    values = listed(given)
    if name == "Null":
        return (given is None) == (wanted[0].lower() == "true")
    if given is None and name.endswith("IfExists"):
        return True
    known = _OPERATORS.get(name.removesuffix("IfExists"))
    if known is None:
        return unknown
    negated, matches = known
    met = [
        any(matches(_filled(one, context), value) for one in wanted) != negated for value in values
    ]
    if not met:
        return quantifier == "ForAllValues" or (negated and not quantifier)
    # Several values without a quantifier are one for which the positive operators want any and the
    # negative ones all.
    return all(met) if quantifier == "ForAllValues" or (negated and not quantifier) else any(met)


def _equal(wanted: str, value: str) -> bool:
    return wanted == value


def _equal_ignoring_case(wanted: str, value: str) -> bool:
    return wanted.lower() == value.lower()


# Name of an operator without `Not`: is it negated, and how one value of the policy is compared
# with one of the request.
_POSITIVE = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_ignoring_case,
    "StringLike": like,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "Bool": _equal_ignoring_case,
}
_OPERATORS = {name: (False, compare) for name, compare in _POSITIVE.items()} | {
    name.replace("String", "StringNot").replace("Arn", "ArnNot"): (True, compare)
    for name, compare in _POSITIVE.items()
    if name != "Bool"
}


def _filled(text: str, context: Context) -> str:
    """A text with the policy variables that are known, such as `${aws:PrincipalTag/team}`."""
    values = {key.lower(): value for key, value in context.items() if isinstance(value, str)}
    return re.sub(r"\$\{([^}]+)\}", lambda found: values.get(found[1].lower(), found[0]), text)
