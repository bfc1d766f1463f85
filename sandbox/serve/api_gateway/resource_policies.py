"""The policies of API Gateway itself: of an API, and those that authorizers return.

Facts from the API Gateway Developer Guide ("Controlling access to a REST API with API Gateway
resource policies", "How API Gateway resource policies affect authorization workflow", "AWS
condition keys that can be used in API Gateway resource policies").
"""

from collections.abc import Collection, Mapping
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from typing import Any, cast

from sandbox.iam.policies import arn_like, like, listed, statements

INVOKE = "execute-api:Invoke"
LOOPBACK = "127.0.0.1"
"""Where callers are if nothing says where they may be."""

_SOURCE_IP, _PRINCIPAL = "aws:SourceIp", "aws:PrincipalArn"
# Condition to whether what it names must be there.
_CONDITIONS = {
    ("IpAddress", _SOURCE_IP): True,
    ("NotIpAddress", _SOURCE_IP): False,
    ("ArnEquals", _PRINCIPAL): True,
    ("ArnNotEquals", _PRINCIPAL): False,
}


class Effect(Enum):
    """What a policy says of a request."""

    ALLOW = auto()
    DENY = auto()
    NOTHING = auto()


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
    effects = {
        str(statement.get("Effect"))
        for statement in statements(document)
        if _names(statement, principals)
        and any(like(one.lower(), INVOKE.lower()) for one in listed(statement.get("Action")))
        and any(_covers(one, resource) for one in listed(statement.get("Resource")))
        and _holds(statement.get("Condition"), source_ip, principal_arn)
    }
    if "Deny" in effects:
        return Effect.DENY
    return Effect.ALLOW if "Allow" in effects else Effect.NOTHING


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


def _names(statement: Mapping[str, Any], principals: Collection[str] | None) -> bool:
    if principals is None or statement.get("Effect") == "Deny":
        return True
    who: object = statement.get("Principal")
    given = cast("Mapping[str, object]", who).get("AWS") if isinstance(who, Mapping) else who
    return not set(principals).isdisjoint(listed(given))


def _covers(pattern: str, resource: str) -> bool:
    # In a resource policy, `execute-api:/stage/method/path` stands for the API's own ARN.
    if pattern.startswith("execute-api:/"):
        api = resource.partition("/")[0]
        return like(f"{api}/{pattern.removeprefix('execute-api:/')}", resource)
    return like(pattern, resource)


def _holds(condition: object, source_ip: str | None, principal_arn: str | None) -> bool:
    for operator, keys in cast("Mapping[str, Mapping[str, object]]", condition or {}).items():
        for key, wanted in keys.items():
            if (operator, key) not in _CONDITIONS:
                known = ", ".join(" on ".join(pair) for pair in _CONDITIONS)
                raise ValueError(
                    f"the sandbox does not know the condition {operator} on {key}; what it knows: "
                    f"{known}"
                )
            if key == _SOURCE_IP:
                blocks = [ip_network(one) for one in listed(wanted)]
                met = source_ip is not None and any(ip_address(source_ip) in one for one in blocks)
            else:
                met = principal_arn is not None and any(
                    arn_like(one, principal_arn) for one in listed(wanted)
                )
            if met != _CONDITIONS[operator, key]:
                return False
    return True
