"""Validates inputs against the types of an SDK."""

from collections.abc import Iterator, Mapping
from typing import cast

from sandbox.engine.provider import Failure
from sandbox.engine.sdk import Field, Shape, arguments
from sandbox.values.wire import Json, Path, Unknown

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "integer": ((int,), "an integer"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "list": ((list,), "a list"),
    "map": ((dict,), "a map"),
    "object": ((dict,), "an object"),
    "asset": ((dict,), "an asset or an archive"),
}
_OF_EVERY_PROVIDER = ("version", "pluginDownloadURL")


def configuration_errors(
    package: str, module: str, config: Mapping[str, Json]
) -> Iterator[Failure]:
    """The unknown settings in the configuration of a provider.

    Args:
        package: The name of the package, for the messages.
        module: The module of its SDK, such as ``pulumi_aws``.
        config: The configuration of the provider.
    """
    known = {*arguments(module, "provider", "ProviderArgs"), *_OF_EVERY_PROVIDER}
    for name in config:
        if name not in known:
            reason = f"{package}: {name} is not a property of the provider"
            yield Failure(path=(name,), reason=reason)


def errors(
    type_: str, known: Mapping[str, Field], values: Mapping[str, Json], path: Path = ()
) -> Iterator[Failure]:
    """The unknown and missing properties, and the values of the wrong type, at any depth.

    Args:
        type_: The resource type, for the messages.
        known: The properties by name.
        values: The inputs. UNKNOWN is valid for every type.
        path: The path of the values from the root.
    """
    for name, value in values.items():
        if name not in known:
            allowed = ", ".join(sorted(known))
            reason = f"{type_}: {name} is not a property. Allowed: {allowed}"
            yield Failure(path=(*path, name), reason=reason)
        else:
            yield from _value(type_, known[name].shape, value, (*path, name))
    for name, field in known.items():
        if field.required and values.get(name) is None:
            reason = f"{type_}: {name} is missing; it is required"
            yield Failure(path=(*path, name), reason=reason)


def _value(type_: str, shape: Shape, value: Json, path: Path) -> Iterator[Failure]:
    if value is None or isinstance(value, Unknown) or shape.kind == "any":
        return
    wanted, says = _TYPES[shape.kind]
    if not isinstance(value, wanted) or (isinstance(value, bool) and shape.kind != "boolean"):
        yield Failure(path=path, reason=f"{type_}: {value!r} is not {says}")
    elif shape.kind == "object":
        yield from errors(type_, shape.fields, cast("Mapping[str, Json]", value), path)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Json]", value)):
            yield from _value(type_, shape.item or Shape("any"), item, (*path, index))
    elif shape.kind == "map":
        for key, item in cast("Mapping[str, Json]", value).items():
            yield from _value(type_, shape.item or Shape("any"), item, (*path, key))
