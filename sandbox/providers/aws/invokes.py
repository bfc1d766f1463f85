"""Answers to pulumi-aws' functions, by invokes.yaml; policy documents are put together here."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from sandbox.engine.provider import Context, RefusedError
from sandbox.providers.aws import zones
from sandbox.providers.aws.constraints import breach
from sandbox.providers.aws.lifecycle import PROVIDER
from sandbox.providers.aws.tables import tables
from sandbox.providers.aws.templates import fill, region_of, surroundings
from sandbox.values.wire import Json

_POLICY_DOCUMENT = "aws:iam/getPolicyDocument:getPolicyDocument"
_ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"


_SECRET_VERSIONS = "aws:secretsmanager/getSecretVersions:getSecretVersions"
_SECRET, _VERSION = (
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretVersion:SecretVersion",
)


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    text = Path(__file__).with_name("invokes.yaml").read_text(encoding="utf-8")
    return cast("Mapping[str, Mapping[str, Any]]", yaml.load(text, Loader=yaml.CSafeLoader))


def invoke(context: Context, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer a function call.

    Raises:
        RefusedError: the function is not supported, or nothing in the cloud matches.
    """
    if token == _POLICY_DOCUMENT:
        return _policy_document(arguments)
    if token == _ZONES:
        return zones.describe(region_of(context, arguments), arguments)
    if token == _SECRET_VERSIONS:
        return _secret_versions(context, token, arguments)
    rule = _table().get(token)
    if rule is None:
        raise RefusedError(f"{token}: the sandbox does not support this function")
    for name, known in cast("Mapping[str, str]", rule.get("known", {})).items():
        _must_be_known(token, name, arguments.get(name), known)
    if "find" in rule:
        return _find(context, token, rule, arguments)
    scope = {**context.config, **surroundings(context, arguments), **arguments}
    return cast("Mapping[str, Any]", fill(rule["give"], scope, context.cloud))


def _must_be_known(token: str, name: str, value: Json, known: str) -> None:
    """Validates arguments by the constraint of a resource's property, ``type@property``."""
    type_, _, property_ = known.partition("@")
    reason = breach(value, tables().types[f"aws:{type_}"].constraints[property_])
    if reason:
        raise RefusedError(f"{token}: {name} {reason}")


def _find(
    context: Context, token: str, rule: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    wanted = {
        property_: arguments[name]
        for name, property_ in cast("Mapping[str, str]", rule["by"]).items()
        if arguments.get(name) is not None
    }
    found = [
        stored
        for stored in context.cloud.list(PROVIDER, rule["find"])
        if all({**stored.properties, "id": stored.id}.get(k) == v for k, v in wanted.items())
    ]
    scope = {**context.config, **surroundings(context, arguments), **arguments}
    for absent in cast("Sequence[Mapping[str, Any]]", rule.get("absent", ())):
        patterns = cast("Mapping[str, str]", absent["where"])
        if not found and all(re.match(p, str(arguments.get(k))) for k, p in patterns.items()):
            return cast("Mapping[str, Any]", fill(absent["give"], scope, context.cloud))
    if not wanted or len(found) != 1:
        raise RefusedError(
            f"{token}: {len(found)} objects match {wanted or 'nothing'}; exactly one is required"
        )
    properties = {**found[0].properties, "id": found[0].id}
    added = {
        name: [item for item in fill(template, properties, context.cloud) if item is not None]
        for name, template in cast("Mapping[str, Json]", rule.get("add", {})).items()
    }
    return {**arguments, **properties, **added}


def _secret_versions(
    context: Context, token: str, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The versions of a secret; none before a value is set."""
    secret = next(
        (one for one in context.cloud.find(arguments["secretId"]) if one.type == _SECRET), None
    )
    if secret is None:
        raise RefusedError(f"{token}: ResourceNotFoundException: {arguments['secretId']}")
    versions = [
        {"versionId": one.properties["versionId"], "versionStages": ["AWSCURRENT"]}
        for path, one in context.cloud.users(secret.provider, secret.type, secret.id)
        if (path, one.type) == ("secretId", _VERSION)
    ]
    known = {"arn": secret.properties["arn"], "name": secret.properties["name"], "id": secret.id}
    return {**arguments, **known, "versions": versions}


# A statement's keys in Terraform and in a policy document.
_NAMES = {
    "sid": "Sid",
    "effect": "Effect",
    "actions": "Action",
    "notActions": "NotAction",
    "resources": "Resource",
    "notResources": "NotResource",
}


def _policy_document(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    statements = [_statement(item) for item in arguments.get("statements") or ()]
    for text in arguments.get("sourcePolicyDocuments") or ():
        statements = [*json.loads(text)["Statement"], *statements]
    document = {"Version": arguments.get("version") or "2012-10-17", "Statement": statements}
    if arguments.get("policyId"):
        document["Id"] = arguments["policyId"]
    text = json.dumps(document)
    return {**arguments, "id": "policy", "json": text, "minifiedJson": text}


def _statement(item: Mapping[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow"}
    for name, key in _NAMES.items():
        if item.get(name):
            statement[key] = _single(item[name])
    for name, key in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if item.get(name):
            statement[key] = {p["type"]: _single(p["identifiers"]) for p in item[name]}
            if statement[key] == {"*": "*"}:
                statement[key] = "*"
    conditions: dict[str, dict[str, Json]] = {}
    for condition in item.get("conditions") or ():
        conditions.setdefault(condition["test"], {})[condition["variable"]] = _single(
            condition["values"]
        )
    return {**statement, **({"Condition": conditions} if conditions else {})}


def _single(value: Json) -> Json:
    """A list with one item as that item, as Terraform writes it."""
    items = cast("list[Json]", value) if isinstance(value, list) else []
    return items[0] if len(items) == 1 else cast("Json", value)
