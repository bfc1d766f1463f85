"""Checks an object as the API server does: its schema, the syntax of its values, a few rules.

An UNKNOWN anywhere in a preview is accepted as whatever it may turn out to be.
"""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sandbox.engine.provider import Failure
from sandbox.providers.kubernetes import syntax
from sandbox.providers.kubernetes.kinds import Kind, definitions, schema
from sandbox.values.tree import part, parts
from sandbox.values.wire import Json, Path, Unknown, dotted, has_unknown

_TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
_QUANTITY = "Quantity"
_INT32 = range(-(2**31), 2**31)
_WITH_TEMPLATE = frozenset({"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"})


def errors(kind: Kind, obj: Mapping[str, Any], version: str) -> list[Failure]:
    """What an API server would refuse in an object of a built-in kind.

    Args:
        kind: its kind, which must be a built-in one.
        obj: the object, as it travels.
        version: version of the API server.

    Returns:
        The errors, each with its path; of a patch only what is there is looked at.
    """
    found = list(_Walker(version, complete=not kind.patch).walk_root(kind, obj))
    found += _name_errors(kind, obj)
    if not kind.patch:
        found += _rule_errors(kind, obj)
    return found


def custom_errors(kind: Kind, obj: Mapping[str, Any], crd: Mapping[str, Any]) -> list[Failure]:
    """What an API server would refuse in an object of a custom kind.

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
    found = list(_Walker("", complete=True).walk(obj, root, ()))
    if not found and kind.kind == "NodePool":
        found += _node_pool_errors(obj)
    return [*found, *_name_errors(kind, obj)]


class _Walker:
    """Walks a value beside its schema.

    Args:
        version: version of the API server whose definitions are meant.
        complete: whether required properties must be there.
    """

    def __init__(self, version: str, *, complete: bool) -> None:
        self._version = version
        self._complete = complete

    def walk_root(self, kind: Kind, obj: Mapping[str, Any]) -> Iterator[Failure]:
        found = schema(kind, self._version)
        if found is not None:
            yield from self.walk(obj, found, (), kind.kind)

    def walk(
        self, value: Json, node: Mapping[str, Any], path: Path, definition: str = ""
    ) -> Iterator[Failure]:
        """Yields the errors of a value."""
        if isinstance(value, Unknown):
            return
        if "$ref" in node:
            name = str(node["$ref"]).rsplit("/", 1)[-1]
            yield from self.walk(value, self._definition(name), path, name.rsplit(".", 1)[-1])
            return
        if definition == _QUANTITY and isinstance(value, str):
            if error := syntax.is_quantity(value):
                yield Failure(path=path, reason=error)
            return
        allowed = _allowed_types(node)
        if allowed and not _is_one_of(value, allowed):
            yield Failure(path=path, reason=_wrong_type(value, allowed))
        elif isinstance(value, dict):
            yield from self._walk_object(cast("dict[str, Any]", value), node, path, definition)
        elif isinstance(value, list):
            yield from self._walk_list(cast("list[Any]", value), node, path)
        elif value is not None:
            yield from _value_errors(value, node, path)

    def _walk_object(
        self, value: dict[str, Any], node: Mapping[str, Any], path: Path, definition: str
    ) -> Iterator[Failure]:
        properties: Mapping[str, Mapping[str, Any]] = node.get("properties", {})
        for key in node.get("required", ()) if self._complete else ():
            if value.get(key) is None:
                yield Failure(path=(*path, key), reason="missing; it is required")
        for key, item in value.items():
            here = (*path, key)
            if key in properties:
                yield from self.walk(item, properties[key], here)
                if item is not None and not isinstance(item, Unknown):
                    yield from _syntax_errors(definition, key, item, here)
            elif isinstance(node.get("additionalProperties"), Mapping):
                yield from self.walk(item, node["additionalProperties"], here)
            elif _is_closed(node):
                yield Failure(path=here, reason=_unknown_field(here, properties))

    def _walk_list(
        self, items: list[Any], node: Mapping[str, Any], path: Path
    ) -> Iterator[Failure]:
        if len(items) > node.get("maxItems", math.inf):
            reason = f"{len(items)} items; at most {node['maxItems']} are allowed"
            yield Failure(path=path, reason=reason)
        for index, item in enumerate(items):
            yield from self.walk(item, node.get("items", {}), (*path, index))

    def _definition(self, name: str) -> Mapping[str, Any]:
        return definitions(self._version)[name]


def _is_closed(node: Mapping[str, Any]) -> bool:
    """Whether an object may only have the properties that its schema names."""
    if node.get("x-kubernetes-preserve-unknown-fields") or node.get("additionalProperties"):
        return False
    return "properties" in node or node.get("additionalProperties") is False


def _syntax_errors(definition: str, key: str, item: Json, path: Path) -> Iterator[Failure]:
    # Of a value of the wrong type nothing more is said.
    try:
        yield from syntax.of_property(definition, key, item, path)
    except TypeError:
        return


def _allowed_types(node: Mapping[str, Any]) -> tuple[str, ...]:
    if "oneOf" in node and "type" not in node:
        return tuple(name for one in node["oneOf"] for name in _allowed_types(one))
    if node.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    given: str | Sequence[str] = node.get("type", ())
    names = (given,) if isinstance(given, str) else tuple(given)
    return (*names, "null") if node.get("nullable") else names


def _is_one_of(value: Json, allowed: Sequence[str]) -> bool:
    if value is None:
        # Pulumi leaves a property out where it is null.
        return True
    if isinstance(value, bool):
        return "boolean" in allowed
    return any(isinstance(value, _TYPES[name]) for name in allowed if name in _TYPES)


def _wrong_type(value: Json, allowed: Sequence[str]) -> str:
    wanted = " or ".join(dict.fromkeys(name for name in allowed if name != "null"))
    return f"{value!r} is of the wrong type; {wanted} is wanted"


def _value_errors(value: Json, node: Mapping[str, Any], path: Path) -> Iterator[Failure]:
    if "enum" in node and value not in node["enum"]:
        allowed = ", ".join(map(str, node["enum"]))
        yield Failure(path=path, reason=f"{value!r} is not allowed; allowed: {allowed}")
    if isinstance(value, str):
        yield from _text_errors(value, node, path)
    if node.get("format") == "int32" and isinstance(value, int) and value not in _INT32:
        yield Failure(path=path, reason=f"{value} does not fit into 32 bits")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = node.get("minimum"), node.get("maximum")
        if (low is not None and value < low) or (high is not None and value > high):
            yield Failure(path=path, reason=f"{value} is out of range: {low} to {high}")


def _text_errors(value: str, node: Mapping[str, Any], path: Path) -> Iterator[Failure]:
    low, high = node.get("minLength", 0), node.get("maxLength", math.inf)
    if not low <= len(value) <= high:
        reason = f"{value!r} is {len(value)} characters long; {low} to {high} are allowed"
        yield Failure(path=path, reason=reason)
    if "pattern" in node and not re.search(node["pattern"], value):
        yield Failure(path=path, reason=f"{value!r} does not match {node['pattern']}")


def _unknown_field(path: Path, properties: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(str(path[-1]), list(properties), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f'unknown field "{dotted(path)}"{hint}'


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
    """What karpenter's definition says in rules beside its schema (x-kubernetes-validations)."""
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
