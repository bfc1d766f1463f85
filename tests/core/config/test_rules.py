from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from core.config.errors import Fault, show
from core.config.patterns import is_region
from core.config.rules.observability import RETENTION_DAYS
from core.environment import RESERVED
from tests.core.configurations import (
    DIGEST_URI,
    HERE_URI,
    SMALLEST,
    changed,
    clock,
    configuration,
    fixed,
    only_fault,
)

_IMAGE: dict[str, Any] = {"image": {"uri": DIGEST_URI}}
_IMAGE_HERE: dict[str, Any] = {"image": {"uri": HERE_URI}}
_AUTH = {
    "issuer": "https://login.example.com",
    "jwks_uri": "https://login.example.com/jwks.json",
    "audience": "https://mcp.example.com",
}
_PUBLIC: dict[str, Any] = {
    "exposure": "public",
    "domain": "mcp.example.com",
    "zone": "Z0123456789",
    "auth": _AUTH,
}
_VPC: dict[str, Any] = {
    "id": "vpc-01234567",
    "cidr": "10.1.0.0/16",
    "private_subnets": ["subnet-01234567", "subnet-01234568"],
}


def _set(path: str, value: object) -> str:
    return f"pulumi config set --path 'mcp-platform:{path}' {value}"


def _rm(path: str) -> str:
    return f"pulumi config rm --path 'mcp-platform:{path}'"


def test_a_stack_without_region_is_refused(root: Path):
    before = configuration(SMALLEST, region=None)
    assert before.faults(root) == (
        Fault(
            path=("aws:region",),
            got="no value",
            allowed="the name of an AWS Region, for example us-east-1",
            fix="pulumi config set aws:region us-east-1",
        ),
    )


def test_every_region_that_aws_names_is_taken():
    named = {
        region
        for partition in Session().get_available_partitions()
        for region in Session().get_available_regions("lambda", partition_name=partition)
    }
    assert len(named) > 30
    assert [region for region in sorted(named) if not is_region(region)] == []


@pytest.mark.parametrize(
    ("region", "proposed"),
    [
        ("mars-1", "us-east-1"),
        ("EU-WEST-1", "eu-west-1"),
        (" eu-north-1", "eu-north-1"),
        ("us-east-1\n", "us-east-1"),
        ("us-east", "us-east-2"),
        ("us-east-1a", "us-east-1"),
        ("null", "us-east-1"),
    ],
)
def test_an_invalid_region_is_refused(root: Path, region: str, proposed: str):
    (fault,) = configuration(SMALLEST, region=region).faults(root)
    assert fault == Fault(
        path=("aws:region",),
        got=show(region),
        allowed="the name of an AWS Region, for example us-east-1",
        fix=f"pulumi config set aws:region {proposed}",
    )


_ROLE = "arn:aws:iam::123456789012:role/deploy"


@pytest.mark.parametrize(
    ("roles", "got"),
    [
        ([{"roleArn": _ROLE}, {"roleArn": _ROLE}], "2 roles"),
        ([{"roleArn": _ROLE, "externalId": "x"}], "a role with an externalId"),
    ],
)
def test_on_eks_the_deployment_takes_one_role_without_an_id(
    root: Path, roles: list[dict[str, str]], got: str
):
    own = SMALLEST | {"target": "eks"}
    made = configuration(own)
    made.values["aws:assumeRoles"] = roles
    assert made.faults(root) == (
        Fault(
            path=("aws:assumeRoles",),
            got=got,
            allowed=(
                "at most one role without an externalId. Kubernetes credentials come from "
                "aws eks get-token, which supports only one. For a chain of roles or an "
                "external ID, define a profile in the AWS CLI configuration and set "
                "aws:profile"
            ),
            fix="pulumi config rm aws:assumeRoles",
        ),
    )
    made.values["mcp-platform:target"] = "ecs"
    assert made.faults(root) == ()


@pytest.mark.parametrize("roles", ["", "nonsense", "{}", [], [{"roleArn": _ROLE}], ["x"]])
def test_one_role_or_none_is_taken_on_eks(root: Path, roles: Any):
    made = configuration(SMALLEST | {"target": "eks"})
    made.values["aws:assumeRoles"] = roles
    assert made.faults(root) == ()


def test_a_fleet_of_nothing_is_refused(root: Path):
    empty: list[dict[str, Any]] = [{}, {"servers": {}, "agents": {}}]
    for own in empty:
        assert only_fault(own, root) == Fault(
            path=("servers",),
            got="no value",
            allowed="at least one server or agent",
            fix=_set("servers.clock.image.context", "workloads/clock"),
        )


def test_a_fleet_of_one_agent_is_a_fleet(root: Path):
    assert not configuration({"agents": {"helper": _IMAGE}}).faults(root)


def test_a_server_and_an_agent_have_different_names(root: Path):
    assert only_fault(SMALLEST | {"agents": {"clock": _IMAGE}}, root) == Fault(
        path=("agents", "clock"),
        got="the name of a server",
        allowed="a name that is unique across servers and agents",
        fix=_rm("agents.clock"),
    )


@pytest.mark.parametrize(
    ("image", "got", "fix"),
    [
        ({}, "neither context nor uri", _set("servers.clock.image.context", "workloads/clock")),
        (
            {"dockerfile": "Dockerfile"},
            "neither context nor uri",
            _set("servers.clock.image.context", "workloads/clock"),
        ),
        (
            {"context": "workloads/clock", "uri": DIGEST_URI},
            "both context and uri",
            _rm("servers.clock.image.uri"),
        ),
    ],
)
def test_an_image_is_built_or_given(root: Path, image: dict[str, str], got: str, fix: str):
    assert only_fault(clock("image", value=image), root) == Fault(
        path=("servers", "clock", "image"),
        got=got,
        allowed="exactly one of context (a folder to build) and uri (an existing image)",
        fix=fix,
    )


@pytest.mark.parametrize(
    "folder", ["workloads/notes", "workloads/../workloads/notes", "./workloads/notes"]
)
def test_an_image_is_built_from_a_folder_of_the_project(root: Path, folder: str):
    assert not configuration(clock("image", "context", value=folder)).faults(root)


@pytest.mark.parametrize(
    "folder",
    ["workloads/clok", "workloads/clock/Dockerfile", "..", "/workloads/clock", "a\0b", "x" * 5000],
)
def test_an_image_is_built_from_no_other_folder(root: Path, folder: str):
    fault = only_fault(clock("image", "context", value=folder), root)
    assert fault.path == ("servers", "clock", "image", "context")
    assert fault.allowed == "an existing folder inside the project"
    assert fault.fix
    assert fault.fix.startswith(_set("servers.clock.image.context", "workloads/"))
    assert not fixed(configuration(SMALLEST), fault.fix).faults(root)


def test_the_fix_for_a_misspelled_folder_is_the_nearest_with_a_dockerfile(root: Path):
    fault = only_fault(clock("image", "context", value="workloads/ntoes"), root)
    assert (fault.got, fault.fix) == (
        "workloads/ntoes",
        _set("servers.clock.image.context", "workloads/notes"),
    )


def test_a_missing_folder_in_a_project_without_dockerfiles_has_no_fix(tmp_path: Path):
    fault = only_fault(SMALLEST, tmp_path)
    assert (fault.got, fault.fix) == ("workloads/clock", None)


def test_further_contexts_are_folders_of_the_project_too(root: Path):
    image: dict[str, Any] = {"context": "workloads/clock"}
    image["additional_contexts"] = {"common": "workloads/common"}
    assert not configuration(clock("image", value=image)).faults(root)
    image["additional_contexts"] = {"common": "common"}
    fault = only_fault(clock("image", value=image), root)
    assert fault.path == ("servers", "clock", "image", "additional_contexts", "common")
    assert (fault.got, fault.allowed) == ("common", "an existing folder inside the project")


@pytest.mark.parametrize(
    "file", ["Containerfile", "../../outside.Dockerfile", "../clock", "x" * 5000]
)
def test_a_dockerfile_is_a_file_of_its_context(root: Path, file: str):
    fault = only_fault(clock("image", "dockerfile", value=file), root)
    assert fault.path == ("servers", "clock", "image", "dockerfile")
    assert fault.got.endswith(", which is not in workloads/clock")
    assert fault.allowed == "an existing file in the build context"
    assert fault.fix == _set("servers.clock.image.dockerfile", "Dockerfile")


def test_workloads_that_build_the_same_dockerfile_build_it_from_the_same_folders(root: Path):
    image = {"context": "workloads/clock", "additional_contexts": {"common": "workloads/notes"}}
    own = changed(SMALLEST, "servers", "clock", value={"image": image})
    own = changed(own, "servers", "same", value={"image": image})
    assert not configuration(own).faults(root)
    other = {"context": "workloads/clock", "additional_contexts": {"common": "workloads/clock"}}
    own = changed(own, "servers", "other", value={"image": other})
    assert only_fault(own, root) == Fault(
        path=("servers", "other", "image", "additional_contexts"),
        got='{"common": "workloads/clock"}',
        allowed='{"common": "workloads/notes"}, as in clock: workloads that build the same '
        "Dockerfile must have the same additional_contexts",
        fix=(
            "pulumi config set --path"
            " 'mcp-platform:servers.other.image.additional_contexts.common' workloads/notes"
        ),
    )


def test_the_fewest_copies_may_be_the_most(root: Path):
    assert not configuration(clock("replicas", value={"min": 4, "max": 4})).faults(root)


def test_the_fewest_copies_are_not_more_than_the_most(root: Path):
    assert only_fault(clock("replicas", value={"min": 5}), root) == Fault(
        path=("servers", "clock", "replicas", "max"),
        got="4",
        allowed="at least replicas.min (5)",
        fix=_set("servers.clock.replicas.max", 5),
    )


@pytest.mark.parametrize(
    "concurrency",
    [
        {"provisioned": 3},
        {"reserved": 3, "provisioned": 3},
        {"provisioned": 1, "provisioned_max": 1},
        {"reserved": 9, "provisioned": 3, "provisioned_max": 9},
    ],
)
def test_what_is_kept_warm_is_within_what_is_reserved(root: Path, concurrency: dict[str, int]):
    assert not configuration(clock("concurrency", value=concurrency)).faults(root)


@pytest.mark.parametrize(
    ("concurrency", "least"),
    [
        ({"reserved": 2, "provisioned": 3}, 3),
        ({"reserved": 8, "provisioned": 3, "provisioned_max": 9}, 9),
    ],
)
def test_no_fewer_are_reserved_than_are_kept_warm(
    root: Path, concurrency: dict[str, int], least: int
):
    before = configuration(clock("concurrency", value=concurrency))
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("servers", "clock", "concurrency", "reserved"),
        got=str(least - 1),
        allowed=f"at least {least}, the provisioned concurrency",
        fix=_set("servers.clock.concurrency.reserved", least),
    )
    assert not fixed(before, fault.fix or "").faults(root)


@pytest.mark.parametrize(("provisioned", "most"), [(0, 1), (3, 2)])
def test_what_is_kept_warm_follows_the_use_from_one_on_and_upwards(
    root: Path, provisioned: int, most: int
):
    concurrency = {"provisioned": provisioned, "provisioned_max": most}
    before = configuration(clock("concurrency", value=concurrency))
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("servers", "clock", "concurrency", "provisioned_max"),
        got=str(most),
        allowed=f"at least provisioned ({provisioned}), which must be at least 1",
        fix=_rm("servers.clock.concurrency.provisioned_max"),
    )
    assert not fixed(before, fault.fix or "").faults(root)


@pytest.mark.parametrize(
    "keys", [{}, {"runs_as": "state-machine"}, {"runs_as": "container", "uses": ["clock"]}]
)
def test_an_agent_has_an_image_where_it_runs_as_one(root: Path, keys: dict[str, Any]):
    before = configuration(SMALLEST | {"agents": {"assistant": keys}})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("agents", "assistant", "image"),
        got="no value",
        allowed=(
            "an image with a context or a uri. Only an agent on lambda with runs_as: "
            "state-machine needs no image"
        ),
        fix=_set("agents.assistant.image.context", "workloads/assistant"),
    )
    assert not fixed(before, fault.fix or "").faults(root)


@pytest.mark.parametrize(
    ("target", "image"), [("lambda", {}), ("lambda", _IMAGE_HERE), ("ecs", _IMAGE_HERE)]
)
def test_an_agent_that_is_a_state_machine_on_lambda_may_have_an_image_for_elsewhere(
    root: Path, target: str, image: dict[str, Any]
):
    agent = {**image, "runs_as": "state-machine", "models": ["amazon.nova-lite-v1:0"]}
    own = SMALLEST | {"target": target, "agents": {"helper": agent}}
    assert not configuration(own).faults(root)


def test_an_agents_sidecars_are_some_of_the_servers_that_it_uses(root: Path):
    agent: dict[str, Any] = {**_IMAGE, "uses": ["clock"], "sidecars": ["clock"]}
    own = SMALLEST | {"agents": {"helper": agent}}
    assert not configuration(own).faults(root)


@pytest.mark.parametrize(
    ("uses", "sidecars", "position", "allowed"),
    [
        (
            ["clock"],
            ["clock", "notes"],
            1,
            ("servers in uses of the agent, each at most once: clock"),
        ),
        (
            ["clock", "notes"],
            ["clock", "clock"],
            1,
            ("servers in uses of the agent, each at most once: clock, notes"),
        ),
        ([], ["notes"], 0, "servers in uses of the agent, each at most once: uses is empty"),
    ],
)
def test_an_agent_has_no_other_sidecars_and_none_twice(
    root: Path, uses: list[str], sidecars: list[str], position: int, allowed: str
):
    own = {
        "servers": {"clock": _IMAGE, "notes": _IMAGE},
        "agents": {"helper": {**_IMAGE, "uses": uses, "sidecars": sidecars}},
    }
    before = configuration(own)
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("agents", "helper", "sidecars", position),
        got=sidecars[position],
        allowed=allowed,
        fix=_rm(f"agents.helper.sidecars[{position}]"),
    )
    assert not fixed(before, fault.fix or "").faults(root)


def test_an_agent_uses_servers_that_are_declared(root: Path):
    own = SMALLEST | {"agents": {"helper": {**_IMAGE, "uses": ["clok"]}}}
    assert only_fault(own, root) == Fault(
        path=("agents", "helper", "uses", 0),
        got="clok",
        allowed="a name declared in servers: clock",
        fix=_set("agents.helper.uses[0]", "clock"),
    )


def test_an_agent_does_not_use_agents(root: Path):
    own = SMALLEST | {"agents": {"helper": {**_IMAGE, "uses": ["clock", "helper"]}}}
    assert only_fault(own, root) == Fault(
        path=("agents", "helper", "uses", 1),
        got="helper",
        allowed="a name declared in servers: clock",
        fix=_rm("agents.helper.uses[1]"),
    )


def test_a_workload_reads_secrets_that_are_declared(root: Path):
    assert only_fault(clock("secrets", value=["api-key"]), root) == Fault(
        path=("servers", "clock", "secrets", 0),
        got="api-key",
        allowed="a name declared in secrets: secrets is empty",
        fix=_rm("servers.clock.secrets[0]"),
    )


@pytest.mark.parametrize(("section", "field"), [("agents", "uses"), ("servers", "secrets")])
def test_a_name_is_referred_to_once(root: Path, section: str, field: str):
    own = {
        "servers": {"api": _IMAGE},
        "agents": {"helper": _IMAGE},
        "secrets": {"api": {"source": "generated"}},
    }
    name = "api" if section == "servers" else "helper"
    assert only_fault(changed(own, section, name, field, value=["api", "api"]), root) == Fault(
        path=(section, name, field, 1),
        got="api, a duplicate",
        allowed="each name at most once",
        fix=_rm(f"{section}.{name}.{field}[1]"),
    )


@pytest.mark.parametrize("names", [["m7g.large", "m7g.large"], ["m7g.large", "m6g.large"] * 2])
def test_an_entry_of_a_list_appears_once(root: Path, names: list[str]):
    nodes = {"nodes": "managed", "managed_nodes": {"instance_types": names}}
    own = {"target": "eks", "servers": {"clock": _IMAGE}, "cluster": nodes}
    path = ("cluster", "managed_nodes", "instance_types")
    assert configuration(own).faults(root) == tuple(
        Fault(
            path=(*path, position),
            got=f"{name}, a duplicate",
            allowed="each entry at most once",
            fix=_rm(f"cluster.managed_nodes.instance_types[{position}]"),
        )
        for position, name in enumerate(names)
        if name in names[:position]
    )


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_variable_of_the_platform_is_reserved(root: Path, name: str):
    assert only_fault(clock("environment", value={name: "x"}), root) == Fault(
        path=("servers", "clock", "environment", name),
        got="a variable that the platform sets",
        allowed="variables that neither the platform nor a secret sets",
        fix=_rm(f"servers.clock.environment.{name}"),
    )


def test_a_secret_does_not_take_a_variable_of_the_platform(root: Path):
    own = clock("secrets", value=["auth-issuer"])
    own |= {"secrets": {"auth-issuer": {"source": "generated"}}}
    assert only_fault(own, root) == Fault(
        path=("servers", "clock", "secrets"),
        got="auth-issuer",
        allowed="a secret with another name: the platform sets the variable AUTH_ISSUER",
    )


def test_a_variable_and_a_secret_do_not_take_the_same_name(root: Path):
    own = clock("secrets", value=["api-key"])
    own["servers"]["clock"]["environment"] = {"API_KEY": "x"}
    own["secrets"] = {"api-key": {"source": "generated"}}
    assert only_fault(own, root) == Fault(
        path=("servers", "clock", "environment", "API_KEY"),
        got="a variable that the secret api-key sets",
        allowed="variables that neither the platform nor a secret sets",
        fix=_rm("servers.clock.environment.API_KEY"),
    )


def _declared(source: str, **fields: str) -> dict[str, Any]:
    return SMALLEST | {"secrets": {"api-key": {"source": source, **fields}}}


def test_a_secret_from_the_configuration_has_an_encrypted_value(root: Path):
    before = configuration(_declared("config"), encrypted={"secret-api-key": "hush"})
    assert not before.faults(root)


@pytest.mark.parametrize(
    ("plain", "got"), [({}, "no value"), ({"secret-api-key": "hush"}, "a value in plain text")]
)
def test_a_secret_from_the_configuration_has_no_other_value(
    root: Path, plain: dict[str, str], got: str
):
    assert only_fault(_declared("config") | plain, root) == Fault(
        path=("secret-api-key",),
        got=got,
        allowed="the encrypted value of the secret api-key",
        fix="pulumi config set --secret secret-api-key",
    )


@pytest.mark.parametrize("source", ["generated", "external"])
def test_a_secret_from_elsewhere_has_no_value_in_the_configuration(root: Path, source: str):
    before = configuration(_declared(source), encrypted={"secret-api-key": "hush"})
    assert before.faults(root) == (
        Fault(
            path=("secret-api-key",),
            got="a value",
            allowed=f"no value: the secret api-key has source: {source}",
            fix="pulumi config rm 'mcp-platform:secret-api-key'",
        ),
    )


@pytest.mark.parametrize("key", ["secret-other", "secret-"])
def test_a_value_of_no_secret_is_refused(root: Path, key: str):
    before = configuration(_declared("generated"), encrypted={key: "hush"})
    assert before.faults(root) == (
        Fault(
            path=(key,),
            got="a value",
            allowed="secret-<name> only for names declared in secrets",
            fix=f"pulumi config rm 'mcp-platform:{key}'",
        ),
    )


def test_only_an_external_secret_has_an_arn(root: Path):
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:api-key-a1B2c3"
    assert not configuration(_declared("external", arn=arn)).faults(root)
    assert only_fault(_declared("generated", arn=arn), root) == Fault(
        path=("secrets", "api-key", "arn"),
        got=arn,
        allowed="no arn with source: generated",
        fix=_rm("secrets.api-key.arn"),
    )


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "192.168.4.0/22", "172.16.0.0/20"])
def test_a_network_has_a_private_block_of_16_to_22_bits(root: Path, cidr: str):
    assert not configuration(SMALLEST | {"network": {"cidr": cidr, "zones": 6}}).faults(root)


@pytest.mark.parametrize(
    ("cidr", "reason"),
    [
        ("10.0.0.0/15", "'10.0.0.0/15' is a /15; the network must be /16 to /22"),
        ("10.0.0.0/23", "'10.0.0.0/23' is a /23; the network must be /16 to /22"),
        ("10.0.0.1/16", "'10.0.0.1/16' has host bits set; its network is 10.0.0.0/16"),
        ("ten", "'ten' is not an IPv4 CIDR block such as 10.0.0.0/16"),
        (
            "8.8.0.0/16",
            (
                "'8.8.0.0/16' is not private; it must be in one of 10.0.0.0/8, 172.16.0.0/12, "
                "192.168.0.0/16, 100.64.0.0/10"
            ),
        ),
    ],
)
def test_a_network_has_no_other_block(root: Path, cidr: str, reason: str):
    assert only_fault(SMALLEST | {"network": {"cidr": cidr, "zones": 3}}, root) == Fault(
        path=("network", "cidr"),
        got=cidr,
        allowed=f"a private CIDR block for 3 zones ({reason})",
        fix=_set("network.cidr", "10.0.0.0/16"),
    )


@pytest.mark.parametrize(
    ("key", "value", "got"),
    [("cidr", "10.0.0.0/16", "10.0.0.0/16"), ("zones", 2, "2"), ("nat", "none", "none")],
)
def test_an_existing_vpc_goes_with_nothing_else(root: Path, key: str, value: object, got: str):
    assert not configuration(SMALLEST | {"network": {"vpc": _VPC}}).faults(root)
    assert only_fault(SMALLEST | {"network": {"vpc": _VPC, key: value}}, root) == Fault(
        path=("network", key),
        got=got,
        allowed="no value when network.vpc is set: an existing VPC is used as it is",
        fix=_rm(f"network.{key}"),
    )


_BAD_BLOCKS = ["10.0.0.1/16", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/255.255.0.0", "::/0", "all"]


@pytest.mark.parametrize("cidr", _BAD_BLOCKS)
def test_an_existing_vpc_is_given_with_its_block(root: Path, cidr: str):
    fault = only_fault(SMALLEST | {"network": {"vpc": {**_VPC, "cidr": cidr}}}, root)
    assert (fault.path, fault.got) == (("network", "vpc", "cidr"), cidr)
    assert fault.allowed == "an IPv4 CIDR block without host bits, for example 203.0.113.0/24"


@pytest.mark.parametrize("cidr", _BAD_BLOCKS)
def test_callers_come_from_blocks(root: Path, cidr: str):
    own = SMALLEST | {"gateway": {"allow_cidrs": ["10.0.0.0/8", cidr]}}
    assert only_fault(own, root) == Fault(
        path=("gateway", "allow_cidrs", 1),
        got=cidr,
        allowed="an IPv4 CIDR block without host bits, for example 203.0.113.0/24",
        fix=_set("gateway.allow_cidrs[1]", "203.0.113.0/24"),
    )


def test_a_gateway_with_authentication_may_be_public(root: Path):
    own = SMALLEST | {"gateway": {**_PUBLIC, "allow_cidrs": ["0.0.0.0/0"]}}
    assert not configuration(own).faults(root)


_KNOWN_CALLERS = (
    "CIDR blocks of known clients, together at most a /8 of public addresses; or set "
    "gateway.auth to allow any address"
)


def test_a_gateway_without_authentication_is_never_public(root: Path):
    assert only_fault(SMALLEST | {"gateway": {"allow_cidrs": ["0.0.0.0/0"]}}, root) == Fault(
        path=("gateway", "allow_cidrs", 0),
        got="0.0.0.0/0",
        allowed=_KNOWN_CALLERS,
        fix=_rm("gateway.allow_cidrs[0]"),
    )


@pytest.mark.parametrize("target", ["ecs", "eks", "lambda"])
def test_callers_are_judged_by_what_their_blocks_cover_together(root: Path, target: str):
    half = ["198.51.100.0/24", "0.0.0.0/1", "128.0.0.0/1"]
    uri = {"servers": {"clock": _IMAGE_HERE}}
    before = configuration(uri | {"target": target, "gateway": {"allow_cidrs": half}})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("gateway", "allow_cidrs", 1),
        got="0.0.0.0/1, 128.0.0.0/1",
        allowed=_KNOWN_CALLERS,
        fix=f"{_rm('gateway.allow_cidrs[2]')} && {_rm('gateway.allow_cidrs[1]')}",
    )
    assert not fixed(before, fault.fix or "").faults(root)
    with_a_token = {**_PUBLIC, "allow_cidrs": half}
    assert not configuration(uri | {"target": target, "gateway": with_a_token}).faults(root)


@pytest.mark.parametrize("length", [16, 28])
def test_the_block_of_an_existing_vpc_may_be_as_large_as_aws_has_them(root: Path, length: int):
    vpc = {**_VPC, "cidr": f"10.1.0.0/{length}"}
    assert not configuration(SMALLEST | {"network": {"vpc": vpc}}).faults(root)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "10.0.0.0/15", "10.1.0.0/29", "10.1.0.1/32"])
def test_another_block_is_no_vpcs(root: Path, cidr: str):
    before = configuration(SMALLEST | {"network": {"vpc": {**_VPC, "cidr": cidr}}})
    (fault,) = before.faults(root)
    assert (fault.path, fault.got) == (("network", "vpc", "cidr"), cidr)
    assert fault.allowed == (
        "the CIDR block of a VPC, /16 to /28: clients in this block can reach a private gateway"
    )
    assert not fixed(before, fault.fix or "").faults(root)


@pytest.mark.parametrize(
    ("private", "public", "path"),
    [
        (["subnet-00000001", "subnet-00000002", "subnet-00000001"], [], ("private_subnets", 2)),
        (
            ["subnet-00000001", "subnet-00000002"],
            ["subnet-00000003", "subnet-00000003"],
            ("public_subnets", 1),
        ),
        (["subnet-00000001", "subnet-00000002"], ["subnet-00000002"], ("public_subnets", 0)),
    ],
)
def test_every_subnet_is_named_once(
    root: Path, private: list[str], public: list[str], path: tuple[str, int]
):
    vpc = {**_VPC, "private_subnets": private, "public_subnets": public}
    before = configuration(SMALLEST | {"network": {"vpc": vpc}})
    (fault,) = before.faults(root)
    assert fault.path == ("network", "vpc", *path)
    assert fault.allowed == "each subnet at most once, as private or as public"
    assert not fixed(before, fault.fix or "").faults(root)


def test_a_public_gateway_has_domain_zone_and_authentication(root: Path):
    assert not configuration(SMALLEST | {"gateway": _PUBLIC}).faults(root)
    before = configuration(SMALLEST | {"gateway": {"exposure": "public"}})
    domain, zone, auth = before.faults(root)
    assert domain == Fault(
        path=("gateway", "domain"),
        got="no value",
        allowed="a value: TLS is required for a public gateway and for auth",
        fix=_set("gateway.domain", "mcp.example.com"),
    )
    assert zone == Fault(
        path=("gateway", "zone"),
        got="no value",
        allowed=(
            "a value: DNS records for the domain and its certificate are created in this "
            "hosted zone"
        ),
        fix=_set("gateway.zone", "Z0123456789ABCDEFGHIJ"),
    )
    assert auth == Fault(
        path=("gateway", "auth"),
        got="no value",
        allowed="a value: a public gateway must authenticate its clients",
        fix=" && ".join(
            (
                _set("gateway.auth.issuer", "https://login.example.com"),
                _set("gateway.auth.jwks_uri", "https://login.example.com/.well-known/jwks.json"),
                _set("gateway.auth.audience", "https://mcp.example.com"),
            )
        ),
    )
    for fault in (domain, zone, auth):
        assert fault.fix
        before = fixed(before, fault.fix)
    assert not before.faults(root)


def test_an_audience_is_as_long_as_a_load_balancer_checks_it(root: Path):
    def told(length: int) -> dict[str, Any]:
        return SMALLEST | {"gateway": _PUBLIC | {"auth": _AUTH | {"audience": "a" * length}}}

    assert not configuration(told(256)).faults(root)
    fault = only_fault(told(257), root)
    assert fault.path == ("gateway", "auth", "audience")
    assert fault.allowed == "a string of at most 256 characters"


def test_a_domain_is_as_long_as_a_certificate_names_it(root: Path):
    def told(domain: str) -> dict[str, Any]:
        return SMALLEST | {"gateway": _PUBLIC | {"domain": domain}}

    longest = f"{'a' * 50}.mcp.example.com"[-64:]
    assert not configuration(told(longest)).faults(root)
    fault = only_fault(told("a" + longest), root)
    assert fault.path == ("gateway", "domain")
    assert "at most 64 characters" in str(fault.allowed)


def test_a_private_gateway_needs_a_domain_only_for_tokens_and_a_zone_only_with_a_domain(root: Path):
    def missing(**gateway: Any) -> list[Any]:
        return [fault.path[1] for fault in configuration(own(gateway)).faults(root)]

    def own(gateway: dict[str, Any]) -> dict[str, Any]:
        return SMALLEST | {"gateway": gateway}

    assert missing(auth=_AUTH) == ["domain", "zone"]
    assert missing(domain="mcp.example.com") == ["zone"]
    assert missing(zone="Z1") == []


def test_a_public_gateway_in_an_existing_vpc_needs_two_public_subnets(root: Path):
    own = SMALLEST | {"gateway": _PUBLIC, "network": {"vpc": _VPC}}
    two = ["subnet-11111111", "subnet-22222222"]
    assert not configuration(changed(own, "network", "vpc", "public_subnets", value=two)).faults(
        root
    )
    one = changed(own, "network", "vpc", "public_subnets", value=two[:1])
    for short, got in ((own, "[]"), (one, '["subnet-11111111"]')):
        assert only_fault(short, root) == Fault(
            path=("network", "vpc", "public_subnets"),
            got=got,
            allowed=(
                "at least two public subnets in different Availability Zones, for the public "
                "gateway"
            ),
        )


@pytest.mark.parametrize("days", RETENTION_DAYS)
def test_logs_are_kept_for_as_long_as_cloudwatch_offers(root: Path, days: int):
    own = SMALLEST | {"observability": {"retention_days": days}}
    assert not configuration(own).faults(root)


@pytest.mark.parametrize(("days", "nearest"), [(0, 1), (2, 1), (31, 30), (100, 90), (3654, 3653)])
def test_logs_are_kept_for_no_other_time(root: Path, days: int, nearest: int):
    assert only_fault(SMALLEST | {"observability": {"retention_days": days}}, root) == Fault(
        path=("observability", "retention_days"),
        got=str(days),
        allowed=(
            "one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, "
            "2192, 2557, 2922, 3288, 3653"
        ),
        fix=_set("observability.retention_days", nearest),
    )


def _tagged(tags: dict[str, str]) -> dict[str, Any]:
    return SMALLEST | {"tags": tags}


def test_45_tags_are_enough(root: Path):
    tags = {f"t{number}": "" for number in range(46)}
    assert only_fault(_tagged(tags), root) == Fault(
        path=("tags",), got="46 tags", allowed="at most 45 tags"
    )
    del tags["t0"]
    assert not configuration(_tagged(tags)).faults(root)


@pytest.mark.parametrize(
    "key", ["k", "k" * 128, "cost.center", "a b/c:d=e+f-g@h_i", "é", "my-aws:"]
)
def test_a_tag_has_a_key_of_1_to_128_characters(root: Path, key: str):
    assert not configuration(_tagged({key: "v" * 256})).faults(root)


@pytest.mark.parametrize("key", ["", "k" * 129, "aws:x", "AWS:x"])
def test_a_tag_has_no_other_key(root: Path, key: str):
    fault = only_fault(_tagged({key: "v"}), root)
    assert fault.path == ("tags", key)
    assert fault.allowed == "a key of 1 to 128 characters that does not start with aws:"
    assert fault.fix
    assert not fixed(configuration(_tagged({key: "v"})), fault.fix).faults(root)


def test_a_tag_has_no_value_of_257_characters(root: Path):
    assert only_fault(_tagged({"k": "v" * 257}), root) == Fault(
        path=("tags", "k"),
        got="257 characters",
        allowed="a value of at most 256 characters",
        fix=_rm("tags.k"),
    )


@pytest.mark.parametrize(("key", "value"), [("a!b#", "v"), ("k", "#v!")])
def test_a_tag_has_no_other_signs(root: Path, key: str, value: str):
    fault = only_fault(_tagged({key: value}), root)
    assert (fault.path, fault.got) == (("tags", key), "the characters !#")
    assert fault.allowed == "letters, digits, spaces and + - . / : = @ _"


def test_a_team_without_workloads_is_a_typo_on_eks(root: Path):
    own: dict[str, Any] = {
        "target": "eks",
        "servers": {"clock": {**_IMAGE, "team": "payments"}, "other": _IMAGE},
        "teams": {"payments": {}},
    }
    assert not configuration(own).faults(root)
    own["teams"]["paymets"] = {}
    fault = only_fault(own, root)
    assert fault == Fault(
        path=("teams", "paymets"),
        got="a team without workloads",
        allowed="teams of workloads: payments",
        fix=_rm("teams.paymets"),
    )
    assert not fixed(configuration(own), fault.fix or "").faults(root)
    for target in ("lambda", "ecs"):
        elsewhere = own | {"target": target, "servers": {"clock": _IMAGE_HERE}}
        assert not configuration(elsewhere).faults(root)


def test_where_no_workload_has_a_team_no_team_is_declared(root: Path):
    own = SMALLEST | {"target": "eks", "teams": {"payments": {"pods": 1}}}
    assert only_fault(own, root).allowed == "teams of workloads: no workload sets team"


@pytest.mark.parametrize(
    "unread", [{"servers": {"clock": {"team": "payments"}}}, {"servers": 5}, {"agents": 5}]
)
def test_a_workload_that_cannot_be_read_may_be_the_one_that_belongs_to_a_team(
    root: Path, unread: dict[str, Any]
):
    teams: dict[str, Any] = {"payments": {}}
    own = SMALLEST | {"target": "eks", "teams": teams} | unread
    assert not [fault for fault in configuration(own).faults(root) if fault.path[0] == "teams"]


@pytest.mark.parametrize(
    ("target", "instead"), [("lambda", "none"), ("ecs", "none"), ("eks", "istio")]
)
def test_app_mesh_has_ended_on_every_target(root: Path, target: str, instead: str):
    before = configuration(SMALLEST | {"target": target, "mesh": "app-mesh"})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("mesh",),
        got="app-mesh",
        allowed="none, or istio on eks. AWS App Mesh was discontinued on 2026-09-30",
        fix=_set("mesh", instead),
    )
    assert not fixed(before, fault.fix or "").faults(root)


@pytest.mark.parametrize("target", ["lambda", "ecs", "eks"])
@pytest.mark.parametrize("mesh", ["none", "istio"])
def test_another_mesh_is_taken_on_every_target(root: Path, target: str, mesh: str):
    assert not configuration(SMALLEST | {"target": target, "mesh": mesh}).faults(root)


@pytest.mark.parametrize("target", ["lambda", "ecs", "eks"])
@pytest.mark.parametrize("block", ["203.0.113.1/24", "203.0.113.1", "2001:db8::/32", "office"])
def test_what_reaches_the_api_of_a_cluster_is_a_block_on_every_target(
    root: Path, target: str, block: str
):
    cluster = {"public_access_cidrs": ["198.51.100.0/24", block]}
    own = SMALLEST | {"target": target, "cluster": cluster}
    fault = only_fault(own, root)
    assert fault == Fault(
        path=("cluster", "public_access_cidrs", 1),
        got=block,
        allowed="an IPv4 CIDR block without host bits, for example 203.0.113.0/24",
        fix=_set("cluster.public_access_cidrs[1]", "203.0.113.0/24"),
    )
    assert not fixed(configuration(own), fault.fix or "").faults(root)


_CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"


@pytest.mark.parametrize("target", ["ecs", "eks", "lambda"])
def test_a_certificate_of_the_stacks_region_goes_with_a_domain(root: Path, target: str):
    own = {"servers": {"clock": _IMAGE_HERE}, "target": target}
    gateway = {"domain": "mcp.example.com", "zone": "Z1", "certificate_arn": _CERTIFICATE}
    assert not configuration(own | {"gateway": gateway}).faults(root)
    far = _CERTIFICATE.replace("us-east-1", "eu-west-1")
    before = configuration(own | {"gateway": {**gateway, "certificate_arn": far}})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("gateway", "certificate_arn"),
        got="a certificate in eu-west-1",
        allowed="a certificate in us-east-1, the stack's region",
        fix=_rm("gateway.certificate_arn"),
    )
    assert not fixed(before, fault.fix or "").faults(root)


def test_a_certificate_without_a_domain_is_for_nothing(root: Path):
    assert only_fault(SMALLEST | {"gateway": {"certificate_arn": _CERTIFICATE}}, root) == Fault(
        path=("gateway", "certificate_arn"),
        got=show(_CERTIFICATE),
        allowed="no value without gateway.domain",
        fix=_rm("gateway.certificate_arn"),
    )


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "certificate/12345678-1234-1234-1234-123456789012",
        "arn:aws:iam::123456789012:server-certificate/mcp",
        _CERTIFICATE.replace("123456789012:", "1:"),
        f"{_CERTIFICATE} ",
    ],
)
def test_an_arn_that_is_no_certificate_of_acm_is_refused(root: Path, arn: str):
    gateway = {"domain": "mcp.example.com", "zone": "Z1", "certificate_arn": arn}
    fault = only_fault(SMALLEST | {"gateway": gateway}, root)
    assert fault.path == ("gateway", "certificate_arn")
    assert fault.allowed == "the ARN of a certificate of AWS Certificate Manager"


def _named(*letters: str, **more: object) -> dict[str, Any]:
    names = [f"us-east-1{letter}" for letter in letters]
    return SMALLEST | {"network": {"zone_names": names, **more}}


def test_zones_are_named_two_to_six_of_the_region_each_once(root: Path):
    for letters in ("ab", "fedcba"):
        assert not configuration(_named(*letters)).faults(root)
        fleet, _ = configuration(_named(*letters)).read(root)
        assert fleet.network.zone_count == len(letters)
    assert not configuration(_named(*"abc", zones=3)).faults(root)
    assert not configuration(_named(*"abcdef", cidr="10.0.0.0/22")).faults(root)


@pytest.mark.parametrize("letters", ["a", "abcdefg"])
def test_one_zone_and_seven_are_refused(root: Path, letters: str):
    fault = only_fault(_named(*letters), root)
    assert (fault.path, fault.got) == (("network", "zone_names"), f"{len(letters)} zones")
    assert fault.allowed == "2 to 6 zones"
    assert fault.fix == _rm("network.zone_names")


def test_zones_and_zone_names_that_differ_are_refused(root: Path):
    assert only_fault(_named(*"ab", zones=3), root) == Fault(
        path=("network", "zones"),
        got="3",
        allowed="no value when zone_names is set, or the number of zone_names (2)",
        fix=_rm("network.zones"),
    )


@pytest.mark.parametrize("name", ["us-west-2b", "us-east-1", "us-east-1-atl-1a", "us-east-12b"])
def test_a_zone_of_another_region_and_a_local_zone_are_refused(root: Path, name: str):
    network = {"network": {"zone_names": ["us-east-1a", name]}}
    assert only_fault(SMALLEST | network, root) == Fault(
        path=("network", "zone_names", 1),
        got=name,
        allowed="an Availability Zone of us-east-1, for example us-east-1a",
        fix=_set("network.zone_names[1]", "us-east-1b"),
    )


def test_a_zone_that_is_named_twice_is_refused(root: Path):
    assert only_fault(_named(*"aba"), root) == Fault(
        path=("network", "zone_names", 2),
        got="us-east-1a, a duplicate",
        allowed="each zone at most once",
        fix=_rm("network.zone_names[2]"),
    )
