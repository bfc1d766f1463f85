"""The gateway's authorizer: allows callers with a valid token of the issuer.

A Lambda authorizer of API Gateway, of type TOKEN or REQUEST (API Gateway Developer Guide, "Use API
Gateway Lambda authorizers").
"""

import os
import re
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

import jwt

from common.json_log import have_json_lines_logged
from common.tokens import client_id, published_keys, scope, verified_claims

# Lambda's own handler would insert the arguments of libraries' messages, which may quote tokens.
have_json_lines_logged()

# RFC 6750, section 2.1.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


@cache
def _keys(url: str) -> jwt.PyJWKClient:
    return published_keys(url, "AUTH_JWKS_URI")


def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Decide whether a caller may use the API.

    Reads `AUTH_ISSUER`, `AUTH_AUDIENCE` and `AUTH_JWKS_URI`, the URL of the issuer's keys, which
    are cached for later invocations; and `ALLOW_CIDRS`, the CIDR blocks that may connect to a
    WebSocket API, separated by spaces. A REST API has a resource policy for this.

    Args:
        event: A TOKEN event (`authorizationToken`) or a REQUEST event (`headers`), with the
            `methodArn` of the request; or `{"keep_active": true}`, which requests nothing.

    Returns:
        The caller, and a policy that allows the whole stage, or denies it to a caller outside of
        the CIDR blocks. API Gateway caches the policy for all requests with the token.

    Raises:
        Exception: "Unauthorized", which becomes a 401 response, for a caller without a trusted
            token; any other, which becomes a 500, if the token cannot be verified.
    """
    if event.get("keep_active") is True:
        return {}
    shown = _BEARER.fullmatch(_authorization(event).strip())
    claims = shown and verified_claims(
        shown[1],
        _keys(os.environ["AUTH_JWKS_URI"]),
        issuer=os.environ["AUTH_ISSUER"],
        audience=os.environ["AUTH_AUDIENCE"],
    )
    if not claims:
        raise Exception("Unauthorized")  # noqa: TRY002 - API Gateway recognises only this text
    client = client_id(claims)
    return {
        "principalId": str(claims.get("sub") or client or "unknown"),
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow" if _comes_from_there(event) else "Deny",
                    "Action": "execute-api:Invoke",
                    "Resource": _stage(event["methodArn"]),
                }
            ],
        },
        "context": {"client_id": client, "scope": scope(claims)},
    }


def _authorization(event: Mapping[str, Any]) -> str:
    if event["type"] == "TOKEN":
        return event["authorizationToken"]
    # `headers` has only the last value of a name. Two values would be ambiguous.
    repeated: Mapping[str, list[str]] = event.get("multiValueHeaders") or {}
    headers: Mapping[str, str] = event.get("headers") or {}
    shown = [
        value
        for name, value in (
            *((name, value) for name, values in repeated.items() for value in values),
            *((name, value) for name, value in headers.items() if name not in repeated),
        )
        if name.lower() == "authorization"
    ]
    return shown[0] if len(shown) == 1 else ""


def _comes_from_there(event: Mapping[str, Any]) -> bool:
    blocks = os.environ.get("ALLOW_CIDRS", "").split()
    if event["type"] == "TOKEN" or not blocks:
        return True
    address = ip_address(event["requestContext"]["identity"]["sourceIp"])
    return any(address in ip_network(block) for block in blocks)


def _stage(method_arn: str) -> str:
    """All of the stage of `arn:aws:execute-api:region:account:api/stage/…`."""
    api, stage, _ = method_arn.split("/", 2)
    return f"{api}/{stage}/*"
