"""What a Pulumi SDK for Python says about its own resource types, read from its source text.

Importing a whole SDK package, or only its larger modules, costs seconds; a class's text is found
and read in a millisecond. Nothing here is copied: the installed package is asked each time.
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
    """A type token that the SDK does not have."""


@dataclass(frozen=True)
class Shape:
    """The type of one property.

    Attributes:
        kind: what it is; ``any`` when the SDK leaves it open.
        item: type of the items of a list or a map.
        folder: folder of the SDK's source, for an object.
        name: name of the object's class, for an object.
    """

    kind: Kind
    item: "Shape | None" = None
    folder: Path | None = None
    name: str = ""

    @cached_property
    def fields(self) -> "Mapping[str, Field]":
        """Properties of an object by their name on the wire; empty for anything else."""
        if self.kind != "object" or self.folder is None:
            return {}
        return _arguments(self.folder, _text(self.folder / "_inputs.py"), self.name)


@dataclass(frozen=True)
class Field:
    """One property: its type and whether it must be there."""

    shape: Shape
    required: bool


@dataclass(frozen=True)
class Resource:
    """A resource type: its inputs, and which outputs are always there."""

    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]


_NO_FIELDS: Mapping[str, Field] = {}


@cache
def resource(package: str, token: str) -> Resource:
    """Inputs and outputs of a resource type, by their names on the wire.

    Args:
        package: the SDK's Python package, such as ``pulumi_aws``.
        token: the type token, such as ``aws:ecs/service:Service``.

    Raises:
        UnknownTypeError: the SDK has no such type.
    """
    folder, text, name = _source(package, token)
    outputs = {
        match["wire"] or match["name"]: Field(
            shape=_shape(folder, ast.parse(match["type"], mode="eval").body),
            required="Optional[" not in match["type"],
        )
        for match in _GETTER.finditer(_class_text(text, name))
    }
    # A resource with an input type of its own name has its arguments under another one.
    own = (_arguments(folder, text, f"{name}{suffix}") for suffix in ("Args", "InitArgs"))
    return Resource(inputs=next((found for found in own if found), _NO_FIELDS), outputs=outputs)


@cache
def arguments(package: str, path: str, name: str) -> Mapping[str, Field]:
    """Inputs that a class of an SDK's module takes, such as ``provider`` and ``ProviderArgs``."""
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
        # A string or one of an enumeration's names is a string; a string or an object is open.
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
    """The values of one of an SDK's string enumerations, in the SDK's order."""
    text = _class_text(_text(_root(package) / "_enums.py"), name)
    return tuple(re.findall(r'^    \w+ = "([^"]*)"', text, re.MULTILINE))
