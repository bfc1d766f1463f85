"""The AWS APIs, called with the AWS SDK: secrets and models, as the callers' roles allow."""

import asyncio
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from botocore.exceptions import ClientError
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloud.store import Cloud
from sandbox.serve.aws_apis import applications
from sandbox.serve.bedrock import planner
from sandbox.serve.bedrock.event_stream import encode
from sandbox.serve.fleet import Application, Fleet, Receive, Scope, Send
from sandbox.serve.http.proxy import serving
from sandbox.tests.clusters import put
from sandbox.tests.serve.apis import ask
from sandbox.tests.serve.deployed import ACCOUNT, REGION, SECRET, role, secret
from sandbox.tests.serve.fleets import fleet

MODEL = "amazon.nova-lite-v1:0"
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
MODEL_ARN = f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}"
PROFILE = f"us.{MODEL}"
PROFILE_ARN = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{PROFILE}"
SECRETS = f"secretsmanager.{REGION}.amazonaws.com"
BEDROCK = f"bedrock-runtime.{REGION}.amazonaws.com"
SESSION: Any = Session()
INVOKE, STREAM = "bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"
READ = "secretsmanager:GetSecretValue"
VERSION = "11111111-1111-4111-8111-111111111111"
OLD = "22222222-2222-4222-8222-222222222222"
TOOLS: Mapping[str, Any] = {
    "tools": [
        {
            "toolSpec": {
                "name": "clock__now",
                "description": "Tells the time.",
                "inputSchema": {
                    "json": {"type": "object", "properties": {"timezone": {"type": "string"}}}
                },
            }
        }
    ]
}


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """A secret with a current and a previous value."""
    cloud = Cloud(tmp_path / "cloud.sqlite")
    role(cloud, "clock")
    secret(cloud, "old", version=OLD, stages=("AWSPREVIOUS",))
    secret(cloud, "new", version=VERSION)
    put(cloud, "secretsmanager/secret:Secret", SECRET, arn=SECRET, name="key")
    return cloud


def allowing(*granted: tuple[str, str, str]) -> Fleet:
    """A fleet whose roles allow only these: workload, action, ARN."""

    def allows(source: str, action: str, resource: str, context: object = None, /) -> bool:
        return (source, action, resource) in granted

    return fleet(region=REGION, allows=allows)


FOR_CLOCK = allowing(
    ("clock", READ, SECRET), ("clock", INVOKE, MODEL_ARN), ("clock", STREAM, MODEL_ARN)
)


def asked_by(who: str, host: str, application: Application) -> Application:
    """The application with the caller and the host that the proxy sets."""

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(key, value) for key, value in scope["headers"] if key != b"host"]
        headers.append((b"host", host.encode()))
        await application({**scope, "headers": headers, "state": {"source": who}}, receive, send)

    return known


@contextmanager
def served(application: Application) -> Generator[str]:
    """Serves an application in a separate thread, because the SDK blocks."""
    opened, closing = Event(), Event()
    port = 0

    async def run() -> None:
        nonlocal port
        async with serving(lambda _port: application) as port:
            opened.set()
            await asyncio.to_thread(closing.wait)

    thread = Thread(target=asyncio.run, args=[run()])
    thread.start()
    opened.wait(10)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        closing.set()
        thread.join()


@contextmanager
def client(
    cloud: Cloud, service: str, deployed: Fleet = FOR_CLOCK, who: str = "clock"
) -> Generator[Any]:
    """A client of the AWS SDK for an API."""
    host = {"secretsmanager": SECRETS, "bedrock-runtime": BEDROCK}[service]
    application = asked_by(who, host, applications.applications(cloud, deployed)[host])
    keys = {f"aws_{name}": "sandbox" for name in ("access_key_id", "secret_access_key")}
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    with served(application) as url:
        made: Any = SESSION.create_client(
            service, region_name=REGION, endpoint_url=url, config=config, **keys
        )
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def bedrock(tmp_path_factory: pytest.TempPathFactory) -> Generator[Any]:
    """A client of Bedrock for tests that keep no state."""
    cloud = Cloud(tmp_path_factory.mktemp("bedrock") / "cloud.sqlite")
    with client(cloud, "bedrock-runtime") as made:
        yield made


def refused(call: Callable[[], object]) -> tuple[int, str, str]:
    """The status, code and message of an error, as the SDK parses it."""
    with pytest.raises(ClientError) as error:
        call()
    response: Any = error.value.response
    told = response["Error"]
    # If the API declares the error, the SDK raises its exception class.
    assert type(error.value).__name__ in {told["Code"], "ClientError"}
    return response["ResponseMetadata"]["HTTPStatusCode"], told["Code"], told["Message"]


def test_there_are_the_apis_of_the_fleets_region(cloud: Cloud) -> None:
    made = applications.applications(cloud, fleet(region="eu-central-1"))
    assert set(made) == {
        "secretsmanager.eu-central-1.amazonaws.com",
        "bedrock-runtime.eu-central-1.amazonaws.com",
    }


@pytest.mark.parametrize("name", [SECRET, "key"])
def test_a_secret_is_read_by_its_arn_or_its_name(cloud: Cloud, name: str) -> None:
    with client(cloud, "secretsmanager") as secrets:
        answered = secrets.get_secret_value(SecretId=name)
    assert answered["ARN"] == SECRET
    assert answered["Name"] == "key"
    assert answered["SecretString"] == "new"
    assert answered["VersionId"] == VERSION
    assert answered["VersionStages"] == ["AWSCURRENT"]
    assert answered["CreatedDate"].year >= 2026
    assert "SecretBinary" not in answered


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ({"VersionStage": "AWSCURRENT"}, "new"),
        ({"VersionStage": "AWSPREVIOUS"}, "old"),
        ({"VersionId": VERSION}, "new"),
        ({"VersionId": OLD}, "old"),
        ({"VersionId": OLD, "VersionStage": "AWSPREVIOUS"}, "old"),
    ],
)
def test_a_version_is_read_by_its_id_or_its_stage(
    cloud: Cloud, version: Mapping[str, str], expected: str
) -> None:
    with client(cloud, "secretsmanager") as secrets:
        assert secrets.get_secret_value(SecretId="key", **version)["SecretString"] == expected


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ({"VersionStage": "OTHER"}, "staging label: OTHER"),
        ({"VersionId": "3" * 32}, f"VersionId: {'3' * 32}"),
        ({"VersionId": OLD, "VersionStage": "AWSCURRENT"}, f"VersionId: {OLD}"),
    ],
)
def test_a_version_that_is_not_there_is_not_found(
    cloud: Cloud, version: Mapping[str, str], told: str
) -> None:
    with client(cloud, "secretsmanager") as secrets:
        assert refused(lambda: secrets.get_secret_value(SecretId="key", **version)) == (
            400,
            "ResourceNotFoundException",
            f"Secrets Manager can't find the specified secret value for {told}",
        )


def test_a_secret_that_is_not_there_is_not_found_by_whoever_might_read_it(cloud: Cloud) -> None:
    deployed = allowing(("clock", READ, "other"))
    with client(cloud, "secretsmanager", deployed) as secrets:
        assert refused(lambda: secrets.get_secret_value(SecretId="other")) == (
            400,
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
        )


@pytest.mark.parametrize("who", ["notes", "anonymous", "unknown"])
@pytest.mark.parametrize("name", [SECRET, "key", "other"])
def test_whoever_may_not_read_a_secret_is_not_told_whether_it_is_there(
    cloud: Cloud, who: str, name: str
) -> None:
    arn = name if name == "other" else SECRET
    with client(cloud, "secretsmanager", who=who) as secrets:
        assert refused(lambda: secrets.get_secret_value(SecretId=name)) == (
            400,
            "AccessDeniedException",
            f"User: {who} is not authorized to perform: {READ} on resource: {arn} because no "
            f"identity-based policy allows the {READ} action",
        )


def test_a_secret_may_be_bytes(cloud: Cloud) -> None:
    put(
        cloud,
        "secretsmanager/secretVersion:SecretVersion",
        "binary",
        secretId=SECRET,
        versionId="b" * 32,
        versionStages=["BYTES"],
        secretString="",
        secretBinary="AAEC",
    )
    with client(cloud, "secretsmanager") as secrets:
        answered = secrets.get_secret_value(SecretId="key", VersionStage="BYTES")
    assert answered["SecretBinary"] == b"\x00\x01\x02"
    assert "SecretString" not in answered


def test_a_new_value_is_read_at_once(cloud: Cloud) -> None:
    with client(cloud, "secretsmanager") as secrets:
        secret(cloud, "newer", version=VERSION)
        assert secrets.get_secret_value(SecretId="key")["SecretString"] == "newer"


def test_other_operations_of_secrets_manager_are_refused(cloud: Cloud) -> None:
    with client(cloud, "secretsmanager") as secrets:
        assert refused(secrets.list_secrets) == (
            400,
            "UnknownOperationException",
            "The sandbox does not support the operation ListSecrets of Secrets Manager. "
            "Supported: GetSecretValue.",
        )


def sent(cloud: Cloud, host: str, path: str = "/", **changes: Any) -> tuple[int, str]:
    """The status and error code of a request that no SDK sends."""
    application = applications.applications(cloud, fleet(region=REGION))[host]
    method = changes.pop("method", "POST")
    answered = asyncio.run(ask(application, method, path, host=host, **changes))
    code = answered.headers.get("x-amzn-errortype") or answered.json["__type"]
    return answered.status, code


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, b"{}", "UnknownOperationException"),
        ({"X-Amz-Target": "secretsmanager.GetSecretValue"}, b"", "SerializationException"),
        ({"X-Amz-Target": "secretsmanager.GetSecretValue"}, b"[]", "SerializationException"),
        ({"X-Amz-Target": "secretsmanager.GetSecretValue"}, b"{}", "ValidationException"),
        (
            {"X-Amz-Target": "secretsmanager.GetSecretValue"},
            [b'{"SecretId"', b': ""}'],
            "ValidationException",
        ),
        (
            {"X-Amz-Target": "secretsmanager.GetSecretValue"},
            b'{"SecretId": 7}',
            "ValidationException",
        ),
        (
            {"X-Amz-Target": "secretsmanager.GetSecretValue"},
            b'{"SecretId": "key", "VersionId": []}',
            "ValidationException",
        ),
        (
            {"X-Amz-Target": "secretsmanager.GetSecretValue"},
            b'{"SecretId": "key", "VersionStage": {}}',
            "ValidationException",
        ),
    ],
)
def test_a_malformed_request_for_a_secret_is_refused(
    cloud: Cloud, headers: Mapping[str, str], body: Any, code: str
) -> None:
    assert sent(cloud, SECRETS, headers=headers, body=body) == (400, code)


def saying(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": text}]}]


def test_a_model_is_asked_by_converse(cloud: Cloud) -> None:
    messages = saying("now timezone=UTC; make coffee")
    with client(cloud, "bedrock-runtime") as bedrock:
        called = bedrock.converse(modelId=MODEL, messages=messages, toolConfig=TOOLS)
        assert called["stopReason"] == "tool_use"
        message = called["output"]["message"]
        use = message["content"][0]["toolUse"]
        assert (use["name"], use["input"]) == ("clock__now", {"timezone": "UTC"})
        result = {"toolUseId": use["toolUseId"], "content": [{"text": "10:00"}]}
        more = [*messages, message, {"role": "user", "content": [{"toolResult": result}]}]
        answered = bedrock.converse(modelId=MODEL, messages=more, toolConfig=TOOLS)
    assert answered["stopReason"] == "end_turn"
    assert answered["output"]["message"] == {
        "role": "assistant",
        "content": [{"text": "10:00\nmake coffee: no tool fits this"}],
    }
    assert answered["usage"]["totalTokens"] > called["usage"]["totalTokens"]


@pytest.mark.parametrize("question", ["now timezone=UTC", "make coffee or tea or a cake"])
def test_a_model_is_asked_by_converse_stream(cloud: Cloud, question: str) -> None:
    request: dict[str, Any] = {"messages": saying(question), "toolConfig": TOOLS}
    with client(cloud, "bedrock-runtime") as bedrock:
        events = list(bedrock.converse_stream(modelId=MODEL, **request)["stream"])
    assert events == [{kind: event} for kind, event in planner.converse_stream(request)]
    assert len(events) >= 5


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize("name", [MODEL, MODEL_ARN])
def test_a_model_is_named_by_its_id_or_its_arn(cloud: Cloud, operation: str, name: str) -> None:
    with client(cloud, "bedrock-runtime") as bedrock:
        answered = getattr(bedrock, operation)(modelId=name, messages=saying("hello"))
        told = list(answered["stream"]) if "stream" in answered else answered["output"]
    assert "hello: " in str(told)


def denied(who: str, action: str, arn: str) -> tuple[int, str, str]:
    return (
        403,
        "AccessDeniedException",
        f"User: {who} is not authorized to perform: {action} on resource: {arn} because no "
        f"identity-based policy allows the {action} action",
    )


@pytest.mark.parametrize(
    ("operation", "action"), [("converse", INVOKE), ("converse_stream", STREAM)]
)
def test_a_model_answers_only_whose_role_may_ask_it(
    cloud: Cloud, operation: str, action: str
) -> None:
    other = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-pro-v1:0"
    far = f"arn:aws:bedrock:eu-west-1::foundation-model/{MODEL}"
    messages = saying("hello")
    with client(cloud, "bedrock-runtime", who="notes") as bedrock:
        asked = getattr(bedrock, operation)
        assert refused(lambda: asked(modelId=MODEL, messages=messages)) == denied(
            "notes", action, MODEL_ARN
        )
    with client(cloud, "bedrock-runtime") as bedrock:
        asked = getattr(bedrock, operation)
        for name, arn in (("amazon.nova-pro-v1:0", other), (far, far)):
            assert refused(lambda name=name: asked(modelId=name, messages=messages)) == denied(
                "clock", action, arn
            )


def test_asking_at_once_and_as_a_stream_are_two_rights(cloud: Cloud) -> None:
    messages = saying("hello")
    with client(cloud, "bedrock-runtime", allowing(("clock", INVOKE, MODEL_ARN))) as bedrock:
        bedrock.converse(modelId=MODEL, messages=messages)
        streamed = refused(lambda: bedrock.converse_stream(modelId=MODEL, messages=messages))
    assert streamed == denied("clock", STREAM, MODEL_ARN)


@pytest.mark.parametrize("name", [PROFILE, PROFILE_ARN])
def test_an_inference_profile_needs_a_right_to_itself_and_to_its_model_where_it_may_be_served(
    cloud: Cloud, name: str
) -> None:
    messages = saying("hello")
    far = MODEL_ARN.replace(REGION, "us-west-2")
    needed = [("clock", INVOKE, arn) for arn in (PROFILE_ARN, MODEL_ARN, far)]
    with client(cloud, "bedrock-runtime", allowing(*needed)) as bedrock:
        assert bedrock.converse(modelId=name, messages=messages)["stopReason"] == "end_turn"
    for missing in needed:
        rest = [each for each in needed if each != missing]
        with client(cloud, "bedrock-runtime", allowing(*rest)) as bedrock:
            told = refused(lambda asked=bedrock.converse: asked(modelId=name, messages=messages))
            assert told == denied("clock", INVOKE, missing[2])


def test_a_global_profile_needs_a_right_to_its_model_in_no_region(cloud: Cloud) -> None:
    profile = PROFILE_ARN.replace("/us.", "/global.")
    needed = [("clock", INVOKE, arn) for arn in (profile, MODEL_ARN, MODEL_ARN.replace(REGION, ""))]
    for granted, allowed in ((needed, True), (needed[:2], False)):
        with client(cloud, "bedrock-runtime", allowing(*granted)) as bedrock:
            asked = {"modelId": f"global.{MODEL}", "messages": saying("hello")}
            if allowed:
                bedrock.converse(**asked)
            else:
                told = refused(lambda b=bedrock, a=asked: b.converse(**a))
                assert told == denied("clock", INVOKE, needed[2][2])


def test_a_model_is_told_by_which_profile_it_is_invoked(cloud: Cloud) -> None:
    seen: list[tuple[str, object]] = []

    def allows(source: str, action: str, resource: str, context: object = None, /) -> bool:
        seen.append((resource, context))
        return True

    with client(cloud, "bedrock-runtime", fleet(region=REGION, allows=allows)) as bedrock:
        bedrock.converse(modelId=PROFILE, messages=saying("hello"))
    through = {"bedrock:InferenceProfileArn": PROFILE_ARN}
    far = MODEL_ARN.replace(REGION, "us-west-2")
    assert seen == [(PROFILE_ARN, {}), (MODEL_ARN, through), (far, through)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            CLAUDE,
            f"Invocation of model ID {CLAUDE} with on-demand throughput isn\u2019t supported. "
            "Retry your request with the ID or ARN of an inference profile that contains this "
            "model.",
        ),
        (f"eu.{CLAUDE}", "The provided model identifier is invalid."),
        (f"moon.{CLAUDE}", "The provided model identifier is invalid."),
    ],
)
def test_what_bedrock_does_not_serve_by_its_id_is_refused(
    cloud: Cloud, name: str, message: str
) -> None:
    with client(cloud, "bedrock-runtime", fleet(region=REGION)) as bedrock:
        told = refused(lambda: bedrock.converse(modelId=name, messages=saying("hello")))
        assert told == (400, "ValidationException", message)
        by_profile = bedrock.converse(modelId=f"us.{CLAUDE}", messages=saying("hello"))
    assert by_profile["stopReason"] == "end_turn"


def test_a_profile_of_ones_own_needs_a_right_to_itself(cloud: Cloud) -> None:
    own = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:application-inference-profile/abc123"
    with client(cloud, "bedrock-runtime", allowing(("clock", INVOKE, own))) as bedrock:
        assert bedrock.converse(modelId=own, messages=saying("hello"))["stopReason"] == "end_turn"


def test_a_role_is_asked_before_the_request_is_read(cloud: Cloud) -> None:
    with client(cloud, "bedrock-runtime", who="notes") as bedrock:
        _, code, _ = refused(lambda: bedrock.converse(modelId=MODEL, messages=[]))
    assert code == "AccessDeniedException"


def spoken(role_: str, *blocks: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": role_, "content": list(blocks)}


def use(id_: str, **more: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": id_, "name": "clock__now", "input": {}, **more}}


def got(id_: str, **more: Any) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": id_, "content": [{"text": "10:00"}], **more}}


HELLO = spoken("user", {"text": "hello"})
ALTERNATE = (
    "A conversation must alternate between user and assistant roles. Make sure the conversation "
    "alternates between user and assistant roles and try again."
)
START = (
    "A conversation must start with a user message. Try again with a conversation that starts with "
    "a user message."
)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], START),
        ([spoken("assistant", {"text": "hi"}), HELLO], START),
        ([HELLO, HELLO], ALTERNATE),
        ([spoken("user")], "The content field in the Message object at messages.0 is empty."),
        (
            [spoken("user", {"text": "a"}, {"text": " \n"})],
            "The text field in the ContentBlock object at messages.0.content.1 is blank.",
        ),
        (
            [HELLO, spoken("assistant", use("a"), use("b")), spoken("user", got("b"))],
            "Expected toolResult blocks at messages.2.content for the following Ids: a",
        ),
        (
            [HELLO, spoken("assistant", use("a")), HELLO],
            "Expected toolResult blocks at messages.2.content for the following Ids: a",
        ),
        (
            [HELLO, spoken("assistant", use("a"))],
            "Expected toolResult blocks at messages.2.content for the following Ids: a",
        ),
        (
            [HELLO, spoken("assistant", use("a")), spoken("user", got("a"), got("b"))],
            "The number of toolResult blocks at messages.2.content exceeds the number of toolUse "
            "blocks of previous turn.",
        ),
        (
            [spoken("user", got("a"))],
            "The number of toolResult blocks at messages.0.content exceeds the number of toolUse "
            "blocks of previous turn.",
        ),
        (
            [
                HELLO,
                spoken("assistant", use("a")),
                spoken("user", got("a", content=[], status="error")),
            ],
            "The content field at messages.2.content.0.toolResult cannot be empty when status "
            "value is error.",
        ),
        (
            [spoken("bot", {"text": "a"})],
            "messages.0.role is 'bot'; it must be one of user, assistant, system",
        ),
        (
            [HELLO, spoken("assistant", use("a b")), spoken("user", got("a b"))],
            "messages.1.content.0.toolUse.toolUseId is 'a b'; it must match [a-zA-Z0-9_.:-]+",
        ),
        (
            [HELLO, spoken("assistant", use("a" * 65)), spoken("user", got("a" * 65))],
            "messages.1.content.0.toolUse.toolUseId has 65 characters; at most 64 are allowed",
        ),
    ],
)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_a_conversation_that_bedrock_would_refuse_is_refused(
    bedrock: Any, operation: str, messages: list[dict[str, Any]], told: str
) -> None:
    asked = getattr(bedrock, operation)
    answered = refused(lambda: asked(modelId=MODEL, messages=messages, toolConfig=TOOLS))
    assert answered == (400, "ValidationException", told)


def test_a_conversation_at_the_edges_of_what_bedrock_takes_is_answered(cloud: Cloud) -> None:
    longest = "a" * 64
    messages = [
        HELLO,
        spoken("assistant", {"text": "wait"}, use(longest, name="n" * 64), use("b.c:d-e_F")),
        spoken("user", got("b.c:d-e_F", content=[]), got(longest, status="error")),
    ]
    with client(cloud, "bedrock-runtime") as bedrock:
        answered = bedrock.converse(modelId=MODEL, messages=messages, toolConfig=TOOLS)
    assert answered["stopReason"] == "end_turn"


def test_messages_that_tell_of_tools_need_the_tools(cloud: Cloud) -> None:
    messages = [HELLO, spoken("assistant", use("a")), spoken("user", got("a"))]
    with client(cloud, "bedrock-runtime") as bedrock:
        assert refused(lambda: bedrock.converse(modelId=MODEL, messages=messages)) == (
            400,
            "ValidationException",
            "The toolConfig field must be defined when using toolUse and toolResult content "
            "blocks.",
        )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "The body is not a JSON object."),
        (b"[]", "The body is not a JSON object."),
        (b'{"messages": "x"}', "Invalid type for parameter messages, value: x, type: "),
        (b'{"messages": [{"role": "user"}]}', 'Missing required parameter in messages[0]: "con'),
        (
            b'{"messages": [{"role": "user", "content": [{"txt": "a"}]}]}',
            'Unknown parameter in messages[0].content[0]: "txt"',
        ),
        (
            b'{"messages": [], "toolConfig": {"tools": []}}',
            "Invalid length for parameter toolConfig.tools, value: 0, valid min length: 1",
        ),
        (
            b'{"messages": [], "toolConfig": {"tools": [{"toolSpec": {"name": "a.b",'
            b' "inputSchema": {"json": {"a.b": ["c"]}}}}]}}',
            "toolConfig.tools.0.toolSpec.name is 'a.b'; it must match [a-zA-Z0-9_-]+",
        ),
        (
            b'{"messages": [], "requestMetadata": {"a": "{}"}}',
            "requestMetadata.a is '{}'; it must match ",
        ),
    ],
)  # fmt: skip
def test_a_malformed_request_to_a_model_is_refused(cloud: Cloud, body: bytes, told: str) -> None:
    application = applications.applications(cloud, fleet(region=REGION))[BEDROCK]
    path = f"/model/{MODEL}/converse"
    answered = asyncio.run(ask(application, "POST", path, host=BEDROCK, body=body))
    assert (answered.status, answered.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert answered.json["message"].startswith(told) or f"\n{told}" in answered.json["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/model/{MODEL}/converse"),
        ("POST", f"/model/{MODEL}/invoke"),
        ("POST", f"/model/{MODEL}/converse/"),
        ("POST", "/model//converse"),
        ("POST", f"/models/{MODEL}/converse"),
        ("POST", "/"),
    ],
)
def test_other_operations_of_bedrock_are_refused(cloud: Cloud, method: str, path: str) -> None:
    assert sent(cloud, BEDROCK, path, method=method) == (404, "UnknownOperationException")


def test_the_sdk_is_told_that_an_operation_is_not_played(cloud: Cloud) -> None:
    with client(cloud, "bedrock-runtime") as bedrock:
        assert refused(lambda: bedrock.invoke_model(modelId=MODEL, body=b"{}")) == (
            404,
            "UnknownOperationException",
            "The sandbox supports only Converse and ConverseStream of Bedrock, not "
            f"POST /model/{MODEL.replace(':', '%3A')}/invoke.",
        )


@given(st.text(min_size=1, max_size=300), st.dictionaries(st.text(), st.integers()))
def test_an_event_is_encoded_as_the_sdk_decodes_it(event: str, payload: dict[str, int]) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode(event, payload) + encode("end", None))
    for kind, content, decoded in zip((event, "end"), (payload, None), buffer, strict=True):
        assert decoded.headers == {
            ":event-type": kind,
            ":content-type": "application/json",
            ":message-type": "event",
        }
        assert json.loads(decoded.payload) == content


@pytest.mark.parametrize("place", [0, 8, 20, -5, -1])
def test_an_event_shows_that_it_was_damaged(place: int) -> None:
    whole = encode("text", {"a": 1})
    damaged = bytearray(whole)
    damaged[place] = whole[place] ^ 1
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(damaged))
    with pytest.raises(ChecksumMismatch):
        next(buffer)
