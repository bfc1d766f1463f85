"""The gRPC service of the sandbox's providers, which the Pulumi engine calls.

A provider is a Provider record: a name and functions of plain values. This module implements the
wire format, secrets (a secret input is also secret in the outputs), previews, fault injection,
warnings, and the start and end of the process.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, cast

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    status_pb2,
)

from sandbox.cloud import fault_injection
from sandbox.cloud.store import Cloud
from sandbox.engine.process import tie_to_engine
from sandbox.values.wire import UNKNOWN, Json, Path, decode, dotted, encode

# The engine runs up to --parallel steps at once, and a call with injected latency blocks a thread.
_THREADS = 128
_GRPC_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


class RefusedError(Exception):
    """A request that the cloud rejects, with its error message."""


class UnsettledError(Exception):
    """A call that took effect and then failed. The engine records its state.

    Attributes:
        left: The state.
    """

    def __init__(self, message: str, left: provider_pb2.ErrorResourceInitFailed) -> None:
        super().__init__(message)
        self.left = left


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An error in the inputs of a resource.

    Attributes:
        path: The path of the input: keys and indices from the root.
        reason: The value, and the values that are valid.
    """

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """The result of a check: the inputs with defaults, and the errors in them."""

    inputs: Mapping[str, Any]
    failures: Sequence[Failure] = ()


class Change(IntEnum):
    """The change of a property; the values are those of PropertyDiff.Kind."""

    ADD = provider_pb2.PropertyDiff.ADD
    ADD_REPLACE = provider_pb2.PropertyDiff.ADD_REPLACE
    DELETE = provider_pb2.PropertyDiff.DELETE
    DELETE_REPLACE = provider_pb2.PropertyDiff.DELETE_REPLACE
    UPDATE = provider_pb2.PropertyDiff.UPDATE
    UPDATE_REPLACE = provider_pb2.PropertyDiff.UPDATE_REPLACE


REPLACING = frozenset({Change.ADD_REPLACE, Change.DELETE_REPLACE, Change.UPDATE_REPLACE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The result of a diff.

    Attributes:
        changes: The changes by path.
        delete_first: Whether a replacement deletes the old resource before it creates the new one.
        anyway: Whether to update the resource even if nothing changes.
    """

    changes: Mapping[Path, Change]
    delete_first: bool = False
    anyway: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """The result of a create or a read: the id, the properties and, for a read, the inputs."""

    id: str
    properties: Mapping[str, Any]
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What a provider's functions get in addition to the call.

    Attributes:
        cloud: The sandbox's cloud.
        config: The configuration of the provider, with its JSON parsed.
        warn: Shows a warning once; takes the URN of the resource and the text.
    """

    cloud: Cloud
    config: Mapping[str, Any]
    warn: Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request for a resource. Fields that do not apply to the operation are empty.

    Attributes:
        type: The type token.
        urn: The URN of the resource.
        name: The logical name.
        id: The id (diff, read, update, delete).
        inputs: The new inputs, before (check) or after the check. Previews can have UNKNOWN.
        old_inputs: The inputs of the last update.
        properties: The properties after the last update (diff, read, update, delete).
        preview: Whether the call must not change anything.
        seed: Random bytes that are equal in preview and update (check).
        proposed_name: The name from the engine's autonaming configuration, if any (check).
        secrets: The paths of the secrets in the new inputs (check).
    """

    type: str
    urn: str
    name: str
    id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    old_inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])
    preview: bool = False
    seed: bytes = b""
    proposed_name: str = ""
    secrets: frozenset[Path] = frozenset()


def accept_config(_context: Context, config: Mapping[str, Any]) -> Checked:
    """Accepts any configuration of a provider."""
    return Checked(inputs=config)


def no_secrets(_type: str) -> frozenset[str]:
    """The secret outputs of a type, for a provider without secret outputs."""
    return frozenset()


def nothing_to_invoke(_context: Context, token: str, _arguments: Mapping[str, Any]) -> Json:
    """Rejects a function call, for a provider without functions."""
    raise RefusedError(f"{token}: the sandbox does not know this function")


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """A provider: its name, its version and its functions.

    A function raises RefusedError to reject a request. In a preview, create and update change
    nothing, and return UNKNOWN for properties that are known only after the deployment.

    Attributes:
        name: The name of the package.
        version: The version that the plugin reports.
        check: Adds defaults to the inputs and validates them.
        diff: Compares checked inputs with the existing resource.
        create: Creates the resource.
        read: Reads the resource for a refresh or an import; None if it does not exist.
        update: Updates the resource in place and returns its properties.
        delete: Deletes the resource. A resource that does not exist is not an error.
        invoke: Returns the result of a function call.
        check_config: Validates the configuration of the provider.
        replacing_config: The keys of the configuration whose change replaces the provider.
        secret_outputs: The names of a type's properties that are always secret.
    """

    name: str
    version: str
    check: Callable[[Context, Call], Checked]
    diff: Callable[[Context, Call], Difference]
    create: Callable[[Context, Call], Made]
    read: Callable[[Context, Call], Made | None]
    update: Callable[[Context, Call], Mapping[str, Any]]
    delete: Callable[[Context, Call], None]
    invoke: Callable[[Context, str, Mapping[str, Any]], Mapping[str, Any]] = nothing_to_invoke
    check_config: Callable[[Context, Mapping[str, Any]], Checked] = accept_config
    replacing_config: frozenset[str] = frozenset()
    secret_outputs: Callable[[str], frozenset[str]] = no_secrets


def _read_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """Parses the nested values of a provider's configuration, which are JSON text."""
    read: dict[str, Any] = {}
    for key, value in config.items():
        read[key] = value
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                read[key] = json.loads(value)
            except ValueError:
                read[key] = value
    return read


def _name_and_type(urn: str) -> tuple[str, str]:
    _, _, types, name = urn.split("::", 3)
    return name, types.rsplit("$", 1)[-1]


def _is_at_or_below(path: str, other: str) -> bool:
    """Whether a path is equal to or below another: `a.b` and `a.b.c` for `a.b`, but not `a.bc`."""
    return path == other or path.startswith((f"{other}.", f"{other}["))


def compare(
    olds: Mapping[str, Any], news: Mapping[str, Any], replacing: Callable[[Path], bool]
) -> dict[Path, Change]:
    """The changes between two sets of inputs, by path.

    Objects are compared by key, and lists by item. If the length differs, the whole list changes.

    Args:
        olds: The inputs of the last update.
        news: The new inputs. UNKNOWN is a change.
        replacing: Whether a change at a path replaces the resource.
    """
    changes: dict[Path, Change] = {}
    _compare(olds, news, (), changes, replacing)
    return changes


def _compare(
    old: Json,
    new: Json,
    path: Path,
    changes: dict[Path, Change],
    replacing: Callable[[Path], bool],
) -> None:
    if old == new:
        return
    pairs = _pairs(old, new)
    if pairs is not None:
        for key, before, after in pairs:
            _compare(before, after, (*path, key), changes, replacing)
        return
    replace = replacing(path)
    if old is None:
        changes[path] = Change.ADD_REPLACE if replace else Change.ADD
    elif new is None:
        changes[path] = Change.DELETE_REPLACE if replace else Change.DELETE
    else:
        changes[path] = Change.UPDATE_REPLACE if replace else Change.UPDATE


def _pairs(old: Json, new: Json) -> list[tuple[str | int, Json, Json]] | None:
    """The pairs of old and new items, if both are objects or lists of equal length."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        olds, news = cast("Mapping[str, Json]", old), cast("Mapping[str, Json]", new)
        return [(key, olds.get(key), news.get(key)) for key in dict.fromkeys([*olds, *news])]
    if isinstance(old, list) and isinstance(new, list):
        before, after = cast("list[Json]", old), cast("list[Json]", new)
        if len(before) == len(after):
            return [(i, *pair) for i, pair in enumerate(zip(before, after, strict=True))]
    return None


class Service:
    """The gRPC service of a provider. Each method implements one gRPC method.

    Args:
        provider: The provider.
        cloud: The sandbox's cloud.
        rules: The faults to inject.
        engine_address: The address of the engine's log service, or empty.
    """

    def __init__(
        self,
        provider: Provider,
        cloud: Cloud,
        rules: Sequence[fault_injection.Fault] = (),
        engine_address: str = "",
    ) -> None:
        self._provider = provider
        self._cloud = cloud
        self._rules = rules
        self._config: dict[str, Any] = {}
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self._connect(engine_address)

    def _connect(self, address: str) -> None:
        if address:
            channel = grpc.insecure_channel(address, options=_GRPC_OPTIONS)
            self._engine = engine_pb2_grpc.EngineStub(channel)

    def _warn(self, urn: str, text: str) -> None:
        with self._lock:
            if text in self._warned:
                return
            self._warned.add(text)
        if self._engine is not None:
            line = engine_pb2.LogRequest(
                severity=engine_pb2.LogSeverity.WARNING, message=text, urn=urn
            )
            self._engine.Log(line)  # pyright: ignore[reportUnknownMemberType] - untyped stub

    def _context(self) -> Context:
        return Context(cloud=self._cloud, config=self._config, warn=self._warn)

    def _inject(self, type_: str, operation: str) -> None:
        fault_injection.inject(self._rules, self._cloud, type_, operation)

    @contextmanager
    def _afterwards(self, type_: str, id_: str, operation: str) -> Generator["_Outcome"]:
        """Injects the faults of a call. A failure after the call returns the new state."""
        outcome, late = _Outcome(id=id_), None
        before = self._cloud.get(self._provider.name, type_, id_)
        try:
            self._inject(type_, operation)
        except fault_injection.AfterwardsError as fault:
            late = fault
        yield outcome
        if late is None:
            return
        now = self._cloud.get(self._provider.name, type_, outcome.id)
        if now is not None:
            earlier = before.properties if before and late.undone else now.properties
            mark = {} if late.undone else {fault_injection.FAILED: str(late)}
            changes = {**dict.fromkeys(now.properties), **earlier, **mark}
            self._cloud.edit(self._provider.name, type_, now.id, changes)
        left = provider_pb2.ErrorResourceInitFailed(
            id=outcome.id,
            properties=outcome.properties,
            inputs=outcome.inputs,
            reasons=[str(late)],
        )
        raise UnsettledError(str(late), left)

    def handshake(
        self, request: provider_pb2.ProviderHandshakeRequest
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Gets the address of the engine, and returns the features that the provider supports."""
        self._connect(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, supports_autonaming_configuration=True
        )

    def attach(self, request: plugin_pb2.PluginAttach) -> empty_pb2.Empty:
        """Attaches the engine to a provider that was started manually."""
        self._connect(request.address)
        return empty_pb2.Empty()

    def plugin_info(self, _request: empty_pb2.Empty) -> plugin_pb2.PluginInfo:
        """Returns the version of the plugin."""
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def schema(self, _request: provider_pb2.GetSchemaRequest) -> provider_pb2.GetSchemaResponse:
        """Returns an empty schema; the SDKs are already installed."""
        return provider_pb2.GetSchemaResponse(
            schema=json.dumps({"name": self._provider.name, "version": self._provider.version})
        )

    def cancel(self, _request: empty_pb2.Empty) -> empty_pb2.Empty:
        """Does nothing; all calls are short."""
        return empty_pb2.Empty()

    def check_config(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Validates the configuration of the provider."""
        news, secrets = decode(request.news)
        checked = self._provider.check_config(self._context(), _read_json(news))
        return provider_pb2.CheckResponse(
            inputs=encode(news, secrets), failures=_failures(checked.failures)
        )

    def diff_config(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """Compares the configuration of the provider with its previous configuration."""
        olds, _ = decode(request.old_inputs)
        news, _ = decode(request.news)
        wanted = self._provider.replacing_config
        return _diff_response(compare(olds, news, lambda path: path[0] in wanted), False)

    def configure(self, request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        """Sets the configuration of the provider."""
        config, _ = decode(request.args)
        self._config = _read_json(config)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Adds defaults to the inputs of a resource and validates them."""
        news, secrets = decode(request.news)
        name, type_ = _name_and_type(request.urn)
        self._inject(type_, "check")
        call = Call(
            type=type_,
            urn=request.urn,
            name=name,
            inputs=news,
            old_inputs=decode(request.olds)[0],
            seed=request.randomSeed,
            proposed_name=request.autonaming.proposed_name,
            secrets=secrets,
        )
        checked = self._provider.check(self._context(), call)
        hidden = hide(news, secrets)
        return provider_pb2.CheckResponse(
            inputs=encode(checked.inputs, secrets), failures=_failures(checked.failures, hidden)
        )

    def diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """Compares a resource with its new inputs."""
        name, type_ = _name_and_type(request.urn)
        self._inject(type_, "diff")
        call = Call(
            type=type_,
            urn=request.urn,
            name=name,
            id=request.id,
            inputs=decode(request.news)[0],
            old_inputs=decode(request.old_inputs)[0],
            properties=decode(request.olds)[0],
        )
        difference = self._provider.diff(self._context(), call)
        kept = {
            path: change
            for path, change in difference.changes.items()
            if not any(_is_at_or_below(dotted(path), one) for one in request.ignoreChanges)
        }
        return _diff_response(kept, difference.delete_first, anyway=difference.anyway)

    def create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        """Creates a resource. In a preview, returns only its known properties."""
        inputs, secrets = decode(request.properties)
        name, type_ = _name_and_type(request.urn)
        call = Call(type=type_, urn=request.urn, name=name, inputs=inputs, preview=request.preview)
        if request.preview:
            made = self._create(call, secrets)
            return provider_pb2.CreateResponse(
                properties=self._state(type_, made.properties, secrets)
            )
        with self._afterwards(type_, "", "create") as outcome:
            made = self._create(call, secrets)
            outcome.id, outcome.inputs = made.id, request.properties
            outcome.properties = self._state(type_, made.properties, secrets)
        return provider_pb2.CreateResponse(id=made.id, properties=outcome.properties)

    def _create(self, call: Call, secrets: frozenset[Path]) -> Made:
        with _hiding(hide(call.inputs, secrets)):
            return self._provider.create(self._context(), call)

    def read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        """Reads a resource. An empty id means that it does not exist."""
        properties, known = decode(request.properties)
        inputs, secrets = decode(request.inputs)
        name, type_ = _name_and_type(request.urn)
        self._inject(type_, "read")
        call = Call(
            type=type_,
            urn=request.urn,
            name=name,
            id=request.id,
            old_inputs=inputs,
            properties=properties,
        )
        made = self._provider.read(self._context(), call)
        if made is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=made.id,
            properties=self._state(type_, made.properties, known | secrets),
            inputs=self._state(type_, made.inputs, known | secrets),
        )

    def update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        """Updates a resource in place."""
        news, secrets = decode(request.news)
        name, type_ = _name_and_type(request.urn)
        call = Call(
            type=type_,
            urn=request.urn,
            name=name,
            id=request.id,
            inputs=news,
            old_inputs=decode(request.old_inputs)[0],
            properties=decode(request.olds)[0],
            preview=request.preview,
        )
        if request.preview:
            properties = self._update(call, secrets)
            return provider_pb2.UpdateResponse(properties=self._state(type_, properties, secrets))
        with self._afterwards(type_, request.id, "update") as outcome:
            properties = self._update(call, secrets)
            outcome.inputs, outcome.properties = (
                request.news,
                self._state(type_, properties, secrets),
            )
        return provider_pb2.UpdateResponse(properties=outcome.properties)

    def _update(self, call: Call, secrets: frozenset[Path]) -> Mapping[str, Any]:
        with _hiding(hide(call.inputs, secrets)):
            return self._provider.update(self._context(), call)

    def delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:
        """Deletes a resource."""
        name, type_ = _name_and_type(request.urn)
        self._inject(type_, "delete")
        call = Call(
            type=type_,
            urn=request.urn,
            name=name,
            id=request.id,
            old_inputs=decode(request.old_inputs)[0],
            properties=decode(request.properties)[0],
        )
        self._provider.delete(self._context(), call)
        return empty_pb2.Empty()

    def invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        """Returns the result of a function call."""
        self._inject(request.tok, "invoke")
        arguments, _ = decode(request.args)
        result = encode(self._provider.invoke(self._context(), request.tok, arguments))
        response = provider_pb2.InvokeResponse()
        # `return` is a keyword of Python, so the field must be accessed by name.
        getattr(response, "return").CopyFrom(result)
        return response

    def _state(
        self, type_: str, properties: Mapping[str, Any], secrets: frozenset[Path]
    ) -> struct_pb2.Struct:
        always = {(name,) for name in self._provider.secret_outputs(type_)}
        return encode(properties, secrets | always)


@dataclass(kw_only=True)
class _Outcome:
    """The result of a create or an update, for a fault that fails the call afterwards."""

    id: str
    properties: struct_pb2.Struct = field(default_factory=struct_pb2.Struct)
    inputs: struct_pb2.Struct = field(default_factory=struct_pb2.Struct)


def hide(values: Mapping[str, Any], secrets: Iterable[Path]) -> Callable[[str], str]:
    """A function that replaces the secret values in a message."""
    texts: set[str] = set()
    for path in secrets:
        value: Json = values
        for part in path:
            value = value[part]
        texts.add(value if isinstance(value, str) else json.dumps(value, default=repr))
    longest_first = sorted((text for text in texts if text), key=len, reverse=True)

    def hidden(message: str) -> str:
        for text in longest_first:
            message = message.replace(repr(text), "[secret]").replace(text, "[secret]")
        return message

    return hidden


@contextmanager
def _hiding(hidden: Callable[[str], str]) -> Generator[None]:
    try:
        yield
    except RefusedError as refusal:
        raise RefusedError(hidden(str(refusal))) from None


def _failures(
    failures: Sequence[Failure], hidden: Callable[[str], str] = str
) -> list[provider_pb2.CheckFailure]:
    return [
        provider_pb2.CheckFailure(property=dotted(failure.path), reason=hidden(failure.reason))
        for failure in failures
    ]


def _diff_response(
    changes: Mapping[Path, Change], delete_first: bool, *, anyway: bool = False
) -> provider_pb2.DiffResponse:
    replaces = [dotted(path) for path, change in changes.items() if change in REPLACING]
    some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=some if changes or anyway else none,
        replaces=replaces,
        diffs=list(dict.fromkeys(str(path[0]) for path in changes)),
        detailedDiff={
            dotted(path): provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.ValueType(change), inputDiff=True
            )
            for path, change in changes.items()
        },
        hasDetailedDiff=True,
        deleteBeforeReplace=delete_first and bool(replaces),
    )


def computed(inputs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The properties of a resource in a preview: its inputs, and UNKNOWN for the other names."""
    return {**dict.fromkeys(names, UNKNOWN), **inputs}


def _handler(
    method: Callable[[Any], Message], request: type[Message], response: type[Message]
) -> "grpc.RpcMethodHandler[Any, Any]":
    def run(message: Json, context: grpc.ServicerContext) -> Json:
        try:
            return method(message)
        except UnsettledError as error:
            details = any_pb2.Any()
            details.Pack(error.left)
            status = status_pb2.Status(
                code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[details]
            )
            # The metadata in which gRPC sends the details of an error (grpc-status, rpc_status.py).
            metadata = ("grpc-status-details-bin", status.SerializeToString())
            context.set_trailing_metadata((metadata,))
            return context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except (RefusedError, fault_injection.FaultError) as refusal:
            return context.abort(grpc.StatusCode.UNKNOWN, str(refusal))

    return grpc.unary_unary_rpc_method_handler(
        run,
        request_deserializer=request.FromString,
        response_serializer=response.SerializeToString,
    )


def start(service: Service) -> tuple[grpc.Server, int]:
    """Starts a server on a free loopback port, and returns the server and the port."""
    p, e = provider_pb2, empty_pb2.Empty
    methods = {
        "Handshake": (
            service.handshake,
            p.ProviderHandshakeRequest,
            p.ProviderHandshakeResponse,
        ),
        "Attach": (service.attach, plugin_pb2.PluginAttach, e),
        "GetPluginInfo": (service.plugin_info, e, plugin_pb2.PluginInfo),
        "GetSchema": (service.schema, p.GetSchemaRequest, p.GetSchemaResponse),
        "Cancel": (service.cancel, e, e),
        "CheckConfig": (service.check_config, p.CheckRequest, p.CheckResponse),
        "DiffConfig": (service.diff_config, p.DiffRequest, p.DiffResponse),
        "Configure": (service.configure, p.ConfigureRequest, p.ConfigureResponse),
        "Check": (service.check, p.CheckRequest, p.CheckResponse),
        "Diff": (service.diff, p.DiffRequest, p.DiffResponse),
        "Create": (service.create, p.CreateRequest, p.CreateResponse),
        "Read": (service.read, p.ReadRequest, p.ReadResponse),
        "Update": (service.update, p.UpdateRequest, p.UpdateResponse),
        "Delete": (service.delete, p.DeleteRequest, e),
        "Invoke": (service.invoke, p.InvokeRequest, p.InvokeResponse),
    }
    handlers = {name: _handler(*triple) for name, triple in methods.items()}
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=_GRPC_OPTIONS)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pulumirpc.ResourceProvider", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main(provider: Provider) -> None:
    """Serves a provider until the engine ends it or the engine itself ends.

    The first argument is the address of the engine, which reads the port from the first line of the
    output. SANDBOX_CLOUD is the file of the cloud; SANDBOX_FAULTS is the file of the faults.
    """
    path = os.environ.get("SANDBOX_CLOUD")
    if not path:
        sys.exit(f"{provider.name}: SANDBOX_CLOUD is not set; run the sandbox through bin/sandbox")
    address = sys.argv[1] if len(sys.argv) > 1 else ""
    service = Service(
        provider, Cloud(path), fault_injection.load(os.environ.get("SANDBOX_FAULTS")), address
    )
    server, port = start(service)
    tie_to_engine()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
