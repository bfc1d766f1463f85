"""Bearer tokens, against an issuer that listens on this machine."""

from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
import pytest
from starlette.applications import Starlette

from common.settings import SettingError
from tests.workloads.local_http import AUDIENCE, TOKEN_FAULTS, Issuer, issuing
from tests.workloads.planner_model import planner
from tests.workloads.support import MODEL, call_body, call_headers, http_client
from workloads.assistant import agent
from workloads.clock import server

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

METADATA_PATH = "/.well-known/oauth-protected-resource/servers/clock/mcp"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as (made, _):
        yield made


def guarded(issuer: Issuer, audience: str = AUDIENCE) -> Starlette:
    return server.build({"AUTH_ISSUER": issuer.url, "AUTH_AUDIENCE": audience})


async def called(client: httpx2.AsyncClient, token: str | None) -> httpx2.Response:
    headers = call_headers("now")
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return await client.post("/mcp", json=call_body("now", {}), headers=headers)


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE, "other"]])
async def test_a_token_of_the_issuer_for_this_audience_is_accepted(
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


@pytest.mark.parametrize("fault", TOKEN_FAULTS, ids=str)
async def test_a_token_with_one_error_is_refused(issuer: Issuer, fault: dict[str, Any]) -> None:
    async with http_client(guarded(issuer)) as client:
        response = await called(client, issuer.token(**fault))
    assert response.status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
async def test_an_invalid_token_is_refused(issuer: Issuer, token: str) -> None:
    async with http_client(guarded(issuer)) as client:
        assert (await called(client, token)).status_code == 401


async def test_a_token_that_is_unsigned_or_signed_with_the_public_key_is_refused(
    issuer: Issuer,
) -> None:
    async with http_client(guarded(issuer)) as client:
        statuses = [(await called(client, token)).status_code for token in issuer.forged()]
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
        ({"issuer": "https://other.example"}, "is the metadata of another issuer"),
        ({"jwks_uri": "http://keys.example"}, "the issuer's jwks_uri is 'http://keys.example'"),
        ({"jwks_uri": None}, "the issuer's jwks_uri is 'None'"),
    ],
)
async def test_with_untrusted_metadata_no_token_is_accepted(
    issuer: Issuer, change: dict[str, Any], message: str
) -> None:
    issuer.metadata.update(change)
    async with http_client(guarded(issuer)) as client:
        with pytest.raises(SettingError, match=message):
            await called(client, issuer.token())


async def test_with_an_issuer_without_metadata_no_token_is_accepted(issuer: Issuer) -> None:
    issuer.documents.clear()
    async with http_client(guarded(issuer)) as client:
        with pytest.raises(SettingError, match="publishes no metadata"):
            await called(client, issuer.token())


async def test_keys_that_cannot_be_fetched_are_no_verdict_on_a_token(issuer: Issuer) -> None:
    del issuer.documents["/realm/keys"]
    async with http_client(guarded(issuer)) as client:
        with pytest.raises(jwt.PyJWKClientConnectionError):
            await called(client, issuer.token())


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": [{"kid": "1"}]}, []], ids=str)
async def test_keys_that_make_no_sense_are_no_verdict_on_a_token(issuer: Issuer, keys: Any) -> None:
    issuer.documents["/realm/keys"] = keys
    async with http_client(guarded(issuer)) as client:
        with pytest.raises(jwt.PyJWTError):
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
    app = agent.build({"AUTH_ISSUER": issuer.url, "AUTH_AUDIENCE": AUDIENCE}, model=planner())
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
def test_incomplete_or_unsafe_authentication_fails_the_start(
    env: dict[str, str], message: str
) -> None:
    for build in (server.build, agent.build):
        with pytest.raises(ValueError, match=message):
            build({**MODEL, **env})
