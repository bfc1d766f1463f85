"""Evaluates the statements of policies as IAM does.

Facts from the IAM User Guide ("Policy evaluation logic", "IAM JSON policy elements: Principal",
"… NotPrincipal", "… Resource", "… Condition operators").
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from typing import Any, cast

from sandbox.iam.policies import Statement, arn_like, like, listed, statements

Context = Mapping[str, str | Sequence[str]]
"""The values of condition keys, such as `aws:SecureTransport`."""


class Effect(Enum):
    """The effect of statements on a request."""

    ALLOW = auto()
    DENY = auto()
    NOTHING = auto()


def effect(
    found: Iterable[Statement], action: str, resource: str, context: Context | None = None
) -> Effect:
    """The effect of statements on a request. A denial takes precedence.

    Args:
        found: The statements, of one policy or several.
        action: The action, such as `secretsmanager:GetSecretValue`.
        resource: The ARN of the resource.
        context: The condition keys of the request.

    Returns:
        The effect.
    """
    known = context or {}
    return outcome(
        each for each in found if covers(each, action, resource, known) and holds(each, known)
    )


def outcome(found: Iterable[Statement]) -> Effect:
    """The effect of statements that all apply to a request.

    Args:
        found: The statements.

    Returns:
        Their combined effect.
    """
    effects = {str(each.get("Effect")) for each in found}
    if "Deny" in effects:
        return Effect.DENY
    return Effect.ALLOW if "Allow" in effects else Effect.NOTHING


def trusted(
    document: object, service: str, action: str, context: Context, *, assume_absent: bool = False
) -> bool:
    """Whether a trust policy allows a service to assume the role.

    Args:
        document: The policy, or its JSON.
        service: The service's principal, such as `ecs-tasks.amazonaws.com`.
        action: `sts:AssumeRole`, or another action of the service on the role.
        context: The condition keys of the request.
        assume_absent: Whether conditions on keys that are not in the context are met.

    Returns:
        Whether the policy allows the action and does not deny it.
    """
    # A trust policy belongs to one role, and its statements name no resource.
    return (
        outcome(
            each
            for each in statements(document)
            if is_for(each, "Service", {service, "*"})
            and _element(each, "Action", lambda one: like(one.lower(), action.lower()))
            and holds(each, context, assume_absent=assume_absent)
        )
        is Effect.ALLOW
    )


def is_for(statement: Statement, kind: str, names: Collection[str]) -> bool:
    """Whether a statement applies to a principal.

    Args:
        statement: The statement of a policy with principals.
        kind: `AWS` for a role, a user or an account, or `Service`.
        names: The names of the principal in a policy.

    Returns:
        Whether one of the names is among its principals.
    """

    def named(element: str) -> bool:
        who = statement.get(element)
        given = {kind: who} if isinstance(who, str) else cast("dict[str, Any]", who or {})
        return not set(names).isdisjoint(listed(given.get(kind)))

    return not named("NotPrincipal") if "NotPrincipal" in statement else named("Principal")


def covers(
    statement: Statement,
    action: str,
    resource: str,
    context: Context,
    matches: Callable[[str, str], bool] = arn_like,
) -> bool:
    """Whether a statement applies to an action on a resource.

    Args:
        statement: The statement.
        action: The action.
        resource: The ARN.
        context: The condition keys of the request, for the policy variables in the statement.
        matches: Compares a pattern of the statement with the ARN.

    Returns:
        Whether it applies. Its conditions are not evaluated.
    """
    return _element(statement, "Action", lambda one: like(one.lower(), action.lower())) and (
        _element(statement, "Resource", lambda one: matches(_filled(one, context), resource))
    )


def holds(statement: Statement, context: Context, *, assume_absent: bool = False) -> bool:
    """Whether the conditions of a statement are met.

    Args:
        statement: The statement. A condition with an unknown operator is met for a denial, and not
            met for a permission.
        context: The condition keys of the request. A condition on another key is not met, unless
            the operator ends in `IfExists` or contains `Not`.
        assume_absent: Whether conditions on keys that are not in the context are met.

    Returns:
        Whether all conditions are met.
    """
    known = {key.lower() for key in context}
    return all(
        (assume_absent and key.lower() not in known)
        or _holds(operator, key, listed(wanted), context, unknown=statement.get("Effect") == "Deny")
        for operator, keys in cast("dict[str, Any]", statement.get("Condition") or {}).items()
        for key, wanted in keys.items()
    )


def _element(statement: Statement, name: str, matches: Callable[[str], bool]) -> bool:
    if f"Not{name}" in statement:
        return not any(matches(one) for one in listed(statement[f"Not{name}"]))
    return any(matches(one) for one in listed(statement.get(name)))


def _holds(
    operator: str, key: str, wanted: Sequence[str], context: Context, *, unknown: bool
) -> bool:
    """Whether the condition on a key is met; `unknown` for an unknown operator."""
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
    # Without a quantifier, one match is sufficient for a positive operator, and a negative operator
    # applies to all values.
    return all(met) if quantifier == "ForAllValues" or (negated and not quantifier) else any(met)


def _equal(wanted: str, value: str) -> bool:
    return wanted == value


def _in_network(wanted: str, value: str) -> bool:
    return ip_address(value) in ip_network(wanted)


def _equal_ignoring_case(wanted: str, value: str) -> bool:
    return wanted.lower() == value.lower()


# The comparison of a value of the policy with a value of the request, by operator without `Not`.
_POSITIVE = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_ignoring_case,
    "StringLike": like,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "Bool": _equal_ignoring_case,
    "IpAddress": _in_network,
}
_OPERATORS = {name: (False, compare) for name, compare in _POSITIVE.items()} | {
    name.replace("String", "StringNot").replace("Arn", "ArnNot").replace("Ip", "NotIp"): (
        True,
        compare,
    )
    for name, compare in _POSITIVE.items()
    if name != "Bool"
}


def _filled(text: str, context: Context) -> str:
    """A text with the known policy variables replaced, such as `${aws:PrincipalTag/team}`."""
    values = {key.lower(): value for key, value in context.items() if isinstance(value, str)}
    return re.sub(r"\$\{([^}]+)\}", lambda found: values.get(found[1].lower(), found[0]), text)
