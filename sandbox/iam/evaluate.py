"""How IAM evaluates the statements of policies of every kind.

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
"""Condition keys, such as `aws:SecureTransport`, to their value or values."""


class Effect(Enum):
    """What statements say of a request."""

    ALLOW = auto()
    DENY = auto()
    NOTHING = auto()


def effect(
    found: Iterable[Statement], action: str, resource: str, context: Context | None = None
) -> Effect:
    """What statements say of a request: a denial outweighs what allows it.

    Args:
        found: The statements, of one policy or several.
        action: The action, such as `secretsmanager:GetSecretValue`.
        resource: The ARN of what it is done to.
        context: The condition keys of the request.

    Returns:
        What they say.
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
        Their effect together.
    """
    effects = {str(each.get("Effect")) for each in found}
    if "Deny" in effects:
        return Effect.DENY
    return Effect.ALLOW if "Allow" in effects else Effect.NOTHING


def trusted(
    document: object, service: str, action: str, context: Context, *, assume_absent: bool = False
) -> bool:
    """Whether a trust policy lets a service take its role.

    Args:
        document: The policy, or its JSON.
        service: The service's principal, such as `ecs-tasks.amazonaws.com`.
        action: `sts:AssumeRole`, or what else the service does with the role.
        context: The condition keys of the request.
        assume_absent: Whether conditions on keys that are not in the context hold.

    Returns:
        Whether it allows it and does not deny it.
    """
    # A trust policy is of one role, and names no resource.
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
    """Whether a statement is for a principal.

    Args:
        statement: The statement, of a policy with principals.
        kind: `AWS` for a role, a user or an account; `Service`.
        names: What a policy may call the principal.

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
    """Whether a statement is about an action on a resource.

    Args:
        statement: The statement.
        action: The action.
        resource: The ARN.
        context: The condition keys of the request, for the policy variables in the statement.
        matches: How a pattern of the statement is compared with the ARN.

    Returns:
        Whether it is about them, without regard to its conditions.
    """
    return _element(statement, "Action", lambda one: like(one.lower(), action.lower())) and (
        _element(statement, "Resource", lambda one: matches(_filled(one, context), resource))
    )


def holds(statement: Statement, context: Context, *, assume_absent: bool = False) -> bool:
    """Whether the conditions of a statement hold.

    Args:
        statement: The statement. A condition with an operator that is not known here holds for a
            denial, and does not for a permission.
        context: The condition keys of the request. A condition on a key that is not here does not
            hold, but for operators that end in `IfExists` or say `Not`.
        assume_absent: Whether conditions on keys that are not in the context hold instead.

    Returns:
        Whether all of them hold.
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


def _in_network(wanted: str, value: str) -> bool:
    return ip_address(value) in ip_network(wanted)


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
    """A text with the policy variables that are known, such as `${aws:PrincipalTag/team}`."""
    values = {key.lower(): value for key, value in context.items() if isinstance(value, str)}
    return re.sub(r"\$\{([^}]+)\}", lambda found: values.get(found[1].lower(), found[0]), text)
