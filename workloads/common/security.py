"""Access control: the allowed Host and Origin headers, and the verification of bearer tokens."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import httpx2
import jwt
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import ValidationError

from .json_log import log
from .settings import SettingError, https_url
from .tokens import TIMEOUT_SECONDS, client_id, published_keys, scope, verified_claims

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_WITH_PORT = re.compile(r":(\d+|\*)$")


def with_any_port(listed: str) -> list[str]:
    """Parse a comma-separated list of hosts or origins into the form of the SDK.

    Args:
        listed: For example `mcp.example.com,localhost:8080`.

    Returns:
        Each entry and, unless it names a port, the entry with any port (`h` and `h:*`).
    """
    entries = [entry.strip() for entry in listed.split(",") if entry.strip()]
    return [
        form
        for entry in entries
        for form in ((entry,) if _WITH_PORT.search(entry) else (entry, f"{entry}:*"))
    ]


def transport_security(env: Mapping[str, str]) -> TransportSecuritySettings:
    """Derive the header check from the environment; the default allows only loopback.

    Args:
        env: `MCP_ALLOWED_HOSTS` and `MCP_ALLOWED_ORIGINS`, comma-separated.

    Returns:
        Settings with which another Host gets 421 and another Origin 403.
    """
    hosts = env.get("MCP_ALLOWED_HOSTS") or ",".join(_LOOPBACK)
    origins = env.get("MCP_ALLOWED_ORIGINS") or ",".join(f"http://{h}" for h in _LOOPBACK)
    return TransportSecuritySettings(
        allowed_hosts=with_any_port(hosts), allowed_origins=with_any_port(origins)
    )


class IssuerTokens:
    """Verifies RS256 JSON web tokens of one issuer for one audience (the SDK's `TokenVerifier`).

    The issuer's keys are located through its metadata (OpenID Connect Discovery, else RFC 8414) on
    the first token, so that the server starts even if the issuer is down. PyJWT caches them.
    """

    def __init__(self, issuer: str, audience: str) -> None:
        self._issuer = issuer
        self._audience = audience

    @cached_property
    def _keys(self) -> jwt.PyJWKClient:
        parts = urlsplit(self._issuer)
        base = self._issuer.rstrip("/")
        origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        for url in (
            f"{base}/.well-known/openid-configuration",
            f"{origin}/.well-known/oauth-authorization-server{path}",
        ):
            response = httpx2.get(url, timeout=TIMEOUT_SECONDS)
            if response.is_success:
                document = response.json()
                if document.get("issuer") != self._issuer:
                    raise SettingError(f"{url} is the metadata of another issuer than AUTH_ISSUER")
                return published_keys(str(document.get("jwks_uri")), "the issuer's jwks_uri")
        raise SettingError(f"the issuer {self._issuer} publishes no metadata")

    def _claims(self, token: str) -> dict[str, Any] | None:
        return verified_claims(token, self._keys, issuer=self._issuer, audience=self._audience)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Verify a bearer token.

        Args:
            token: The token as it was sent.

        Returns:
            The access that the token grants, or None for an untrusted token.

        Raises:
            Exception: If the issuer is unreachable. The token is then not verified, so the
                response is 500 and not 401.
        """
        claims = await anyio.to_thread.run_sync(self._claims, token)
        if claims is None:
            return None
        subject = claims.get("sub")
        return AccessToken(
            token=token,
            client_id=client_id(claims),
            scopes=scope(claims).split(),
            expires_at=int(claims["exp"]),
            resource=self._audience,
            subject=str(subject) if subject else None,
            claims={"iss": self._issuer},
        )


def authentication(env: Mapping[str, str]) -> tuple[IssuerTokens, AuthSettings] | None:
    """Derive token verification from the environment.

    Args:
        env: `AUTH_ISSUER`, the issuer's URL exactly as its tokens spell it, and `AUTH_AUDIENCE`,
            the audience that tokens must name: the workload's public URL (RFC 8707), which makes
            it serve its protected-resource metadata (RFC 9728), or an opaque name, for which the
            gateway must serve them.

    Returns:
        The verifier and the SDK's settings, or None if neither variable is set.

    Raises:
        SettingError: If only one of the two is set, or the issuer is not an https URL.
    """
    issuer, audience = env.get("AUTH_ISSUER", ""), env.get("AUTH_AUDIENCE", "")
    if not issuer and not audience:
        return None
    if not issuer or not audience:
        raise SettingError("AUTH_ISSUER and AUTH_AUDIENCE must be set both or neither")
    resource = audience if audience.startswith(("https://", "http://")) else None
    if resource is None:
        log.warning("AUTH_AUDIENCE is not a URL: no protected-resource metadata is served")
    try:
        settings = AuthSettings.model_validate(
            {
                "issuer_url": https_url(issuer, "AUTH_ISSUER"),
                "resource_server_url": resource,
                "validate_token_resource": False,  # IssuerTokens checks the audience itself
            }
        )
    except ValidationError as error:
        raise SettingError("AUTH_ISSUER or AUTH_AUDIENCE is not a valid URL") from error
    return IssuerTokens(issuer, audience), settings
