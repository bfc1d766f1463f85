"""Plays the issuers of tokens that the deployed fleet trusts: their metadata, keys and tokens."""

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from sandbox.cloud import Cloud
from sandbox.providers.kubernetes.tree import part, parts
from sandbox.serve.forwarding import answer
from sandbox.serve.plan import Application, Deployed, DeployedError, Receive, Scope, Send
from sandbox.serve.router import host

_KEY_ID = "sandbox"
_KEY_BITS = 2048
_DISCOVERY = "/.well-known/openid-configuration"
_METADATA = "/.well-known/oauth-authorization-server"
_RULE = "aws:lb/listenerRule:ListenerRule"
_NOT_FOUND = 404


class Issuers:
    """The issuers that a fleet trusts, with one key for all of them.

    Attributes:
        trusted: Issuer to audience and URL of its keys, as deployed.
    """

    def __init__(self, home: Path, cloud: Cloud, deployed: Deployed) -> None:
        """Reads who is trusted; the key is made once for a sandbox.

        Args:
            home: The sandbox's home.
            cloud: The cloud.
            deployed: What is deployed.
        """
        self._key = _key(home / "issuer.pem")
        self.trusted: dict[str, tuple[str, str]] = {}
        for process in deployed.processes:
            told = process.environment
            if told.get("AUTH_ISSUER"):
                url = (
                    told.get("AUTH_JWKS_URI") or self.trusted.get(told["AUTH_ISSUER"], ("", ""))[1]
                )
                self.trusted[told["AUTH_ISSUER"]] = (told.get("AUTH_AUDIENCE", ""), url)
        for issuer, audience, url in _checked(cloud):
            self.trusted[issuer] = (audience, url)

    def applications(self) -> Mapping[str, Application]:
        """The application of each issuer's host, and of the host of its keys."""
        return {
            urlsplit(url).netloc.lower(): self._answer
            for issuer, (_, keys_url) in self.trusted.items()
            for url in (issuer, keys_url)
            if url
        }

    def key_set(self, url: str) -> jwt.PyJWKSet:
        """The keys that are published at a URL.

        Args:
            url: The URL.

        Returns:
            The keys; none for a URL of nobody who is trusted.

        Raises:
            PyJWKSetError: there are none.
        """
        known = {keys_url for _, keys_url in self.trusted.values()}
        return jwt.PyJWKSet.from_dict(self._keys() if url in known else {"keys": []})

    def token(
        self,
        issuer: str | None = None,
        audience: str | None = None,
        *,
        seconds: int = 3600,
        scope: str = "",
    ) -> str:
        """Makes a token.

        Args:
            issuer: Who issues it, or None for the fleet's issuer.
            audience: Whom it is for, or None for the fleet itself.
            seconds: How long it is good for; less than 0 for one that is so no longer.
            scope: What it grants, separated by spaces.

        Returns:
            The token, signed with RS256.

        Raises:
            DeployedError: the fleet asks for no tokens.
        """
        if not self.trusted:
            raise DeployedError(
                "the fleet asks for no tokens: gateway.auth is not set (docs/configuration.md)"
            )
        first = next(iter(self.trusted))
        now = int(time.time())
        claims = {
            "iss": issuer or first,
            "aud": audience or self.trusted.get(issuer or first, self.trusted[first])[0],
            "sub": "operator",
            "client_id": "sandbox",
            "iat": now + min(seconds, 0) - 1,
            "exp": now + seconds,
            **({"scope": scope} if scope else {}),
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def _keys(self) -> dict[str, Any]:
        key = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**key, "kid": _KEY_ID, "use": "sig", "alg": "RS256"}]}

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        asked = f"https://{host(scope)[0]}{scope['path']}"
        for issuer, (_, keys_url) in self.trusted.items():
            own = keys_url or f"{issuer.rstrip('/')}/.well-known/jwks.json"
            parts_ = urlsplit(issuer)
            metadata = f"{parts_.scheme}://{parts_.netloc}{_METADATA}{parts_.path.rstrip('/')}"
            if asked in {issuer.rstrip("/") + _DISCOVERY, metadata}:
                told = {
                    "issuer": issuer,
                    "jwks_uri": own,
                    "authorization_endpoint": f"{issuer.rstrip('/')}/authorize",
                    "token_endpoint": f"{issuer.rstrip('/')}/token",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
                await answer(send, 200, told)
                return
            if asked == own:
                await answer(send, 200, self._keys())
                return
        await answer(send, _NOT_FOUND, {"error": f"the issuer has nothing at {asked}"})


def _checked(cloud: Cloud) -> Iterable[tuple[str, str, str]]:
    """Issuer, audience and keys of the load balancer's token checks."""
    for rule in (thing.properties for thing in cloud.list("aws", _RULE)):
        for action in parts(rule, "actions"):
            check = part(action, "jwtValidation")
            audiences = [
                value
                for one in parts(check, "additionalClaims")
                if one.get("name") == "aud"
                for value in one.get("values") or ()
            ]
            if check:
                yield str(check["issuer"]), next(iter(audiences), ""), str(check["jwksEndpoint"])


def _key(path: Path) -> rsa.RSAPrivateKey:
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 - this file made it
        return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return key
