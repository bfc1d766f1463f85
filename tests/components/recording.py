"""Runs the program, or a part of it, on a monitor that records the registered resources.

There is no engine, provider or network. The state of a resource is its inputs and the outputs of
`_OUTPUTS` that the program reads. In a preview it is only the inputs, so values that AWS generates
are unknown. `awsx.ec2.Vpc`, `eks.Cluster` and `eks.ManagedNodeGroup` are each one resource without
children. Other tests cover their children.
"""

import asyncio
import contextlib
import functools
import gc
import hashlib
import json
import runpy
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from unittest import mock

import yaml
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import mocks, rpc, settings, stack
from pulumi.runtime.config import CONFIG, set_all_config
from pulumi.runtime.proto import engine_pb2, resource_pb2

from core.aws.partitions import partition_of

ROOT = Path(__file__).parents[2]
ACCOUNT, REGION, PROJECT = "123456789012", "us-east-1", "mcp-platform"
API_ID = "a1b2c3d4e5"
"""The id of every REST and WebSocket API. Such ids have ten characters."""

MARKER = "must-not-be-seen"
"""A text in every secret value: from the configuration, generated, and the ECR token."""

UNKNOWN = rpc.UNKNOWN
"""The value of an output that AWS generates, in a preview."""

_SIGNATURE: Any = rpc._special_sig_key  # pyright: ignore[reportUnknownMemberType] - untyped there
_SECRET: Any = rpc._special_secret_sig  # pyright: ignore[reportUnknownMemberType] - the same
_REFERENCE: Any = rpc._special_resource_sig  # pyright: ignore[reportUnknownMemberType] - the same


@dataclass(frozen=True)
class Secret:
    """A value that is marked as secret."""

    value: Any


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A registered resource.

    Attributes:
        type: The type token.
        name: The logical name.
        urn: The URN.
        parent: The URN of the parent; without a parent, the URN of the stack.
        custom: Whether a provider creates it. False for components of the program.
        inputs: The inputs in wire format. A secret is a `Secret`.
        id: The id; empty in a preview.
        state: The outputs that the program gets.
        protect: The option of that name.
        retain_on_delete: The option of that name.
        aliases: The former names, or the former URN if the parent was another. Any other alias is
            its text.
        ignore_changes: The option of that name.
        replacement_trigger: The option of that name, or None.
        replace_on_changes: The option of that name.
        delete_before_replace: The option of that name.
        timeouts: The option `custom_timeouts`: the timeouts of create, update and delete.
        dependencies: The URNs of the dependencies, except for route tables of the VPC.
        provider: The provider of the resource: `urn::id`.
        providers: The providers that a component passes to its children, by package.
    """

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    inputs: dict[str, Any]
    id: str
    state: dict[str, Any]
    protect: bool
    retain_on_delete: bool
    aliases: list[str]
    ignore_changes: list[str]
    replacement_trigger: Any
    replace_on_changes: list[str]
    delete_before_replace: bool
    timeouts: dict[str, str]
    dependencies: list[str]
    provider: str
    providers: dict[str, str]

    @property
    def kind(self) -> str:
        """A short form of the type: `ec2.SecurityGroup`, `random.RandomPassword`."""
        package, module, name = self.type.split(":")
        return f"{module.split('/')[0] if package == 'aws' else package}.{name}"

    def json(self, key: str) -> Any:
        """An input that is a JSON document."""
        return json.loads(self.inputs[key])


@dataclass
class Recording:
    """Everything that a program registered.

    Attributes:
        resources: The resources, by URN and in the order of their registration.
        outputs: The registered outputs of components and of the stack, by URN.
        invokes: The function calls: token and provider.
        asked: The function calls: token and arguments.
        warnings: The warnings of the program and of the SDKs.
    """

    resources: dict[str, Resource] = field(default_factory=dict[str, Resource])
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    invokes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    asked: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list[tuple[str, dict[str, Any]]]
    )
    warnings: list[str] = field(default_factory=list[str])

    @property
    def exports(self) -> dict[str, Any]:
        """The stack's outputs."""
        return next(value for urn, value in self.outputs.items() if "pulumi:pulumi:Stack::" in urn)

    @property
    def components(self) -> list[Resource]:
        """The components of this program."""
        return [made for made in self.resources.values() if made.type.startswith(f"{PROJECT}:")]

    def of(self, kind: str) -> list[Resource]:
        """The resources of a kind, by name."""
        found = [made for made in self.resources.values() if made.kind == kind]
        return sorted(found, key=lambda made: made.name)

    def names(self, kind: str) -> list[str]:
        """The names of the resources of a kind."""
        return [made.name for made in self.of(kind)]

    def one(self, kind: str, name: str | None = None) -> Resource:
        """The only resource of a kind, or the only one with a name."""
        (found,) = (made for made in self.of(kind) if name in (None, made.name))
        return found

    def children(self, parent: Resource) -> list[Resource]:
        """The children of a resource."""
        return [made for made in self.resources.values() if made.parent == parent.urn]


def leaves(value: Any, *, secret: bool = False) -> Iterator[tuple[str, bool]]:
    """The strings in a value, including keys, and whether each is marked as secret."""
    match value:
        case Secret(value=inner):
            yield from leaves(inner, secret=True)
        case dict():
            for key, inner in cast("dict[str, Any]", value).items():
                yield key, secret
                yield from leaves(inner, secret=secret)
        case list():
            for inner in cast("list[Any]", value):
                yield from leaves(inner, secret=secret)
        case _:
            yield str(value), secret


def example(stack_name: str = "dev") -> dict[str, Any]:
    """The example fleet of `Pulumi.dev.yaml`, or one of `examples/`, without secret values."""
    folder = ROOT if stack_name == "dev" else ROOT / "examples" / stack_name
    configuration = yaml.safe_load((folder / f"Pulumi.{stack_name}.yaml").read_text())["config"]
    keys = {key.removeprefix(f"{PROJECT}:"): value for key, value in configuration.items()}
    return {key: value for key, value in keys.items() if ":" not in key and key[:7] != "secret-"}


def run(
    fleet: Mapping[str, Any],
    *,
    stack_name: str = "dev",
    preview: bool = False,
    aws: Mapping[str, str] | None = None,
    remembered: Mapping[str, str] | None = None,
    answers: Mapping[str, dict[str, Any]] | None = None,
) -> Recording:
    """Runs `__main__.py` for a fleet.

    Args:
        fleet: The configuration without the namespace; see `configuration`.
        stack_name: The stack's name.
        preview: Whether it is a preview.
        aws: Additional configuration in the namespace `aws`.
        remembered: The values of the first deployment, by the name of the `Stash`.
        answers: Results of function calls that differ from the default, by token.
    """
    texts = [json.dumps(each or {}) for each in (fleet, aws, remembered, answers)]
    return _run(*texts, stack_name=stack_name, preview=preview)


@functools.cache
def _run(
    fleet: str, aws: str, remembered: str, answers: str, *, stack_name: str, preview: bool
) -> Recording:
    bag, encrypted = configuration(json.loads(fleet))
    return record(
        lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
        configuration=bag | {f"aws:{key}": value for key, value in json.loads(aws).items()},
        encrypted=encrypted,
        stack_name=stack_name,
        preview=preview,
        remembered=json.loads(remembered),
        answers=json.loads(answers),
    )


def configuration(fleet: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """A fleet as the program gets it from the engine: the values by key, and the secret keys.

    Each secret with `source: config` gets a value.
    """
    encrypted = {
        f"{PROJECT}:secret-{name}": f"{MARKER}-{name}"
        for name, secret in fleet.get("secrets", {}).items()
        if secret.get("source") == "config"
    }
    plain = {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in fleet.items()
    }
    return {"aws:region": REGION, **plain, **encrypted}, list(encrypted)


def record(
    program: Callable[[], object],
    *,
    configuration: Mapping[str, str],
    encrypted: list[str],
    stack_name: str = "dev",
    preview: bool = False,
    remembered: Mapping[str, str] | None = None,
    answers: Mapping[str, dict[str, Any]] | None = None,
) -> Recording:
    """Runs a program in the project's root.

    Args:
        program: The program.
        configuration: The stack's configuration.
        encrypted: The keys that are secret.
        stack_name: The stack's name.
        preview: Whether it is a preview.
        remembered: The values of the first deployment, by the name of the `Stash`.
        answers: Results of function calls that differ from the default, by token.

    Returns:
        The registered resources and outputs.

    Raises:
        ValueError: Two resources have the same URN.
    """
    recording = Recording()

    async def in_stack() -> None:
        monitor = _Monitor(
            recording, preview=preview, remembered=remembered or {}, answers=answers or {}
        )
        settings.configure(
            mocks.MockSettings(
                monitor=monitor,
                engine=_Engine(recording.warnings),
                project=PROJECT,
                stack=stack_name,
                dry_run=preview,
                root_directory=str(ROOT),
                callbacks=None,
                outputs=set[Any](),  # the default would contain outputs of a failed run
            )
        )
        settings.ROOT.set(None)
        set_all_config(dict(configuration), encrypted)
        await stack.run_in_stack(lambda: _nothing(program()))

    # This process runs many programs, so their objects must stay subject to garbage collection.
    with contextlib.chdir(ROOT), mock.patch.object(gc, "freeze"):
        asyncio.run(in_stack())
    return recording


def _nothing(_result: object) -> None:
    """Discards the result of a program, because the SDK would await it."""


class _Engine(mocks.MockEngine):
    """Records the warnings that are sent to the engine."""

    def __init__(self, warnings: list[str]) -> None:
        super().__init__(None)
        self._warnings = warnings

    def Log(self, request: Any) -> None:  # noqa: N802 - the RPC's name
        if request.severity >= engine_pb2.WARNING:
            self._warnings.append(request.message)


class _Unasked(mocks.Mocks):
    """Required by the SDK's monitor, but not used."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise NotImplementedError(args.token)


class _Monitor(mocks.MockMonitor):
    """Records resources, with duplicates, options and outputs, which the SDK's monitor omits."""

    def __init__(
        self,
        recording: Recording,
        *,
        preview: bool,
        remembered: Mapping[str, str],
        answers: Mapping[str, dict[str, Any]],
    ) -> None:
        super().__init__(_Unasked())
        self._recording, self._preview = recording, preview
        self._remembered, self._answers = remembered, answers
        self._lock = threading.Lock()  # the SDK calls from several threads

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the RPC's name
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        inputs = _read(json_format.MessageToDict(request.object))
        id_, outputs = "", dict[str, Any]()
        provided = request.custom or request.remote
        if provided and not self._preview:
            id_, outputs = _made(request.type, request.name, urn, inputs)
        if request.type == "pulumi:index:Stash":
            # The engine stores the value, so it is also known in a preview.
            outputs = {"output": self._remembered.get(request.name, inputs["input"])}
        hidden = {
            key: Secret(outputs[key]) for key in request.additionalSecretOutputs if key in outputs
        }
        made = Resource(
            type=request.type,
            name=request.name,
            urn=urn,
            parent=request.parent,
            custom=request.custom,
            inputs=inputs,
            id=id_,
            # The outputs of a component do not include its inputs.
            state={**(inputs if request.custom else {}), **outputs, **hidden},
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            aliases=[_former(alias.spec, request.type) for alias in request.aliases],
            ignore_changes=list(request.ignoreChanges),
            replacement_trigger=json_format.MessageToDict(request.replacement_trigger)
            if request.HasField("replacement_trigger")
            else None,
            replace_on_changes=list(request.replaceOnChanges),
            delete_before_replace=request.deleteBeforeReplace,
            timeouts={
                operation: getattr(request.customTimeouts, operation)
                for operation in ("create", "update", "delete")
                if getattr(request.customTimeouts, operation)
            },
            # The route tables of the VPC among the dependencies differ between runs.
            dependencies=sorted(
                each for each in request.dependencies if not each.startswith(_ROUTE_TABLE)
            ),
            provider=request.provider,
            providers=dict(request.providers),
        )
        with self._lock:
            if urn in self._recording.resources:
                raise ValueError(f"two resources have the URN {urn}")
            self._recording.resources[urn] = made
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id_, object=_struct(made.state))

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the RPC's name
        with self._lock:
            if request.urn in self._recording.outputs:
                raise ValueError(f"{request.urn} registers its outputs twice")
            self._recording.outputs[request.urn] = _read(json_format.MessageToDict(request.outputs))
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802 - the RPC's name
        response = resource_pb2.ResourceInvokeResponse()
        args = json_format.MessageToDict(request.args)
        # Other threads register resources, and an answer reads the registered resources.
        with self._lock:
            if request.tok == "pulumi:pulumi:getResource":
                # The only references are to children of the VPC and of the cluster.
                urn = args["urn"]
                id_ = urn.split("::")[-1]
                state = _cluster(self._recording, id_) if _CLUSTER in urn else {"id": id_}
                answer: dict[str, Any] = {"urn": urn, "id": id_, "state": state}
            else:
                self._recording.invokes.append((request.tok, request.provider))
                self._recording.asked.append((request.tok, args))
                answer = self._answers.get(request.tok) or _answer(
                    request.tok, args, self._recording
                )
        getattr(response, "return").CopyFrom(_struct(answer))  # the name of the field is a keyword
        return response


def _former(alias: Any, type_: str) -> str:
    """The former name or URN of an alias."""
    if not alias.parentUrn:
        return alias.name or str(alias)
    # The engine's format of a URN: the types of all ancestors, without their names.
    above = alias.parentUrn.rpartition("::")[0]
    return f"{above}${type_}::{alias.name}"


def _read(value: Any) -> Any:
    """A value from wire format, with a `Secret` for each secret."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if fields.get(_SIGNATURE) == _SECRET:
            return Secret(_read(fields["value"]))
        return {key: _read(inner) for key, inner in fields.items()}
    if isinstance(value, list):
        return [_read(inner) for inner in cast("list[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wire(value: Any) -> Any:
    """The reverse of `_read`."""
    if isinstance(value, Secret):
        return {_SIGNATURE: _SECRET, "value": _wire(value.value)}
    if isinstance(value, dict):
        return {key: _wire(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_wire(inner) for inner in cast("list[Any]", value)]
    return value


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(_wire(dict(values)), struct_pb2.Struct())


def _made(type_: str, name: str, urn: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The id and the outputs of a new resource."""
    digits = hashlib.sha256(urn.encode()).hexdigest()
    physical = inputs.get("name") or f"{name}-{digits[:7]}"
    texts = {key: text for key, text in inputs.items() if isinstance(text, str)}
    words = {**texts, "name": physical, "hex": digits[:17], "logical": name}
    if type_ == "awsx:ec2:Vpc":
        return "", _vpc(len(inputs["availabilityZoneNames"]), digits[:10])
    if type_ == "eks:index:Cluster":
        inside = f"{urn.rpartition('::')[0]}{_CLUSTER}{name}"
        reference = {_SIGNATURE: _REFERENCE, "urn": inside, "id": inputs["name"]}
        return "", {"eksCluster": reference}
    templates = {"id": "{name}", "name": "{name}", **_OUTPUTS.get(type_, {})}
    outputs = {key: _filled(template, words) for key, template in templates.items()}
    return outputs.pop("id"), outputs


def _filled(template: Any, words: Mapping[str, str]) -> Any:
    if isinstance(template, str):
        return _here(template.format_map(words))
    if isinstance(template, list):
        return [_filled(inner, words) for inner in cast("list[Any]", template)]
    if isinstance(template, dict):
        fields = cast("dict[str, Any]", template)
        return {key: _filled(inner, words) for key, inner in fields.items()}
    return template


def _here(text: str) -> str:
    """A text with REGION and its partition replaced by those of the stack."""
    region = CONFIG.get()["aws:region"]
    partition = partition_of(region)
    return (
        text.replace("arn:aws:", f"arn:{partition.name}:")
        .replace(f"{REGION}.amazonaws.com", f"{REGION}.{partition.dns_suffix}")
        .replace(".elb.amazonaws.com", f".elb.{partition.dns_suffix}")
        .replace(".eks.amazonaws.com", f".eks.{partition.dns_suffix}")
        .replace(REGION, region)
    )


_ROUTE_TABLE = "urn:pulumi:s::p::aws:ec2/routeTable:RouteTable::"
"""The prefix of the URNs of the VPC's route tables."""


def _vpc(zones: int, digits: str) -> dict[str, Any]:
    tables = [f"rtb-{digits}{number:02}" for number in range(2 * zones)]
    return {
        "vpcId": f"vpc-{digits}",
        "privateSubnetIds": [f"subnet-{digits}a{number}" for number in range(zones)],
        "publicSubnetIds": [f"subnet-{digits}b{number}" for number in range(zones)],
        "routeTables": [
            {
                _SIGNATURE: _REFERENCE,
                "urn": f"{_ROUTE_TABLE}{table}",
                "id": table,
            }
            for table in tables
        ],
    }


_CLUSTER = "$aws:eks/cluster:Cluster::"
"""The part of the URN before the name, for the cluster in an `eks.Cluster`."""

CLUSTER_NAME = "mcp-platform-dev-0badcafe"
"""The name of the cluster of the stack `dev`."""

CLUSTER_GROUP = "sg-0c1u57e2"
"""The security group of the stack's cluster."""

AUTHORITY = "Q0EgY2VydGlmaWNhdGU="
"""The certificate authority of every cluster."""


def _cluster(recording: Recording, logical_name: str) -> dict[str, Any]:
    """The state of the cluster in an `eks.Cluster`."""
    inputs = recording.one("eks.Cluster", logical_name).inputs
    name = inputs["name"]
    return {
        "id": name,
        "name": name,
        "arn": _arn("eks", f"cluster/{name}"),
        "version": inputs["version"],
        "endpoint": _here(f"https://{name}.eks.amazonaws.com"),
        "certificateAuthority": {"data": AUTHORITY},
        "vpcConfig": {"clusterSecurityGroupId": CLUSTER_GROUP},
    }


def _answer(token: str, args: Mapping[str, Any], recording: Recording) -> dict[str, Any]:
    """The result of a function call."""
    match token:
        case "aws:ec2/getSubnet:getSubnet":
            return {
                "id": args["id"],
                "cidrBlock": _subnet_block(args["id"], recording),
                **EXISTING_PLACES.get(args["id"], {}),
            }
        case "aws:route53/getZone:getZone":
            zone = str(args["zoneId"])
            return {"id": zone, "name": "example.com", "privateZone": "PRIVATE" in zone}
        case "aws:eks/getAddonVersion:getAddonVersion":
            return {"version": f"{args['addonName']}-for-{args['kubernetesVersion']}"}
        case "aws:index/getPartition:getPartition":
            return {"partition": partition_of(CONFIG.get()["aws:region"]).name}
        case "aws:secretsmanager/getSecretVersions:getSecretVersions":
            # A secret has no version until its value is set.
            return {"versions": [] if "unset" in args["secretId"] else [{"versionId": "v1"}]}
        case _:
            return dict(_FUNCTIONS[token])


def _subnet_block(id_: str, recording: Recording) -> str:
    """The IPv4 block of a subnet of the planned VPC, or of an existing subnet."""
    for vpc in recording.of("awsx.Vpc"):
        for spec in vpc.inputs["subnetSpecs"]:
            ids = vpc.state[f"{spec['type'].lower()}SubnetIds"]
            if id_ in ids:
                return spec["cidrBlocks"][ids.index(id_)]
    return EXISTING_SUBNETS[id_]


EXISTING_SUBNETS = {
    "subnet-0a1b2c3d4e5f60718": "10.1.0.0/20",
    "subnet-0a1b2c3d4e5f60719": "10.1.16.0/20",
    "subnet-0a1b2c3d4e5f60720": "10.1.32.0/20",
    "subnet-0a1b2c3d4e5f60721": "10.1.48.0/20",
}
"""The IPv4 blocks of the subnets of `fleets.EXISTING_VPC`."""

EXISTING_PLACES = {
    id_: {
        "vpcId": "vpc-0a1b2c3d4e5f60718",
        "availabilityZone": f"{REGION}{letter}",
        "availabilityZoneId": f"use1-az{number}",
    }
    for id_, letter, number in zip(EXISTING_SUBNETS, "abab", (1, 2, 1, 2), strict=True)
}
"""The VPC and the zones of those subnets."""

EXISTING_CLUSTER: Mapping[str, Any] = {
    "name": "shared",
    "arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/shared",
    "version": "1.35",
    "endpoint": "https://shared.eks.amazonaws.com",
    "certificateAuthorities": [{"data": AUTHORITY}],
    "vpcConfig": {"clusterSecurityGroupId": "sg-05ba7ed"},
    "kubernetesNetworkConfigs": [{"serviceIpv4Cidr": "10.100.0.0/16"}],
}
"""The existing cluster."""


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


_HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
_SECRET_ARN = _arn("secretsmanager", "secret:{name}-AbCdEf")

# The outputs that the program reads, by type. The variables are those of `_made`.
_OUTPUTS: Mapping[str, Mapping[str, Any]] = {
    "aws:secretsmanager/secretVersion:SecretVersion": {"versionId": "{name}-id"},
    "random:index/randomId:RandomId": {"hex": "0badcafe"},
    "aws:acm/certificate:Certificate": {
        "id": _arn("acm", "certificate/{hex}"),
        "arn": _arn("acm", "certificate/{hex}"),
        "domainValidationOptions": [
            {
                "domainName": "mcp.example.com",
                "resourceRecordName": "_{hex}.mcp.example.com.",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": "_{hex}.acm-validations.aws.",
            }
        ],
    },
    "aws:apigateway/authorizer:Authorizer": {"id": "{hex}"},
    "aws:apigateway/deployment:Deployment": {"id": "{hex}"},
    "aws:apigateway/domainName:DomainName": {
        "regionalDomainName": f"d-{{hex}}.execute-api.{REGION}.amazonaws.com",
        "regionalZoneId": "Z1UJRXOUMOOFQ8",
    },
    "aws:apigateway/requestValidator:RequestValidator": {"id": "{hex}"},
    "aws:apigateway/resource:Resource": {"id": "{hex}"},
    "aws:apigateway/restApi:RestApi": {
        "id": API_ID,
        "rootResourceId": "root",
        "executionArn": _arn("execute-api", "{hex}"),
    },
    "aws:apigateway/stage:Stage": {"arn": f"arn:aws:apigateway:{REGION}::/restapis/a/stages/live"},
    "aws:apigatewayv2/api:Api": {
        "id": API_ID,
        "executionArn": _arn("execute-api", "{hex}"),
    },
    "aws:cloudwatch/logGroup:LogGroup": {"arn": _arn("logs", "log-group:{name}")},
    "aws:ec2/eip:Eip": {"allocationId": "eipalloc-{hex}"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"id": "lt-{hex}", "latestVersion": 1},
    "aws:ec2/securityGroup:SecurityGroup": {"id": "sg-{hex}"},
    "aws:ec2/vpcEndpoint:VpcEndpoint": {"id": "vpce-{hex}", "prefixListId": "pl-63a5400a"},
    "aws:ecr/repository:Repository": {
        "arn": _arn("ecr", "repository/{name}"),
        "registryId": ACCOUNT,
        "repositoryUrl": f"{_HOST}/{{name}}",
    },
    "aws:ecs/cluster:Cluster": {"arn": _arn("ecs", "cluster/{name}")},
    "aws:ecs/service:Service": {"id": _arn("ecs", "service/{name}")},
    "aws:ecs/taskDefinition:TaskDefinition": {"arn": _arn("ecs", "task-definition/{name}:1")},
    "aws:efs/accessPoint:AccessPoint": {
        "id": "fsap-{hex}",
        "arn": _arn("elasticfilesystem", "access-point/fsap-{hex}"),
    },
    "aws:efs/fileSystem:FileSystem": {
        "id": "fs-{hex}",
        "arn": _arn("elasticfilesystem", "file-system/fs-{hex}"),
    },
    "aws:iam/role:Role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/{{name}}"},
    "aws:kms/key:Key": {
        "id": "{hex}",
        "keyId": "{hex}",
        "arn": _arn("kms", "key/0a1b2c3d-0000-4000-8000-000000000000"),
    },
    "aws:lambda/alias:Alias": {"arn": _arn("lambda", "function:{functionName}:{name}")},
    "aws:lambda/function:Function": {"version": "1", "arn": _arn("lambda", "function:{name}")},
    "aws:lb/listener:Listener": {"arn": _arn("elasticloadbalancing", "listener/app/{name}/1/2")},
    "aws:lb/loadBalancer:LoadBalancer": {
        "arn": _arn("elasticloadbalancing", "loadbalancer/app/{name}/{hex}"),
        "arnSuffix": "app/{name}/{hex}",
        "dnsName": f"internal-{{name}}.{REGION}.elb.amazonaws.com",
        "zoneId": "Z35SXDOTRQ7X7K",
    },
    "aws:lb/targetGroup:TargetGroup": {
        "arn": _arn("elasticloadbalancing", "targetgroup/{name}/{hex}"),
        "arnSuffix": "targetgroup/{name}/{hex}",
    },
    "aws:route53/record:Record": {"fqdn": "{name}"},
    "aws:secretsmanager/secret:Secret": {"id": _SECRET_ARN, "arn": _SECRET_ARN},
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": {"id": "ns-{hex}"},
    "aws:servicediscovery/httpNamespace:HttpNamespace": {"id": "ns-{hex}"},
    "aws:servicediscovery/service:Service": {
        "id": "srv-{hex}",
        "arn": _arn("servicediscovery", "service/srv-{hex}"),
    },
    "aws:sfn/stateMachine:StateMachine": {"arn": _arn("states", "stateMachine:{name}")},
    "aws:sns/topic:Topic": {"arn": _arn("sns", "{name}")},
    "aws:wafv2/webAcl:WebAcl": {"arn": _arn("wafv2", "regional/webacl/{name}/{hex}")},
    "docker-build:index:Image": {"digest": "sha256:" + "4" * 64},
    "random:index/randomPassword:RandomPassword": {
        "result": f"{MARKER}-{{logical}}",
        "bcryptHash": "{hex}",
    },
}

_FUNCTIONS: Mapping[str, Mapping[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        # Unordered, and with a zone that no stack uses.
        "names": [f"{REGION}{letter}" for letter in "bacdefg"],
        "zoneIds": [f"use1-az{number}" for number in (2, 1, 3, 4, 5, 6, 7)],
    },
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
        "userName": "AWS",
        "password": f"{MARKER}-token",
    },
    "aws:eks/getCluster:getCluster": EXISTING_CLUSTER,
    "aws:ec2/getVpc:getVpc": {
        "enableDnsSupport": True,
        "enableDnsHostnames": True,
        "cidrBlockAssociations": [{"cidrBlock": "10.1.0.0/16"}, {"cidrBlock": "10.9.0.0/16"}],
    },
}
