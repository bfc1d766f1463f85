"""Requests of agents to their servers, signed as API Gateway checks them."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import httpx2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.session import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import signing
from common.settings import SettingError
from common.tool_servers import connection
from tests.workloads.local_http import serving
from tests.workloads.planner_model import planner
from tests.workloads.support import http_client
from workloads.assistant import agent
from workloads.clock import server as clock

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

TOKEN = "session-token"
KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "secret-key", TOKEN)
OTHER_KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "another-key", TOKEN)
ENV = {"MCP_SERVERS_AUTH": "sigv4", "AWS_REGION": "eu-central-1"}

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/(\d{8}/eu-central-1/execute-api/aws4_request), "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def signed_headers(
    method: str, url: str, headers: Mapping[str, str], body: bytes, keys: ReadOnlyCredentials
) -> set[str]:
    """The headers that the signature covers; fails if botocore would sign the request otherwise."""
    shown = _AUTHORIZATION.fullmatch(headers["authorization"])
    assert shown, headers["authorization"]
    scope, names, signature = shown.groups()
    request = AWSRequest(
        method=method,
        url=url,
        headers={name: headers[name] for name in names.split(";")},
        data=body,
    )
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(keys, "execute-api", "eu-central-1")
    assert signer.credential_scope(request) == scope
    expected = signer.string_to_sign(request, signer.canonical_request(request))
    assert signer.signature(expected, request) == signature
    return set(names.split(";"))


class Guarded:
    """An application behind a check of signatures; keeps the signed headers of each request."""

    def __init__(self, app: ASGIApp, keys: ReadOnlyCredentials = KEYS) -> None:
        self.app = app
        self.keys = keys
        self.covered: list[set[str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        messages: list[Message] = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        body = b"".join(message["body"] for message in messages)
        url = f"http://{headers['host']}{scope['raw_path'].decode()}"
        covered = signed_headers(scope["method"], url, headers, body, self.keys)
        self.covered.append(covered)
        self.headers.append(headers)
        self.bodies.append(json.loads(body))

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, again, send)


@pytest.fixture
def keys_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


async def answer_of(guarded: Guarded, **env: str) -> dict[str, Any]:
    """What the assistant answers to "now" with the guarded server as its clock."""
    with serving(guarded) as url:
        servers = json.dumps({"clock": f"{url}/servers/clock/mcp"})
        app = agent.build({"MCP_SERVERS": servers, **env}, model=planner())
        async with http_client(app) as client:
            return (await client.post("/ask", json={"question": "now"})).json()


def clock_behind_a_gateway() -> ASGIApp:
    """The clock at the path that it has outside."""
    app = clock.build({})

    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].removeprefix("/servers/clock")}
        await app(scope, receive, send)

    return moved


@pytest.mark.usefixtures("keys_in_the_environment")
async def test_every_request_is_signed_with_its_body_and_its_mcp_headers() -> None:
    guarded = Guarded(clock_behind_a_gateway())
    answer = await answer_of(guarded, **ENV)
    assert answer["complete"] is True, answer
    methods = [body["method"] for body in guarded.bodies]
    assert {"server/discover", "tools/list", "tools/call"} <= set(methods)
    always = {"content-type", "host", "x-amz-date", "x-amz-security-token"}
    for method, covered, headers in zip(methods, guarded.covered, guarded.headers, strict=True):
        mcp = {name for name in headers if name.startswith("mcp-")}
        assert covered == always | mcp
        assert headers["mcp-method"] == method
        assert headers["x-amz-security-token"] == TOKEN
    call = methods.index("tools/call")
    assert guarded.headers[call]["mcp-name"] == "now"
    assert guarded.bodies[call]["params"]["name"] == "now"


@pytest.mark.usefixtures("keys_in_the_environment")
async def test_a_signature_with_other_keys_does_not_open_the_server() -> None:
    guarded = Guarded(clock.build({}), OTHER_KEYS)
    answer = await answer_of(guarded, **ENV)
    assert answer["error"].startswith("no server is reachable: clock: ")
    assert guarded.covered == []


async def test_without_the_variable_nothing_is_signed() -> None:
    def unsigned(asked: Mapping[str, str]) -> bool:
        return not any(name.startswith("x-amz-") or name == "authorization" for name in asked)

    seen: list[dict[str, str]] = []
    app = clock.build({})

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await app(scope, receive, send)

    with serving(look) as url:
        built = agent.build({"MCP_SERVERS": json.dumps({"clock": f"{url}/mcp"})}, model=planner())
        async with http_client(built) as client:
            answer = (await client.post("/ask", json={"question": "now"})).json()
    assert answer["complete"] is True
    assert all(unsigned(headers) for headers in seen)


async def test_credentials_that_run_out_are_followed_by_fresh_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetched: list[str] = []

    def fetch() -> dict[str, Any]:
        fetched.append(f"AKID{len(fetched)}")
        soon = datetime.now(UTC) + timedelta(seconds=1)
        return {
            "access_key": fetched[-1],
            "secret_key": "secret-key",
            "token": f"token-{len(fetched)}",
            "expiry_time": soon.isoformat(),
        }

    fleeting = RefreshableCredentials.create_from_metadata(fetch(), fetch, "test")
    monkeypatch.setattr(Session, "get_credentials", Mock(return_value=fleeting))
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"].split("=")[1].split("/")[0])
        return httpx2.Response(200)

    auth = signing.Signature("eu-central-1")
    async with httpx2.AsyncClient(auth=auth, transport=httpx2.MockTransport(answer)) as client:
        for _ in range(2):
            await client.post("http://127.0.0.1/mcp", json={})
    assert seen == fetched[1:]
    assert len(set(seen)) == 2


async def test_a_request_that_is_sent_again_carries_one_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Session, "get_credentials", Mock(return_value=Credentials("AKIDEXAMPLE", "k"))
    )
    keys = ReadOnlyCredentials("AKIDEXAMPLE", "k", None)

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert len(request.headers.get_list("authorization")) == 1
        url = str(request.url)
        signed_headers(request.method, url, dict(request.headers), request.content, keys)
        return httpx2.Response(200)

    auth = signing.Signature("eu-central-1")
    async with httpx2.AsyncClient(auth=auth, transport=httpx2.MockTransport(answer)) as client:
        request = client.build_request("POST", "http://127.0.0.1/mcp", json={"a": 1})
        for _ in range(2):
            assert (await client.send(request)).status_code == 200


@pytest.mark.parametrize("scheme", ["SIGV4", "oauth", " "])
def test_another_signature_scheme_fails_the_start(scheme: str) -> None:
    with pytest.raises(SettingError, match=r"^MCP_SERVERS_AUTH is .* 'sigv4' or empty$"):
        agent.build({"MCP_SERVERS_AUTH": scheme}, model=planner())


def test_a_signature_without_a_region_fails_the_start() -> None:
    with pytest.raises(SettingError, match=r"^AWS_REGION is not set; MCP_SERVERS_AUTH needs it$"):
        connection({"MCP_SERVERS_AUTH": "sigv4"})


def test_a_signature_without_credentials_fails_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Session, "get_credentials", Mock(return_value=None))
    with pytest.raises(SettingError, match="no AWS credentials were found"):
        connection(ENV)
