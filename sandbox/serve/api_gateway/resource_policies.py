"""The policies of API Gateway itself: of an API, and those that authorizers return.

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
"""Where callers are if nothing says where they may be."""

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
    """What a policy says of an invocation.

    Args:
        document: The policy, or its JSON.
        resource: `arn:aws:execute-api:region:account:api-id/stage/METHOD/path`.
        principals: What the policy may call the caller to let it in, `*` among them; None for a
            policy without principals. A denial for anybody counts.
        source_ip: The caller's address, or None if it is not known: no condition on it holds then,
            but for one that says `Not`.
        principal_arn: The caller's role or user; the same for None.

    Returns:
        What it says.

    Raises:
        ValueError: it is no policy, or has a condition that is not known here.
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
    """An address of the operator's network: where a policy lets callers in by theirs, one of those.

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
    """Whether the sandbox knows what all conditions of a statement are about: the caller.

    Raises:
        ValueError: it does not.
    """
    conditions = cast("Mapping[str, Mapping[str, object]]", statement.get("Condition") or {})
    for operator, keys in conditions.items():
        for key in keys:
            if (operator, key) not in _CONDITIONS:
                known = ", ".join(" on ".join(pair) for pair in _CONDITIONS)
                raise ValueError(
                    f"the sandbox does not know the condition {operator} on {key}; what it knows: "
                    f"{known}"
                )
    return True
