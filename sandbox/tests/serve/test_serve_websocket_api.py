"""Deployed WebSocket APIs: connections, routes of messages, and messages to the client."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from sandbox.cloud.store import Cloud
from sandbox.serve.api_gateway import websocket_api
from sandbox.serve.fleet import OPERATOR, Application
from sandbox.tests.clusters import put
from sandbox.tests.serve.apis import (
    ALLOW_ALL,
    BEARER,
    REGION,
    SOCKETS,
    SOCKETS_EXECUTION,
    SOCKETS_HOST,
    Answer,
    Behaviour,
    Functions,
    Running,
    Seen,
    add_api,
    add_authorizer,
    add_function,
    applications,
    ask,
    deploy,
    fine,
    permit,
    signature,
    uri,
    workload,
)
from sandbox.tests.serve.deployed import allow

MESSAGE = (
    '{"connection_id":"$context.connectionId","body":"'
    r"""$util.escapeJavaScript($input.body).replaceAll("\\'","'")"""
    '"}'
)
ANSWER = allow("execute-api:ManageConnections", f"{SOCKETS_EXECUTION}/live/POST/@connections/*")
CONNECT = allow("execute-api:Invoke", f"{SOCKETS_EXECUTION}/live/$connect")
EVENT = {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}


def add_route(cloud: Cloud, key: str, integration: str, **properties: Any) -> None:
    made = {"apiId": SOCKETS, "routeKey": key, "target": f"integrations/{integration}"}
    authorization = {"authorizationType": "NONE"}
    put(cloud, "apigatewayv2/route:Route", f"route{key}", **made, **(authorization | properties))


def add_integration(cloud: Cloud, id_: str, **properties: Any) -> None:
    made = {"apiId": SOCKETS, "templateSelectionExpression": r"\$default"}
    put(cloud, "apigatewayv2/integration:Integration", id_, **made, **properties)


def add_room(cloud: Cloud, **connect: Any) -> None:
    """Adds the API of the agent's chat, as the program does, and its deployment."""
    put(
        cloud,
        "apigatewayv2/api:Api",
        SOCKETS,
        protocolType="WEBSOCKET",
        executionArn=SOCKETS_EXECUTION,
        routeSelectionExpression="$request.body.action",
    )
    welcome = {"$default": '{"statusCode":200}'}
    add_integration(cloud, "welcome", integrationType="MOCK", requestTemplates=welcome)
    add_integration(
        cloud,
        "message",
        integrationType="AWS",
        integrationUri=uri("agent", streams=False),
        requestParameters=EVENT,
        requestTemplates={"$default": MESSAGE},
    )
    add_route(cloud, "$connect", "welcome", **({"authorizationType": "AWS_IAM"} | connect))
    add_route(cloud, "$disconnect", "welcome")
    add_route(cloud, "$default", "message")
    permit(cloud, "agent", f"{SOCKETS_EXECUTION}/live/$default")
    redeploy(cloud)


def redeploy(cloud: Cloud) -> None:
    cloud.delete("aws", "aws:apigatewayv2/deployment:Deployment", "dep")
    put(cloud, "apigatewayv2/deployment:Deployment", "dep", apiId=SOCKETS)
    put(
        cloud,
        "apigatewayv2/stage:Stage",
        f"{SOCKETS}/live",
        apiId=SOCKETS,
        name="live",
        deploymentId="dep",
    )


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    deploy(cloud)
    variables = {"PORT": "8080", "AWS_LWA_PASS_THROUGH_PATH": "/events"}
    add_function(cloud, "agent", ANSWER, variables=variables)
    add_function(cloud, "friend", CONNECT)
    add_room(cloud)
    return cloud


class Client:
    """A connection over ASGI."""

    def __init__(self, application: Application, **request: Any) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.got: asyncio.Queue[Any] = asyncio.Queue()
        self.sent.put_nowait({"type": "websocket.connect"})
        given = {"host": SOCKETS_HOST, **request.get("headers", {})}
        scope = {
            "type": "websocket",
            "scheme": "wss",
            "path": request.get("path", "/live"),
            "raw_path": request.get("path", "/live").encode(),
            "query_string": request.get("query", "").encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in given.items()],
            "extensions": request.get("extensions", {"websocket.http.response": {}}),
            "state": {"source": request.get("source", OPERATOR)},
        }
        self.is_cut = False
        self.task = asyncio.ensure_future(application(scope, self.sent.get, self._take))

    async def _take(self, message: Any) -> None:
        if self.is_cut:
            raise ConnectionResetError
        await self.got.put(message)

    async def write(self, text: str) -> None:
        await self.sent.put({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        await self.sent.put({"type": "websocket.disconnect", "code": 1000})
        await self.task


Use = Callable[[Application, Seen], Awaitable[Any]]


def served(
    cloud: Cloud, use: Use, *, functions: Functions | None = None, behaviour: Behaviour = fine
) -> Any:
    async def run() -> Any:
        # A missing message fails the test instead of blocking it.
        async with asyncio.timeout(60), workload(behaviour) as (running, seen):
            return await use(applications(cloud, running, functions)[SOCKETS_HOST], seen)

    return asyncio.run(run())


def first(cloud: Cloud, functions: Functions | None = None, **request: Any) -> list[Any]:
    """The messages that a client gets when it connects."""

    async def use(application: Application, _seen: Seen) -> list[Any]:
        client = Client(application, **request)
        got = [await client.got.get()]
        if got[0]["type"] == "websocket.accept":
            await client.leave()
        else:
            await client.task
        while not client.got.empty():
            got.append(client.got.get_nowait())
        return got

    return served(cloud, use, functions=functions)


def accepted(got: list[Any]) -> bool:
    return got == [{"type": "websocket.accept"}]


def status(got: list[Any]) -> int:
    return got[0]["status"]


async def seen_one(seen: Seen) -> tuple[str, str, dict[str, str], bytes]:
    while not seen.requests:
        await asyncio.sleep(0.01)
    return seen.requests.pop(0)


async def connection_id(client: Client, seen: Seen) -> str:
    """The id of a connection, from the requests of its messages."""
    await client.write("hello")
    return json.loads((await seen_one(seen))[3])["connection_id"]


@pytest.mark.parametrize("text", ['{"question": "now"}', 'it\'s "é"\n\\ / \x00 $context.x #if', ""])
def test_a_message_is_posted_to_the_function_with_its_connection(cloud: Cloud, text: str) -> None:
    async def use(application: Application, seen: Seen) -> Any:
        client = Client(application)
        assert await client.got.get() == {"type": "websocket.accept"}
        await client.write(text)
        request = await seen_one(seen)
        await client.leave()
        return request

    method, target, headers, body = served(cloud, use)
    assert (method, target) == ("POST", "/events")
    assert headers["x-amzn-request-context"] == "null"
    assert headers["content-type"] == "application/json"
    assert "invoked_function_arn" in json.loads(headers["x-amzn-lambda-context"])
    event = json.loads(body)
    assert event["body"] == text
    assert len(event["connection_id"]) == 32


def test_messages_of_one_connection_have_its_id_and_others_have_another(cloud: Cloud) -> None:
    async def use(application: Application, seen: Seen) -> list[str]:
        clients = [Client(application), Client(application)]
        ids = [await connection_id(client, seen) for client in (*clients, *clients)]
        for client in clients:
            await client.leave()
        return ids

    one, other, again, there = served(cloud, use)
    assert (one, other) == (again, there)
    assert one != other


def test_a_message_is_not_waited_for(cloud: Cloud) -> None:
    async def never(_receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    async def use(application: Application, seen: Seen) -> int:
        client = Client(application)
        for _ in range(3):
            await client.write("{}")
        for _ in range(3):
            await seen_one(seen)
        await client.leave()
        return client.got.qsize()

    assert served(cloud, use, behaviour=never) == 1


async def manage(
    application: Application,
    id_: str,
    method: str = "POST",
    body: bytes = b"",
    source: str = "agent",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    return await ask(
        application,
        method,
        f"/live/@connections/{quote(id_, safe='')}",
        host=SOCKETS_HOST,
        headers={"authorization": signature(source)} if headers is None else headers,
        body=body,
        source=source,
    )


def talk(cloud: Cloud, use: Callable[[Application, Client, str], Coroutine[Any, Any, Any]]) -> Any:
    """Runs a block with a connection whose id is known."""

    async def run(application: Application, seen: Seen) -> Any:
        client = Client(application)
        await client.got.get()
        id_ = await connection_id(client, seen)
        result = await use(application, client, id_)
        if not client.task.done():
            await client.leave()
        return result

    return served(cloud, run)


def test_the_agent_answers_on_the_connection(cloud: Cloud) -> None:
    async def use(application: Application, client: Client, id_: str) -> Any:
        return await manage(application, id_, body="é".encode()), await client.got.get()

    answer, message = talk(cloud, use)
    assert answer.status == 200
    assert message == {"type": "websocket.send", "text": "é"}


def test_an_answer_of_128_kib_is_the_longest(cloud: Cloud) -> None:
    limit = 131_072

    async def use(application: Application, client: Client, id_: str) -> Any:
        fits = await manage(application, id_, body=b"a" * limit)
        too_long = await manage(application, id_, body=b"a" * (limit + 1))
        return fits.status, too_long, client.got.qsize()

    fits, too_long, messages = talk(cloud, use)
    assert (fits, messages) == (200, 1)
    assert too_long.status == 413
    assert too_long.headers["x-amzn-errortype"] == "PayloadTooLargeException"


def test_a_message_of_128_kib_is_the_longest(cloud: Cloud) -> None:
    limit = 131_072

    async def use(application: Application, seen: Seen) -> Any:
        client = Client(application)
        await client.got.get()
        await client.write("é" * (limit // 2))
        event = json.loads((await seen_one(seen))[3])
        await client.write("é" * (limit // 2) + "a")
        await client.task
        return event, client.got.get_nowait()

    event, closed = served(cloud, use)
    assert len(event["body"].encode()) == limit
    assert closed == {"type": "websocket.close", "code": 1009}


def test_nobody_is_answered_who_has_gone(cloud: Cloud) -> None:
    async def use(application: Application, client: Client, id_: str) -> Any:
        await client.leave()
        return await manage(application, id_), await manage(application, "never=")

    for answer in talk(cloud, use):
        assert answer.status == 410
        assert answer.headers["x-amzn-errortype"] == "GoneException"


def test_nobody_is_answered_who_is_just_gone(cloud: Cloud) -> None:
    async def use(application: Application, client: Client, id_: str) -> Any:
        client.is_cut = True
        return await manage(application, id_)

    answer = talk(cloud, use)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (410, "GoneException")


@pytest.mark.parametrize(
    ("source", "method", "headers", "refused"),
    [
        ("friend", "POST", None, 403),
        ("agent", "GET", None, 403),
        ("agent", "DELETE", None, 403),
        ("agent", "POST", {}, 403),
        ("agent", "POST", {"authorization": signature("friend")}, 403),
        ("anonymous", "POST", {"authorization": signature("agent")}, 403),
        (OPERATOR, "POST", {}, 200),
        (OPERATOR, "PUT", {}, 403),
    ],
)
def test_only_who_has_the_right_answers(
    cloud: Cloud, source: str, method: str, headers: Mapping[str, str] | None, refused: int
) -> None:
    async def use(application: Application, client: Client, id_: str) -> Any:
        answer = await manage(application, id_, method, b"x", source, headers)
        return answer.status, client.got.qsize()

    assert talk(cloud, use) == (refused, 1 if refused == 200 else 0)


def test_who_is_refused_does_not_learn_whether_there_is_a_connection(cloud: Cloud) -> None:
    async def use(application: Application, _client: Client, id_: str) -> Any:
        there = await manage(application, id_, source="friend")
        gone = await manage(application, "x" * 32, source="friend")
        return there, gone

    there, gone = talk(cloud, use)
    assert there.status == gone.status == 403
    assert "is not authorized to perform: execute-api:ManageConnections" in there.json["Message"]


def test_the_operator_sees_a_connection_and_ends_it(cloud: Cloud) -> None:
    async def use(application: Application, client: Client, id_: str) -> Any:
        shown = await manage(application, id_, "GET", source=OPERATOR)
        ended = await manage(application, id_, "DELETE", source=OPERATOR)
        await client.task
        again = await manage(application, id_, "GET", source=OPERATOR)
        return shown, ended.status, client.got.get_nowait(), again.status

    shown, ended, closed, again = talk(cloud, use)
    assert set(shown.json) == {"connectedAt", "identity", "lastActiveAt"}
    assert (ended, again) == (204, 410)
    assert closed == {"type": "websocket.close", "code": 1001}


@pytest.mark.parametrize("path", ["/live", "/live/", "/live/@connections", "/live/other/x"])
def test_other_paths_are_not_managed(cloud: Cloud, path: str) -> None:
    async def use(application: Application, _seen: Seen) -> Answer:
        return await ask(application, "POST", path, host=SOCKETS_HOST)

    answer = served(cloud, use)
    assert (answer.status, answer.json) == (403, {"message": "Missing Authentication Token"})


@pytest.mark.parametrize(
    ("request_", "welcome"),
    [
        ({}, 0),
        ({"source": "friend", "headers": {"authorization": signature("friend")}}, 0),
        ({"source": "agent", "headers": {"authorization": signature("agent")}}, 403),
        ({"source": "friend"}, 403),
        ({"source": "anonymous"}, 403),
        ({"path": "/"}, 403),
        ({"path": "/other"}, 403),
    ],
)
def test_who_connects_signs(cloud: Cloud, request_: dict[str, Any], welcome: int) -> None:
    got = first(cloud, **request_)
    assert accepted(got) if welcome == 0 else status(got) == welcome


def test_a_server_that_cannot_answer_a_handshake_closes_it(cloud: Cloud) -> None:
    got = first(cloud, source="anonymous", extensions={})
    assert got == [{"type": "websocket.close", "code": 1008}]


def _with_tokens(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path / "tokens.sqlite")
    add_api(cloud)
    deploy(cloud)
    add_authorizer(cloud)
    add_function(cloud, "agent", ANSWER)
    put(
        cloud,
        "apigatewayv2/authorizer:Authorizer",
        "auth2",
        apiId=SOCKETS,
        authorizerType="REQUEST",
        identitySources=["route.request.header.Authorization"],
        authorizerUri=uri("tokens", streams=False),
        authorizerResultTtlInSeconds=0,
    )
    permit(cloud, "tokens", f"{SOCKETS_EXECUTION}/authorizers/auth2")
    add_room(cloud, authorizationType="CUSTOM", authorizerId="auth2")
    return cloud


def _allowing(resource: str) -> dict[str, Any]:
    stated = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    return {"principalId": "ann", "policyDocument": {"Statement": [stated]}}


def test_with_tokens_the_authorizer_is_told_the_handshake(tmp_path: Path) -> None:
    functions = Functions(authorizer=lambda _: _allowing(f"{SOCKETS_EXECUTION}/live/*"))
    got = first(
        _with_tokens(tmp_path),
        functions,
        source="anonymous",
        headers={"Authorization": BEARER},
        query="a=1&a=2",
    )
    assert accepted(got)
    (event,) = functions.events
    assert event["type"] == "REQUEST"
    assert event["methodArn"] == f"{SOCKETS_EXECUTION}/live/$connect"
    assert event["headers"]["authorization"] == BEARER
    assert event["queryStringParameters"] == {"a": "2"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["requestContext"]["routeKey"] == "$connect"


@pytest.mark.parametrize(
    ("headers", "said", "refused", "asked"),
    [
        ({}, ALLOW_ALL, 401, 0),
        ({"Authorization": BEARER}, ALLOW_ALL, 403, 1),
        ({"Authorization": BEARER}, _allowing(f"{SOCKETS_EXECUTION}/live/$default"), 403, 1),
        ({"Authorization": BEARER}, None, 500, 1),
    ],
)
def test_without_a_good_token_nobody_connects(
    tmp_path: Path, headers: dict[str, str], said: Any, refused: int, asked: int
) -> None:
    functions = Functions(authorizer=lambda _: said)
    got = first(_with_tokens(tmp_path), functions, headers=headers)
    assert [one["type"] for one in got] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert status(got) == refused
    assert len(functions.events) == asked


@pytest.mark.parametrize(
    ("template", "refused"),
    [
        ('{"statusCode":204}', 0),
        ('{"statusCode":403}', 403),
        ('{"statusCode":503}', 503),
        ("{}", 500),
        ("no", 500),
    ],
)
def test_the_integration_of_connect_lets_in_or_refuses(
    cloud: Cloud, template: str, refused: int
) -> None:
    changed = {"requestTemplates": {"$default": template}}
    cloud.edit("aws", "aws:apigatewayv2/integration:Integration", "welcome", changed)
    got = first(cloud)
    assert accepted(got) if refused == 0 else status(got) == refused


def test_a_function_behind_connect_is_not_played_and_said_so(cloud: Cloud) -> None:
    changed = {"integrationType": "AWS_PROXY"}
    cloud.edit("aws", "aws:apigatewayv2/integration:Integration", "welcome", changed)
    start, body = first(cloud)
    assert start["status"] == 501
    assert "type AWS_PROXY; the sandbox supports only MOCK" in json.loads(body["body"])["message"]


def _said(cloud: Cloud, text: str) -> Any:
    """The messages to the client after it sends one, and the requests to the function."""

    async def use(application: Application, seen: Seen) -> Any:
        client = Client(application)
        await client.got.get()
        await client.write(text)
        message = await client.got.get()
        await client.leave()
        return json.loads(message["text"]), len(seen.requests)

    return served(cloud, use)


def test_a_message_that_the_api_may_not_hand_over_is_answered_with_an_error(cloud: Cloud) -> None:
    place = f"agent {SOCKETS_EXECUTION}/live/$default"
    changed = {"sourceArn": f"{SOCKETS_EXECUTION}/live/$connect"}
    cloud.edit("aws", "aws:lambda/permission:Permission", place, changed)
    said, requests = _said(cloud, "{}")
    assert (said["message"], requests) == ("Internal server error", 0)
    assert set(said) == {"message", "connectionId", "requestId"}


@pytest.mark.parametrize(
    "changed",
    [
        {"requestParameters": {}},
        {"integrationType": "AWS_PROXY"},
        {"integrationUri": uri("nobody", streams=False)},
        {"requestTemplates": {"$default": "{"}},
        {"requestTemplates": {"$default": '{"a":"$stageVariables.a"}'}},
    ],
)
def test_what_is_not_played_is_an_error(cloud: Cloud, changed: dict[str, Any]) -> None:
    cloud.edit("aws", "aws:apigatewayv2/integration:Integration", "message", changed)
    said, requests = _said(cloud, "{}")
    assert (said["message"], requests) == ("Internal server error", 0)


def test_without_a_default_route_a_message_is_forbidden(cloud: Cloud) -> None:
    cloud.delete("aws", "aws:apigatewayv2/route:Route", "route$default")
    assert _said(cloud, "{}")[0]["message"] == "Forbidden"


def test_a_message_goes_to_the_route_that_it_names(cloud: Cloud) -> None:
    add_integration(
        cloud,
        "special",
        integrationType="AWS",
        integrationUri=uri("agent", streams=False),
        requestParameters=EVENT,
        requestTemplates={"$default": '{"connection_id":"$context.routeKey"}'},
    )
    add_route(cloud, "special", "special")
    permit(cloud, "agent", f"{SOCKETS_EXECUTION}/live/special")
    redeploy(cloud)

    async def use(application: Application, seen: Seen) -> list[str]:
        client = Client(application)
        named: list[str] = []
        for text in ('{"action":"special"}', '{"action":"$connect"}', "[]", '{"action":{}}'):
            await client.write(text)
            named.append(json.loads((await seen_one(seen))[3])["connection_id"])
        await client.leave()
        return named

    special, *others = served(cloud, use)
    assert special == "special"
    assert {len(other) for other in others} == {32}


def test_a_route_that_was_made_after_the_deployment_is_not_there_yet(cloud: Cloud) -> None:
    cloud.delete("aws", "aws:apigatewayv2/route:Route", "route$default")
    add_route(cloud, "$default", "message")
    assert _said(cloud, "{}")[0]["message"] == "Forbidden"


@dataclass
class Clock:
    """A clock that does not advance, and counts how often it is read."""

    now: float = 1000.0
    looks: int = 0

    def time(self) -> float:
        self.looks += 1
        return self.now

    async def looked_at(self) -> None:
        before = self.looks
        while self.looks < before + 2:
            await asyncio.sleep(0.01)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    stopped = SimpleNamespace(time=clock.time, strftime=time.strftime, gmtime=time.gmtime)
    monkeypatch.setattr(websocket_api, "time", stopped)
    return clock


CLOSED = {"type": "websocket.close", "code": 1001}


def test_a_connection_may_be_silent_for_ten_minutes(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    assert websocket_api.IDLE_SECONDS == 600
    # A short interval, so that the connection is checked often; only the clock decides.
    monkeypatch.setattr(websocket_api, "IDLE_SECONDS", 0.05)

    async def use(application: Application, client: Client, id_: str) -> Any:
        clock.now += 0.04
        await clock.looked_at()
        silent = client.task.done()
        assert (await manage(application, id_)).status == 200
        clock.now += 0.04
        await clock.looked_at()
        answered = client.task.done()
        clock.now += 0.02
        await client.task
        return silent, answered, [client.got.get_nowait() for _ in range(2)][1]

    assert talk(cloud, use) == (False, False, CLOSED)


def test_a_connection_lasts_two_hours(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    assert websocket_api.CONNECTION_SECONDS == 7200
    monkeypatch.setattr(websocket_api, "IDLE_SECONDS", 10_000)

    async def run(application: Application, seen: Seen) -> Any:
        client = Client(application)
        await client.got.get()
        await connection_id(client, seen)
        clock.now += 7199
        await connection_id(client, seen)
        before = client.task.done()
        clock.now += 1
        await client.write("{}")
        await client.task
        return before, client.got.get_nowait()

    assert served(cloud, run) == (False, CLOSED)


def test_a_process_that_is_away_costs_the_message_alone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.serve.functions.web_adapter.INIT_SECONDS", 0.0)

    async def run() -> Any:
        application = applications(cloud, Running(None))[SOCKETS_HOST]
        client = Client(application)
        await client.got.get()
        await client.write("{}")
        answer = await ask(application, "POST", "/live/@connections/x", host=SOCKETS_HOST)
        await client.leave()
        return answer.status, client.got.qsize()

    assert asyncio.run(run()) == (410, 0)


def test_awss_own_client_writes_and_knows_the_errors(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transport of botocore passes its requests to the application."""

    async def use(application: Application, client: Client, id_: str) -> Any:
        loop = asyncio.get_running_loop()

        def send(_self: Any, request: Any) -> Any:
            asked = manage(
                application,
                httpx2.URL(request.url).path.rpartition("/")[2],
                body=request.body or b"",
                headers={name: _text(value) for name, value in request.headers.items()},
            )
            answer = asyncio.run_coroutine_threadsafe(asked, loop).result(10)
            return _Response(answer)

        monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", send)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "agent")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
        api: Any = Session().create_client(
            "apigatewaymanagementapi",
            region_name=REGION,
            endpoint_url=f"https://{SOCKETS_HOST}/live",
            config=Config(retries={"total_max_attempts": 1}),
        )
        await asyncio.to_thread(api.post_to_connection, ConnectionId=id_, Data=b"hello")
        with pytest.raises(ClientError) as gone:
            await asyncio.to_thread(api.post_to_connection, ConnectionId="gone", Data=b"")
        return await client.got.get(), _code(gone.value)

    message, code = talk(cloud, use)
    assert message == {"type": "websocket.send", "text": "hello"}
    assert code == "GoneException"


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _Response:
    """A response of botocore's transport."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = answer.headers
        self.content = answer.body
        self.raw = None
        self.text = answer.body.decode()
