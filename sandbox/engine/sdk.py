"""The resource types of a Pulumi SDK for Python, read from its source text.

To import an SDK package, or only its larger modules, takes seconds. To find and parse the text of a
class takes a millisecond. The types are always those of the installed package.
"""

import ast
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

Kind = Literal["string", "integer", "number", "boolean", "list", "map", "object", "asset", "any"]

_SCALARS: Mapping[str, Kind] = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "Asset": "asset",
    "Archive": "asset",
}
_GETTER = re.compile(
    r'@pulumi\.getter(?:\(name="(?P<wire>\w+)"\))?\n'
    r"(?:    @[^\n]*\n)*"
    r"    def (?P<name>\w+)\(self\) -> (?P<type>[^\n]*):\n"
)
_NEXT_TOP_LEVEL = re.compile(r"\n(?=class |@|def )")


class UnknownTypeError(Exception):
    """A type token that does not exist in the SDK."""


@dataclass(frozen=True)
class Shape:
    """The type of one property.

    Attributes:
        kind: The kind; ``any`` if the SDK does not restrict it.
        item: The type of the items of a list or a map.
        folder: The folder of the SDK's source, for an object.
        name: The name of the class, for an object.
    """

    kind: Kind
    item: "Shape | None" = None
    folder: Path | None = None
    name: str = ""

    @cached_property
    def fields(self) -> "Mapping[str, Field]":
        """The properties of an object by name in wire format; empty for other kinds."""
        if self.kind != "object" or self.folder is None:
            return {}
        return _arguments(self.folder, _text(self.folder / "_inputs.py"), self.name)


@dataclass(frozen=True)
class Field:
    """A property: its type, and whether it is required."""

    shape: Shape
    required: bool


@dataclass(frozen=True)
class Resource:
    """A resource type: its inputs, and the outputs that always exist."""

    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]


_NO_FIELDS: Mapping[str, Field] = {}


@cache
def resource(package: str, token: str) -> Resource:
    """The inputs and outputs of a resource type, by name in wire format.

    Args:
        package: The Python package of the SDK, such as ``pulumi_aws``.
        token: The type token, such as ``aws:ecs/service:Service``.

    Raises:
        UnknownTypeError: The type does not exist in the SDK.
    """
    folder, text, name = _source(package, token)
    outputs = {
        match["wire"] or match["name"]: Field(
            shape=_shape(folder, ast.parse(match["type"], mode="eval").body),
            required="Optional[" not in match["type"],
        )
        for match in _GETTER.finditer(_class_text(text, name))
    }
    # If an input type has the name of the resource, the class of the arguments has another name.
    own = (_arguments(folder, text, f"{name}{suffix}") for suffix in ("Args", "InitArgs"))
    return Resource(inputs=next((found for found in own if found), _NO_FIELDS), outputs=outputs)


@cache
def arguments(package: str, path: str, name: str) -> Mapping[str, Field]:
    """The inputs of a class in an SDK's module, such as ``provider`` and ``ProviderArgs``."""
    folder = _root(package)
    return _arguments(folder, _text(folder / f"{path}.py"), name)


@cache
def _root(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UnknownTypeError(f"the package {package} is not installed")
    return Path(spec.origin).parent


def _source(package: str, token: str) -> tuple[Path, str, str]:
    parts = token.split(":")
    if len(parts) != 3:  # noqa: PLR2004 - package, module, name
        raise UnknownTypeError(f"{token} is not a type token")
    module, _, file = parts[1].partition("/")
    root = _root(package)
    folder = root if module == "index" else root / module
    if not folder.is_dir():
        folder = root / f"{module}_"  # `lambda` is a keyword of Python
    wanted = f'@pulumi.type_token("{token}")'
    candidates = [folder / f"{_snake(file or parts[2])}.py"]
    if not candidates[0].is_file():
        candidates = sorted(folder.glob("*.py")) if folder.is_dir() else []
    for path in candidates:
        text = _text(path)
        start = text.find(wanted)
        if start >= 0:
            found = re.compile(r"class (\w+)").search(text, start)
            if found is not None:
                return folder, text, found[1]
    raise UnknownTypeError(f"{package} has no type {token}")


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _class_text(text: str, name: str) -> str:
    found = re.compile(rf"^class {name}\b", re.MULTILINE).search(text)
    if found is None:
        return ""
    end = _NEXT_TOP_LEVEL.search(text, found.end())
    return text[found.start() : end.start() if end else len(text)]


def _arguments(folder: Path, text: str, name: str) -> Mapping[str, Field]:
    chunk = _class_text(text, name)
    start = chunk.find("def __init__(__self__")
    if start < 0:
        return {}
    end = chunk.index("):\n", start)
    signature = ast.parse(chunk[start:end] + "): ...").body[0]
    if not isinstance(signature, ast.FunctionDef):
        return {}
    wires = {m["name"]: m["wire"] or m["name"] for m in _GETTER.finditer(chunk)}
    spec = signature.args
    return {
        wires.get(argument.arg, argument.arg): Field(
            shape=_shape(folder, argument.annotation), required=default is None
        )
        for argument, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    }


def _shape(folder: Path, node: ast.expr | None) -> Shape:
    if isinstance(node, ast.Subscript):
        return _generic(folder, _last(node.value), node.slice)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        name = node.value
        if name.endswith("Args") and "." not in name:
            return Shape("object", folder=folder, name=name)
        return Shape("any")
    return Shape(_SCALARS.get(_last(node), "any"))


def _generic(folder: Path, outer: str, inner: ast.expr) -> Shape:
    if outer == "Sequence":
        return Shape("list", item=_shape(folder, inner))
    if outer == "Mapping" and isinstance(inner, ast.Tuple):
        return Shape("map", item=_shape(folder, inner.elts[1]))
    if outer == "Union" and isinstance(inner, ast.Tuple):
        # A union of string and enumeration is a string; a union of string and object is `any`.
        kinds = [_shape(folder, item) for item in inner.elts]
        documents = any(
            isinstance(item, ast.Subscript)
            or (isinstance(item, ast.Constant) and str(item.value).endswith("Args"))
            for item in inner.elts
        )
        return Shape("any") if documents or kinds[0].kind == "object" else kinds[0]
    return _shape(folder, inner)


def _last(node: ast.expr | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@cache
def enumeration(package: str, name: str) -> tuple[str, ...]:
    """The values of a string enumeration of an SDK, in the order of the SDK."""
    text = _class_text(_text(_root(package) / "_enums.py"), name)
    return tuple(re.findall(r'^    \w+ = "([^"]*)"', text, re.MULTILINE))
