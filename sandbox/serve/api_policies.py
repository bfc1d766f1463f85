"""The policies of API Gateway itself: of an API, and those that authorizers return.

Facts from the API Gateway Developer Guide ("Controlling access to a REST API with API Gateway
resource policies", "How API Gateway resource policies affect authorization workflow", "AWS
condition keys that can be used in API Gateway resource policies").
"""

from collections.abc import Collection, Mapping
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from typing import Any, cast

from sandbox.serve.policies import like, listed, statements

INVOKE = "execute-api:Invoke"
_SOURCE_IP = "aws:SourceIp"
_ADDRESSES = {"IpAddress": True, "NotIpAddress": False}


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
) -> Effect:
    """What a policy says of an invocation.

    Args:
        document: The policy, or its JSON.
        resource: `arn:aws:execute-api:region:account:api-id/stage/METHOD/path`.
        principals: What the policy may call the caller to let it in, `*` among them; None for a
            policy without principals. A denial for anybody counts.
        source_ip: The caller's address, or None if it is not known: no condition on it holds then,
            but for one that says `Not`.

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
        and _holds(statement.get("Condition"), source_ip)
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
    return "127.0.0.1"


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


def _holds(condition: object, source_ip: str | None) -> bool:
    for operator, keys in cast("Mapping[str, Mapping[str, object]]", condition or {}).items():
        if operator not in _ADDRESSES or set(keys) != {_SOURCE_IP}:
            raise ValueError(
                f"the sandbox does not know the condition {operator} on {', '.join(keys)}; what it "
                f"knows: {' and '.join(_ADDRESSES)} on {_SOURCE_IP}"
            )
        blocks = [ip_network(one) for one in listed(keys[_SOURCE_IP])]
        inside = source_ip is not None and any(ip_address(source_ip) in one for one in blocks)
        if inside != _ADDRESSES[operator]:
            return False
    return True
