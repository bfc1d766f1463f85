"""Validates an object as the API server does: its schema, the syntax of its values, a few rules.

An UNKNOWN value in a preview is always valid.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, cast

from jsonschema import ValidationError

from sandbox.engine.provider import Failure
from sandbox.providers.kubernetes import syntax
from sandbox.providers.kubernetes.kinds import Kind, definitions, schema
from sandbox.values import json_schema
from sandbox.values.json_schema import Schema
from sandbox.values.tree import part, parts
from sandbox.values.wire import Json, Path, Unknown, has_unknown

_QUANTITY = "Quantity"
_INT32 = range(-(2**31), 2**31)
_WITH_TEMPLATE = frozenset({"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"})


def errors(kind: Kind, obj: Mapping[str, Any], version: str) -> list[Failure]:
    """Errors that an API server reports in an object of a built-in kind.

    Args:
        kind: its kind, which must be a built-in one.
        obj: the object, in wire format.
        version: version of the API server.

    Returns:
        The errors, each with its path; a patch needs no required properties.
    """
    definition = schema(kind, version)
    found: list[Failure] = []
    if definition is not None:
        found += _failures(_validator(version, complete=not kind.patch), definition, obj, kind.kind)
    found += _name_errors(kind, obj)
    if not kind.patch:
        found += _rule_errors(kind, obj)
    return found


def custom_errors(kind: Kind, obj: Mapping[str, Any], crd: Mapping[str, Any]) -> list[Failure]:
    """Errors that an API server reports in an object of a custom kind.

    Args:
        kind: its kind.
        obj: the object.
        crd: the CustomResourceDefinition.

    Returns:
        The errors, each with its path.
    """
    versions: Sequence[Mapping[str, Any]] = crd["spec"].get("versions", ())
    served = {one["name"]: one for one in versions if one.get("served")}
    if kind.version not in served:
        reason = f"{kind.group} serves {', '.join(served)} of {kind.kind}, not {kind.version}"
        return [Failure(path=("apiVersion",), reason=reason)]
    root: dict[str, Any] = dict(served[kind.version].get("schema", {}).get("openAPIV3Schema", {}))
    known = {
        "apiVersion": {},
        "kind": {},
        "metadata": {"x-kubernetes-preserve-unknown-fields": True},
    }
    root["properties"] = {**root.get("properties", {}), **known}
    found = list(_failures(_validator("", complete=True), root, obj))
    if not found and kind.kind == "NodePool":
        found += _node_pool_errors(obj)
    return [*found, *_name_errors(kind, obj)]


def _failures(
    validator: json_schema.Validator, root: Schema, obj: Mapping[str, Any], definition: str = ""
) -> Iterator[Failure]:
    """The errors of an object, including the syntax of its own properties.

    Pulumi omits properties that are null.
    """
    given = _without_nulls(obj)
    seen: set[Path] = set()
    for path, reason in json_schema.errors(validator, root, given):
        seen.add(path)
        yield Failure(path=path, reason=reason)
    for failure in _syntax_failures(definition, given):
        if failure.path not in seen:
            yield failure


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        pairs = cast("dict[str, Json]", value).items()
        return {key: _without_nulls(item) for key, item in pairs if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in cast("list[Json]", value)]
    return value


@cache
def _validator(version: str, *, complete: bool) -> json_schema.Validator:
    """The validator for the definitions of a version of the API server.

    Args:
        version: The version; empty for a custom kind, which refers to no definitions.
        complete: Whether required properties must be set.
    """

    def reference(
        validator: Any,  # noqa: ANN401 - the class is made at run time
        target: str,
        value: Json,
        _schema: Schema,
    ) -> Iterator[ValidationError]:
        name = target.rsplit("/", 1)[-1]
        yield from validator.descend(value, definitions(version)[name])
        yield from _syntax_errors(name.rsplit(".", 1)[-1], value)

    keywords = {
        **json_schema.KEYWORDS,
        "$ref": reference,
        "properties": _properties,
        "additionalProperties": _additional_properties,
        "x-kubernetes-int-or-string": _int_or_string,
        "format": _format,
    }
    if not complete:
        del keywords["required"]
    return json_schema.validator_of(keywords)


def _properties(
    validator: Any,  # noqa: ANN401 - the class is made at run time
    known: Mapping[str, Schema],
    value: Json,
    schema: Schema,
) -> Iterator[ValidationError]:
    """Refuses other properties: a structural schema is closed."""
    yield from json_schema.KEYWORDS["properties"](validator, known, value, schema)
    is_open = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if not is_open:
        yield from _additional_properties(validator, False, value, schema)


def _additional_properties(
    validator: Any,  # noqa: ANN401 - the class is made at run time
    allowed: Json,
    value: Json,
    schema: Schema,
) -> Iterator[ValidationError]:
    if allowed is not False:
        yield from json_schema.KEYWORDS["additionalProperties"](validator, allowed, value, schema)
    elif isinstance(value, dict):
        known: Schema = schema.get("properties", {})
        for name in cast("dict[str, Json]", value).keys() - known.keys():
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield ValidationError(f"unknown field{hint}", path=[name])


def _int_or_string(
    _validator: object, wanted: bool, value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    if wanted and (isinstance(value, bool) or not isinstance(value, int | str)):
        yield ValidationError(f"{json_schema.shown(value)} is not of type integer or string")


def _format(
    _validator: object, name: str, value: Json, _schema: Schema
) -> Iterator[ValidationError]:
    if name == "int32" and isinstance(value, int) and value not in _INT32:
        yield ValidationError(f"{value} does not fit into 32 bits")


def _syntax_errors(definition: str, value: Json) -> Iterator[ValidationError]:
    for failure in _syntax_failures(definition, value):
        yield ValidationError(failure.reason, path=failure.path)


def _syntax_failures(definition: str, value: Json) -> Iterator[Failure]:
    if definition == _QUANTITY and isinstance(value, str):
        if reason := syntax.is_quantity(value):
            yield Failure(path=(), reason=reason)
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Json]", value).items():
            # The schema reports a value of the wrong type.
            with suppress(TypeError):
                if not isinstance(item, Unknown):
                    yield from syntax.of_property(definition, key, item, (key,))


def _name_errors(kind: Kind, obj: Mapping[str, Any]) -> Iterator[Failure]:
    metadata: Mapping[str, Any] = obj.get("metadata") or {}
    if isinstance(metadata, Unknown):
        return
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if isinstance(name, str) and (error := syntax.is_object_name(kind.kind, name)):
        yield Failure(path=("metadata", "name"), reason=error)
    if isinstance(namespace, str) and (error := syntax.is_label(namespace)):
        yield Failure(path=("metadata", "namespace"), reason=error)


def _rule_errors(kind: Kind, obj: Mapping[str, Any]) -> Iterator[Failure]:
    spec = obj.get("spec")
    if not isinstance(spec, dict) or has_unknown(cast("dict[str, Any]", spec)):
        return
    given = cast("dict[str, Any]", spec)
    if kind.kind in _WITH_TEMPLATE:
        yield from _selector_errors(given)
    yield from _mount_errors(kind, given)
    if kind.kind == "HorizontalPodAutoscaler":
        low, high = given.get("minReplicas", 1), given.get("maxReplicas")
        if isinstance(low, int) and isinstance(high, int) and low > high:
            reason = f"maxReplicas {high} is less than minReplicas {low}"
            yield Failure(path=("spec", "maxReplicas"), reason=reason)


def _mount_errors(kind: Kind, spec: Mapping[str, Any]) -> Iterator[Failure]:
    """Two volumes at one path of a container (kubernetes/pkg/apis/core/validation)."""
    here: Path = ("spec",) if kind.kind == "Pod" else ("spec", "template", "spec")
    pod = spec if kind.kind == "Pod" else part(spec, "template", "spec")
    for index, container in enumerate(parts(pod, "containers")):
        seen: set[str] = set()
        for position, mount in enumerate(parts(container, "volumeMounts")):
            path = str(mount.get("mountPath")).rstrip("/")
            if path in seen:
                at = (*here, "containers", index, "volumeMounts", position, "mountPath")
                yield Failure(path=at, reason=f"{path!r} must be unique")
            seen.add(path)


def _node_pool_errors(obj: Mapping[str, Any]) -> Iterator[Failure]:
    """The rules of karpenter's definition outside its schema (x-kubernetes-validations)."""
    if has_unknown(obj):
        return
    here: Path = ("spec", "template", "spec", "requirements")
    for index, one in enumerate(parts(part(obj, "spec", "template", "spec"), "requirements")):
        values: Sequence[str] = one.get("values") or ()
        operator = one["operator"]
        if operator == "In" and not values:
            reason = "requirements with operator 'In' must have a value defined"
            yield Failure(path=(*here, index), reason=reason)
        if operator in {"Gt", "Lt"} and not (len(values) == 1 and str(values[0]).isdecimal()):
            reason = "requirements operator 'Gt' or 'Lt' must have a single positive integer value"
            yield Failure(path=(*here, index), reason=reason)
        if len(values) < one.get("minValues", 0):
            reason = f"{len(values)} values are fewer than minValues"
            yield Failure(path=(*here, index), reason=reason)
    for index, budget in enumerate(parts(part(obj, "spec", "disruption"), "budgets")):
        if ("schedule" in budget) != ("duration" in budget):
            reason = "'schedule' must be set with 'duration'"
            yield Failure(path=("spec", "disruption", "budgets", index), reason=reason)


def _selector_errors(spec: Mapping[str, Any]) -> Iterator[Failure]:
    template = part(spec, "template", "metadata", "labels")
    wanted = part(spec, "selector", "matchLabels")
    missing = sorted(key for key, value in wanted.items() if template.get(key) != value)
    if missing:
        reason = f"the template's labels do not match the selector in {', '.join(missing)}"
        yield Failure(path=("spec", "template", "metadata", "labels"), reason=reason)
