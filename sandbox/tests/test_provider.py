"""The provider service: serialization, secrets, previews, faults, warnings."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, status_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from sandbox.cloud.fault_injection import FAILED, Fault
from sandbox.cloud.store import Cloud
from sandbox.engine.provider import (
    Call,
    Change,
    Checked,
    Context,
    Difference,
    Service,
    UnsettledError,
    compare,
    start,
)
from sandbox.providers.aws.provider import PROVIDER, VERSION
from sandbox.providers.random import provider as randomness
from sandbox.values.wire import UNKNOWN, decode, dotted, encode, has_unknown

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
SECRET = "aws:secretsmanager/secret:Secret"
VERSION_TYPE = "aws:secretsmanager/secretVersion:SecretVersion"
PASSWORD = "random:index/randomPassword:RandomPassword"
REPLACES = frozenset({"name"})


def urn(type_: str) -> str:
    return f"urn:pulumi:dev::test::parent:x:Y${type_}::it"


def configured(service: Service, **config: str) -> Service:
    arguments = encode({"region": "us-east-1", **config})
    response = service.configure(provider_pb2.ConfigureRequest(args=arguments))
    assert (response.acceptSecrets, response.supportsPreview) == (True, True)
    return service


def create(service: Service, type_: str, inputs: Any, **more: Any) -> provider_pb2.CreateResponse:
    checked = service.check(provider_pb2.CheckRequest(urn=urn(type_), news=inputs))
    assert list(checked.failures) == []
    return service.create(
        provider_pb2.CreateRequest(urn=urn(type_), properties=checked.inputs, **more)
    )


def test_values_are_unchanged_after_serialization():
    asset = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "text": "t"}
    values = {"a": 1, "b": 1.5, "c": [True, None, {"d": "e"}], "u": UNKNOWN, "asset": asset}
    secrets = {("a",), ("c", 2, "d")}
    decoded, found = decode(encode(values, secrets))
    assert decoded == values
    assert decoded["u"] is UNKNOWN
    assert isinstance(decoded["a"], int)
    assert found == secrets
    assert has_unknown(values)
    assert not has_unknown({"a": [{"b": 1}]})


def test_an_output_has_a_value_a_secret_flag_and_a_known_flag():
    signature = {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4"}
    decoded, secrets = decode(
        encode({"known": {**signature, "value": 1, "secret": True}, "unknown": signature})
    )
    assert decoded == {"known": 1, "unknown": UNKNOWN}
    assert secrets == {("known",)}


@pytest.mark.parametrize(
    ("path", "text"),
    [(("a", "b"), "a.b"), (("a", 0, "b"), "a[0].b"), (("tags", "a.b"), 'tags["a.b"]')],
)
def test_paths_are_written_as_the_engine_writes_them(path: Any, text: str):
    assert dotted(path) == text


def test_a_comparison_names_every_changed_path_and_its_effect():
    olds = {"name": "a", "same": [1], "tags": {"x": "1", "y": "2"}, "list": [1, 2], "gone": 1}
    news = {"name": "b", "same": [1], "tags": {"x": "1", "y": "3"}, "list": [1], "new": 1}
    assert compare(olds, news, lambda path: path[0] in REPLACES) == {
        ("name",): Change.UPDATE_REPLACE,
        ("tags", "y"): Change.UPDATE,
        ("list",): Change.UPDATE,
        ("gone",): Change.DELETE,
        ("new",): Change.ADD,
    }


def test_a_secret_input_stays_secret_in_check_create_update_and_read(cloud: Cloud):
    service = configured(Service(PROVIDER, cloud))
    secret = create(service, SECRET, encode({"name": "s"}))
    inputs = encode({"secretId": secret.id, "secretString": "hush-hush"}, [("secretString",)])
    checked = service.check(provider_pb2.CheckRequest(urn=urn(VERSION_TYPE), news=inputs))
    assert decode(checked.inputs)[1] == {("secretString",)}
    for preview in (True, False):
        made = create(service, VERSION_TYPE, inputs, preview=preview)
        assert ("secretString",) in decode(made.properties)[1]
    read = service.read(
        provider_pb2.ReadRequest(
            urn=urn(VERSION_TYPE), id=made.id, inputs=inputs, properties=made.properties
        )
    )
    assert ("secretString",) in decode(read.properties)[1]
    assert ("secretString",) in decode(read.inputs)[1]


def test_a_secret_within_an_object_stays_secret_in_its_place(cloud: Cloud):
    service = configured(Service(PROVIDER, cloud))
    tags = encode({"name": "g", "tags": {"open": "a", "closed": "b"}}, [("tags", "closed")])
    made = create(service, LOG_GROUP, tags)
    assert ("tags", "closed") in decode(made.properties)[1]
    assert ("tags", "open") not in decode(made.properties)[1]


def test_a_refusal_does_not_reveal_a_secret(cloud: Cloud):
    service = configured(Service(PROVIDER, cloud))
    news = encode({"name": "not allowed!", "retentionInDays": 31}, [("name",)])
    checked = service.check(provider_pb2.CheckRequest(urn=urn(LOG_GROUP), news=news))
    reasons = {failure.property: failure.reason for failure in checked.failures}
    assert set(reasons) == {"name", "retentionInDays"}
    assert "[secret]" in reasons["name"]
    assert "not allowed!" not in reasons["name"]
    assert "31" in reasons["retentionInDays"]


def test_secret_outputs_of_a_provider_are_secret(cloud: Cloud):
    service = Service(randomness.PROVIDER, cloud)
    made = create(service, PASSWORD, encode({"length": 20}))
    properties, secrets = decode(made.properties)
    assert secrets == {("result",), ("bcryptHash",)}
    assert len(properties["result"]) == 20


def test_a_preview_creates_nothing_and_gives_no_id(cloud: Cloud):
    service = configured(Service(PROVIDER, cloud))
    made = create(service, LOG_GROUP, encode({"name": "g", "kmsKeyId": UNKNOWN}), preview=True)
    properties, _ = decode(made.properties)
    assert made.id == ""
    assert properties["name"] == "g"
    assert properties["arn"] is UNKNOWN
    assert properties["kmsKeyId"] is UNKNOWN
    assert cloud.list() == []


@pytest.mark.parametrize("after", ["kept", "undone"])
def test_a_call_that_fails_after_its_effect_returns_the_new_state(cloud: Cloud, after: str):
    service = configured(Service(PROVIDER, cloud))
    inputs = encode({"name": "/logs", "retentionInDays": 1})
    made = create(service, LOG_GROUP, inputs)
    fault = Fault(operation="update", fail="it does not settle", after=after)
    failing = configured(Service(PROVIDER, cloud, [fault]))
    news = encode({"name": "/logs", "retentionInDays": 3})
    request = provider_pb2.UpdateRequest(
        urn=urn(LOG_GROUP), id=made.id, olds=made.properties, old_inputs=inputs, news=news
    )
    with pytest.raises(UnsettledError, match="it does not settle") as error:
        failing.update(request)
    left = error.value.left
    assert (left.id, list(left.reasons)) == ("/logs", [f"update {LOG_GROUP}: it does not settle"])
    assert decode(left.properties)[0]["retentionInDays"] == 3
    now = cloud.get("aws", LOG_GROUP, "/logs")
    assert now is not None
    assert now.properties["retentionInDays"] == {"kept": 3, "undone": 1}[after]
    assert (FAILED in now.properties) is (after == "kept")
    # The engine retries with the returned state, in which nothing changes.
    request.olds.CopyFrom(left.properties)
    request.old_inputs.CopyFrom(news)
    service.update(request)
    now = cloud.get("aws", LOG_GROUP, "/logs")
    assert now is not None
    assert now.properties["retentionInDays"] == {"kept": 3, "undone": 1}[after]


def test_a_diff_reports_paths_kinds_and_replacements(cloud: Cloud):
    service = configured(Service(PROVIDER, cloud))
    request = provider_pb2.DiffRequest(
        urn=urn(LOG_GROUP),
        id="g",
        old_inputs=encode({"name": "g", "retentionInDays": 7, "tags": {"a": "b"}}),
        olds=encode({"name": "g"}),
        news=encode({"name": "h", "retentionInDays": 14, "tags": {"a": "b"}}),
    )
    response = service.diff(request)
    assert response.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(response.replaces) == ["name"]
    assert sorted(response.detailedDiff) == ["name", "retentionInDays"]
    assert response.detailedDiff["retentionInDays"].kind == provider_pb2.PropertyDiff.UPDATE
    # A property that only shares a prefix with an ignored one is different.
    request.ignoreChanges.extend(["name", "retention"])
    assert sorted(service.diff(request).detailedDiff) == ["retentionInDays"]
    request.ignoreChanges.extend(["retentionInDays"])
    assert service.diff(request).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_provider_may_require_an_update_without_changes(cloud: Cloud):
    def diff(_context: Context, _call: Call) -> Difference:
        return Difference(changes={}, anyway=True)

    service = Service(replace(PROVIDER, diff=diff), cloud)
    response = service.diff(provider_pb2.DiffRequest(urn=urn(LOG_GROUP), id="g"))
    assert response.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(response.diffs) == list(response.replaces) == []


def test_a_check_gets_the_paths_of_secrets(cloud: Cloud):
    seen: list[Call] = []

    def check(_context: Context, call: Call) -> Checked:
        seen.append(call)
        return Checked(inputs=call.inputs)

    service = Service(replace(PROVIDER, check=check), cloud)
    news = encode({"a": {"b": "hush"}}, [("a", "b")])
    service.check(provider_pb2.CheckRequest(urn=urn(LOG_GROUP), news=news))
    assert [call.secrets for call in seen] == [{("a", "b")}]


def test_the_providers_configuration_is_checked(cloud: Cloud):
    service = Service(PROVIDER, cloud)
    wrong = provider_pb2.CheckRequest(news=encode({"colour": "red"}))
    reasons = {f.property: f.reason for f in service.check_config(wrong).failures}
    assert set(reasons) == {"colour", "region"}
    assert "colour is not a property of the provider" in reasons["colour"]
    right = {"region": "us-east-1", "defaultTags": '{"tags":{"a":"b"}}'}
    assert not service.check_config(provider_pb2.CheckRequest(news=encode(right))).failures


def test_a_changed_region_replaces_the_provider_and_changed_tags_do_not(cloud: Cloud):
    service = Service(PROVIDER, cloud)
    moved = service.diff_config(
        provider_pb2.DiffRequest(
            old_inputs=encode({"region": "us-east-1", "profile": "a"}),
            news=encode({"region": "eu-west-1", "profile": "b"}),
        )
    )
    assert list(moved.replaces) == ["region"]
    assert sorted(moved.diffs) == ["profile", "region"]


class _Engine(engine_pb2_grpc.EngineServicer):
    """An engine that stores the log lines it receives."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def Log(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802 - gRPC's name
        self.lines.append((request.severity, request.message))
        return empty_pb2.Empty()


@pytest.fixture
def engine() -> Iterator[tuple[_Engine, str]]:
    made = _Engine()
    server = grpc.server(ThreadPoolExecutor(1))
    engine_pb2_grpc.add_EngineServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def stub(cloud: Cloud) -> Iterator[Any]:
    rules = [Fault(type=LOG_GROUP, operation="create", fail="no capacity", count=1)]
    server, port = start(Service(PROVIDER, cloud, rules))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ResourceProviderStub(channel)
    server.stop(None).wait()


@pytest.mark.enable_socket
def test_a_resource_has_its_lifecycle_over_a_real_channel(
    stub: Any, engine: tuple[_Engine, str], cloud: Cloud
):
    log, address = engine
    greeting = stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=address))
    assert greeting.accept_secrets is True
    assert stub.GetPluginInfo(empty_pb2.Empty()) == plugin_pb2.PluginInfo(version=VERSION)
    stub.Configure(provider_pb2.ConfigureRequest(args=encode({"region": "us-east-1"})))
    checked = stub.Check(
        provider_pb2.CheckRequest(urn=urn(LOG_GROUP), news=encode({"retentionInDays": 7}))
    )
    request = provider_pb2.CreateRequest(urn=urn(LOG_GROUP), properties=checked.inputs)

    with pytest.raises(grpc.RpcError) as fault:
        stub.Create(request)
    assert fault.value.details() == f"create {LOG_GROUP}: no capacity"  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - grpc has no type for a call's error
    assert cloud.list() == []

    made = stub.Create(request)
    assert [stored.id for stored in cloud.list()] == [made.id]
    with pytest.raises(grpc.RpcError) as refusal:
        stub.Create(request)
    assert "ResourceAlreadyExistsException" in str(refusal.value)

    stub.Delete(
        provider_pb2.DeleteRequest(urn=urn(LOG_GROUP), id=made.id, properties=made.properties)
    )
    gone = provider_pb2.ReadRequest(urn=urn(LOG_GROUP), id=made.id, properties=made.properties)
    assert stub.Read(gone) == provider_pb2.ReadResponse()
    assert log.lines == []


@pytest.mark.enable_socket
def test_an_error_carries_the_partial_state_over_a_real_channel(cloud: Cloud):
    fault = Fault(type=LOG_GROUP, operation="create", fail="it does not settle", after="kept")
    server, port = start(configured(Service(PROVIDER, cloud, [fault])))
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            provider: Any = ResourceProviderStub(channel)
            request = provider_pb2.CreateRequest(
                urn=urn(LOG_GROUP), properties=encode({"name": "/logs"})
            )
            with pytest.raises(grpc.RpcError) as error:
                provider.Create(request)
    finally:
        server.stop(None)
    failed: Any = error.value
    details = dict(failed.trailing_metadata())["grpc-status-details-bin"]
    (packed,) = status_pb2.Status.FromString(details).details
    left = provider_pb2.ErrorResourceInitFailed()
    assert packed.Unpack(left)
    assert (left.id, decode(left.properties)[0]["name"]) == ("/logs", "/logs")


def test_a_warning_reaches_the_engine_once(stub: Any, engine: tuple[_Engine, str]):
    log, address = engine
    stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=address))
    type_ = "aws:backup/globalSettings:GlobalSettings"
    news = encode({"globalSettings": {"a": "b"}})
    for _ in range(2):
        stub.Check(provider_pb2.CheckRequest(urn=urn(type_), news=news))
    assert log.lines == [
        (
            engine_pb2.LogSeverity.WARNING,
            f"{type_}: the sandbox validates only the names and types of its properties",
        )
    ]


@pytest.mark.enable_socket
def test_a_function_is_answered_and_an_unknown_one_is_named_in_the_error(stub: Any):
    answer = stub.Invoke(
        provider_pb2.InvokeRequest(tok="aws:index/getPartition:getPartition", args=encode({}))
    )
    assert decode(getattr(answer, "return"))[0]["partition"] == "aws"
    with pytest.raises(grpc.RpcError, match="aws:index/getWeather:getWeather"):
        stub.Invoke(
            provider_pb2.InvokeRequest(tok="aws:index/getWeather:getWeather", args=encode({}))
        )
