"""The verification of bearer tokens: RS256 JSON web tokens of one issuer for one audience.

This is a separate module, so that the gateway's authorizer, which does not import the MCP SDK,
verifies tokens with the same code as the workloads.
"""

from collections.abc import Mapping
from typing import Any

import jwt

from .json_log import log
from .settings import https_url

TIMEOUT_SECONDS = 5
"""The longest wait for one answer of the issuer."""

# The clocks of issuer and server may differ slightly. The SDK allows no such leeway for `exp`.
_LEEWAY_SECONDS = 10


def published_keys(url: str, what: str) -> jwt.PyJWKClient:
    """Make the client of an issuer's keys, which fetches them on the first token and caches them.

    Args:
        url: The URL of the JSON web key set.
        what: The source of the URL, for the error.

    Raises:
        SettingError: If the URL is not https.
    """
    return jwt.PyJWKClient(https_url(url, what), timeout=TIMEOUT_SECONDS)


def verified_claims(
    token: str, keys: jwt.PyJWKClient, *, issuer: str, audience: str
) -> dict[str, Any] | None:
    """Verify a token.

    Args:
        token: The token as it was sent.
        keys: The issuer's keys.
        issuer: The exact value of `iss`.
        audience: The exact value of `aud`, or of one of its entries.

    Returns:
        The claims, or None for an untrusted token; the reason is logged.

    Raises:
        Exception: If the issuer returns no keys. The token is then not verified.
    """
    keys.get_signing_keys()
    try:
        return jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["RS256"],  # an ALB supports no other (ELB: "Verify JWTs using an ALB")
            audience=audience,
            issuer=issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )
    except jwt.PyJWKClientConnectionError:
        raise
    except jwt.PyJWTError as error:
        log.info("token refused", extra={"fields": {"reason": type(error).__name__}})
        return None


def client_id(claims: Mapping[str, Any]) -> str:
    """The client that a token was issued to; empty if no claim names it."""
    return str(claims.get("client_id") or claims.get("azp") or claims.get("sub") or "")


def scope(claims: Mapping[str, Any]) -> str:
    """The scopes that a token grants, separated by spaces."""
    return str(claims.get("scope") or "")
