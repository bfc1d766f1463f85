"""Bearer tokens, against an issuer that listens on this machine."""

import json
import threading
import time
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette

from common.runtime import SettingError
from tests.workloads.support import call_body, call_headers, http_client
from workloads.assistant import agent
from workloads.clock import server

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

AUDIENCE = "https://mcp.example.com/servers/clock/mcp"
METADATA_PATH = "/.well-known/oauth-protected-resource/servers/clock/mcp"


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """An issuer's metadata and keys over HTTP; `documents` maps a path to what it answers."""

    def __init__(self) -> None:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path in issuer.documents
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(json.dumps(issuer.documents.get(self.path, {})).encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/realm"
        public = json.loads(RSAAlgorithm.to_jwk(private_key("issuer").public_key()))
        self.metadata = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.documents: dict[str, Any] = {
            "/realm/.well-known/openid-configuration": self.metadata,
            "/realm/keys": {"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]},
        }

    def token(self, *, key: str = "issuer", kid: str = "1", **claims: Any) -> str:
        """A token that is good but for what the arguments say; a claim of None is left out."""
        now = int(time.time())
        payload = {"iss": self.url, "aud": AUDIENCE, "sub": "me", "exp": now + 60, **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, private_key(key), "RS256", headers={"kid": kid})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def guarded(issuer: Issuer, audience: str = AUDIENCE) -> Starlette:
    return server.build({"AUTH_ISSUER": issuer.url, "AUTH_AUDIENCE": audience})


async def called(client: httpx2.AsyncClient, token: str | None) -> httpx2.Response:
    headers = call_headers("now")
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return await client.post("/mcp", json=call_body("now", {}), headers=headers)


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE, "other"]])
async def test_a_token_of_the_issuer_for_this_audience_is_let_in(
    issuer: Issuer, audience: str | list[str]
) -> None:
    async with http_client(guarded(issuer)) as client:
        response = await called(client, issuer.token(aud=audience))
    assert response.status_code == 200, response.text


async def test_no_token_is_answered_401_with_the_place_of_the_metadata(issuer: Issuer) -> None:
    async with http_client(guarded(issuer)) as client:
        response = await called(client, None)
        metadata = await client.get(METADATA_PATH)
    assert response.status_code == 401
    assert (
        f'resource_metadata="https://mcp.example.com{METADATA_PATH}"'
        in (response.headers["WWW-Authenticate"])
    )
    assert metadata.status_code == 200
    assert metadata.json()["resource"] == AUDIENCE
    assert metadata.json()["authorization_servers"] == [issuer.url]


@pytest.mark.parametrize(
    "fault",
    [
        {"aud": "https://other.example/mcp"},
        {"aud": AUDIENCE + "/"},
        {"aud": None},
        {"iss": "https://other.example"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"key": "stranger"},
        {"kid": "2"},
    ],
    ids=str,
)
async def test_a_token_with_one_fault_is_refused(issuer: Issuer, fault: dict[str, Any]) -> None:
    async with http_client(guarded(issuer)) as client:
        response = await called(client, issuer.token(**fault))
    assert response.status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
async def test_what_is_no_token_is_refused(issuer: Issuer, token: str) -> None:
    async with http_client(guarded(issuer)) as client:
        assert (await called(client, token)).status_code == 401


async def test_a_token_that_is_unsigned_or_signed_with_the_public_key_is_refused(
    issuer: Issuer,
) -> None:
    claims = {"iss": issuer.url, "aud": AUDIENCE, "exp": int(time.time()) + 60}
    modulus = issuer.documents["/realm/keys"]["keys"][0]["n"]
    tokens = [
        jwt.encode(claims, "", "none", headers={"kid": "1"}),
        jwt.encode(claims, modulus, "HS256", headers={"kid": "1"}),
        jwt.encode(claims, private_key("issuer"), "RS512", headers={"kid": "1"}),
    ]
    async with http_client(guarded(issuer)) as client:
        statuses = [(await called(client, token)).status_code for token in tokens]
    assert statuses == [401, 401, 401]


async def test_the_metadata_of_rfc_8414_do_where_there_is_no_openid_configuration(
    issuer: Issuer,
) -> None:
    document = issuer.documents.pop("/realm/.well-known/openid-configuration")
    issuer.documents["/.well-known/oauth-authorization-server/realm"] = document
    async with http_client(guarded(issuer)) as client:
        assert (await called(client, issuer.token())).status_code == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"issuer": "https://other.example"}, "speaks for another issuer"),
        ({"jwks_uri": "http://keys.example"}, "the issuer's jwks_uri is 'http://keys.example'"),
        ({"jwks_uri": None}, "the issuer's jwks_uri is 'None'"),
    ],
)
async def test_metadata_that_are_not_to_be_trusted_let_nobody_in(
    issuer: Issuer, change: dict[str, Any], message: str
) -> None:
    issuer.metadata.update(change)
    async with http_client(guarded(issuer)) as client:
        with pytest.raises(SettingError, match=message):
            await called(client, issuer.token())


async def test_an_issuer_without_metadata_lets_nobody_in(issuer: Issuer) -> None:
    issuer.documents.clear()
    async with http_client(guarded(issuer)) as client:
        with pytest.raises(SettingError, match="publishes no metadata"):
            await called(client, issuer.token())


async def test_keys_that_cannot_be_fetched_are_no_verdict_on_a_token(issuer: Issuer) -> None:
    del issuer.documents["/realm/keys"]
    async with http_client(guarded(issuer)) as client:
        with pytest.raises(jwt.PyJWKClientConnectionError):
            await called(client, issuer.token())


async def test_an_opaque_audience_is_verified_and_its_metadata_left_to_the_gateway(
    issuer: Issuer,
) -> None:
    async with http_client(guarded(issuer, "fleet")) as client:
        assert (await called(client, issuer.token(aud="fleet"))).status_code == 200
        refused = await called(client, issuer.token())
        metadata = await client.get("/.well-known/oauth-protected-resource")
    assert refused.status_code == 401
    assert "resource_metadata" not in refused.headers["WWW-Authenticate"]
    assert metadata.status_code == 404


async def test_health_needs_no_token(issuer: Issuer) -> None:
    async with http_client(guarded(issuer)) as client:
        assert (await client.get("/health")).status_code == 200


async def test_the_assistant_verifies_tokens_too(issuer: Issuer) -> None:
    app = agent.build({"AUTH_ISSUER": issuer.url, "AUTH_AUDIENCE": AUDIENCE})
    async with http_client(app) as client:
        statuses = [
            (await client.post("/ask", json={"question": "x"}, headers=headers)).status_code
            for headers in (
                {},
                {"Authorization": f"Bearer {issuer.token(exp=1)}"},
                {"Authorization": f"Bearer {issuer.token()}"},
            )
        ]
        health = await client.get("/health")
        metadata = await client.get(METADATA_PATH)
    assert statuses == [401, 401, 200]
    assert (health.status_code, metadata.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"AUTH_ISSUER": "https://issuer.example"}, "must be set both or neither"),
        ({"AUTH_AUDIENCE": AUDIENCE}, "must be set both or neither"),
        (
            {"AUTH_ISSUER": "http://issuer.example", "AUTH_AUDIENCE": AUDIENCE},
            "AUTH_ISSUER is 'http://issuer.example'; it must be an https URL",
        ),
        ({"AUTH_ISSUER": "issuer", "AUTH_AUDIENCE": AUDIENCE}, "it must be an https URL"),
        (
            {"AUTH_ISSUER": "https://issuer.example", "AUTH_AUDIENCE": "https://"},
            "is not a valid URL",
        ),
    ],
)
def test_half_or_unsafe_authentication_is_told_at_the_start(
    env: dict[str, str], message: str
) -> None:
    for build in (server.build, agent.build):
        with pytest.raises(ValueError, match=message):
            build(env)
