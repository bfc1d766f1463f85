from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from core.config.enums import (
    AddOn,
    Chat,
    Exposure,
    GitOpsEngine,
    Mesh,
    Nat,
    Nodes,
    RunsAs,
    SecretSource,
    Sessions,
    Target,
)
from core.config.errors import show
from core.config.model import (
    Agent,
    Cluster,
    Concurrency,
    ExistingCluster,
    Fleet,
    Gateway,
    GitOps,
    Image,
    ManagedNodes,
    Network,
    Observability,
    Replicas,
    Secret,
    Server,
    Storage,
    Throttle,
)
from core.config.patterns import PHRASES
from tests.core.configurations import (
    DIGEST_URI,
    HERE_URI,
    SMALLEST,
    changed,
    clock,
    configuration,
    only_fault,
)


def _models(model: type[BaseModel] = Fleet) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _inside(field.annotation):
            yield from _models(inner)


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


def test_a_server_of_two_lines_gets_every_default(root: Path):
    fleet, region = configuration(SMALLEST).read(root)
    assert region == "us-east-1"
    assert fleet == Fleet(servers={"clock": Server(image=Image(context="workloads/clock"))})
    server = fleet.servers["clock"]
    assert (server.cpu, server.memory, server.max_request_seconds) == (256, 512, 60)
    assert server.replicas == Replicas(min=1, max=4, cpu_percent=60, requests_per_minute=1000)
    assert (server.storage, server.secrets, server.environment) == (None, (), {})
    assert (server.expose, server.spot, server.writable_root, server.exec) == (
        True,
        False,
        False,
        False,
    )
    assert server.sessions is Sessions.STATELESS
    assert server.health_command == ()
    assert server.concurrency == Concurrency(
        reserved=None, provisioned=0, provisioned_max=None, utilization_percent=70
    )
    assert (server.max_request_mib, server.max_response_mib, server.image.size_mib) == (None,) * 3
    assert (server.private_network, server.subscriptions) == (False, False)
    assert fleet.target is Target.ECS
    assert fleet.network == Network(cidr="10.0.0.0/16", zones=2, nat=Nat.SINGLE, vpc=None)
    assert fleet.gateway == Gateway(
        exposure=Exposure.PRIVATE,
        domain=None,
        auth=None,
        throttle=Throttle(requests_per_second=100, burst=200),
        firewall=None,
        sets_log_role=True,
        deletion_protection=False,
    )
    assert fleet.observability == Observability(retention_days=30, alarm_email=None)
    assert (fleet.agents, fleet.secrets, fleet.tags, fleet.production) == ({}, {}, {}, False)


def test_an_agent_of_two_lines_gets_every_default(root: Path):
    own = {"agents": {"helper": {"image": {"context": "workloads/assistant"}}}}
    fleet, _ = configuration(own).read(root)
    assert fleet.agents["helper"] == Agent(
        image=Image(context="workloads/assistant"),
        runs_as=RunsAs.CONTAINER,
        uses=(),
        sidecars=(),
        models=(),
        instructions="",
        max_turns=8,
        chat=Chat.NONE,
    )


def test_only_workloads_that_have_an_image_are_among_the_images(root: Path):
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    agents = {
        "loop": {"runs_as": "state-machine", "models": [model]},
        "helper": {"image": {"uri": HERE_URI}},
    }
    fleet, _ = configuration(SMALLEST | {"target": "lambda", "agents": agents}).read(root)
    assert list(fleet.images()) == [
        (("servers", "clock"), Image(context="workloads/clock")),
        (("agents", "helper"), Image(uri=HERE_URI)),
    ]


def test_the_defaults_are_what_an_empty_value_of_each_key_means(root: Path):
    plain = {"target", "servers", "mesh", "production"}
    empty: dict[str, Any] = {key: {} for key in Fleet.model_fields if key not in plain}
    assert configuration(SMALLEST | empty).read(root) == configuration(SMALLEST).read(root)


def test_a_fleet_of_every_kind_of_value_is_read_whole(root: Path):
    fleet, _ = configuration(
        {
            "target": "ecs",
            "production": "true",
            "servers": {
                "notes": {
                    "image": {"uri": DIGEST_URI},
                    "storage": {"mount": "/data"},
                    "secrets": ["notes-api-key"],
                    "sessions": "legacy-stateful",
                    "replicas": {"max": 1},
                }
            },
            "agents": {"helper": {"image": {"context": "workloads/assistant"}, "uses": ["notes"]}},
            "secrets": {"notes-api-key": {"source": "generated"}},
        }
    ).read(root)
    assert fleet == Fleet(
        production=True,
        servers={
            "notes": Server(
                image=Image(uri=DIGEST_URI),
                storage=Storage(mount="/data"),
                secrets=("notes-api-key",),
                sessions=Sessions.LEGACY_STATEFUL,
                replicas=Replicas(max=1),
            )
        },
        agents={"helper": Agent(image=Image(context="workloads/assistant"), uses=("notes",))},
        secrets={"notes-api-key": Secret(source=SecretSource.GENERATED)},
    )
    assert [name for name, _ in fleet.workloads()] == ["notes", "helper"]
    assert [path for path, _ in fleet.paths()] == [("servers", "notes"), ("agents", "helper")]
    assert fleet.with_storage() == {"notes": Storage(mount="/data")}


def test_a_fleet_is_immutable(root: Path):
    fleet, _ = configuration(SMALLEST).read(root)
    for model in (fleet, fleet.servers["clock"], fleet.network):
        with pytest.raises(ValueError, match="frozen"):
            setattr(model, next(iter(type(model).model_fields)), None)


def test_every_field_says_what_it_is_and_has_an_example():
    for model in _models():
        assert model.__doc__
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            assert len(field.examples or []) == 1, f"{model.__name__}.{name}"


def _patterns(schema: Any) -> Iterator[str]:
    """Every pattern in a JSON schema, for values and for keys."""
    if isinstance(schema, dict):
        for key, inner in cast("dict[str, Any]", schema).items():
            if key == "pattern" and isinstance(inner, str):
                yield inner
            if key == "patternProperties":
                yield from inner
            yield from _patterns(inner)
    elif isinstance(schema, list):
        for inner in cast("list[Any]", schema):
            yield from _patterns(inner)


def test_every_pattern_has_a_phrase_and_every_phrase_a_pattern():
    assert set(_patterns(Fleet.model_json_schema())) == set(PHRASES)


# What excludes something else that has an example.
_EXCLUSIVE = {"uri", "vpc", "arn", "existing", "identity_center"}


def _every_example(model: type[BaseModel]) -> dict[str, Any]:
    """An entry with the example of every field, those of nested models included."""
    entry: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        (example,) = field.examples or []
        nested = next(_inside(field.annotation), None)
        if nested and get_origin(field.annotation) is dict:
            example = {key: _every_example(nested) for key in example}
        elif nested:
            example = _every_example(nested)
        if name not in _EXCLUSIVE:
            entry[name] = example
    return entry


@pytest.mark.parametrize(("target", "without"), [("ecs", ()), ("eks", ("sidecars",))])
def test_the_examples_of_all_fields_together_are_a_valid_fleet(
    root: Path, target: str, without: tuple[str, ...]
):
    own: dict[str, Any] = {**_every_example(Fleet), "target": target}
    for field in without:
        del own["agents"]["assistant"][field]
    fleet, _ = configuration(own).read(root)
    assert fleet.agents["assistant"].models == ("us.anthropic.claude-sonnet-4-5-20250929-v1:0",)
    assert fleet.servers["clock"].image.additional_contexts == {"common": "workloads/common"}
    assert fleet.gateway.auth
    assert fleet.teams["payments"].pods == 50
    assert fleet.cluster.access["platform"].namespaces == ("payments",)
    assert fleet.gitops
    assert fleet.gitops.engine is GitOpsEngine.FLUX


def test_the_examples_of_fields_that_exclude_others_are_valid_too(root: Path):
    (uri,) = Image.model_fields["uri"].examples or []
    (vpc,) = Network.model_fields["vpc"].examples or []
    (arn,) = Secret.model_fields["arn"].examples or []
    own = clock("image", value={"uri": uri})
    own |= {"network": {"vpc": vpc}, "secrets": {"api-key": {"source": "external", "arn": arn}}}
    fleet, _ = configuration(own).read(root)
    assert fleet.network.vpc
    assert fleet.network.vpc.id == vpc["id"]
    (existing,) = Cluster.model_fields["existing"].examples or []
    (center,) = GitOps.model_fields["identity_center"].examples or []
    (gitops,) = Fleet.model_fields["gitops"].examples or []
    own |= {"cluster": {"existing": existing}, "gitops": {**gitops, "identity_center": center}}
    fleet, _ = configuration(own).read(root)
    assert fleet.cluster.existing == ExistingCluster(name="shared")
    assert fleet.gitops
    assert fleet.gitops.identity_center


def test_the_example_of_a_structure_is_one_of_its_kind():
    for model in _models():
        for name, field in model.model_fields.items():
            nested = list(_inside(field.annotation))
            if nested and model is not Fleet:
                (example,) = field.examples or []
                entries = get_origin(field.annotation) is dict
                for entry in example.values() if entries else [example]:
                    assert isinstance(nested[0].model_validate(entry), nested[0])
            elif model is Fleet:
                Fleet.model_validate({name: (field.examples or [])[0]})


@pytest.mark.parametrize(
    ("path", "least", "most", "words"),
    [
        (("replicas", "min"), 1, 4, "a whole number, at least 1 and at most 1000"),
        (("replicas", "max"), 1, 1000, "a whole number, at least 1 and at most 1000"),
        (("replicas", "cpu_percent"), 10, 90, "a whole number, at least 10 and at most 90"),
        (
            ("replicas", "requests_per_minute"),
            1,
            1_000_000,
            "a whole number, at least 1 and at most 1000000",
        ),
        (
            ("concurrency", "utilization_percent"),
            10,
            90,
            "a whole number, at least 10 and at most 90",
        ),
    ],
)
def test_a_number_is_taken_at_its_edges_and_refused_beyond(
    root: Path, path: tuple[str, ...], least: int, most: int, words: str
):
    for edge in (least, most):
        assert not configuration(clock(*path, value=edge)).faults(root)
    beyond = (least - 1, most + 1) if path != ("replicas", "min") else (least - 1, 1001)
    for value in beyond:
        fault = only_fault(clock(*path, value=value), root)
        assert (fault.path, fault.got) == (("servers", "clock", *path), str(value))
        assert fault.allowed == words


@pytest.mark.parametrize(
    ("path", "least"),
    [
        (("concurrency", "reserved"), 1),
        (("concurrency", "provisioned"), 0),
        (("concurrency", "provisioned_max"), 1),
        (("max_request_mib",), 1),
        (("max_response_mib",), 1),
        (("image", "size_mib"), 1),
    ],
)
def test_a_number_without_a_most_is_taken_from_its_least(
    root: Path, path: tuple[str, ...], least: int
):
    kept = {"provisioned": 1} if path[-1] == "provisioned_max" else {}
    own = changed(clock("concurrency", value=kept), "servers", "clock", *path, value=least)
    assert not configuration(own).faults(root)
    fault = only_fault(clock(*path, value=least - 1), root)
    assert (fault.path, fault.got) == (("servers", "clock", *path), str(least - 1))
    assert fault.allowed == f"a whole number, at least {least}"


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        (("agents", "helper", "max_turns"), 1, 100),
        (("gateway", "throttle", "requests_per_second"), 1, 10_000),
        (("gateway", "throttle", "burst"), 1, 5_000),
        (("gateway", "firewall", "requests_per_five_minutes"), 10, 2_000_000_000),
        (("cluster", "managed_nodes", "min"), 1, 450),
        (("cluster", "managed_nodes", "max"), 1, 450),
        (("cluster", "managed_nodes", "disk_gib"), 20, 16_384),
    ],
)
def test_a_number_of_agents_gateways_and_clusters_is_taken_at_its_edges_and_refused_beyond(
    root: Path, path: tuple[str, ...], least: int, most: int
):
    own = SMALLEST | {"agents": {"helper": _WORKLOAD}}
    for edge in (least, most):
        assert not configuration(changed(own, *path, value=edge)).faults(root)
    for beyond in (least - 1, most + 1):
        fault = only_fault(changed(own, *path, value=beyond), root)
        assert (fault.path, fault.got) == (path, str(beyond))
        assert fault.allowed == f"a whole number, at least {least} and at most {most}"


@pytest.mark.parametrize("key", ["cpu", "memory", "pods"])
def test_a_quota_of_a_team_is_one_or_more(root: Path, key: str):
    own = changed(SMALLEST, "teams", "payments", key, value=1)
    assert not configuration(own).faults(root)
    fault = only_fault(changed(own, "teams", "payments", key, value=0), root)
    assert (fault.path, fault.got) == (("teams", "payments", key), "0")
    assert fault.allowed == "a whole number, at least 1"


def test_instructions_have_16000_characters_at_most(root: Path):
    def told(length: int) -> dict[str, Any]:
        return {"agents": {"helper": {**_WORKLOAD, "instructions": "é" * length}}}

    assert not configuration(told(16_000)).faults(root)
    fault = only_fault(told(16_001), root)
    assert fault.path == ("agents", "helper", "instructions")
    assert fault.allowed == "a string of at most 16000 characters"


@pytest.mark.parametrize(
    ("field", "values"),
    [("runs_as", ("container", "state-machine")), ("chat", ("none", "websocket"))],
)
def test_an_agent_takes_the_words_of_a_choice_and_no_other(
    root: Path, field: str, values: tuple[str, ...]
):
    own = {"agents": {"helper": _WORKLOAD}}
    for value in values:
        assert not configuration(changed(own, "agents", "helper", field, value=value)).faults(root)
    fault = only_fault(changed(own, "agents", "helper", field, value="lambda"), root)
    assert (fault.path, fault.got) == (("agents", "helper", field), "lambda")
    assert fault.allowed == f"'{values[0]}' or '{values[1]}'"


@pytest.mark.parametrize("zones", [2, 6])
def test_a_network_has_two_to_six_zones(root: Path, zones: int):
    assert not configuration(SMALLEST | {"network": {"zones": zones}}).faults(root)


@pytest.mark.parametrize("zones", [1, 7])
def test_a_network_has_no_fewer_and_no_more_zones(root: Path, zones: int):
    fault = only_fault(SMALLEST | {"network": {"zones": zones}}, root)
    assert (fault.path, fault.got) == (("network", "zones"), str(zones))
    assert fault.allowed == "a whole number, at least 2 and at most 6"
    assert fault.fix == "pulumi config set --path 'mcp-platform:network.zones' 2"


_WORKLOAD = {"image": {"uri": DIGEST_URI}}


@pytest.mark.parametrize("name", ["a", "a1", "a-b", "a--b", "a" * 32])
def test_a_name_of_1_to_32_characters_is_taken(root: Path, name: str):
    fleet, _ = configuration({"servers": {name: _WORKLOAD}}).read(root)
    assert list(fleet.servers) == [name]


@pytest.mark.parametrize("name", ["", "a" * 33, "A", "1a", "-a", "a-", "a_b", "a.b", "é", "a\n"])
def test_another_name_is_refused(root: Path, name: str):
    for section in ("servers", "agents"):
        fault = only_fault({section: {name: _WORKLOAD}}, root)
        assert fault.path == (section, name)
        assert fault.allowed == (
            "a lower-case letter, then letters, digits, inner dashes; at most 32 characters"
        )


@pytest.mark.parametrize("length", [1, 64])
def test_a_secret_has_a_name_of_1_to_64_characters(root: Path, length: int):
    secrets = {"s" * length: {"source": "generated"}}
    fleet, _ = configuration(SMALLEST | {"secrets": secrets}).read(root)
    assert list(fleet.secrets) == ["s" * length]


def test_a_secret_has_no_name_of_65_characters(root: Path):
    fault = only_fault(SMALLEST | {"secrets": {"s" * 65: {"source": "generated"}}}, root)
    assert (fault.path, fault.got) == (("secrets", "s" * 65), "s" * 65)
    assert fault.allowed == (
        "a lower-case letter, then letters, digits, inner dashes; at most 64 characters"
    )


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (
            ("servers", "clock", "image", "uri"),
            (DIGEST_URI, "localhost:5000/a@sha256:" + "f" * 64),
            ("clock:latest", DIGEST_URI[:-1], DIGEST_URI + "0", DIGEST_URI.upper()),
        ),
        (
            ("servers", "clock", "storage", "mount"),
            ("/data", "/a/b_c.d-e"),
            ("data", "/", "/data/", "/Data", "/a//b", "/..", "/a b"),
        ),
        (
            ("network", "vpc", "id"),
            ("vpc-01234567", "vpc-0123456789abcdef0"),
            ("vpc-0123456", "vpc-0123456789abcdef01", "vpc-0123456g", "subnet-01234567"),
        ),
        (
            ("gateway", "domain"),
            ("a.io", "a" * 52 + ".example.com"),
            ("localhost", "-a.com", "A.com", "a.c", "a..com", "https://a.com"),
        ),
        (
            ("gateway", "zone"),
            ("Z1", "Z" + "A" * 31),
            ("Z", "Z" + "A" * 32, "z123", "example.com"),
        ),
        (
            ("observability", "alarm_email"),
            ("a@b.c",),
            ("a", "a@b", "@b.c", "a@b.c d", "a@@b.c"),
        ),
        (
            ("secrets", "db", "arn"),
            (
                "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b-a1B2c3",
                "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a-ABCDEF",
            ),
            (
                "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a",
                "arn:aws:secretsmanager:eu-west-1:12345678901:secret:a-a1B2c3",
                "arn:aws:s3:::bucket",
                "db",
            ),
        ),
        (("cluster", "version"), ("1.36", "1.99"), ("1.9", "1.100", "2.36", "v1.36", "1.36.1")),
        (
            ("cluster", "existing", "name"),
            ("a", "A_b-1", "a" * 100),
            ("", "a" * 101, "-a", "_a", "a.b"),
        ),
        (
            ("cluster", "access", "ops", "principal_arn"),
            (
                "arn:aws:iam::123456789012:role/ops",
                "arn:aws-cn:iam::123456789012:user/path/some.one@example.com",
            ),
            (
                "arn:aws:iam::123456789012:root",
                "arn:aws:iam::12345678901:role/ops",
                "arn:aws:sts::123456789012:assumed-role/ops/me",
                "arn:aws:iam::123456789012:role/",
                "ops",
            ),
        ),
        (
            ("gitops", "repository"),
            ("https://github.com/example/fleet.git", "ssh://git@github.com/example/fleet.git"),
            ("git@github.com:example/fleet.git", "http://github.com/a", "https://", "file:///a"),
        ),
        (
            ("gitops", "path"),
            ("a", "rendered/production", "a_b/c.d-e"),
            ("", "/a", "a/", "a//b", "..", "a/../b", "./a", "a b"),
        ),
        (
            ("gitops", "branch"),
            ("main", "release/1.2", "a_b"),
            ("", "/main", "-main", "a b"),
        ),
        (
            ("gitops", "identity_center", "instance_arn"),
            (
                "arn:aws:sso:::instance/ssoins-1234567890abcdef",
                "arn:aws:sso:::instance/ins-1234567890abcdef",
            ),
            (
                "arn:aws:sso:::instance/ssoins-1234567890abcde",
                "arn:aws:sso::123456789012:instance/ssoins-1234567890abcdef",
                "ssoins-1234567890abcdef",
            ),
        ),
    ],
)
def test_a_text_is_held_against_its_pattern(
    root: Path, path: tuple[str, ...], good: tuple[str, ...], bad: tuple[str, ...]
):
    own = SMALLEST | {
        "servers": {"clock": {"image": {"uri": DIGEST_URI}}},
        "gateway": {"zone": "Z1"},
        "secrets": {"db": {"source": "external"}},
        "gitops": {"engine": "flux", "repository": "https://github.com/a", "path": "a"},
    }
    if path[1] == "vpc":
        subnets = ["subnet-01234567", "subnet-0123456789abcdef0"]
        own["network"] = {"vpc": {"cidr": "10.0.0.0/16", "private_subnets": subnets}}
    for text in good:
        assert not configuration(changed(own, *path, value=text)).faults(root), text
    for text in bad:
        fault = only_fault(changed(own, *path, value=text), root)
        assert (fault.path, fault.got) == (path, show(text))
        assert fault.allowed in PHRASES.values()
        assert fault.fix
        assert fault.fix.startswith("pulumi config set --path")


@pytest.mark.parametrize("name", ["A", "LOG_LEVEL", "X1"])
def test_a_variable_is_in_upper_case(root: Path, name: str):
    assert not configuration(clock("environment", value={name: "1"})).faults(root)


@pytest.mark.parametrize("name", ["", "a", "1A", "_A", "A-B", "A.B"])
def test_another_variable_is_refused(root: Path, name: str):
    fault = only_fault(clock("environment", value={name: "1"}), root)
    assert fault.path == ("servers", "clock", "environment", name)
    assert fault.allowed == (
        "an upper-case letter, then upper-case letters, digits and underscores"
    )


@pytest.mark.parametrize(
    "model",
    ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-lite-v1:0", "amazon.titan"],
)
def test_a_model_is_a_bedrock_id(root: Path, model: str):
    agent = {**_WORKLOAD, "models": [model]}
    assert not configuration({"agents": {"helper": agent}}).faults(root)


@pytest.mark.parametrize("model", ["", "*", "claude", "anthropic.*", "arn:aws:bedrock:us-east-1"])
def test_another_model_is_refused(root: Path, model: str):
    fault = only_fault({"agents": {"helper": {**_WORKLOAD, "models": [model]}}}, root)
    assert fault.path == ("agents", "helper", "models", 0)
    assert fault.allowed == (
        "the id of a Bedrock model, such as amazon.nova-lite-v1:0, or of an inference profile, "
        "such as us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    )


@pytest.mark.parametrize("seconds", [1, 3970])
def test_a_request_of_1_to_3970_seconds_is_taken(root: Path, seconds: int):
    assert not configuration(clock("max_request_seconds", value=seconds)).faults(root)


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (
            ("cluster", "managed_nodes", "instance_types"),
            ("m7g.large", "u-6tb1.metal", "m7i-flex.2xlarge"),
            ("m7g", "M7G.large", ".large", "m7g.", "m7g large"),
        ),
        (
            ("gitops", "identity_center", "admin_groups"),
            (
                "12345678-90ab-cdef-1234-567890abcdef",
                "1234567890-12345678-90ab-cdef-1234-567890abcdef",
            ),
            ("admins", "12345678-90ab-cdef-1234-567890abcde"),
        ),
        (("cluster", "access", "ops", "namespaces"), ("payments",), ("Payments", "a" * 33)),
    ],
)
def test_each_text_of_a_list_is_held_against_its_pattern(
    root: Path, path: tuple[str, ...], good: tuple[str, ...], bad: tuple[str, ...]
):
    role = "arn:aws:iam::123456789012:role/ops"
    center = "arn:aws:sso:::instance/ssoins-1234567890abcdef"
    own = SMALLEST | {
        "cluster": {"access": {"ops": {"principal_arn": role}}},
        "gitops": {
            "engine": "argocd",
            "repository": "https://github.com/a",
            "path": "a",
            "identity_center": {"instance_arn": center},
        },
    }
    assert not configuration(changed(own, *path, value=list(good))).faults(root)
    for text in bad:
        fault = only_fault(changed(own, *path, value=[good[0], text]), root)
        assert (fault.path, fault.got) == ((*path, 1), show(text))
        assert fault.allowed in PHRASES.values()


@pytest.mark.parametrize(
    ("path", "values", "words"),
    [
        (("cluster", "nodes"), ("auto", "managed"), "'auto' or 'managed'"),
        (("mesh",), ("none", "istio"), "'none', 'istio' or 'app-mesh'"),
        (("gitops", "engine"), ("argocd", "flux"), "'argocd' or 'flux'"),
        (
            ("cluster", "access", "ops", "policy"),
            ("cluster-admin", "admin", "edit", "view"),
            "'cluster-admin', 'admin', 'edit' or 'view'",
        ),
        (
            ("cluster", "existing", "addons"),
            tuple(addon.value for addon in AddOn),
            "'metrics-server', 'amazon-cloudwatch-observability', 'aws-efs-csi-driver' or "
            "'aws-secrets-store-csi-driver-provider'",
        ),
    ],
)
def test_a_choice_of_clusters_is_one_of_its_words(
    root: Path, path: tuple[str, ...], values: tuple[str, ...], words: str
):
    listed = path[-1] == "addons"
    own = SMALLEST | {
        "cluster": {
            "access": {"ops": {"principal_arn": "arn:aws:iam::123456789012:role/ops"}},
            "existing": {"name": "shared"},
        },
        "gitops": {"engine": "flux", "repository": "https://github.com/a", "path": "a"},
    }
    for value in values:
        taken = changed(own, *path, value=[value] if listed else value)
        assert not configuration(taken).faults(root)
    fault = only_fault(changed(own, *path, value=["other"] if listed else "other"), root)
    assert (fault.path, fault.got) == ((*path, 0) if listed else path, "other")
    assert fault.allowed == words


def test_a_server_of_two_lines_has_a_cluster_of_its_own_by_default(root: Path):
    fleet, _ = configuration(SMALLEST | {"target": "eks"}).read(root)
    assert fleet.cluster == Cluster(
        version=None,
        nodes=Nodes.AUTO,
        managed_nodes=ManagedNodes(instance_types=("m7g.large",), min=2, max=6, disk_gib=50),
        namespace="mcp",
        public_access_cidrs=(),
        access={},
        deletion_protection=None,
        existing=None,
    )
    assert (fleet.teams, fleet.gitops, fleet.mesh) == ({}, None, Mesh.NONE)
    assert fleet.servers["clock"].team is None


@pytest.mark.parametrize("gitops", [{}, None])
def test_gitops_of_nothing_is_none(root: Path, gitops: dict[str, Any] | None):
    fleet, _ = configuration(SMALLEST | {"gitops": gitops}).read(root)
    assert fleet.gitops is None


@pytest.mark.parametrize(("written", "read"), [(1.36, "1.36"), (1.4, "1.40"), ("1.36", "1.36")])
def test_a_version_is_read_with_and_without_quotes(written: object, read: str):
    assert Cluster.model_validate({"version": written}).version == read


@pytest.mark.parametrize("written", [1, 1.365, "1.365", "2.36", "latest"])
def test_an_invalid_version_is_refused(written: object):
    with pytest.raises(ValidationError):
        Cluster.model_validate({"version": written})
