"""The gateway's authorizer, against an issuer that listens on this machine."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from common.settings import SettingError
from tests.workloads.local_http import AUDIENCE, TOKEN_FAULTS, Issuer, Local, issuing
from tests.workloads.support import DEADLINE_SECONDS, WORKLOADS
from workloads.functions import authorizer

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

API = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/live"


@pytest.fixture
def issuance(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Issuer, Local]]:
    authorizer._keys.cache_clear()
    with issuing() as (made, local):
        monkeypatch.setenv("AUTH_ISSUER", made.url)
        monkeypatch.setenv("AUTH_AUDIENCE", AUDIENCE)
        monkeypatch.setenv("AUTH_JWKS_URI", f"{made.url}/keys")
        yield made, local


@pytest.fixture
def issuer(issuance: tuple[Issuer, Local]) -> Issuer:
    return issuance[0]


def token_event(shown: str, method: str = "POST/servers/clock/mcp") -> dict[str, Any]:
    return {"type": "TOKEN", "authorizationToken": shown, "methodArn": f"{API}/{method}"}


def request_event(headers: dict[str, str] | None, address: str = "203.0.113.7") -> dict[str, Any]:
    return {
        "type": "REQUEST",
        "headers": headers,
        "methodArn": f"{API}/$connect",
        "requestContext": {"identity": {"sourceIp": address}},
    }


def handled(event: dict[str, Any]) -> dict[str, Any]:
    return authorizer.handle(event, None)


def assert_unauthorized(event: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$") as caught:
        handled(event)
    assert type(caught.value) is Exception


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE, "other"]])
def test_a_good_token_opens_the_whole_stage_and_nothing_else(
    issuer: Issuer, audience: str | list[str]
) -> None:
    token = issuer.token(aud=audience, client_id="cli", scope="read write")
    assert handled(token_event(f"Bearer {token}")) == {
        "principalId": "me",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "execute-api:Invoke",
                    "Resource": f"{API}/*",
                }
            ],
        },
        "context": {"client_id": "cli", "scope": "read write"},
    }


@pytest.mark.parametrize("header", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_connection_is_allowed_by_its_header_in_any_letter_case(
    issuer: Issuer, header: str
) -> None:
    policy = handled(request_event({"Host": "x", header: f"Bearer {issuer.token()}"}))
    assert policy["policyDocument"]["Statement"][0]["Resource"] == f"{API}/*"


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("second", ["Authorization", "AUTHORIZATION"])
def test_a_connection_with_two_tokens_is_unauthorized(
    issuer: Issuer, second: str, order: int
) -> None:
    shown = [f"Bearer {issuer.token()}", "Bearer other"][::order]
    event = request_event({"Authorization": shown[1], second: shown[1]})
    event["multiValueHeaders"] = (
        {"Authorization": shown}
        if second == "Authorization"
        else {"Authorization": shown[:1], second: shown[1:]}
    )
    assert_unauthorized(event)


def test_a_connection_with_one_token_is_allowed_with_either_form_of_its_headers(
    issuer: Issuer,
) -> None:
    shown = f"Bearer {issuer.token()}"
    for headers in ({"Authorization": shown}, {"authorization": shown}):
        event = request_event(headers)
        event["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
        assert handled(event)["principalId"] == "me"


@pytest.mark.parametrize(
    ("claims", "principal", "client"),
    [
        ({"azp": "app"}, "me", "app"),
        ({}, "me", "me"),
        ({"sub": None, "client_id": "cli"}, "cli", "cli"),
        ({"sub": None}, "unknown", ""),
    ],
)
def test_the_caller_is_identified_by_the_existing_claims(
    issuer: Issuer, claims: dict[str, Any], principal: str, client: str
) -> None:
    policy = handled(token_event(f"Bearer {issuer.token(**claims)}"))
    assert policy["principalId"] == principal
    assert policy["context"] == {"client_id": client, "scope": ""}


@pytest.mark.parametrize("fault", TOKEN_FAULTS, ids=str)
def test_a_token_with_one_error_is_unauthorized(issuer: Issuer, fault: dict[str, Any]) -> None:
    assert_unauthorized(token_event(f"Bearer {issuer.token(**fault)}"))


def test_a_forged_token_is_unauthorized(issuer: Issuer) -> None:
    for token in issuer.forged():
        assert_unauthorized(token_event(f"Bearer {token}"))


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer a b", "Bearer \ud800"]
)
def test_an_invalid_token_is_unauthorized(issuer: Issuer, shown: str) -> None:
    assert_unauthorized(token_event(shown))
    assert_unauthorized(request_event({"Authorization": shown}))


def test_a_good_token_of_another_scheme_is_unauthorized(issuer: Issuer) -> None:
    for scheme in ("", "Basic ", "DPoP ", "x Bearer "):
        assert_unauthorized(token_event(f"{scheme}{issuer.token()}"))


@pytest.mark.parametrize("headers", [None, {}, {"X-Authorization": "Bearer x"}], ids=str)
def test_a_request_without_the_header_is_unauthorized(
    issuer: Issuer, headers: dict[str, str] | None
) -> None:
    assert_unauthorized(request_event(headers))


def test_keys_that_cannot_be_fetched_are_no_verdict(issuer: Issuer) -> None:
    del issuer.documents["/realm/keys"]
    with pytest.raises(jwt.PyJWKClientConnectionError):
        handled(token_event(f"Bearer {issuer.token()}"))


def test_keys_that_make_no_sense_are_no_verdict(issuer: Issuer) -> None:
    issuer.documents["/realm/keys"] = {"keys": []}
    with pytest.raises(jwt.PyJWKSetError):
        handled(token_event(f"Bearer {issuer.token()}"))


def test_keys_at_an_address_that_is_not_https_are_not_trusted(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_JWKS_URI", "http://issuer.example/keys")
    with pytest.raises(SettingError, match=r"^AUTH_JWKS_URI is 'http://issuer\.example/keys'"):
        handled(token_event(f"Bearer {issuer.token()}"))


def test_the_keys_are_fetched_once_for_many_invocations(issuance: tuple[Issuer, Local]) -> None:
    issuer, local = issuance
    for _ in range(3):
        handled(token_event(f"Bearer {issuer.token()}"))
    assert_unauthorized(token_event(f"Bearer {issuer.token(kid='2')}"))
    assert [asked.path for asked in local.asked] == ["/realm/keys"]


def test_no_token_is_logged(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = issuer.token(exp=1)
    assert_unauthorized(token_event(f"Bearer {token}"))
    assert [record.__dict__["fields"] for record in caplog.records] == [
        {"reason": "ExpiredSignatureError"}
    ]
    assert not any(part in caplog.text for part in token.split("."))


def test_it_starts_without_the_sdk_of_mcp_and_without_a_web_server() -> None:
    heavy = {"botocore", "httpx2", "mcp", "pydantic", "starlette", "uvicorn"}
    ended = subprocess.run(
        [sys.executable, "-c", f"import authorizer, sys; print({heavy} & set(sys.modules))"],
        cwd=WORKLOADS / "functions",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(WORKLOADS)},
        capture_output=True,
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    assert ended.stdout == b"set()\n"


@pytest.mark.parametrize(
    ("address", "blocks", "effect"),
    [
        ("203.0.113.7", "", "Allow"),
        ("203.0.113.7", "203.0.113.0/24", "Allow"),
        ("203.0.113.255", "198.51.100.0/24 203.0.113.0/24", "Allow"),
        ("203.0.114.0", "198.51.100.0/24 203.0.113.0/24", "Deny"),
        ("2001:db8::1", "203.0.113.0/24", "Deny"),
    ],
)
def test_connections_are_limited_to_the_allowed_addresses(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, address: str, blocks: str, effect: str
) -> None:
    monkeypatch.setenv("ALLOW_CIDRS", blocks)
    event = request_event({"Authorization": f"Bearer {issuer.token()}"}, address)
    (statement,) = handled(event)["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == (effect, f"{API}/*")


def test_where_a_rest_api_has_a_policy_the_token_alone_decides(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOW_CIDRS", "203.0.113.0/24")
    (statement,) = handled(token_event(f"Bearer {issuer.token()}"))["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"


def test_a_call_that_keeps_the_function_active_allows_no_caller_and_requests_no_keys() -> None:
    assert handled({"keep_active": True}) == {}


def test_nothing_else_in_an_event_spares_the_token(issuer: Issuer) -> None:
    assert_unauthorized({**token_event("Bearer x"), "keep_active": "true"})
