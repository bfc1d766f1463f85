"""Runs a component package's Construct against a monitor that records, without an engine.

The records have the format of sandbox/tests/data/component_records.json: `<name>` is the id of the
resource of that logical name, {"resource": "type name"} a reference to it.
"""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import wait_for_rpcs

from sandbox.engine.components import ComponentProvider

RECORDS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "component_records.json").read_text(encoding="utf-8")
)
ZONES = [f"us-east-1{letter}" for letter in "abcdef"]
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_OUTPUTS_OF_CLUSTER = {
    "endpoint": "https://0A1B2C3D4E5F.gr7.us-east-1.eks.amazonaws.com",
    "certificateAuthority": {"data": "Q0E="},
    "identities": [{"oidcs": [{"issuer": "https://oidc.eks.us-east-1.amazonaws.com/id/X"}]}],
}
_FUNCTIONS: dict[str, dict[str, Any]] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": ZONES},
    "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
    "aws:index/getRegion:getRegion": {"region": "us-east-1", "name": "us-east-1"},
    # The recorder that wrote the records had no versions of add-ons.
    "aws:eks/getAddonVersion:getAddonVersion": {},
}


@dataclass
class Recording:
    """The record of one Construct.

    Attributes:
        resources: type, name, parent and inputs of each, sorted by type and name.
        outputs: the outputs of the component.
        invokes: the functions called, sorted, each once.
        dependencies: "type name" of a resource → "type name" of its dependencies.
        ignored: "type name" of a resource → its ignoreChanges.
        warnings: messages logged as warnings.
    """

    resources: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    invokes: list[str] = field(default_factory=list[str])
    dependencies: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    ignored: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    warnings: list[str] = field(default_factory=list[str])

    def of_type(self, suffix: str) -> list[dict[str, Any]]:
        """The resources whose type has this suffix, in order of their names."""
        return [one for one in self.resources if one["type"].endswith(suffix)]

    def inputs(self, suffix: str) -> dict[str, dict[str, Any]]:
        """Inputs by name of the resources whose type has this suffix."""
        return {one["name"]: one["inputs"] for one in self.of_type(suffix)}


class _Unasked(mocks.Mocks):
    """Required by MockMonitor; not called, since _Monitor answers first."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:
        raise NotImplementedError(args.token)


class _Monitor(mocks.MockMonitor):
    """Answers like an engine whose cloud gives every resource an id, an ARN and a name.

    It does not use the mocks of the SDK: those leave an open event loop in every thread.
    """

    def __init__(
        self,
        recording: Recording,
        functions: Mapping[str, dict[str, Any]],
        outputs: Mapping[str, dict[str, Any]],
    ) -> None:
        super().__init__(_Unasked())
        self.recording = recording
        self.functions = {**_FUNCTIONS, **functions}
        self.outputs = outputs
        self.states: dict[str, dict[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 -- the name of the RPC
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(
                urn=self.make_urn("", request.type, request.name)
            )
        urn = self.make_urn(request.parent, request.type, request.name)
        key, parent = _short(urn), _short(request.parent)
        inputs = _plain(request.object)
        if request.type.startswith("pulumi:providers:"):
            # The engine adds the requested version to a provider's inputs.
            inputs["version"] = request.version
        self.recording.resources.append(
            {
                "type": request.type,
                "name": request.name,
                "parent": None if parent.startswith("pulumi:pulumi:Stack") else parent,
                "inputs": inputs,
            }
        )
        self.recording.dependencies[key] = {_short(one) for one in request.dependencies} - {key}
        self.recording.ignored[key] = list(request.ignoreChanges)
        id_ = f"{request.name}-0000000"
        state = json_format.MessageToDict(request.object)
        if request.custom:
            arn = f"arn:aws:sim:us-east-1:123456789012:{request.type}/{id_}"
            state |= {"arn": arn, "name": id_}
        if request.type == "aws:eks/cluster:Cluster":
            network = {**state.get("vpcConfig", {}), "clusterSecurityGroupId": "sg-0cluster"}
            state |= {**_OUTPUTS_OF_CLUSTER, "vpcConfig": network}
        state |= self.outputs.get(request.type, {})
        self.states[urn] = {"urn": urn, "id": id_ if request.custom else "", "state": state}
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=id_ if request.custom else "", object=_struct(state)
        )

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 -- the name of the RPC
        if request.urn in self.states:  # the stack is not
            self.states[request.urn]["state"] = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802 -- the name of the RPC
        if request.tok == "pulumi:pulumi:getResource":
            answer = self.states[request.args["urn"]]
        else:
            self.recording.invokes.append(request.tok)
            answer = self.functions[request.tok]
        response = resource_pb2.ResourceInvokeResponse()
        # The field's name is a keyword of Python.
        getattr(response, "return").CopyFrom(_struct(answer))
        return response


class _Log(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def construct(
    provider: ComponentProvider,
    kind: str,
    name: str,
    inputs: Mapping[str, Any],
    *,
    functions: Mapping[str, dict[str, Any]] | None = None,
    outputs: Mapping[str, dict[str, Any]] | None = None,
    before: Callable[[], Mapping[str, Any]] | None = None,
    by_reference: bool = False,
) -> Recording:
    """Constructs one component and waits until all its children are registered.

    Args:
        provider: the component package.
        kind: type token of the component.
        name: its logical name.
        inputs: its inputs in wire format.
        functions: answers of functions, which override the defaults.
        outputs: outputs of the resources of a type, which override the defaults.
        before: creates resources first and returns inputs from them.
        by_reference: whether those inputs have resources as references, as the engine sends them.

    Returns:
        The record.
    """
    recording = Recording()
    monitor = _Monitor(recording, functions or {}, outputs or {})

    async def run() -> None:
        logger = logging.getLogger(f"recorder.{id(recording)}")
        logger.propagate = False
        logger.addHandler(_Log(recording.warnings))
        mocks.set_mocks(_Unasked(), "real", "test", logger=logger, monitor=monitor)
        made: Mapping[str, Any] = before() if before else {}
        if by_reference:
            sent = await rpc.serialize_properties(dict(made), {})
            await wait_for_rpcs(await_all_outstanding_tasks=False)
            made = rpc.deserialize_properties(sent)
        result = provider.construct(name, kind, {**inputs, **made})
        await pulumi.Output.from_input(result.urn).future()
        recording.outputs = _plain(await rpc.serialize_properties(result.state, {}))
        # As the SDK does after a Construct: only RPCs are waited for.
        await wait_for_rpcs(await_all_outstanding_tasks=False)

    asyncio.run(run())
    recording.resources.sort(key=lambda one: (one["type"], one["name"]))
    recording.invokes = sorted(set(recording.invokes))
    return recording


def _short(urn: str) -> str:
    if not urn:
        return ""
    _, _, types, name = urn.split("::")
    return f"{types.split('$')[-1]} {name}"


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def _plain(properties: Any) -> Any:
    return _normal(json_format.MessageToDict(properties))


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if _SIGNATURE in fields:
            return {"resource": _short(fields["urn"])}
        return {_normal(key): _normal(one) for key, one in fields.items()}
    if isinstance(value, list):
        return [_normal(one) for one in cast("list[Any]", value)]
    if isinstance(value, str):
        return re.sub(r"([\w.-]+?)-0000000(?![0-9A-Za-z-])", r"<\1>", value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
