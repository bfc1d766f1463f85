"""Deployed REST APIs: routes, authorization, integrations and limits."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.iam.evaluate import Effect
from sandbox.providers.aws import deployments
from sandbox.providers.aws.tables import tables
from sandbox.serve.api_gateway import rest_integrations
from sandbox.serve.api_gateway.resource_policies import address_within, decide
from sandbox.serve.fleet import OPERATOR
from sandbox.serve.functions import web_adapter
from sandbox.serve.functions.runtime_api import FunctionError
from sandbox.tests.clusters import put
from sandbox.tests.serve.apis import (
    ALLOW_ALL,
    API,
    BEARER,
    EXECUTION,
    HOST,
    Answer,
    Behaviour,
    Functions,
    Running,
    Seen,
    add_api,
    add_authorizer,
    add_function,
    add_method,
    add_server,
    answered_by,
    applications,
    ask,
    deploy,
    fine,
    function_arn,
    invoke_right,
    mocked,
    permit,
    put_at,
    signature,
    workload,
)
from sandbox.tests.serve.deployed import ACCOUNT, role_arn

MCP = "/live/servers/clock/mcp"
CLOCK = f"{EXECUTION}/live/POST/servers/clock/mcp"
MISSING = {"message": "Missing Authentication Token"}
DENIED = "is not authorized to access this resource"
EXPLICIT = f"{DENIED} with an explicit deny"
Asking = Callable[..., Coroutine[Any, Any, Answer]]


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """A server that requires signatures, and an agent that is allowed to call it."""
    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    add_server(cloud)
    add_function(cloud, "agent", invoke_right("/servers/clock/mcp"))
    add_function(cloud, "loner")
    permit(cloud, "agent", f"{EXECUTION}/live/*/agents/agent")
    permit(cloud, "agent", f"{EXECUTION}/live/*/agents/agent/*")
    for path in ("/agents/agent", "/agents/agent/{proxy+}"):
        add_method(cloud, path, "ANY", answered_by("agent"))
    deploy(cloud)
    return cloud


@pytest.fixture
def tokens(tmp_path: Path) -> Cloud:
    """A server that requires tokens."""
    cloud = Cloud(tmp_path / "tokens.sqlite")
    add_api(cloud)
    add_authorizer(cloud)
    add_server(cloud, authorization="CUSTOM", authorizer="auth1")
    deploy(cloud)
    return cloud


def served(
    cloud: Cloud,
    use: Callable[[Asking, Seen], Coroutine[Any, Any, Any]],
    *,
    functions: Functions | None = None,
    behaviour: Behaviour = fine,
    host: str = HOST,
) -> Any:
    """Runs a block with the API and a workload."""

    async def run() -> Any:
        async with workload(behaviour) as (running, seen):
            app = applications(cloud, running, functions)[host]

            async def asking(method: str, path: str, **more: Any) -> Answer:
                given: dict[str, Any] = {"host": host, **more}
                return await ask(app, method, path, **given)

            return await use(asking, seen)

    return asyncio.run(run())


def once(cloud: Cloud, method: str = "POST", path: str = MCP, **more: Any) -> Answer:
    """The response to one request, with the arguments of `served` and `ask`."""
    around = {key: more.pop(key) for key in ("functions", "behaviour", "host") if key in more}

    async def use(asking: Asking, _seen: Seen) -> Answer:
        return await asking(method, path, **more)

    return served(cloud, use, **around)


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def own_policy(cloud: Cloud, *statements: Mapping[str, Any]) -> None:
    document = policy(*statements)
    put_at(cloud, "apigateway/restApiPolicy:RestApiPolicy", API, 1, restApiId=API, policy=document)


def statement(effect: str = "Allow", principal: str = "*", **more: Any) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": {"AWS": principal},
        "Action": "execute-api:Invoke",
        "Resource": f"{EXECUTION}/*",
        **more,
    }


ONLY_FROM_THERE = statement(
    "Deny", Condition={"NotIpAddress": {"aws:SourceIp": ["198.51.100.0/24", "2001:db8::/32"]}}
)


def test_a_request_reaches_the_function_without_stage_and_base_path(cloud: Cloud) -> None:
    async def use(asking: Asking, seen: Seen) -> Any:
        answer = await asking(
            "POST",
            MCP,
            body=[b'{"a":', b"1}"],
            query="b=2&b=%20",
            headers={
                "content-type": "application/json",
                "mcp-method": "tools/list",
                "x-forwarded-for": "10.0.0.1",
                "connection": "keep-alive",
                "te": "trailers",
            },
        )
        return answer, seen.last

    answer, (method, target, headers, body) = served(cloud, use)
    assert (answer.status, answer.body, answer.ended) == (200, b"fine", True)
    assert answer.headers["x-own"] == "1"
    assert (method, target, body) == ("POST", "/mcp?b=2&b=%20", b'{"a":1}')
    assert headers["host"] == HOST
    assert headers["mcp-method"] == "tools/list"
    assert headers["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("https", "443")
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    assert "te" not in headers


def test_a_function_is_told_the_contexts_and_no_caller_can_tell_them(cloud: Cloud) -> None:
    forged = {"x-amzn-request-context": "null", "X-Amzn-Lambda-Context": "{}"}

    async def use(asking: Asking, seen: Seen) -> Any:
        answer = await asking("POST", MCP, headers={**forged, "user-agent": "mcp"})
        return answer, seen.last[2]

    answer, headers = served(cloud, use)
    context = json.loads(headers["x-amzn-request-context"])
    told = {name: context[name] for name in ("apiId", "stage", "httpMethod", "path", "accountId")}
    assert told == {
        "apiId": API,
        "stage": "live",
        "httpMethod": "POST",
        "path": MCP,
        "accountId": ACCOUNT,
    }
    assert context["resourcePath"] == "/servers/clock/mcp"
    assert context["domainName"] == HOST
    assert context["requestId"] == answer.headers["x-amzn-requestid"]
    assert context["identity"] == {
        "sourceIp": "127.0.0.1",
        "userAgent": "mcp",
        "accessKey": OPERATOR,
        "accountId": ACCOUNT,
        "userArn": f"arn:aws:iam::{ACCOUNT}:user/operator",
    }
    runs_in = json.loads(headers["x-amzn-lambda-context"])
    assert runs_in["invoked_function_arn"] == f"{function_arn('clock')}:live"
    assert runs_in["request_id"] == context["requestId"]
    assert runs_in["env_config"] == {
        "function_name": "fleet-clock",
        "memory": 512,
        "version": "1",
        "log_stream": "fleet-clock[1]",
        "log_group": "/fleet/dev/clock",
    }


def test_other_methods_are_answered_by_the_gateway_itself(cloud: Cloud) -> None:
    async def use(asking: Asking, seen: Seen) -> Any:
        answers = [await asking(method, MCP) for method in ("GET", "DELETE", "PUT")]
        return answers, seen.requests

    answers, requests = served(cloud, use)
    for answer in answers:
        assert answer.status == 405
        assert answer.headers["allow"] == "POST"
        assert answer.headers["content-type"] == "application/json"
        assert answer.json == {"error": "POST is the only method here"}
    assert requests == []


def test_a_mock_has_no_template_for_another_kind_of_body(cloud: Cloud) -> None:
    with_text = once(cloud, "PUT", headers={"content-type": "text/plain"})
    assert (with_text.status, with_text.json) == (415, {"message": "Unsupported Media Type"})
    assert once(cloud, "PUT", headers={"content-type": "application/json; a=b"}).status == 405


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/live/agents/agent", "/agents/agent"),
        ("/live/agents/agent/ask", "/agents/agent/ask"),
        ("/live/agents/agent/a/b%2Fc", "/agents/agent/a/b%2Fc"),
    ],
)
def test_a_proxy_resource_takes_all_below(cloud: Cloud, path: str, target: str) -> None:
    async def use(asking: Asking, seen: Seen) -> Any:
        return await asking("PATCH", path), seen.last[1]

    answer, given = served(cloud, use)
    assert (answer.status, given) == (200, target)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/live/"),
        ("GET", "/live"),
        ("POST", "/live/servers/clock"),
        ("POST", "/live/servers/clock/mcp/"),
        ("POST", "/live/servers/clock/mcp/more"),
        ("POST", "/live/servers/notes/mcp"),
        ("POST", "/live/SERVERS/clock/mcp"),
        ("POST", "/live/agents/agent/"),
    ],
)
def test_what_has_no_route_is_answered_as_if_a_token_were_missing(
    cloud: Cloud, method: str, path: str
) -> None:
    answer = once(cloud, method, path)
    assert (answer.status, answer.json) == (403, MISSING)
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_a_path_without_the_stage_is_forbidden(cloud: Cloud) -> None:
    answer = once(cloud, "POST", "/servers/clock/mcp")
    assert (answer.status, answer.json) == (403, {"message": "Forbidden"})


def test_the_most_specific_route_answers(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    add_function(cloud, "clock")
    for number, path in enumerate(("/a/{proxy+}", "/a/{id}", "/a/fixed", "/{top}/fixed")):
        reply = {"statusCode": f"20{number}", "responseTemplates": {"application/json": "x"}}
        add_method(cloud, path, "GET", mocked(200), reply, authorization="NONE")
    deploy(cloud)
    wanted = {"/live/a/fixed": 202, "/live/a/x": 201, "/live/a/x/y": 200, "/live/b/fixed": 203}
    assert {path: once(cloud, "GET", path).status for path in wanted} == wanted


def test_what_was_made_after_the_deployment_is_not_there_yet(cloud: Cloud) -> None:
    add_method(cloud, "/late", "GET", mocked(200), authorization="NONE")
    assert once(cloud, "GET", "/live/late").json == MISSING
    put(cloud, "apigateway/deployment:Deployment", "newer", restApi=API)
    cloud.edit("aws", "aws:apigateway/stage:Stage", "live", {"deployment": "newer"})
    assert once(cloud, "GET", "/live/late").status == 500


def test_an_agent_that_signs_may_use_what_its_role_lets_it(cloud: Cloud) -> None:
    async def use(asking: Asking, seen: Seen) -> Any:
        headers = {"authorization": signature("agent")}
        return await asking("POST", MCP, headers=headers, source="agent"), seen.last[2]

    answer, headers = served(cloud, use)
    assert answer.status == 200
    assert json.loads(headers["x-amzn-request-context"])["identity"]["userArn"] == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/agent/fleet-agent"
    )
    assert "x-forwarded-for" not in headers


def test_an_agent_is_told_that_there_is_no_stream(cloud: Cloud) -> None:
    headers = {"authorization": signature("agent")}
    assert once(cloud, "GET", headers=headers, source="agent").status == 405


def test_a_workload_without_the_right_is_refused_by_name(cloud: Cloud) -> None:
    headers = {"authorization": signature("loner")}
    answer = once(cloud, headers=headers, source="loner")
    assert answer.status == 403
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert answer.json == {
        "Message": f"User: arn:aws:sts::{ACCOUNT}:assumed-role/loner/fleet-loner is not authorized "
        f"to perform: execute-api:Invoke on resource: {CLOCK}"
    }


@pytest.mark.parametrize("source", ["agent", "anonymous", "nobody"])
def test_without_a_signature_nobody_but_the_operator_comes_in(cloud: Cloud, source: str) -> None:
    answer = once(cloud, source=source)
    assert (answer.status, answer.json) == (403, MISSING)


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        (signature("loner"), "The security token included in the request is invalid."),
        (signature("agent", region="eu-west-1"), "Credential should be scoped to correct service"),
        (signature("agent", service="s3"), "Credential should be scoped to correct service"),
        ("Bearer token", "Authorization header requires 'Credential' parameter."),
        (signature("agent").rpartition(",")[0], "requires 'Signature' parameter."),
        (signature("agent").replace("AWS4-HMAC-SHA256", "AWS4"), "Unsupported AWS 'algorithm'"),
    ],
)
def test_another_signature_than_ones_own_is_refused(
    cloud: Cloud, authorization: str, told: str
) -> None:
    answer = once(cloud, headers={"authorization": authorization}, source="agent")
    assert answer.status == 403
    assert answer.json["message"].startswith(told) or answer.json["message"].endswith(told)


def test_somebody_unknown_cannot_sign_with_a_workloads_key(cloud: Cloud) -> None:
    answer = once(cloud, headers={"authorization": signature("agent")}, source="anonymous")
    assert answer.status == 403


def test_a_signature_may_be_in_the_query(cloud: Cloud) -> None:
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&X-Amz-SignedHeaders=host"
        "&X-Amz-Credential=agent%2F20261123%2Fus-east-1%2Fexecute-api%2Faws4_request"
    )
    assert once(cloud, query=query, source="agent").status == 200
    assert once(cloud, query=query, source="loner").status == 403


def test_a_good_token_comes_in_and_the_function_is_told_whose_it_is(tokens: Cloud) -> None:
    functions = Functions(authorizer=lambda _: ALLOW_ALL)

    async def use(asking: Asking, seen: Seen) -> Any:
        answer = await asking("POST", MCP, headers={"authorization": BEARER}, source="anonymous")
        return answer, seen.last[2]

    answer, headers = served(tokens, use, functions=functions)
    assert answer.status == 200
    context = json.loads(headers["x-amzn-request-context"])
    assert context["authorizer"] == {"principalId": "ann", "client_id": "app"}
    assert functions.events == [{"type": "TOKEN", "methodArn": CLOCK, "authorizationToken": BEARER}]


def raising(kind: str, message: str) -> Callable[[Any], Any]:
    def handle(_event: Any) -> Any:
        raise FunctionError(kind, message)

    return handle


def returning(result: Any) -> Callable[[Any], Any]:
    return lambda _: result


def allowing(resource: str, effect: str = "Allow") -> Callable[[Any], Any]:
    stated = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return lambda _: {"principalId": "ann", "policyDocument": {"Statement": [stated]}}


@pytest.mark.parametrize(
    ("handle", "status", "body"),
    [
        (raising("Exception", "Unauthorized"), 401, {"message": "Unauthorized"}),
        (raising("Exception", "unauthorized"), 500, {"message": None}),
        (raising("Sandbox.Timedout", "Task timed out"), 500, {"message": None}),
        (returning(None), 500, {"message": None}),
        (returning({"principalId": "ann"}), 500, {"message": None}),
        (returning({"policyDocument": ALLOW_ALL["policyDocument"]}), 500, {"message": None}),
        (allowing(f"{EXECUTION}/live/*"), 200, None),
        (allowing(CLOCK), 200, None),
        (
            allowing(f"{EXECUTION}/live/GET/*"),
            403,
            f"User {DENIED}",
        ),
        (allowing(f"{EXECUTION}/*", "Deny"), 403, f"User {EXPLICIT}"),
    ],
)
def test_what_the_authorizer_says_decides(
    tokens: Cloud, handle: Callable[[Any], Any], status: int, body: Any
) -> None:
    answer = once(
        tokens,
        headers={"authorization": BEARER},
        functions=Functions(authorizer=handle),
    )
    assert answer.status == status
    if isinstance(body, str):
        assert answer.json == {"Message": body}
    elif body:
        assert answer.json == body


def test_who_shows_nothing_is_not_asked_about(tokens: Cloud) -> None:
    functions = Functions(authorizer=lambda _: ALLOW_ALL)
    answer = once(tokens, functions=functions)
    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})
    assert answer.headers["x-amzn-errortype"] == "UnauthorizedException"
    assert functions.events == []


@pytest.mark.parametrize(
    ("shown", "status"), [("Bearer abc", 200), ("Basic abc", 401), ("Bearer a b", 401)]
)
def test_what_is_no_token_is_not_asked_about(tmp_path: Path, shown: str, status: int) -> None:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    add_authorizer(cloud, identityValidationExpression="^[Bb]earer +[A-Za-z0-9._~+/-]+=*$")
    add_server(cloud, authorization="CUSTOM", authorizer="auth1")
    deploy(cloud)
    functions = Functions(authorizer=lambda _: ALLOW_ALL)
    assert once(cloud, headers={"authorization": shown}, functions=functions).status == status
    assert len(functions.events) == (status == 200)


@pytest.mark.parametrize(("seconds", "asked"), [(60, 2), (0, 4), (None, 2)])
def test_what_the_authorizer_says_is_kept_for_the_token(
    tmp_path: Path, seconds: int | None, asked: int
) -> None:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    add_authorizer(cloud, authorizerResultTtlInSeconds=seconds)
    add_server(cloud, authorization="CUSTOM", authorizer="auth1")
    deploy(cloud)
    functions = Functions(authorizer=lambda _: ALLOW_ALL)

    async def use(asking: Asking, _seen: Seen) -> list[int]:
        shown = ("Bearer a", "Bearer a", "Bearer b", "Bearer a")
        return [(await asking("POST", MCP, headers={"authorization": one})).status for one in shown]

    assert served(cloud, use, functions=functions) == [200] * 4
    assert len(functions.events) == asked


def test_a_kept_policy_is_held_against_every_route(tokens: Cloud) -> None:
    functions = Functions(authorizer=allowing(CLOCK))

    async def use(asking: Asking, _seen: Seen) -> list[int]:
        headers = {"authorization": BEARER}
        return [(await asking(method, MCP, headers=headers)).status for method in ("POST", "GET")]

    assert served(tokens, use, functions=functions) == [200, 403]
    assert len(functions.events) == 1


def test_a_refusal_is_not_kept(tokens: Cloud) -> None:
    functions = Functions(authorizer=raising("Exception", "Unauthorized"))

    async def use(asking: Asking, _seen: Seen) -> list[int]:
        headers = {"authorization": BEARER}
        return [(await asking("POST", MCP, headers=headers)).status for _ in range(2)]

    assert served(tokens, use, functions=functions) == [401, 401]
    assert len(functions.events) == 2


def test_an_authorizer_that_the_api_may_not_invoke_is_an_error(tokens: Cloud) -> None:
    place = f"tokens {EXECUTION}/authorizers/auth1"
    cloud_type = "aws:lambda/permission:Permission"
    tokens.edit("aws", cloud_type, place, {"sourceArn": f"{EXECUTION}/authorizers/other"})
    functions = Functions(authorizer=lambda _: ALLOW_ALL)
    answer = once(tokens, headers={"authorization": BEARER}, functions=functions)
    assert (answer.status, answer.json, functions.events) == (500, {"message": None}, [])
    assert answer.headers["x-amzn-errortype"] == "AuthorizerConfigurationException"


def test_an_authorizer_of_requests_is_told_the_request(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    sources = "method.request.header.Authorization, method.request.querystring.tenant"
    add_authorizer(cloud, type="REQUEST", identitySource=sources)
    add_server(cloud, authorization="CUSTOM", authorizer="auth1")
    deploy(cloud)
    functions = Functions(authorizer=lambda _: ALLOW_ALL)

    async def use(asking: Asking, _seen: Seen) -> list[int]:
        headers = {"Authorization": "key"}
        return [
            (await asking("POST", MCP, headers=headers, query=query)).status
            for query in ("tenant=a", "tenant=", "", "tenant=b")
        ]

    assert served(cloud, use, functions=functions) == [200, 401, 401, 200]
    assert len(functions.events) == 2
    event = functions.events[0]
    assert (event["type"], event["methodArn"]) == ("REQUEST", CLOCK)
    assert event["headers"]["authorization"] == "key"
    assert event["queryStringParameters"] == {"tenant": "a"}
    assert (event["path"], event["resource"]) == ("/servers/clock/mcp", "/servers/clock/mcp")


def _response(cloud: Cloud, kind: str, **properties: Any) -> None:
    made = {"restApiId": API, "responseType": kind}
    put_at(cloud, "apigateway/response:Response", f"{API}-{kind}", 1, **made, **properties)


def test_an_api_has_answers_of_its_own(tokens: Cloud) -> None:
    challenge = 'Bearer resource_metadata="https://mcp.example.com/x"'
    _response(
        tokens,
        "UNAUTHORIZED",
        statusCode="401",
        responseParameters={"gatewayresponse.header.WWW-Authenticate": f"'{challenge}'"},
        responseTemplates={"application/json": '{"error": "a valid token is missing"}'},
    )
    _response(
        tokens,
        "MISSING_AUTHENTICATION_TOKEN",
        statusCode="404",
        responseTemplates={"application/json": '{"error": $context.error.messageString}'},
    )
    unknown = once(tokens, "GET", "/live/nothing")
    without = once(tokens)
    assert (unknown.status, unknown.json) == (404, {"error": "Missing Authentication Token"})
    assert (without.status, without.json) == (401, {"error": "a valid token is missing"})
    assert without.headers["www-authenticate"] == challenge


def test_one_answer_may_stand_for_all_of_a_kind(tokens: Cloud) -> None:
    _response(tokens, "DEFAULT_4XX", responseParameters={"gatewayresponse.header.X-A": "'1'"})
    answer = once(tokens)
    assert (answer.status, answer.headers["x-a"]) == (401, "1")
    assert answer.json == {"message": "Unauthorized"}


def test_the_challenge_of_a_workload_comes_under_another_name(cloud: Cloud) -> None:
    async def challenging(_receive: Any, send: Any) -> None:
        headers = [(b"WWW-Authenticate", b"Bearer"), (b"content-length", b"2"), (b"X-Own", b"1")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})

    answer = once(cloud, behaviour=challenging)
    assert (answer.status, answer.body) == (401, b"no")
    assert answer.headers["x-amzn-remapped-www-authenticate"] == "Bearer"
    assert answer.headers["x-amzn-remapped-content-length"] == "2"
    assert not {"www-authenticate", "content-length"} & set(answer.headers)


def test_a_function_without_permission_for_the_route_is_an_error(cloud: Cloud) -> None:
    place = f"clock {CLOCK}"
    wrong = {"sourceArn": CLOCK.replace("POST", "GET")}
    cloud.edit("aws", "aws:lambda/permission:Permission", place, wrong)
    answer = once(cloud)
    assert (answer.status, answer.json) == (500, {"message": "Internal server error"})


def test_a_body_of_ten_megabytes_is_the_longest_for_the_gateway(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rest_integrations.MAX_REQUEST_BYTES == 10_485_760
    monkeypatch.setattr(rest_integrations, "MAX_REQUEST_BYTES", 10)
    assert once(cloud, body=[b"12345", b"67890"]).status == 200
    requests: list[dict[str, Any]] = [
        {"body": [b"12345", b"678901"]},
        {"headers": {"content-length": "11"}},
    ]
    for request in requests:
        answer = once(cloud, **request)
        assert answer.status == 413
        assert answer.json == {"message": "HTTP content length exceeded 10 bytes."}
    assert once(cloud, headers={"content-length": "10"}, body=b"1234567890").status == 200


def test_an_invocation_of_six_megabytes_is_the_longest_for_lambda(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rest_integrations.MAX_INVOCATION_BYTES == 6_291_456
    monkeypatch.setattr(rest_integrations, "MAX_INVOCATION_BYTES", 12)
    assert once(cloud, body=b"1234567890").status == 200
    for body in (b"12345678901", b'"234567890'):
        answer = once(cloud, body=body)
        assert (answer.status, answer.json) == (413, {"message": "Request Too Long"})


async def never(_receive: Any, _send: Any) -> None:
    await asyncio.Event().wait()


async def begun(_receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await asyncio.Event().wait()


def _limited(tmp_path: Path, *, function: float, gateway: int) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    add_function(cloud, "clock", timeout=function)
    permit(cloud, "clock", CLOCK)
    add_method(
        cloud, "/servers/clock/mcp", "POST", answered_by("clock", timeoutMilliseconds=gateway)
    )
    deploy(cloud)
    return cloud


def test_the_gateway_gives_up_after_its_own_time(tmp_path: Path) -> None:
    answer = once(_limited(tmp_path, function=60, gateway=200), behaviour=never)
    assert (answer.status, answer.json) == (504, {"message": "Endpoint request timed out"})


def test_a_function_that_takes_too_long_is_an_error_of_the_server(tmp_path: Path) -> None:
    answer = once(_limited(tmp_path, function=0.2, gateway=60_000), behaviour=never)
    assert (answer.status, answer.json) == (502, {"message": "Internal server error"})


# Long enough for the first bytes on a busy machine.
@pytest.mark.parametrize(("function", "gateway"), [(5, 60_000), (60, 5000)])
def test_a_stream_that_lasts_too_long_is_cut(tmp_path: Path, function: float, gateway: int) -> None:
    answer = once(_limited(tmp_path, function=function, gateway=gateway), behaviour=begun)
    assert (answer.status, answer.body, answer.ended) == (200, b"one", False)


@pytest.mark.parametrize(("behaviour", "status"), [(begun, 200), (never, 504)])
def test_silence_cuts_whatever_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, status: int
) -> None:
    assert rest_integrations.IDLE_SECONDS == 300
    monkeypatch.setattr(rest_integrations, "IDLE_SECONDS", 1.0)
    answer = once(_limited(tmp_path, function=60, gateway=60_000), behaviour=behaviour)
    assert (answer.status, answer.ended) == (status, status == 504)


def test_a_process_that_is_being_started_is_waited_for(cloud: Cloud) -> None:
    async def run() -> Answer:
        async with workload() as (running, _):
            address, running.address = running.address, None
            app = applications(cloud, running)[HOST]
            asked = asyncio.create_task(ask(app, "POST", MCP))
            await asyncio.sleep(0)
            running.address = address
            return await asked

    assert asyncio.run(run()).status == 200


def test_a_process_that_never_starts_is_an_error_of_the_server(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_adapter, "INIT_SECONDS", 0.1)
    answer = asyncio.run(ask(applications(cloud, Running(None))[HOST], "POST", MCP))
    assert (answer.status, answer.json) == (502, {"message": "Internal server error"})


def test_a_function_runs_to_its_end_when_its_caller_goes_away(cloud: Cloud) -> None:
    ended: list[str] = []

    async def slow(receive: Any, send: Any) -> None:
        waiting = asyncio.create_task(receive())
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        ended.extend("told" for _ in done)
        waiting.cancel()
        await fine(receive, send)
        ended.append("end")

    # After the body, `ask` signals that the client has disconnected.
    assert once(cloud, behaviour=slow).status == 200
    assert ended == ["end"]


async def dying(_receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    raise ConnectionError("the process ends")


def test_an_answer_that_breaks_off_looks_complete_with_two_lines_of_error(cloud: Cloud) -> None:
    answer = once(cloud, behaviour=dying)
    assert (answer.status, answer.ended) == (200, True)
    assert answer.body.startswith(b"data: 1\n\n")
    lines = answer.body.removeprefix(b"data: 1\n\n").splitlines()
    assert [line.partition(b":")[0] for line in lines] == [
        b"Lambda-Runtime-Function-Error-Type",
        b"Lambda-Runtime-Function-Error-Body",
    ]


@pytest.mark.parametrize(
    ("codes", "status"),
    [("599", 502), ("500, 590-599", 502), ("598", 599), ("", 599), ("a-b", 599)],
)
def test_statuses_that_count_as_errors_fail_the_invocation_and_no_others_do(
    tmp_path: Path, codes: str, status: int
) -> None:
    async def failing(_receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 599, "headers": []})
        await send({"type": "http.response.body", "body": b"it failed"})

    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    variables = {"PORT": "8080", "AWS_LWA_ERROR_STATUS_CODES": codes}
    add_function(cloud, "clock", variables=variables)
    permit(cloud, "clock", CLOCK)
    add_method(cloud, "/servers/clock/mcp", "POST", answered_by("clock"))
    deploy(cloud)
    assert once(cloud, behaviour=failing).status == status


def test_of_a_repeated_header_the_last_value_arrives(cloud: Cloud) -> None:
    async def use(_asking: Asking, seen: Seen) -> dict[str, str]:
        async with workload() as (running, noted):
            app = applications(cloud, running)[HOST]
            await ask(app, "POST", MCP, repeated=[("x-tag", "first"), ("x-tag", "last")])
            return noted.last[2]

    assert served(cloud, use)["x-tag"] == "last"


@pytest.mark.parametrize(
    ("name", "value"), [("x-tag", "a\x01b"), ("x tag", "a"), ("x-tag", "\x7f")]
)
def test_a_request_with_a_header_that_rust_refuses_arrives_as_an_event(
    cloud: Cloud, name: str, value: str
) -> None:
    async def use(asking: Asking, seen: Seen) -> tuple[str, str, bytes]:
        await asking("POST", MCP, headers={name: value}, body=b"secret")
        method, target, _, body = seen.last
        return method, target, body

    method, target, body = served(cloud, use)
    assert (method, target) == ("POST", "/events")
    assert json.loads(body)["httpMethod"] == "POST"


@pytest.mark.parametrize(
    ("content_type", "arrives"),
    [
        ("application/octet-stream", b"\xff\x00"),
        ("application/octet-stream; a=b", b"\xff\x00"),
        ("text/plain", "\ufffd\x00".encode()),
    ],
)
def test_bodies_of_binary_types_keep_their_bytes(
    cloud: Cloud, content_type: str, arrives: bytes
) -> None:
    types = {"binaryMediaTypes": ["application/octet-stream"]}
    cloud.edit("aws", "aws:apigateway/restApi:RestApi", API, types)

    async def use(asking: Asking, seen: Seen) -> bytes:
        await asking("POST", MCP, headers={"content-type": content_type}, body=b"\xff\x00")
        return seen.last[3]

    assert served(cloud, use) == arrives


def test_with_a_domain_that_answers_and_awss_own_name_does_not(cloud: Cloud) -> None:
    cloud.edit("aws", "aws:apigateway/restApi:RestApi", API, {"disableExecuteApiEndpoint": True})
    made = {"domainName": "mcp.example.com", "restApi": API, "stageName": "live"}
    put(cloud, "apigateway/basePathMapping:BasePathMapping", "mcp.example.com/", **made)
    own = once(cloud)
    assert (own.status, own.json) == (403, {"message": "Forbidden"})
    assert once(cloud, "POST", "/servers/clock/mcp", host="mcp.example.com").status == 200
    assert once(cloud, "POST", MCP, host="mcp.example.com").json == MISSING


def test_a_base_path_leads_to_the_stage(cloud: Cloud) -> None:
    made = {
        "domainName": "mcp.example.com",
        "restApi": API,
        "stageName": "live",
        "basePath": "fleet",
    }
    put(cloud, "apigateway/basePathMapping:BasePathMapping", "mcp.example.com/fleet", **made)
    paths = ("/fleet/servers/clock/mcp", "/servers/clock/mcp", "/fleetservers/clock/mcp")
    answers = [once(cloud, "POST", path, host="mcp.example.com").status for path in paths]
    assert answers == [200, 403, 403]


def test_an_open_method_is_for_everybody(cloud: Cloud) -> None:
    text = '{"resource":"https://mcp.example.com"}'
    reply = {"statusCode": "200", "responseTemplates": {"application/json": text}}
    add_method(cloud, "/.well-known/x", "GET", mocked(200), reply, authorization="NONE")
    deploy(cloud)
    answer = once(cloud, "GET", "/live/.well-known/x", source="anonymous")
    assert (answer.status, answer.body) == (200, text.encode())


@pytest.mark.parametrize(
    ("statements", "status"),
    [
        ([statement()], 200),
        ([statement(), ONLY_FROM_THERE], 200),
        ([statement(principal=f"arn:aws:iam::{ACCOUNT}:root")], 403),
        ([statement(), statement("Deny")], 403),
        ([statement(Resource="execute-api:/live/GET/open")], 200),
        ([statement(Resource="execute-api:/live/POST/*")], 403),
        ([statement(Condition={"StringEquals": {"aws:PrincipalTag/a": "b"}})], 500),
    ],
)
def test_the_apis_own_policy_is_for_open_methods_too(
    cloud: Cloud, statements: list[dict[str, Any]], status: int
) -> None:
    reply = {"statusCode": "200", "responseTemplates": {"application/json": "{}"}}
    add_method(cloud, "/open", "GET", mocked(200), reply, authorization="NONE")
    deploy(cloud)
    own_policy(cloud, *statements)
    assert once(cloud, "GET", "/live/open", source="anonymous").status == status


def test_people_are_where_the_policy_lets_callers_be_and_workloads_are_not(cloud: Cloud) -> None:
    own_policy(cloud, statement(principal=f"arn:aws:iam::{ACCOUNT}:root"), ONLY_FROM_THERE)

    async def use(asking: Asking, seen: Seen) -> Any:
        operator = await asking("POST", MCP)
        headers = {"authorization": signature("agent")}
        agent = await asking("POST", MCP, headers=headers, source="agent")
        return operator, agent, seen.last[2]

    operator, agent, headers = served(cloud, use)
    assert (operator.status, headers["x-forwarded-for"]) == (200, "198.51.100.1")
    assert agent.status == 403
    assert agent.json["Message"].endswith(f"{CLOCK} with an explicit deny")


def test_the_apis_own_policy_may_let_a_role_in(cloud: Cloud) -> None:
    headers = {"authorization": signature("loner")}
    own_policy(cloud, statement(principal=f"arn:aws:iam::{ACCOUNT}:role/loner"))
    assert once(cloud, headers=headers, source="loner").status == 200
    own_policy(cloud, statement(principal=f"arn:aws:iam::{ACCOUNT}:root"))
    assert once(cloud, headers=headers, source="loner").status == 403


def test_the_apis_own_policy_denies_before_the_authorizer_is_asked(tokens: Cloud) -> None:
    own_policy(tokens, statement(), statement("Deny"))
    functions = Functions(authorizer=lambda _: ALLOW_ALL)
    answer = once(tokens, headers={"authorization": BEARER}, functions=functions)
    assert (answer.status, answer.json) == (403, {"Message": f"User {EXPLICIT}"})
    assert functions.events == []


def test_the_apis_own_policy_allows_what_the_authorizers_does_not_mention(tokens: Cloud) -> None:
    own_policy(tokens, statement())
    silent = Functions(authorizer=allowing(f"{EXECUTION}/live/GET/*"))
    denying = Functions(authorizer=allowing(f"{EXECUTION}/*", "Deny"))
    headers = {"authorization": BEARER}
    assert once(tokens, headers=headers, functions=silent).status == 200
    assert once(tokens, headers=headers, functions=denying).status == 403


def test_a_policy_that_is_deleted_stays_in_the_deployment_that_was_made_before(
    cloud: Cloud,
) -> None:
    own_policy(cloud, statement("Deny"))
    deploy(cloud)
    assert once(cloud).status == 403
    policy_type = "aws:apigateway/restApiPolicy:RestApiPolicy"
    stored = cloud.get("aws", policy_type, API)
    assert stored is not None
    deployments.keep(cloud, tables().types[policy_type], stored)
    cloud.delete("aws", policy_type, API)
    assert once(cloud).status == 403
    put_at(cloud, "apigateway/deployment:Deployment", "next", time.time() + 1, restApi=API)
    cloud.edit("aws", "aws:apigateway/stage:Stage", "live", {"deployment": "next"})
    assert once(cloud).status == 200
    cloud.delete("aws", "aws:apigateway/deployment:Deployment", "dep")
    deployments.forget(cloud, "aws:apigateway/deployment:Deployment")
    assert cloud.list(deployments.KEPT_PARTS) == []


def test_a_policy_that_was_made_after_the_deployment_is_not_in_force(cloud: Cloud) -> None:
    own_policy(cloud, statement("Deny"))
    assert once(cloud).status == 403
    cloud.delete("aws", "aws:apigateway/restApiPolicy:RestApiPolicy", API)
    made = {"restApiId": API, "policy": policy(statement("Deny"))}
    put(cloud, "apigateway/restApiPolicy:RestApiPolicy", API, **made)
    assert once(cloud).status == 200


@pytest.mark.parametrize(
    ("operator", "address", "effect"),
    [
        ("IpAddress", "198.51.100.255", Effect.ALLOW),
        ("IpAddress", "198.51.101.0", Effect.NOTHING),
        ("IpAddress", "2001:db8::1", Effect.ALLOW),
        ("IpAddress", None, Effect.NOTHING),
        ("NotIpAddress", "198.51.100.0", Effect.NOTHING),
        ("NotIpAddress", "198.51.99.255", Effect.ALLOW),
        ("NotIpAddress", None, Effect.ALLOW),
    ],
)
def test_a_condition_on_the_address_has_edges(
    operator: str, address: str | None, effect: Effect
) -> None:
    blocks = ["198.51.100.0/24", "2001:db8::/32"]
    document = policy(statement(Condition={operator: {"aws:SourceIp": blocks}}))
    assert decide(document, CLOCK, principals={"*"}, source_ip=address) is effect


@pytest.mark.parametrize(
    ("operator", "role", "effect"),
    [
        ("ArnEquals", "agent", Effect.ALLOW),
        ("ArnEquals", "agents", Effect.NOTHING),
        ("ArnEquals", None, Effect.NOTHING),
        ("ArnNotEquals", "agent", Effect.NOTHING),
        ("ArnNotEquals", "agents", Effect.ALLOW),
        ("ArnNotEquals", None, Effect.ALLOW),
    ],
)
def test_a_condition_on_the_caller_names_roles(
    operator: str, role: str | None, effect: Effect
) -> None:
    wanted = {"aws:PrincipalArn": [role_arn("other"), role_arn("agent")]}
    document = policy(statement(Condition={operator: wanted}))
    caller = role_arn(role) if role else None
    assert decide(document, CLOCK, principals={"*"}, principal_arn=caller) is effect


def test_a_policy_for_some_roles_denies_all_others_whatever_they_may(cloud: Cloud) -> None:
    add_function(cloud, "allowed", invoke_right("/servers/clock/mcp"))
    deny = statement("Deny", Condition={"ArnNotEquals": {"aws:PrincipalArn": [role_arn("agent")]}})
    own_policy(cloud, statement(principal=f"arn:aws:iam::{ACCOUNT}:root"), deny)
    answers = {
        name: once(cloud, source=name, headers={"authorization": signature(name)}).status
        for name in ("agent", "allowed", "loner")
    }
    assert answers == {"agent": 200, "allowed": 403, "loner": 403}
    assert once(cloud).status == 403


@pytest.mark.parametrize(
    ("statements", "address"),
    [
        ([], "127.0.0.1"),
        ([statement()], "127.0.0.1"),
        ([statement(), ONLY_FROM_THERE], "198.51.100.1"),
        (
            [statement(Condition={"IpAddress": {"aws:SourceIp": "203.0.113.7/32"}})],
            "203.0.113.7",
        ),
    ],
)
def test_the_operators_address_is_one_that_the_policy_lets_in(
    statements: list[dict[str, Any]], address: str
) -> None:
    assert address_within(policy(*statements)) == address
    assert address_within("") == "127.0.0.1"


def test_no_policy_is_read_from_what_is_none() -> None:
    for document in (None, "[]", '"Allow"'):
        with pytest.raises((ValueError, TypeError)):
            decide(document, CLOCK)
