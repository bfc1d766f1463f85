"""Converts between the wire format of the engine and the values of the providers.

The engine marks secrets, unknown values, outputs and assets with a signature. Providers use plain
Python values: an unknown value is UNKNOWN, a secret is its plain value with the path in a separate
set, and an asset is a dictionary. Source of the signatures: pulumi/runtime/rpc.py of the Python
SDK.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

# A JSON value, or UNKNOWN.
Json: TypeAlias = Any
# A path: the keys and indices from the root, such as ("tags", "Name") or ("ports", 0).
Path = tuple[str | int, ...]


class Unknown:
    """A value that is known only after the update. UNKNOWN is the only instance."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


def decode(struct: struct_pb2.Struct) -> tuple[dict[str, Any], frozenset[Path]]:
    """The plain values of a message, and the paths of its secrets."""
    secrets: set[Path] = set()
    fields = {key: _decode(value, (key,), secrets) for key, value in struct.fields.items()}
    return fields, frozenset(secrets)


def _decode(value: struct_pb2.Value, path: Path, secrets: set[Path]) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text == UNKNOWN_STRING else text
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return _decode_struct(value.struct_value, path, secrets)
    if kind == "list_value":
        return [
            _decode(item, (*path, index), secrets)
            for index, item in enumerate(value.list_value.values)
        ]
    return None


def _decode_struct(struct: struct_pb2.Struct, path: Path, secrets: set[Path]) -> Json:
    fields = struct.fields
    # Test with `in` first: reading a missing key of a protobuf map adds the key.
    signature = fields[SIGNATURE].string_value if SIGNATURE in fields else ""
    if signature == SECRET:
        secrets.add(path)
        return _decode(fields["value"], path, secrets)
    if signature == OUTPUT:
        if "secret" in fields and fields["secret"].bool_value:
            secrets.add(path)
        return _decode(fields["value"], path, secrets) if "value" in fields else UNKNOWN
    return {key: _decode(item, (*path, key), secrets) for key, item in fields.items()}


def encode(values: Mapping[str, Any], secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """The message for plain values. Values at the secret paths are marked as secret."""
    struct = struct_pb2.Struct()
    struct.update(_plain(values, (), frozenset(secrets)))
    return struct


def _plain(value: Json, path: Path, secrets: frozenset[Path]) -> Json:
    if isinstance(value, Unknown):
        plain: Any = UNKNOWN_STRING
    elif isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        plain = {key: _plain(item, (*path, key), secrets) for key, item in items}
    elif isinstance(value, list | tuple):
        values = cast("list[Any]", value)
        plain = [_plain(item, (*path, index), secrets) for index, item in enumerate(values)]
    else:
        plain = value
    return {SIGNATURE: SECRET, "value": plain} if path and path in secrets else plain


def has_unknown(value: Json) -> bool:
    """Whether a value is unknown or contains an unknown value."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in cast("Mapping[str, Any]", value).values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in cast("list[Any]", value))
    return isinstance(value, Unknown)


def hexes(length: int, *seeds: str | bytes) -> str:
    """Hexadecimal digits derived from the seeds; at most 128."""
    joined = b"\0".join(s.encode() if isinstance(s, str) else s for s in seeds)
    return hashlib.sha512(joined).hexdigest()[:length]


def dotted(path: Path) -> str:
    """A path as the engine writes it: ``tags.Name``, ``ports[0].from``, ``tags["a.b"]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "").isalnum():
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text
