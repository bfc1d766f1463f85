"""Simulates the token issuers that the deployed fleet trusts: their metadata, keys and tokens.

Facts from OpenID Connect Discovery 1.0, section 4, RFC 8414, section 3.1, and RFC 7517. The
metadata must name the endpoints for sign-in, but they are not implemented.
"""

import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from sandbox.cloud.store import Cloud
from sandbox.profile import profile
from sandbox.serve.fleet import Application, DeployedError, Fleet, Receive, Scope, Send
from sandbox.serve.http.forwarding import answer
from sandbox.serve.http.router import host
from sandbox.values.tree import part, parts

_KEY_ID = "sandbox"
_KEY_BITS = 2048
_LISTENER = "aws:lb/listener:Listener"
_RULE = "aws:lb/listenerRule:ListenerRule"
_HTTPS_PORT = 443
_OK, _NOT_FOUND = 200, 404


class Issuers:
    """The issuers that a fleet trusts, with one key for all of them.

    Attributes:
        trusted: Issuer to audience and URL of its keys, as deployed.
    """

    def __init__(self, home: Path, cloud: Cloud, deployed: Fleet) -> None:
        """Reads the trusted issuers; a sandbox has one key.

        Args:
            home: The sandbox's home; the key is in `issuer.pem`, which only its owner can read.
            cloud: The cloud, whose load balancers may validate tokens.
            deployed: The deployed workloads. The profile names the variables of their processes
                with the trusted issuers.
        """
        self._key = _key(home / "issuer.pem")
        self.trusted: dict[str, tuple[str, str]] = {}
        variables = profile().token_variables
        names = [variables[each] for each in ("issuer", "audience", "keys")]
        told = [[one.environment.get(name, "") for name in names] for one in deployed.processes]
        for issuer, audience, keys_url in (*told, *_checked(cloud)):
            if issuer:
                before = self.trusted.get(issuer, ("", ""))
                self.trusted[issuer] = (audience or before[0], keys_url or before[1])

    def applications(self) -> Mapping[str, Application]:
        """The application of each issuer's host, and of the host of its keys."""
        return {
            _place(url)[0]: self._answer
            for issuer in self.trusted
            for url in (issuer, self._keys_url(issuer))
        }

    def key_set(self, url: str) -> jwt.PyJWKSet:
        """The keys that are published at a URL.

        Args:
            url: The URL.

        Returns:
            The keys.

        Raises:
            jwt.PyJWKSetError: If no trusted issuer has keys at this URL.
        """
        known = {self._keys_url(issuer) for issuer in self.trusted}
        return jwt.PyJWKSet.from_dict(self._keys() if url in known else {"keys": []})

    def token(
        self,
        issuer: str | None = None,
        audience: str | None = None,
        *,
        seconds: int = 3600,
        scope: str = "",
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """Makes a token.

        Args:
            issuer: The issuer, or None for the fleet's issuer. It may be an untrusted one.
            audience: The audience, or None for the fleet's audience.
            seconds: The validity period; 0 or less for an expired token.
            scope: The scopes, separated by spaces.
            claims: Claims to add or replace; None removes a claim.

        Returns:
            The token, signed with RS256.

        Raises:
            DeployedError: the fleet does not use tokens.
        """
        if not self.trusted:
            raise DeployedError(
                "the fleet does not use tokens: gateway.auth is not set (docs/configuration.md)"
            )
        first = next(iter(self.trusted))
        now = int(time.time())
        made: dict[str, Any] = {
            "iss": issuer or first,
            "aud": audience or self.trusted.get(issuer or first, self.trusted[first])[0],
            "sub": "operator",
            "client_id": "sandbox",
            # An expired token was issued before its expiry.
            "iat": now + min(seconds, 0) - 1,
            "exp": now + seconds,
            "scope": scope or None,
            **(claims or {}),
        }
        given = {name: value for name, value in made.items() if value is not None}
        return jwt.encode(given, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def _keys_url(self, issuer: str) -> str:
        return self.trusted[issuer][1] or f"{issuer.rstrip('/')}/.well-known/jwks.json"

    def _keys(self) -> dict[str, Any]:
        key = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": _KEY_ID, "use": "sig", "alg": "RS256"}]}

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        asked = (*host(scope), scope["path"])
        for issuer in self.trusted:
            if asked in {_place(url) for url in _metadata_urls(issuer)}:
                await answer(send, _OK, _metadata(issuer, self._keys_url(issuer)))
                return
            if asked == _place(self._keys_url(issuer)):
                await answer(send, _OK, self._keys())
                return
        name, port, path = asked
        await answer(
            send, _NOT_FOUND, {"error": f"no issuer has a document at {name}:{port}{path}"}
        )


def _place(url: str) -> tuple[str, int, str]:
    """Host, port and path of a URL; the host in lowercase."""
    read = urlsplit(url)
    return read.hostname or "", read.port or _HTTPS_PORT, read.path


def _metadata_urls(issuer: str) -> tuple[str, str]:
    """The paths of an issuer's metadata: below its path, and between its host and its path."""
    url = urlsplit(issuer)
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        f"{url.scheme}://{url.netloc}/.well-known/oauth-authorization-server{url.path.rstrip('/')}",
    )


def _metadata(issuer: str, keys_url: str) -> dict[str, Any]:
    base = issuer.rstrip("/")
    return {
        "issuer": issuer,
        "jwks_uri": keys_url,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def _checked(cloud: Cloud) -> Iterable[tuple[str, str, str]]:
    """Issuer, audience and key URL of the token validations of load balancers."""
    for type_, key in ((_LISTENER, "defaultActions"), (_RULE, "actions")):
        for stored in cloud.list("aws", type_):
            for action in parts(stored.properties, key):
                if check := part(action, "jwtValidation"):
                    audiences = [
                        str(value)
                        for claim in parts(check, "additionalClaims")
                        if claim.get("name") == "aud"
                        for value in claim.get("values") or ()
                    ]
                    yield str(check["issuer"]), "".join(audiences[:1]), str(check["jwksEndpoint"])


def _key(path: Path) -> rsa.RSAPrivateKey:
    """The key in a file, which is created if it does not exist."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        # `serve` and `token` may run at the same time, so the file is created atomically.
        with tempfile.NamedTemporaryFile(dir=path.parent) as whole:
            whole.write(text)
            whole.flush()
            with suppress(FileExistsError):
                os.link(whole.name, path)
    return cast("rsa.RSAPrivateKey", serialization.load_pem_private_key(path.read_bytes(), None))
