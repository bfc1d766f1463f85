"""JSON documents inside of inputs: policies, ECS container definitions, state machines, JSON."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import cast

from sandbox.providers.aws import schemas, state_machines
from sandbox.providers.aws.constraints import PARTS, breach
from sandbox.values import json_schema
from sandbox.values.json_schema import Schema, shown
from sandbox.values.tree import at
from sandbox.values.wire import Json

# Elements of a policy and of a statement.
# Source: IAM user guide, "IAM JSON policy elements reference".
_POLICY = frozenset({"Version", "Id", "Statement"})
_STATEMENT = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_VERSIONS = ("2012-10-17", "2008-10-17")
_PRINCIPALS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_ACTION = re.compile(r"^(\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+)$")
_RESOURCE = re.compile(r"^(\*|arn:[^:\s]*:[^:\s]*:[^:\s]*:[^:\s]*:\S.*)$")
# API Gateway adds the beginning of the ARN.
_API_RESOURCE = re.compile(r"^execute-api:/.+$")
_SID_IDENTITY = re.compile(r"^[a-zA-Z0-9]*$")
# Quotas in characters without white space. Source: IAM user guide, "IAM and AWS STS quotas";
# Secrets Manager, KMS, ECR and Logs user guides for resource policies; API Gateway developer guide,
# quotas of REST APIs.
_LONGEST = {"managed": 6144, "inline": 10240, "trust": 4096, "resource": 32768, "api": 8192}

# Limits of a container that ECS documents and its schema leaves out.
# Source: ECS API reference, ContainerDefinition, HealthCheck and LogConfiguration; seconds.
_CONTAINER_LIMITS: Mapping[tuple[str, ...], Schema] = {
    ("name",): {"pattern": "^[a-zA-Z0-9_-]{1,255}$"},
    ("stopTimeout",): {"minimum": 0, "maximum": 120},
    ("healthCheck", "interval"): {"minimum": 5, "maximum": 300},
    ("healthCheck", "timeout"): {"minimum": 2, "maximum": 60},
    ("healthCheck", "retries"): {"minimum": 1, "maximum": 10},
    ("healthCheck", "startPeriod"): {"minimum": 0, "maximum": 300},
    ("logConfiguration", "logDriver"): {
        "enum": [
            "awsfirelens",
            "awslogs",
            "fluentd",
            "gelf",
            "journald",
            "json-file",
            "splunk",
            "syslog",
        ]
    },
}

Finding = tuple[str, str]


def errors(kind: str, value: Json) -> list[Finding]:
    """The errors in a JSON document.

    Args:
        kind: ``managed``, ``inline`` (identity policies), ``trust``, ``resource`` (policies that
            are attached to a resource and name principals), ``api`` (those of REST APIs),
            ``containers``, ``states`` (the definition of a state machine) or ``json``.
        value: the text, or the document itself.

    Returns:
        (path within the document, reason) pairs.
    """
    document = value
    if isinstance(value, str):
        try:
            document = json.loads(value)
        except ValueError as error:
            return [("", f"is not JSON: {error}")]
    if kind == "json":
        return []
    if kind in _KINDS:
        return list(_KINDS[kind](document))
    longest = _LONGEST[kind]
    length = len(json.dumps(document, separators=(",", ":")))
    if length > longest:
        return [("", f"the policy has {length} characters; at most {longest} are allowed")]
    return list(_policy(kind, document))


def normal(value: Json) -> Json:
    """The normalized form of a JSON document: equivalent documents are equal in it."""
    try:
        document = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
    return _sorted_policy(document)


def _sorted_policy(value: Json) -> Json:
    """One-item lists as their item, lists of strings below Action and the like sorted."""
    if isinstance(value, Mapping):
        return {
            key: _scalar_set(item)
            if key in ("Action", "NotAction", "Resource", "NotResource", *_PRINCIPALS)
            else _sorted_policy(item)
            for key, item in cast("Mapping[str, Json]", value).items()
        }
    if isinstance(value, list):
        return [_sorted_policy(item) for item in cast("list[Json]", value)]
    return value


def _scalar_set(value: Json) -> Json:
    if not isinstance(value, list):
        return value
    items = sorted(cast("list[Json]", value), key=repr)
    return items[0] if len(items) == 1 else items


def _as_list(value: Json) -> list[Json]:
    return cast("list[Json]", value) if isinstance(value, list) else [value]


def _policy(kind: str, document: Json) -> Iterator[Finding]:
    if not isinstance(document, Mapping):
        yield "", f"{shown(document)} is not a policy document"
        return
    policy = cast("Mapping[str, Json]", document)
    for key in policy.keys() - _POLICY:
        yield key, f"is not an element of a policy; allowed: {', '.join(sorted(_POLICY))}"
    version = policy.get("Version", _VERSIONS[1])
    if version not in _VERSIONS:
        yield "Version", f"{shown(version)} is not allowed; allowed: {', '.join(_VERSIONS)}"
    if "Statement" not in policy:
        yield "Statement", "is missing"
        return
    statements = _as_list(policy["Statement"])
    if not statements:
        yield "Statement", "has no statement"
    for index, statement in enumerate(statements):
        for path, reason in _statement(kind, statement):
            yield f"Statement[{index}]{path and '.'}{path}", reason
    sids = [part.get("Sid") for part in _objects(statements)]
    for sid in _doubles(sids):
        yield "Statement", f"the Sid {sid!r} is used more than once"


def _objects(values: Sequence[Json]) -> list[Mapping[str, Json]]:
    return [cast("Mapping[str, Json]", value) for value in values if isinstance(value, Mapping)]


def _doubles(values: Sequence[Json]) -> list[str]:
    """The texts that occur more than once."""
    return sorted({str(value) for value in values if value and values.count(value) > 1})


def _statement(kind: str, statement: Json) -> Iterator[Finding]:
    if not isinstance(statement, Mapping):
        yield "", f"{shown(statement)} is not a statement"
        return
    parts = cast("Mapping[str, Json]", statement)
    for key in parts.keys() - _STATEMENT:
        yield key, f"is not an element of a statement; allowed: {', '.join(sorted(_STATEMENT))}"
    if parts.get("Effect") not in ("Allow", "Deny"):
        yield "Effect", f"{shown(parts.get('Effect'))} is not allowed; allowed: Allow, Deny"
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource")):
        if one in parts and other in parts:
            yield one, f"cannot be combined with {other}"
    if "Action" not in parts and "NotAction" not in parts:
        yield "Action", "is missing"
    yield from _actions(parts)
    yield from _principals(kind, parts)
    yield from _resources(kind, parts)
    sid = parts.get("Sid", "")
    if kind in ("managed", "inline") and not _SID_IDENTITY.match(str(sid)):
        yield "Sid", f"{shown(sid)} may only have letters and digits"
    condition = parts.get("Condition", {})
    if not isinstance(condition, Mapping):
        yield "Condition", f"{shown(condition)} is not an object of operators"


def _actions(parts: Mapping[str, Json]) -> Iterator[Finding]:
    for key in ("Action", "NotAction"):
        for action in _as_list(parts.get(key, [])):
            if not isinstance(action, str) or not _ACTION.match(action):
                yield key, f"{shown(action)} is not an action; they look like s3:GetObject"


def _principals(kind: str, parts: Mapping[str, Json]) -> Iterator[Finding]:
    has = "Principal" in parts or "NotPrincipal" in parts
    if kind in ("managed", "inline"):
        if has:
            yield (
                "Principal",
                "is not allowed: an identity policy names no principal",
            )
        return
    if not has:
        yield "Principal", "is missing: the policy must name a principal"
    principal = parts.get("Principal", "*")
    if isinstance(principal, Mapping):
        for key in cast("Mapping[str, Json]", principal).keys() - _PRINCIPALS:
            yield "Principal", f"{key!r} is not allowed; allowed: {', '.join(sorted(_PRINCIPALS))}"
    elif principal != "*":
        yield "Principal", f'{shown(principal)} is not allowed; allowed: "*" or an object'


def _resources(kind: str, parts: Mapping[str, Json]) -> Iterator[Finding]:
    if kind == "trust":
        if "Resource" in parts or "NotResource" in parts:
            yield "Resource", "is not allowed: a trust policy applies to the role itself"
        return
    if kind != "resource" and "Resource" not in parts and "NotResource" not in parts:
        yield "Resource", "is missing"
    for key in ("Resource", "NotResource"):
        for resource in _as_list(parts.get(key, [])):
            known = isinstance(resource, str) and (
                _RESOURCE.match(resource) or (kind == "api" and _API_RESOURCE.match(resource))
            )
            if not known:
                yield key, f'{shown(resource)} is neither an ARN nor "*"'


def _containers(document: Json) -> Iterator[Finding]:
    """ECS container definitions: the task definition's schema in the API's spelling."""
    if not isinstance(document, list) or not document:
        yield "", f"{shown(document)} is not a list of container definitions"
        return
    containers = cast("list[Json]", document)
    for index, container in enumerate(containers):
        for path, reason in json_schema.errors(PARTS, _container_schema(), container):
            yield "".join([f"[{index}]", *map(_step, path)]), reason
    objects = _objects(containers)
    for name in _doubles([container.get("name") for container in objects]):
        yield "", f"the container name {name!r} is used more than once"
    if objects and not any(container.get("essential", True) for container in objects):
        yield "", "no container is essential; at least one must be"
    for index, container in enumerate(objects):
        lists = [_as_list(container.get(key, [])) for key in ("environment", "secrets")]
        for name in _doubles([item.get("name") for items in lists for item in _objects(items)]):
            yield f"[{index}]", f"the variable {name!r} is used more than once"
        for path in _doubles(list(_mounted_at(container))):
            yield f"[{index}]", f"the mount path {path!r} is used more than once"
        yield from _container_limits(container, f"[{index}]")


def _step(key: str | int) -> str:
    return f"[{key}]" if isinstance(key, int) else f".{key}"


def _mounted_at(container: Mapping[str, Json]) -> Iterator[Json]:
    """The mount paths of volumes and memory in a container: each path can be used once."""
    mounts = _objects(_as_list(container.get("mountPoints", [])))
    memory = _objects(_as_list(at(container, "linuxParameters.tmpfs") or []))
    for each in (*mounts, *memory):
        yield str(each.get("containerPath")).rstrip("/")


def _container_limits(container: Mapping[str, Json], path: str) -> Iterator[Finding]:
    for names, schema in _CONTAINER_LIMITS.items():
        value = at(container, ".".join(names))
        reason = breach(value, schema) if value is not None else ""
        if reason:
            yield f"{path}.{'.'.join(names)}", reason
    if at(container, "logConfiguration.logDriver") == "awslogs":
        wanted = schemas.extension("aws_ecs_taskdefinition/logging_configuration")
        for name in wanted["then"]["properties"]["Options"]["required"]:
            if at(container, f"logConfiguration.options.{name}") is None:
                yield f"{path}.logConfiguration.options.{name}", "is missing"


@cache
def _container_schema() -> Schema:
    """The schema of a container definition, with the names of the ECS API."""
    root = schemas.resource("AWS::ECS::TaskDefinition")
    definitions = {name: _api_names(one) for name, one in root["definitions"].items()}
    return {**definitions["ContainerDefinition"], "definitions": definitions}


def _api_names(schema: Json) -> Json:
    if isinstance(schema, list):
        return [_api_names(item) for item in cast("list[Json]", schema)]
    if not isinstance(schema, Mapping):
        return schema
    named = {key: _api_names(item) for key, item in cast("Schema", schema).items()}
    if isinstance(named.get("properties"), dict):
        named["properties"] = {_api_name(key): item for key, item in named["properties"].items()}
    if isinstance(named.get("required"), list):
        named["required"] = [_api_name(key) for key in named["required"]]
    return named


def _api_name(name: str) -> str:
    return name[:1].lower() + name[1:]


_KINDS: Mapping[str, Callable[[Json], Iterator[Finding]]] = {
    "containers": _containers,
    "states": state_machines.errors,
}
