"""Validates inputs against the API calls that carry them, by AWS's own API models.

CloudFormation's schemas leave out much of what an API constrains. api_models.yaml says which calls
a type of pulumi-aws makes, and maps inputs to members where the names do not match; the
constraints are botocore's. Errors of a model are listed there with the reason; constraints that
only the text of AWS's documentation states are listed with their source.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import regex
import yaml

from sandbox.engine.provider import Failure
from sandbox.providers.aws.constraints import breach
from sandbox.providers.aws.service_models import Member, call
from sandbox.values.json_schema import shown
from sandbox.values.wire import Json, Unknown
from sandbox.values.wire import Path as WirePath

_PREFIX = "aws:"

Pointer = str | Sequence[str] | None


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The table's entry for one resource type; the head of api_models.yaml explains each key."""

    calls: tuple[str, ...] = ()
    members: Mapping[str, Pointer] = field(default_factory=dict[str, "Pointer"])
    defaults: tuple[str, ...] = ()
    none: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """The whole table."""

    types: Mapping[str, Calls]
    silent: Mapping[str, Mapping[str, Json]]
    wrong: Mapping[str, Mapping[str, str]]
    plain: frozenset[str]
    everywhere: Mapping[str, str]


@cache
def table() -> Table:
    """The table, read once."""
    text = Path(__file__).with_name("api_models.yaml").read_text(encoding="utf-8")
    data = cast("dict[str, Any]", yaml.load(text, Loader=yaml.CSafeLoader))
    return Table(
        types={_PREFIX + name: _calls(entry) for name, entry in data["types"].items()},
        silent=data["silent"],
        wrong=data["wrong"],
        plain=frozenset(data["plain"]),
        everywhere=data["everywhere"],
    )


def _calls(entry: Mapping[str, Any]) -> Calls:
    return Calls(
        calls=tuple(entry.get("calls", ())),
        members=entry.get("members", {}),
        defaults=tuple(entry.get("defaults", ())),
        none=entry.get("none", ""),
    )


_Members = Sequence[Member]


def errors(type_: str, inputs: Mapping[str, Json]) -> Iterator[Failure]:
    """Values of a resource's inputs that its calls would refuse.

    Skips values that are not known yet and inputs that no call has a member for.

    Args:
        type_: the type token.
        inputs: the inputs, names and default tags filled in.
    """
    return (error for error in _all(type_, inputs) if not isinstance(error, _Missing))


def missing(type_: str, inputs: Mapping[str, Json]) -> Iterator[Failure]:
    """A member that the creating call requires and that the inputs do not set."""
    return (error for error in _all(type_, inputs) if isinstance(error, _Missing))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Missing(Failure):
    """A required member."""


def _all(type_: str, inputs: Mapping[str, Json]) -> Iterator[Failure]:
    entry = table().types.get(type_)
    if entry is not None and entry.calls:
        walk = _walk(type_)
        yield from walk.structure(inputs, walk.roots, (), "")


@cache
def _walk(type_: str) -> "_Walk":
    entry = table().types[type_]
    return _Walk(entry, [call(name) for name in entry.calls], type_.rsplit(":", 1)[-1])


def places(type_: str, path: str) -> Sequence[Member] | None:
    """The members of a type's calls that carry an input, by its dotted path without indices.

    Returns:
        The members; an empty list for an input that no call carries; None for an unknown input.
    """
    walk = _walk(type_)
    found: _Members | None = walk.roots
    parts = path.split(".")
    for count, name in enumerate(parts):
        if not found:
            return found
        found = walk.child(".".join(parts[:count]), name, found)
    return found


@dataclass(frozen=True)
class _Walk:
    """The walk through the inputs of one resource.

    Attributes:
        entry: the table's entry for its type.
        roots: the inputs of its calls.
        owner: name of the type: the name of a role is RoleName.
    """

    entry: Calls
    roots: _Members
    owner: str

    def child(self, parent: str, name: str, members: _Members) -> _Members | None:
        """The members that carry a property of an object; None for an unknown property."""
        path = f"{parent}.{name}" if parent else name
        if path in self.entry.members:
            pointer = self.entry.members[path]
            return _pointed(self.roots, pointer)
        if not parent and name in table().plain:
            return ()
        found = [_through_lists(member) for member in members]
        structures = [member for member in found if member.kind == "structure"]
        twins = [_twin(member, name, "" if parent else self.owner) for member in structures]
        if any(twins) or parent or name not in table().everywhere:
            return [member for member in twins if member] or None
        return _pointed(self.roots, table().everywhere[name]) or None

    def structure(
        self, value: Mapping[str, Json], members: _Members, where: WirePath, path: str
    ) -> Iterator[Failure]:
        """Errors in an object, by the structures that carry it."""
        reached: set[str] = set()
        for name, item in value.items():
            below = self.child(path, name, members) or ()
            inner = f"{path}.{name}" if path else name
            if item is not None:
                reached |= {step for member in below for step in member.path}
                yield from self.value(item, below, (*where, name), inner)
        # The first call creates the resource. An object spread over it needs no more.
        for member in members[:1] if members != self.roots or not where else ():
            yield from self._required(member, reached, where)

    def _required(self, member: Member, reached: Set[str], where: WirePath) -> Iterator[Failure]:
        for name in member.shape.get("required", ()):
            inner = member.member(name)
            if inner is None or name in reached or inner.text in self.entry.defaults:
                continue
            if not member.shape["members"][name].get("idempotencyToken"):
                yield _Missing(path=where, reason=f"{name} is missing; {_source(member)} needs it")

    def value(
        self, value: Json, members: _Members, where: WirePath, path: str
    ) -> Iterator[Failure]:
        """Errors in any value."""
        value = _read(value, members)
        if value is None or isinstance(value, Unknown) or not members:
            return
        if isinstance(value, list):
            yield from self._list(cast("list[Json]", value), members, where, path)
        elif isinstance(value, Mapping):
            yield from self._mapping(cast("Mapping[str, Json]", value), members, where, path)
        else:
            yield from _first((_scalar(value, _through_lists(m)) for m in members), where)

    def _list(
        self, value: Sequence[Json], members: _Members, where: WirePath, path: str
    ) -> Iterator[Failure]:
        lists = [member for member in members if member.kind == "list"]
        yield from _first((_judge(value, member) for member in lists), where)
        # A block with at most one object is a list in pulumi-aws, but not in the call.
        items = [member.item if member.kind == "list" else member for member in members]
        for index, item in enumerate(value):
            yield from self.value(item, items, (*where, index), path)

    def _mapping(
        self, value: Mapping[str, Json], members: _Members, where: WirePath, path: str
    ) -> Iterator[Failure]:
        maps = [member for member in members if member.kind == "map"]
        yield from _first((_judge(value, member) for member in maps), where)
        pairs = [pair for member in members if (pair := _pair(member))]
        for name, item in value.items():
            keys = [key for key, _ in pairs] if pairs else []
            yield from _first((_scalar(name, key) for key in keys), (*where, name))
            yield from self.value(item, [inner for _, inner in pairs], (*where, name), path)
        if not pairs:
            found = [_through_lists(member) for member in members]
            inner = [member for member in found if member.kind == "structure"]
            yield from self.structure(value, inner, where, path)


# A call names the kind of a reference: the restApi of a method is its restApiId.
_ENDINGS = ("", "Id", "Name", "Arn")


@cache
def _twin(member: Member, name: str, owner: str) -> Member | None:
    found = (member.twin(f"{name}{ending}", owner) for ending in _ENDINGS)
    return next((twin for twin in found if twin), None)


def _pointed(roots: _Members, pointer: Pointer) -> _Members:
    paths = [pointer] if isinstance(pointer, str) else pointer or ()
    found: list[Member] = []
    for root in roots:
        for path in paths:
            with suppress(KeyError):
                found.append(root.down(path))
    return found


def _through_lists(member: Member) -> Member:
    return member.item if member.kind == "list" else member


@cache
def _pair(member: Member) -> tuple[Member, Member] | None:
    """Key and value of a map, which may also be a list of structures with a key and a value."""
    if member.kind == "map":
        return member.key, member.value
    names = sorted(_through_lists(member).shape.get("members", ()), key=_is_value)
    if member.kind != "list" or [_is_value(name) for name in names] != [False, True]:
        return None
    key, value = (member.item.member(name) for name in names)
    is_pair = names[0].lower().endswith(("key", "name"))
    return (key, value) if is_pair and key and value else None


def _is_value(name: str) -> bool:
    return name.lower().endswith("value")


def _read(value: Json, members: _Members) -> Json:
    """A value, parsed where pulumi-aws takes JSON text and the call takes a structure."""
    structured = [member for member in members if member.kind in ("structure", "list", "map")]
    if structured and isinstance(value, str) and value[:1] in ("[", "{"):
        with suppress(ValueError):
            return json.loads(value)
    return value


def _first(reasons: Iterable[str], where: WirePath) -> Iterator[Failure]:
    reason = next((reason for reason in reasons if reason), "")
    if reason:
        yield Failure(path=where, reason=reason)


def _source(member: Member) -> str:
    return f"{member.service}'s {member.text or member.name}"


def _scalar(value: Json, member: Member) -> str:
    # pulumi-aws leaves an empty text out of a call.
    if member.kind == "string" and value != "":
        return _judge(_text(value), member)
    if member.kind in ("integer", "long", "float", "double") and not isinstance(value, bool):
        return _judge(_number(value), member)
    return ""


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Json) -> Json:
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


# The model of API Gateway's V2 API states lengths only in the names of shapes.
_NAMED_LENGTH = regex.compile(r"WithLengthBetween(\d+)And(\d+)(K?)$")

_KEYWORDS: Mapping[str, tuple[str, str]] = {
    "string": ("minLength", "maxLength"),
    "list": ("minItems", "maxItems"),
    "map": ("minProperties", "maxProperties"),
}


def _judge(value: Json, member: Member) -> str:
    """The error of a value by a shape's own constraints, or an empty string."""
    schema = _limits(member)
    text = "" if "pattern" in _wrong(member) else member.shape.get("pattern", "")
    said = table().silent.get(f"{member.service}.{member.inside}", {})
    reason = breach(value, schema) or _mismatch(value, text) or breach(value, said)
    if not reason:
        return ""
    if member.shape.get("sensitive"):
        limits = {**schema, **({"pattern": text} if text else {})}
        allowed = ", ".join(f"{name} {limit}" for name, limit in limits.items())
        reason = f"the value, which is sensitive, is not allowed; allowed: {allowed}"
    return f"{reason} ({_source(member)})"


def _wrong(member: Member) -> Mapping[str, str]:
    return table().wrong.get(f"{member.service}.{member.name}", {})


def _limits(member: Member) -> dict[str, Json]:
    """A shape's constraints except its pattern, as keywords of JSON Schema."""
    lowest, highest = _KEYWORDS.get(member.kind, ("minimum", "maximum"))
    names = {"min": lowest, "max": highest, "enum": "enum"}
    limits = {
        names[key]: limit
        for key, limit in member.shape.items()
        if key in names and key not in _wrong(member)
    }
    named = _NAMED_LENGTH.search(member.name)
    if named:
        longest = int(named[2]) * (1024 if named[3] else 1)
        limits |= {"minLength": int(named[1]), "maxLength": longest}
    return limits


def _mismatch(value: Json, text: str) -> str:
    if not text or not isinstance(value, str) or matches(text, value):
        return ""
    return f"{shown(value)} does not match the pattern {text}"


_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"
_ASCII_CLASSES = {"w": "[a-zA-Z0-9_]", "d": "[0-9]", "s": r"[ \t\n\x0B\f\r]"}


@cache
def compiled(text: str) -> "regex.Pattern[str] | None":
    r"""A model's pattern; None when Python cannot read it.

    The patterns are Java's: \w, \d and \s are ASCII, a set may hold sets, and characters beyond 16
    bits are written as surrogate pairs.
    """
    text = text.replace(_SURROGATES, r"\U00010000-\U0010FFFF")
    text = regex.sub(r"\\(.)", lambda found: _ASCII_CLASSES.get(found[1], found[0]), text)
    with suppress(regex.error):
        return regex.compile(text, regex.VERSION1)
    return None


def matches(text: str, value: str) -> bool:
    """Whether the whole value matches a model's pattern, as AWS's services require.

    Most patterns have no anchors. Used as a search, "[a-z]+" would accept nearly every value.
    """
    found = compiled(text)
    return found is None or found.fullmatch(value) is not None
