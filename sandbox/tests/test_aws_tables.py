"""Our table names only existing types, properties and kinds."""

import re

import pytest

from sandbox.engine import sdk
from sandbox.providers.aws import preconditions
from sandbox.providers.aws.invokes import _table as invokes
from sandbox.providers.aws.resource_model import NO_SCHEMA, model_of
from sandbox.providers.aws.tables import tables

TYPES = sorted(tables().types)


@pytest.mark.parametrize("type_", TYPES)
def test_an_entry_names_only_properties_of_its_type(type_: str):
    known = model_of(type_)
    table = known.table
    inputs = {
        name.partition(".")[0]
        for part in (table.constraints, table.kinds, table.replace, table.update, table.unordered)
        for name in part
    }
    rules = {
        name.partition(".")[0]
        for rule in table.rules
        for key, names in rule.items()
        if key != "says"
        for name in names
    }
    assert inputs - set(known.properties) == set()
    assert rules - set(known.properties) == set()
    outputs = {name.partition(".")[0] for name in table.outputs}
    assert outputs - set(known.resource.outputs) - set(known.properties) == set()
    assert set(table.volatile) <= set(table.outputs)
    assert set(table.publishes.get("outputs", ())) <= set(table.outputs)


@pytest.mark.parametrize("type_", TYPES)
def test_an_entry_points_only_to_paths_in_the_schema(type_: str):
    known = model_of(type_)
    dead = [
        name
        for name, pointer in known.table.properties.items()
        if pointer and name in known.properties and known.properties[name][0].schema == NO_SCHEMA
    ]
    assert dead == []


@pytest.mark.parametrize("type_", TYPES)
def test_an_entry_has_an_id_and_names_only_existing_types(type_: str):
    table = model_of(type_).table
    assert table.id
    for holder in table.held_by:
        name = holder.partition("@")[0]
        if not name.startswith("docker-build:"):
            assert model_of(f"aws:{name}").resource.inputs


@pytest.mark.parametrize("type_", TYPES)
def test_a_precondition_has_one_form_an_error_and_existing_types(type_: str):
    for precondition in model_of(type_).table.preconditions:
        assert len(precondition.keys() & preconditions._FORMS.keys()) == 1
        errors = {"none"} if "every" in precondition and "has" not in precondition else {"error"}
        assert errors <= precondition.keys()
        assert precondition.keys() <= {
            *preconditions._FORMS,
            "when",
            "error",
            "none",
            "as",
            "with",
            "of",
            "has",
            "value",
            "each",
            "service",
            "actions",
            "session",
        }
        if "every" in precondition:
            assert precondition["of"] in model_of(f"aws:{precondition['every']}").resource.inputs


@pytest.mark.parametrize("type_", TYPES)
def test_unless_only_names_inputs(type_: str):
    known = model_of(type_)
    names = set(known.table.publishes.get("unless_only", ())) - tables().plain
    assert names <= set(known.properties)


def test_kinds_have_patterns_and_existing_types():
    known = tables()
    for kind in known.kinds.values():
        assert re.compile(kind.pattern)
        for name in kind.types:
            assert model_of(f"aws:{name}").resource.inputs
    assert set(known.formats.values()) | set(known.named.values()) <= set(known.kinds)


def test_lookup_functions_name_existing_types():
    for rule in invokes().values():
        if "find" in rule:
            outputs = model_of(rule["find"]).resource.outputs
            assert {name for name in rule["by"].values() if name != "id"} <= set(outputs)


def test_a_types_properties_are_read_from_the_sdk_without_importing_it():
    service = sdk.resource("pulumi_aws", "aws:ecs/service:Service")
    assert service.inputs["desiredCount"] == sdk.Field(sdk.Shape("integer"), required=False)
    subnets = service.inputs["networkConfiguration"].shape.fields["subnets"]
    assert subnets.required is True
    assert (subnets.shape.kind, subnets.shape.item) == ("list", sdk.Shape("string"))
    assert service.outputs["arn"].required is True
    assert "arn" not in service.inputs
    handler = sdk.resource("pulumi_aws", "aws:lambda/function:Function")
    assert handler.inputs["role"].required is True


def test_a_type_that_the_sdk_does_not_have_is_an_error():
    for token in ("aws:ecs/castle:Castle", "aws:nowhere/x:X", "nonsense"):
        with pytest.raises(sdk.UnknownTypeError):
            sdk.resource("pulumi_aws", token)
