import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.errors import ConfigurationError, Fault
from core.config.model import Fleet
from core.config.parse import parse
from tests.core.configurations import (
    DIGEST_URI,
    SMALLEST,
    changed,
    clock,
    configuration,
    fixed,
    only_fault,
)

_SET_CLOCK = "pulumi config set --path 'mcp-platform:servers.clock"


def test_a_key_that_is_nearly_known_is_refused_with_the_near_one(root: Path):
    assert only_fault(clock("memroy", value=512), root) == Fault(
        path=("servers", "clock", "memroy"),
        got="an unknown key (did you mean memory?)",
        allowed=(
            "the keys cpu, memory, replicas, concurrency, storage, secrets, environment, "
            "max_request_seconds, max_request_mib, max_response_mib, private_network, "
            "health_command, expose, spot, team, writable_root, exec, image, sessions, "
            "subscriptions"
        ),
        fix="pulumi config rm --path 'mcp-platform:servers.clock.memroy'",
    )


def test_a_key_of_the_namespace_that_is_not_known_is_refused(root: Path):
    assert only_fault(SMALLEST | {"server": {"clock": {}}}, root) == Fault(
        path=("server",),
        got="an unknown key (did you mean servers?)",
        allowed=(
            "the keys target, servers, agents, secrets, network, gateway, cluster, teams, gitops, "
            "mesh, observability, production, tags"
        ),
        fix="pulumi config rm 'mcp-platform:server'",
    )


def test_keys_of_other_namespaces_are_none_of_ours(root: Path):
    before = configuration(SMALLEST)
    bag = {key: json.dumps(value) for key, value in before.values.items()}
    bag |= {"aws:region": "eu-west-1", "aws:profile": "x", "other:servers": "nonsense"}
    fleet, region = parse(bag, encrypted=frozenset({"other:servers"}), root=root)
    assert (list(fleet.servers), region) == (["clock"], "eu-west-1")


def test_a_missing_image_is_asked_for(root: Path):
    assert only_fault({"servers": {"clock": {"cpu": 256}}}, root) == Fault(
        path=("servers", "clock", "image"),
        got="no value",
        allowed=(
            "The container image: `context` builds one, `uri` uses an existing one by its digest"
        ),
        fix=f"{_SET_CLOCK}.image.context' workloads/clock",
    )


def test_a_missing_value_deep_inside_is_asked_for_in_one_line(root: Path):
    assert only_fault(SMALLEST | {"secrets": {"db": {}}}, root) == Fault(
        path=("secrets", "db", "source"),
        got="no value",
        allowed=(
            "`config`: the encrypted key `secret-<name>`; `generated`: a random value, created "
            "once; `external`: set outside of Pulumi and never changed by it (workloads that read "
            "it do not start until it is set)"
        ),
        fix="pulumi config set --path 'mcp-platform:secrets.db.source' generated",
    )


def test_a_value_that_is_not_among_the_choices_is_refused(root: Path):
    assert only_fault(SMALLEST | {"target": "fargate"}, root) == Fault(
        path=("target",),
        got="fargate",
        allowed="'lambda', 'ecs' or 'eks'",
        fix="pulumi config set --path 'mcp-platform:target' ecs",
    )


@pytest.mark.parametrize(
    ("field", "value", "got", "allowed", "fix"),
    [
        ("cpu", "256", "256", "a whole number, at least 1", f"{_SET_CLOCK}.cpu' 256"),
        ("cpu", True, "true", "a whole number, at least 1", f"{_SET_CLOCK}.cpu' 256"),
        ("cpu", 0, "0", "a whole number, at least 1", f"{_SET_CLOCK}.cpu' 256"),
        ("memory", 512.5, "512.5", "a whole number, at least 1", f"{_SET_CLOCK}.memory' 512"),
        ("expose", "yes", "yes", "true or false", f"{_SET_CLOCK}.expose' true"),
        ("expose", 1, "1", "true or false", f"{_SET_CLOCK}.expose' true"),
        (
            "sessions",
            "sticky",
            "sticky",
            "'stateless' or 'legacy-stateful'",
            f"{_SET_CLOCK}.sessions' stateless",
        ),
        (
            "replicas",
            3,
            "3",
            "an object",
            "pulumi config rm --path 'mcp-platform:servers.clock.replicas'"
            f" && {_SET_CLOCK}.replicas.min' 1 && {_SET_CLOCK}.replicas.max' 4",
        ),
        (
            "health_command",
            "python -m healthcheck",
            "python -m healthcheck",
            "a list",
            "pulumi config rm --path 'mcp-platform:servers.clock.health_command'"
            f" && {_SET_CLOCK}.health_command[0]' python"
            f" && {_SET_CLOCK}.health_command[1]' /app/common/healthcheck.py",
        ),
        (
            "environment",
            ["A=1"],
            '["A=1"]',
            "an object",
            "pulumi config rm --path 'mcp-platform:servers.clock.environment'"
            f" && {_SET_CLOCK}.environment.LOG_LEVEL' info",
        ),
    ],
)
def test_a_value_of_another_kind_is_refused_and_never_converted(
    root: Path, field: str, value: object, got: str, allowed: str, fix: str
):
    assert only_fault(clock(field, value=value), root) == Fault(
        path=("servers", "clock", field), got=got, allowed=allowed, fix=fix
    )


def test_a_variable_that_is_no_text_is_refused(root: Path):
    assert only_fault(clock("environment", value={"LEVEL": 3}), root) == Fault(
        path=("servers", "clock", "environment", "LEVEL"),
        got="3",
        allowed="a string",
        fix=f"{_SET_CLOCK}.environment.LEVEL' info",
    )


def test_an_empty_text_is_refused(root: Path):
    assert only_fault(clock("image", value={"context": ""}), root) == Fault(
        path=("servers", "clock", "image", "context"),
        got='""',
        allowed="a string that is not empty",
        fix=f"{_SET_CLOCK}.image.context' workloads/clock",
    )


def test_a_vpc_with_one_subnet_is_asked_for_the_second_and_keeps_the_first(root: Path):
    vpc = {"id": "vpc-01234567", "cidr": "10.0.0.0/16", "private_subnets": ["subnet-76543210"]}
    before = configuration(SMALLEST | {"network": {"vpc": vpc}})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("network", "vpc", "private_subnets"),
        got='["subnet-76543210"]',
        allowed="a list with at least 2 entries",
        fix=(
            "pulumi config set --path 'mcp-platform:network.vpc.private_subnets[1]'"
            " subnet-0a1b2c3d4e5f60719"
        ),
    )
    fleet, _ = fixed(before, fault.fix or "").read(root)
    assert fleet.network.vpc
    assert fleet.network.vpc.private_subnets == ("subnet-76543210", "subnet-0a1b2c3d4e5f60719")


def test_a_section_that_is_not_json_is_refused(root: Path):
    (fault,) = configuration({"servers": "{clock: nonsense"}).faults(root)
    assert fault == Fault(
        path=("servers",),
        got="{clock: nonsense",
        allowed="an object",
        fix=(
            "pulumi config rm 'mcp-platform:servers'"
            " && pulumi config set --path 'mcp-platform:servers.clock.image.context'"
            " workloads/clock"
        ),
    )


def test_a_section_that_cannot_be_read_makes_no_name_unknown_elsewhere(root: Path):
    own = {
        "servers": "nonsense",
        "agents": {
            "helper": {"image": {"uri": DIGEST_URI}, "uses": ["clock"], "secrets": ["api-key"]}
        },
        "secrets": ["nonsense"],
    }
    faults = configuration(own, encrypted={"secret-api-key": "hush"}).faults(root)
    assert [fault.path for fault in faults] == [("servers",), ("secrets",)]


def test_an_entry_that_cannot_be_read_makes_no_name_unknown_elsewhere(root: Path):
    own = clock("cpu", value="much") | {
        "agents": {
            "helper": {"image": {"uri": DIGEST_URI}, "uses": ["clock"], "secrets": ["api-key"]}
        },
        "secrets": {"api-key": {"source": "nonsense"}},
    }
    faults = configuration(own, encrypted={"secret-api-key": "hush"}).faults(root)
    assert [fault.path for fault in faults] == [
        ("servers", "clock", "cpu"),
        ("secrets", "api-key", "source"),
    ]


def test_a_fleet_whose_only_entries_cannot_be_read_is_not_called_empty(root: Path):
    assert only_fault({"agents": {"helper": "nonsense"}}, root).path == ("agents", "helper")


def test_an_encrypted_value_in_a_structure_is_refused_unseen(root: Path):
    own = {"agents": {"helper": {"image": {"uri": DIGEST_URI}, "uses": ["clock"]}}}
    before = configuration(own, encrypted={"servers": '{"clock": "hush"}'})
    assert before.faults(root) == (
        Fault(
            path=("servers",),
            got="an encrypted value inside a plain structure",
            allowed=(
                "plain text values; declare the secret in secrets and store its value in "
                "secret-<name>"
            ),
            fix="pulumi config set --secret secret-NAME",
        ),
    )


@pytest.mark.parametrize(
    "secrets",
    ["hush", {"db": "hush"}, {"db": ["hush"]}, {"db": {"source": "config", "value": "hush"}}],
)
def test_a_secret_written_where_its_declaration_belongs_is_not_repeated(
    root: Path, secrets: object
):
    with pytest.raises(ConfigurationError) as refused:
        configuration(SMALLEST | {"secrets": secrets}).read(root)
    assert "hush" not in str(refused.value)
    assert "hush" not in repr(refused.value.faults)


@pytest.mark.parametrize("source", ["config", "generated", "external", "nonsense", None])
def test_the_value_of_a_secret_is_never_repeated(root: Path, source: str | None):
    own = changed(SMALLEST, "secrets", "db", value={"source": source}) if source else SMALLEST
    own = changed(own, "servers", "clock", "cpu", value=0)
    for given_as in ({"secret-db": "hush"}, {"secret-other": "hush"}):
        for before in (configuration(own, encrypted=given_as), configuration(own | given_as)):
            with pytest.raises(ConfigurationError) as refused:
                before.read(root)
            assert "hush" not in str(refused.value)
            assert "hush" not in repr(refused.value.faults)


_BROKEN: dict[str, Any] = {
    "target": "mainframe",
    "servers": {
        "clock": {"image": {"context": "nowhere"}, "cpu": 300, "colour": "red"},
        "notes": {"image": {"uri": DIGEST_URI}, "replicas": {"min": 3, "max": 2}},
        "maps": {"image": {"uri": DIGEST_URI}, "cpu": 300, "max_request_seconds": 3971},
        "Bad": {"image": {"uri": DIGEST_URI}},
    },
    "agents": {
        "helper": {"image": {}, "uses": ["clock", "nobody", "notes", "notes"]},
        "maps": {"image": {"uri": DIGEST_URI}},
    },
    "secrets": {"db": {"source": "config"}, "key": {"source": "generated"}},
    "network": {"cidr": "8.8.0.0/16"},
    "gateway": {"exposure": "public", "allow_cidrs": ["10.0.0.1/8"]},
    "observability": {"retention_days": 31},
    "tags": {"aws:x": "1"},
    "unknown": 1,
}


def test_all_faults_are_reported_at_once_each_once_and_always_in_this_order(root: Path):
    before = configuration(_BROKEN, region=None, encrypted={"secret-key": "x", "secret-zzz": "y"})
    expected = [
        ("target",),
        ("servers", "clock", "colour"),
        ("servers", "Bad"),
        ("unknown",),
        ("aws:region",),
        ("agents", "maps"),
        ("agents", "helper", "image"),
        ("servers", "notes", "replicas", "max"),
        ("agents", "helper", "uses", 1),
        ("agents", "helper", "uses", 3),
        ("secret-db",),
        ("secret-key",),
        ("secret-zzz",),
        ("network", "cidr"),
        ("gateway", "domain"),
        ("gateway", "zone"),
        ("gateway", "auth"),
        ("gateway", "allow_cidrs", 0),
        ("observability", "retention_days"),
        ("tags", "aws:x"),
        ("servers", "maps", "cpu"),
        ("servers", "maps", "max_request_seconds"),
    ]
    assert [fault.path for fault in before.faults(root)] == expected
    assert Counter(before.faults(root)).most_common(1)[0][1] == 1
    with pytest.raises(ConfigurationError) as refused:
        before.read(root)
    assert str(refused.value).startswith(
        "The configuration has 22 errors. No resources were changed.\n"
    )
    backwards = type(before)(dict(reversed(before.values.items())), before.encrypted)
    assert backwards.faults(root) == before.faults(root)


def test_the_fixes_one_after_the_other_make_a_broken_configuration_valid(root: Path):
    before = configuration(_BROKEN, region=None, encrypted={"secret-key": "x", "secret-zzz": "y"})
    for _ in range(100):
        faults = before.faults(root)
        if not faults:
            break
        assert faults[0].fix, faults[0]
        before = fixed(before, faults[0].fix)
        assert faults[0] not in before.faults(root)
    fleet, region = before.read(root)
    assert region == "us-east-1"
    assert sorted(fleet.servers) == ["clock", "maps", "notes"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def _loosely(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that resemble those of a schema, and sometimes other values."""
    schema = definitions[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    examples = st.sampled_from(schema.get("examples", [None]))
    if "properties" in schema:
        fields = {
            name: _loosely(field, definitions) for name, field in schema["properties"].items()
        }
        good: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional=fields)
    elif "anyOf" in schema:
        good = st.one_of(*(_loosely(choice, definitions) for choice in schema["anyOf"])) | examples
    elif schema.get("type") == "array":
        good = st.lists(_loosely(schema["items"], definitions), max_size=3) | examples
    elif schema.get("type") == "object":
        (entry,) = [
            *schema.get("patternProperties", {}).values(),
            *([schema["additionalProperties"]] if schema.get("additionalProperties") else []),
        ]
        names = st.sampled_from(["clock", "notes", "db", "LEVEL"]) | st.text(max_size=4)
        good = st.dictionaries(names, _loosely(entry, definitions), max_size=3)
    elif "enum" in schema:
        good = st.sampled_from(schema["enum"])
    else:
        good = examples | st.integers(-1, 4001) | st.sampled_from(["clock", "db", "10.0.0.0/16"])
    return good | good | good | _JSON


_SCHEMA = Fleet.model_json_schema()
_FLEETS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "unknown.key": _JSON,
        **{key: _loosely(field, _SCHEMA["$defs"]) for key, field in _SCHEMA["properties"].items()},
    },
)


@given(own=_FLEETS)
def test_any_configuration_is_read_or_refused_and_every_suggestion_removes_its_error(
    root: Path, own: dict[str, Any]
):
    before = configuration(own)
    faults = before.faults(root)
    assert len(set(faults)) == len(faults)
    for fault in faults:
        if fault.fix:
            after = fixed(before, fault.fix)
            assert fault not in after.faults(root), fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[",
        "NaN",
        "1e999",
        "9" * 5000,
        '{"clock": {"image": {"context": "\\ud800"}}}',
        '{"clock": {"image": {"context": "\\u0000"}}}',
        json.dumps({"clock": {"image": {"context": "x" * 5000}}}),
        json.dumps({"clock": {"image": {"context": "workloads/clock", "dockerfile": "x" * 5000}}}),
        '{"[key]": 5}',
        '{"": ""}',
    ],
)
def test_the_strangest_text_is_refused_like_any_other(root: Path, text: str):
    with pytest.raises(ConfigurationError) as refused:
        configuration({"servers": text}).read(root)
    assert str(refused.value).encode()
