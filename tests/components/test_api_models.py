"""The inputs of the example and test fleets, validated against the models of the AWS APIs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, cast

import pytest

from sandbox.engine.provider import Call, Failure
from sandbox.providers.aws import api_models, validation
from sandbox.providers.aws.api_models import table
from sandbox.providers.aws.resource_model import model_of
from sandbox.providers.aws.service_models import Member
from tests.components import fleets
from tests.components.recording import ROOT, Resource, Secret, example, run

EXAMPLES = {f"Pulumi.{name}.yaml": example(name) for name in ("dev", "lambda", "eks")}
FLEETS = EXAMPLES | fleets.EVERY_FLEET
TABLE = "sandbox/providers/aws/api_models.yaml"
DEFAULT_TAGS = {"project": "mcp-platform", "stack": "dev", "managed-by": "pulumi"}


@cache
def made(fleet: str) -> list[Resource]:
    """The AWS resources of a fleet, without children of awsx and eks."""
    return [each for each in run(FLEETS[fleet]).resources.values() if each.type[:4] == "aws:"]


def of_components() -> set[str]:
    """The AWS types that the components of awsx and eks create in the sandbox."""
    sources = [*(ROOT / "sandbox/providers/awsx").glob("*.py")]
    sources += (ROOT / "sandbox/providers/eks").glob("*.py")
    found = {
        token
        for source in sources
        for token in re.findall(r'"(aws:\w+/\w+:[A-Z]\w+)"', source.read_text())
    }
    assert found
    return found


@pytest.mark.parametrize("fleet", FLEETS)
def test_the_calls_of_every_type_that_a_fleet_makes_are_known(fleet: str):
    unknown = {each.type for each in made(fleet)} - set(table().types)
    assert unknown == set(), f"{TABLE}, types: say which calls these make, or why none"


def test_the_calls_of_every_type_that_a_component_makes_are_known():
    unknown = of_components() - set(table().types)
    assert unknown == set(), f"{TABLE}, types: say which calls these make, or why none"


@pytest.mark.parametrize("fleet", FLEETS)
def test_it_is_known_which_member_of_a_call_every_input_becomes(fleet: str):
    unknown = {
        f"{each.type} {path}"
        for each in made(fleet)
        if table().types[each.type].calls
        for path in unmapped(each.type, tagged(each, {}))
    }
    assert unknown == set(), f"{TABLE}, types, members: say what these become, or null"


@pytest.mark.parametrize("fleet", FLEETS)
def test_the_calls_take_every_input_of_a_fleet(fleet: str):
    assert refused(made(fleet), FLEETS[fleet].get("tags", {})) == set()


# The longest names and texts that the configuration accepts, and special characters.
_LONG: dict[str, Any] = {
    "servers": {
        "s" * 32: {
            "image": {"context": "workloads/clock"},
            "storage": {"mount": "/data"},
            "secrets": ["x" * 64],
            "environment": {"A" * 64: "é “'\" {{ssm:a}} ${x}"},
        }
    },
    "agents": {
        "a" * 32: {
            "image": {"context": "workloads/assistant"},
            "uses": ["s" * 32],
            "instructions": "é “'\"",
        }
    },
    "secrets": {"x" * 64: {"source": "generated"}},
    "gateway": {
        **fleets.PUBLIC,
        "domain": f"{'d' * 50}.mcp.example.com"[-64:],
        "auth": {
            "issuer": f"https://{'i' * 248}",
            "jwks_uri": f"https://{'j' * 248}",
            "audience": "a" * 256,
        },
    },
    "observability": {"alarm_email": f"{'o' * 64}@example.com"},
    "tags": {"k" * 128: "v" * 256, "é _.:/=+-@": "é _.:/=+-@"},
}


@pytest.mark.parametrize("target", ["ecs", "lambda", "eks"])
@pytest.mark.parametrize("stack_name", ["s" * 100, "My_Stack.1"])
def test_the_calls_take_the_longest_names_and_texts_that_the_configuration_takes(
    target: str, stack_name: str
):
    recording = run({**_LONG, "target": target}, stack_name=stack_name)
    assert refused(recording.resources.values(), _LONG["tags"]) == set()


def test_an_automatic_name_is_checked_as_well():
    (alarm,) = [each for each in made("minimal") if each.type == "aws:sns/topic:Topic"][:1]
    assert re.fullmatch(r"fleet-observability-alarms-[0-9a-f]{7}", named(alarm)["name"])


def refused(resources: Iterable[Resource], tags: Mapping[str, str]) -> set[str]:
    """The inputs of resources that AWS would reject, with the fleet's tags."""
    return {
        f"{each.type} {each.name}: {fault.path} {fault.reason}"
        for each in resources
        if each.type.startswith("aws:")
        for fault in faults(each, tags)
    }


def faults(made: Resource, tags: Mapping[str, str]) -> Iterator[Failure]:
    inputs = tagged(made, tags)
    yield from api_models.errors(made.type, inputs)
    yield from api_models.missing(made.type, inputs)


def tagged(made: Resource, tags: Mapping[str, str]) -> dict[str, Any]:
    """The inputs with a name and with the default tags of the provider."""
    inputs = named(made)
    if "tags" in model_of(made.type).resource.inputs:
        inputs["tags"] = {**DEFAULT_TAGS, **tags, **inputs.get("tags", {})}
    return inputs


def named(made: Resource) -> dict[str, Any]:
    """The inputs with a name, which pulumi-aws generates if the program sets none."""
    inputs = plain(made.inputs)
    call = Call(type=made.type, urn=made.urn, name=made.name, inputs=inputs, seed=b"0" * 16)
    said = validation._Errors()
    filled = validation._with_name(model_of(made.type), call, inputs, said)
    assert list(said) == []
    return {key: value for key, value in filled.items() if key != validation.DEFAULTS}


def plain(value: Any) -> Any:
    """A value with its secrets as plain values."""
    match value:
        case Secret(value=inner):
            return plain(inner)
        case dict():
            return {key: plain(item) for key, item in cast("dict[str, Any]", value).items()}
        case list():
            return [plain(item) for item in cast("list[Any]", value)]
        case _:
            return value


def unmapped(type_: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    """The paths of inputs that match no member of an API call."""
    walk = api_models._walk(type_)

    def below(value: Any, members: list[Member], path: str) -> Iterator[str]:
        if isinstance(value, list):
            for item in cast("list[Any]", value):
                yield from below(item, members, path)
        elif isinstance(value, dict) and not any(map(api_models._pair, members)):
            for name, item in cast("dict[str, Any]", value).items():
                inner = f"{path}.{name}" if path else name
                found = walk.child(path, name, members)
                if found is None:
                    yield inner
                elif found:
                    yield from below(item, list(found), inner)

    yield from below(inputs, list(walk.roots), "")
