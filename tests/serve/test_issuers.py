"""The token issuers: their metadata, keys and tokens."""

import asyncio
import json
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from common.security import IssuerTokens
from common.tokens import client_id, scope, verified_claims
from sandbox.cloud.store import Cloud
from sandbox.serve.fleet import DeployedError, Process
from sandbox.serve.http.proxy import serving
from sandbox.serve.http.router import router, unknown_host
from sandbox.serve.issuers import Issuers
from sandbox.tests.clusters import put
from sandbox.tests.serve.fleets import Answer, asked, fleet, request

ISSUER, AUDIENCE = "https://login.example.com", "https://mcp.example.com"
COGNITO = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf"
TENANT = "https://login.example.com/tenant/v2.0/"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path / "cloud.sqlite")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The issuers' key, which takes long to create."""
    folder = tmp_path_factory.mktemp("key")
    Issuers(folder, Cloud(folder / "cloud.sqlite"), fleet())
    return folder / "issuer.pem"


@pytest.fixture
def home(tmp_path: Path, key: Path) -> Path:
    (tmp_path / key.name).hardlink_to(key)
    return tmp_path


def told(issuer: str = ISSUER, audience: str = AUDIENCE, keys: str = "") -> dict[str, str]:
    named = {"AUTH_ISSUER": issuer, "AUTH_AUDIENCE": audience, "AUTH_JWKS_URI": keys}
    return {name: value for name, value in named.items() if value}


def trusting(home: Path, cloud: Cloud, *environments: Mapping[str, str]) -> Issuers:
    """The issuers of a fleet of processes with these environments."""
    processes = tuple(
        Process(name=f"p{number}", image="i", environment=one, kind="task")
        for number, one in enumerate(environments)
    )
    return Issuers(home, cloud, fleet(processes=processes))


def check(issuer: str = ISSUER, keys: str = f"{ISSUER}/keys", *claims: Any) -> dict[str, Any]:
    made = {"issuer": issuer, "jwksEndpoint": keys, "additionalClaims": list(claims)}
    return {"type": "jwt-validation", "jwtValidation": made}


def audience(*values: str, name: str = "aud") -> dict[str, Any]:
    return {"name": name, "format": "single-string", "values": list(values)}


def publishes(issuers: Issuers, url: str) -> Answer:
    """The document at a URL, requested from its host."""
    _, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    app = router(issuers.applications(), unknown_host)
    return asked(app, request(host, slash + path, scheme="https"))


def test_processes_name_their_trusted_issuers(home: Path, cloud: Cloud) -> None:
    other = told("https://other.example.com", "b", "https://keys.example.com/b")
    assert trusting(home, cloud, told(), {}, other).trusted == {
        ISSUER: (AUDIENCE, ""),
        "https://other.example.com": ("b", "https://keys.example.com/b"),
    }


@pytest.mark.parametrize("first", [0, 1])
def test_what_one_process_is_told_less_another_may_be_told(
    home: Path, cloud: Cloud, first: int
) -> None:
    environments = [told(), told(audience="", keys=f"{ISSUER}/keys")]
    issuers = trusting(home, cloud, environments[first], environments[1 - first])
    assert issuers.trusted == {ISSUER: (AUDIENCE, f"{ISSUER}/keys")}


def test_load_balancers_name_their_trusted_issuers(home: Path, cloud: Cloud) -> None:
    actions = [check(ISSUER, f"{ISSUER}/keys", audience("x", name="scope"), audience("a", "b"))]
    put(cloud, "lb/listenerRule:ListenerRule", "r", actions=[*actions, {"type": "forward"}])
    put(cloud, "lb/listener:Listener", "l", defaultActions=[check(COGNITO, f"{COGNITO}/k")])
    assert trusting(home, cloud).trusted == {
        COGNITO: ("", f"{COGNITO}/k"),
        ISSUER: ("a", f"{ISSUER}/keys"),
    }


def test_a_fleet_without_trusted_issuers_has_no_issuers_and_no_tokens(
    home: Path, cloud: Cloud
) -> None:
    put(cloud, "lb/listenerRule:ListenerRule", "r", actions=[{"type": "forward"}])
    issuers = trusting(home, cloud, {})
    assert issuers.applications() == {}
    with pytest.raises(DeployedError) as error:
        issuers.token()
    assert str(error.value) == (
        "the fleet does not use tokens: gateway.auth is not set (docs/configuration.md)"
    )


def test_the_hosts_are_those_of_issuers_and_keys(home: Path, cloud: Cloud) -> None:
    keys = "https://Keys.example.com:8443/all"
    issuers = trusting(home, cloud, told(), told(COGNITO, keys=keys))
    assert set(issuers.applications()) == {
        "login.example.com",
        "cognito-idp.us-east-1.amazonaws.com",
        "keys.example.com",
    }


@pytest.mark.parametrize(
    ("issuer", "openid", "oauth"),
    [
        (
            ISSUER,
            f"{ISSUER}/.well-known/openid-configuration",
            f"{ISSUER}/.well-known/oauth-authorization-server",
        ),
        (
            COGNITO,
            f"{COGNITO}/.well-known/openid-configuration",
            "https://cognito-idp.us-east-1.amazonaws.com/.well-known/oauth-authorization-server"
            "/us-east-1_AbCdEf",
        ),
        (
            TENANT,
            "https://login.example.com/tenant/v2.0/.well-known/openid-configuration",
            "https://login.example.com/.well-known/oauth-authorization-server/tenant/v2.0",
        ),
        (
            "https://Login.example.com:8443/a",
            "https://login.example.com:8443/a/.well-known/openid-configuration",
            "https://login.example.com:8443/.well-known/oauth-authorization-server/a",
        ),
    ],
)
@pytest.mark.parametrize("keys", ["", "https://keys.example.com/all"])
def test_an_issuer_publishes_its_metadata_and_its_keys(
    home: Path, cloud: Cloud, issuer: str, openid: str, oauth: str, keys: str
) -> None:
    issuers = trusting(home, cloud, told(issuer, keys=keys))
    metadata = publishes(issuers, openid)
    assert metadata.status == 200
    assert publishes(issuers, oauth).json == metadata.json
    base = issuer.rstrip("/")
    assert metadata.json == {
        "issuer": issuer,
        "jwks_uri": keys or f"{base}/.well-known/jwks.json",
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    published = publishes(issuers, metadata.json["jwks_uri"])
    assert published.status == 200
    (one,) = published.json["keys"]
    assert (one["kty"], one["kid"], one["use"], one["alg"]) == ("RSA", "sandbox", "sig", "RS256")
    # Only the public part of the key.
    assert set(one) == {"kty", "key_ops", "n", "e", "kid", "use", "alg"}


@pytest.mark.parametrize(
    "url",
    [
        f"{ISSUER}/",
        f"{ISSUER}/token",
        f"{ISSUER}/tenant/.well-known/openid-configuration",
        f"{ISSUER}:8443/.well-known/openid-configuration",
        "https://keys.example.com/.well-known/openid-configuration",
    ],
)
def test_there_is_nothing_else_at_an_issuer(home: Path, cloud: Cloud, url: str) -> None:
    issuers = trusting(home, cloud, told(keys="https://keys.example.com/all"))
    answered = publishes(issuers, url)
    assert answered.status == 404
    assert answered.json["error"].startswith("no issuer has a document at ")


def test_an_untrusted_issuer_is_not_served(home: Path, cloud: Cloud) -> None:
    issuers = trusting(home, cloud, told())
    url = "https://evil.example.com/.well-known/openid-configuration"
    assert publishes(issuers, url).status == 502


def test_the_key_set_is_what_is_published_at_a_url(home: Path, cloud: Cloud) -> None:
    issuers = trusting(home, cloud, told(keys="https://keys.example.com/all"), told(COGNITO))
    for url in ("https://keys.example.com/all", f"{COGNITO}/.well-known/jwks.json"):
        (one,) = issuers.key_set(url).keys
        assert one.key_id == "sandbox"
        jwt.decode(issuers.token(), one, ["RS256"], audience=AUDIENCE, issuer=ISSUER)
    with pytest.raises(jwt.PyJWKSetError):
        issuers.key_set(f"{ISSUER}/.well-known/jwks.json")


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_a_token_is_by_default_of_the_fleets_issuer_for_the_fleet(home: Path, cloud: Cloud) -> None:
    token = trusting(home, cloud, told(), told(COGNITO, "pool")).token()
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "kid": "sandbox", "typ": "JWT"}
    claims = claims_of(token)
    assert claims["exp"] - claims["iat"] == 3601
    assert claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "operator",
        "client_id": "sandbox",
        "iat": claims["iat"],
        "exp": claims["exp"],
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"issuer": COGNITO}, {"iss": COGNITO, "aud": "pool"}),
        ({"issuer": COGNITO, "audience": "x"}, {"iss": COGNITO, "aud": "x"}),
        ({"issuer": "https://evil"}, {"iss": "https://evil", "aud": AUDIENCE}),
        ({"audience": "x"}, {"iss": ISSUER, "aud": "x"}),
        ({"scope": "read write"}, {"scope": "read write"}),
        ({"claims": {"sub": "ann", "groups": ["a"]}}, {"sub": "ann", "groups": ["a"]}),
        ({"claims": {"client_id": None}}, {"client_id": None}),
    ],
)  # fmt: skip
def test_a_token_has_what_is_asked_for(
    home: Path, cloud: Cloud, arguments: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    claims = claims_of(trusting(home, cloud, told(), told(COGNITO, "pool")).token(**arguments))
    assert {name: claims.get(name) for name in expected} == expected
    assert set(claims) >= {name for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(("seconds", "good"), [(60, True), (0, False), (-60, False)])
def test_a_token_is_good_for_as_long_as_asked_for(
    home: Path, cloud: Cloud, seconds: int, good: bool
) -> None:
    issuers = trusting(home, cloud, told())
    token = issuers.token(seconds=seconds)
    claims = claims_of(token)
    assert claims["iat"] < claims["exp"]
    (one,) = issuers.key_set(f"{ISSUER}/.well-known/jwks.json").keys
    if good:
        assert jwt.decode(token, one, ["RS256"], audience=AUDIENCE) == claims
    else:
        with pytest.raises(jwt.ExpiredSignatureError):
            jwt.decode(token, one, ["RS256"], audience=AUDIENCE)


class Keys(jwt.PyJWKClient):
    """Gets keys from the application of a test, without DNS."""

    def __init__(self, issuers: Issuers, url: str) -> None:
        super().__init__(url)
        self._issuers, self._url = issuers, url

    def fetch_data(self) -> Any:
        return json.loads(publishes(self._issuers, self._url).body)


@pytest.mark.parametrize(
    ("arguments", "good"),
    [
        ({}, True),
        ({"audience": "x"}, False),
        ({"issuer": COGNITO}, False),
        ({"seconds": -60}, False),
    ],
)
def test_workloads_verify_its_tokens(
    home: Path, cloud: Cloud, arguments: Mapping[str, Any], good: bool
) -> None:
    issuers = trusting(home, cloud, told())
    keys = Keys(issuers, f"{ISSUER}/.well-known/jwks.json")
    token = issuers.token(**arguments, scope="read")
    claims = verified_claims(token, keys, issuer=ISSUER, audience=AUDIENCE)
    assert (claims is not None) is good
    if claims:
        assert (client_id(claims), scope(claims)) == ("sandbox", "read")


@pytest.mark.parametrize(
    ("arguments", "good"),
    [
        ({"scope": "read write"}, True),
        ({"claims": {"aud": ["x", AUDIENCE]}}, True),
        ({"audience": "x"}, False),
        ({"issuer": COGNITO}, False),
        ({"seconds": -60}, False),
    ],
)
def test_servers_find_its_keys_by_its_metadata_and_verify_its_tokens(
    home: Path,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Mapping[str, Any],
    good: bool,
) -> None:
    issuers = trusting(home, cloud, told(keys="https://keys.example.com/all"))

    def get(url: str, timeout: float) -> httpx2.Response:
        assert timeout > 0
        answered = publishes(issuers, url)
        return httpx2.Response(answered.status, content=answered.body)

    def fetched(client: jwt.PyJWKClient) -> Any:
        return publishes(issuers, client.uri).json

    monkeypatch.setattr(httpx2, "get", get)
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", fetched)
    token = issuers.token(**arguments)
    found = asyncio.run(IssuerTokens(ISSUER, AUDIENCE).verify_token(token))
    assert (found is not None) is good
    if found:
        assert (found.client_id, found.subject, found.scopes) == (
            "sandbox",
            "operator",
            arguments.get("scope", "").split(),
        )


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    cloud = Cloud(tmp_path / "cloud.sqlite")
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(trusting, home, cloud, told()) for _ in range(4)]
        at_once = [one.result() for one in made]
    assert [one.name for one in home.iterdir()] == ["issuer.pem"]
    assert stat.S_IMODE((home / "issuer.pem").stat().st_mode) == 0o600
    (key,) = trusting(home, cloud, told()).key_set(f"{ISSUER}/.well-known/jwks.json").keys
    for one in at_once:
        jwt.decode(one.token(), key, ["RS256"], audience=AUDIENCE)


def test_a_sandbox_has_a_key_of_its_own(home: Path, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    other = trusting(tmp_path / "other", cloud, told()).token()
    (key,) = trusting(home, cloud, told()).key_set(f"{ISSUER}/.well-known/jwks.json").keys
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(other, key, ["RS256"], audience=AUDIENCE)


def test_an_issuer_is_served_over_the_wire(home: Path, cloud: Cloud) -> None:
    app = router(trusting(home, cloud, told()).applications(), unknown_host)

    async def run() -> bytes:
        async with serving(lambda _port: app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: login.example.com:443\r\n"
                b"Connection: close\r\n\r\n"
            )
            answered = await reader.read()
            writer.close()
            return answered

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert [one["kid"] for one in json.loads(body)["keys"]] == ["sandbox"]
