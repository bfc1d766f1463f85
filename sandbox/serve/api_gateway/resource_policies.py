"""The resource policies of APIs, and the policies that authorizers return.

Facts from the API Gateway Developer Guide ("Controlling access to a REST API with API Gateway
resource policies", "How API Gateway resource policies affect authorization workflow", "AWS
condition keys that can be used in API Gateway resource policies").
"""

from collections.abc import Collection, Mapping
from ipaddress import ip_network
from typing import cast

from sandbox.iam.evaluate import Effect, covers, holds, is_for, outcome
from sandbox.iam.policies import Statement, like, listed, statements

INVOKE = "execute-api:Invoke"
LOOPBACK = "127.0.0.1"
"""The default address of callers."""

_SOURCE_IP, _PRINCIPAL = "aws:SourceIp", "aws:PrincipalArn"
_CONDITIONS = (
    ("IpAddress", _SOURCE_IP),
    ("NotIpAddress", _SOURCE_IP),
    ("ArnEquals", _PRINCIPAL),
    ("ArnNotEquals", _PRINCIPAL),
)


def decide(
    document: object,
    resource: str,
    *,
    principals: Collection[str] | None = None,
    source_ip: str | None = None,
    principal_arn: str | None = None,
) -> Effect:
    """The effect of a policy on an invocation.

    Args:
        document: The policy, or its JSON.
        resource: `arn:aws:execute-api:region:account:api-id/stage/METHOD/path`.
        principals: The principals that stand for the caller in an allow, including `*`; None for a
            policy without principals. A deny applies for every principal.
        source_ip: The caller's address, or None if it is unknown. Then only a negated condition
            (`Not…`) on it is met.
        principal_arn: The caller's role or user, or None as for `source_ip`.

    Returns:
        The effect.

    Raises:
        ValueError: the document is not a policy, or has an unsupported condition.
    """
    if not document:
        raise ValueError("there is no policy")
    given = {_SOURCE_IP: source_ip, _PRINCIPAL: principal_arn}
    context = {key: value for key, value in given.items() if value is not None}
    found = [
        statement
        for statement in statements(document)
        if _names(statement, principals)
        and covers(statement, INVOKE, resource, context, _matches)
        and _known(statement)
        and holds(statement, context)
    ]
    return outcome(found)


def address_within(document: object) -> str:
    """An address of the operator's network, which the resource policy of an API allows if it can.

    Args:
        document: The policy of the API, or its JSON, or nothing.

    Returns:
        The first address of the first block, or the loopback address.
    """
    for statement in statements(document):
        condition = cast("Mapping[str, Mapping[str, object]]", statement.get("Condition") or {})
        wanted = {"Deny": "NotIpAddress", "Allow": "IpAddress"}.get(str(statement.get("Effect")))
        for block in listed(condition.get(wanted or "", {}).get(_SOURCE_IP)):
            network = ip_network(block)
            return str(next(iter(network.hosts()), network.network_address))
    return LOOPBACK


def _names(statement: Statement, principals: Collection[str] | None) -> bool:
    if principals is None or statement.get("Effect") == "Deny":
        return True
    return is_for(statement, "AWS", principals)


def _matches(pattern: str, resource: str) -> bool:
    # In a resource policy, `execute-api:/stage/method/path` stands for the API's own ARN.
    if pattern.startswith("execute-api:/"):
        api = resource.partition("/")[0]
        return like(f"{api}/{pattern.removeprefix('execute-api:/')}", resource)
    return like(pattern, resource)


def _known(statement: Statement) -> bool:
    """Checks that the sandbox supports all conditions of a statement.

    Raises:
        ValueError: it does not support one.
    """
    conditions = cast("Mapping[str, Mapping[str, object]]", statement.get("Condition") or {})
    for operator, keys in conditions.items():
        for key in keys:
            if (operator, key) not in _CONDITIONS:
                known = ", ".join(" on ".join(pair) for pair in _CONDITIONS)
                raise ValueError(
                    f"the sandbox does not support the condition {operator} on {key}. Supported: "
                    f"{known}"
                )
    return True
