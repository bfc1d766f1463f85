"""Ids, ARNs and computed outputs, made from the templates of the table.

A template is a string with placeholders in braces; a single placeholder keeps the type of its
value. A placeholder is the dotted path of a property (``vpcConfig.subnetIds.0``), a property of the
resource that a property refers to (``subnetId->vpcId``), a value of the context (``region``,
``account``, ``partition``, ``zones``, ``now``), or a generated value: ``hex:17``, ``digits:12``,
``upper:14``, ``alnum:6``, ``uuid``, ``count:family`` (the number of resources with this family).
Filters follow a bar: ``arn|after:loadbalancer/``. An object with the key ``item`` is a list:
``each`` makes one item for every value of the named properties, ``keys`` one for every key of the
named maps, ``upto`` one for every number from 1 to the named property; they see it as ``item``.
In addition, ``only`` is a pattern that a value must match.
"""

import datetime
import re
import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from sandbox.cloud.store import Cloud
from sandbox.engine.provider import Context
from sandbox.providers.aws import zones
from sandbox.providers.aws.resource_model import model_of
from sandbox.values.tree import at
from sandbox.values.wire import Json

ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}


def region_of(context: Context, properties: Mapping[str, Any]) -> str:
    """The region of a resource: its own, or the provider's."""
    return str(properties.get("region") or context.config.get("region") or DEFAULT_REGION)


def surroundings(context: Context, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The context of a resource: region, account and the values derived from them."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**_place(region_of(context, properties)), "now": now}


@cache
def _place(region: str) -> Mapping[str, Any]:
    starts = (name for start, name in _PARTITIONS.items() if region.startswith(f"{start}-"))
    partition = next(starts, "aws")
    return {
        "region": region,
        "account": ACCOUNT,
        "partition": partition,
        "suffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
        "zones": [zone.name for zone in zones.zones(region)],
    }


def _characters(alphabet: str) -> Callable[[str], str]:
    return lambda count: "".join(secrets.choice(alphabet) for _ in range(int(count)))


_NEW: Mapping[str, Callable[[str], str]] = {
    "hex": _characters("0123456789abcdef"),
    "digits": _characters(string.digits),
    "upper": _characters(string.ascii_uppercase + string.digits),
    "lower": _characters(string.ascii_lowercase + string.digits),
    "alnum": _characters(string.ascii_letters + string.digits),
}

_FILTERS: Mapping[str, Callable[[str, str], str]] = {
    "after": lambda text, mark: text.partition(mark)[2],
    "before": lambda text, mark: text.partition(mark)[0],
    "last": lambda text, mark: text.rpartition(mark)[2],
    "strip": lambda text, mark: text.strip(mark),
    "swap": lambda text, marks: text.replace(marks[0], marks[1]),
    "lower": lambda text, _: text.lower(),
    # The id of an availability zone by its name.
    "zoneid": lambda text, _: zones.zone_id(text),
    "when": lambda text, mark: mark if text == "true" else "",
    "end": lambda text, count: text[-int(count) :],
    "text": lambda text, _: text,
    # The part of an ARN: 3 is its region, 4 its account.
    "part": lambda text, index: [*text.split(":"), *[""] * 5][int(index)],
    "lead": lambda text, mark: mark + text if text else "",
    "drop": lambda text, unwanted: "" if text == unwanted else text,
    # `if:WEBSOCKET?wss:https`, `some:HTTP:DNS`: one result for this (or any) value, else the other.
    "if": lambda text, words: _choice(text == words.partition("?")[0], words),
    "some": lambda text, words: _choice(bool(text), words),
    # API Gateway has one part of a path below another whose name is a variable.
    "sibling": lambda text, _: "{…}" if text.startswith("{") else text,
}


def _choice(is_first: bool, words: str) -> str:
    first, _, other = words.rpartition("?")[2].partition(":")
    return first if is_first else other


def fill(template: Json, scope: Mapping[str, Any], cloud: Cloud) -> Json:
    """A template with its placeholders filled in; lists and objects are filled item by item.

    Args:
        template: a template, or a literal of another type, which stays as it is.
        scope: properties and context by name; under ``->`` the type of the resource, so that
            ``->`` finds only resources that the property may refer to.
        cloud: where ``->`` looks up what a property refers to.
    """
    if isinstance(template, list):
        return [fill(item, scope, cloud) for item in cast("list[Json]", template)]
    if isinstance(template, Mapping):
        parts = cast("Mapping[str, Json]", template)
        if "item" in parts and parts.keys() & _LISTS.keys():
            return _listed(parts, scope, cloud)
        return {key: fill(item, scope, cloud) for key, item in parts.items()}
    if not isinstance(template, str):
        return template
    whole = _PLACEHOLDER.fullmatch(template)
    if whole:
        return _value(whole[1], scope, cloud)
    return _PLACEHOLDER.sub(lambda m: _written(_value(m[1], scope, cloud)), template)


def _values(value: Json) -> list[Json]:
    if isinstance(value, Mapping):
        return list(cast("Mapping[str, Json]", value).values())
    return cast("list[Json]", value) if isinstance(value, list) else [value]


def _keys(value: Json) -> list[Json]:
    return list(cast("Mapping[str, Json]", value)) if isinstance(value, Mapping) else []


def _numbers(value: Json) -> list[Json]:
    return list(range(1, int(value) + 1)) if str(value).isdigit() else []


_LISTS: Mapping[str, Callable[[Json], list[Json]]] = {
    "each": _values,
    "keys": _keys,
    "upto": _numbers,
}


def _listed(template: Mapping[str, Json], scope: Mapping[str, Any], cloud: Cloud) -> list[Json]:
    only = re.compile(str(template.get("only", "")))
    values: list[Json] = []
    for form, listed in _LISTS.items():
        for name in template.get(form, ()):
            values += listed(at(scope, name))
    unique = dict.fromkeys(value for value in values if value and only.search(str(value)))
    return [fill(template["item"], {**scope, "item": value}, cloud) for value in unique]


def _written(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _value(placeholder: str, scope: Mapping[str, Any], cloud: Cloud) -> Json:
    expression, *filters = placeholder.split("|")
    maker, colon, argument = expression.partition(":")
    if expression == "uuid":
        value: Json = str(uuid.uuid4())
    elif maker == "count":
        value = cloud.count(f"{argument} {at(scope, argument)}")
    elif colon and maker in _NEW:
        value = _NEW[maker](argument)
    else:
        value = _property(expression, scope, cloud)
    for text in filters:
        name, _, argument = text.partition(":")
        value = _FILTERS[name](_written(value), argument)
    return value


def _property(expression: str, scope: Mapping[str, Any], cloud: Cloud) -> Json:
    path, *others = expression.split("->")
    value, type_ = at(scope, path), scope.get("->", "")
    for name in others:
        types = model_of(type_).types_at(path) if type_[:4] == "aws:" else frozenset[str]()
        found = [
            stored for stored in cloud.find(_written(value)) if not types or stored.type in types
        ]
        # An object's own properties take precedence: several types may match one name.
        values = [(at(stored.properties, name), stored.type) for stored in found]
        value, type_ = next((pair for pair in values if pair[0] is not None), (None, ""))
        path = name
    return value
