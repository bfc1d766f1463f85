"""A stack that moves between targets: the resources that are kept or deleted, and the order."""

import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cloud.store import StoredResource
from tests.engine.sandbox_run import STACK, Sandbox, create

pytestmark = pytest.mark.engine

KEPT = {
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ecr/repository:Repository",
    "aws:efs/accessPoint:AccessPoint",
    "aws:efs/fileSystem:FileSystem",
    "aws:efs/mountTarget:MountTarget",
    "aws:kms/key:Key",
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace",
    "aws:sns/topic:Topic",
    "docker-build:index:Image",
}
OF_TARGET = {
    "ecs": ("aws:ecs/",),
    "eks": ("aws:eks/", "kubernetes:"),
    "lambda": ("aws:lambda/", "aws:apigateway/restApi"),
}
"""The prefixes of types that only one target has."""
DOMAIN = {
    "exposure": "public",
    "domain": "mcp.example.com",
    "zone": "Z0123456789ABCDEFGHIJ",
    "auth": {
        "issuer": "https://login.example.com",
        "jwks_uri": "https://login.example.com/.well-known/jwks.json",
        "audience": "https://mcp.example.com",
    },
}


WALK = ("lambda", "eks", "ecs", "eks", "lambda", "ecs")
"""Every switch between two targets once, starting from ECS."""
SWITCHES = tuple(itertools.pairwise(("ecs", *WALK)))
LOG_ROLE = {
    "aws:apigateway/account:Account",
    "aws:iam/role:Role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
}
"""The resources that a Lambda fleet retains, because other APIs in the region use them."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A stack after an `up`.

    Attributes:
        steps: The steps of the `up`.
        ids: The ids of the resources that a switch keeps, by URN.
        gateway: The ids of the load balancer's resources, by URN.
        values: The values of the secrets, by URN.
        logical_names: The logical names of all resources.
        types: The number of objects in the cloud by type.
        outputs: The stack's outputs.
    """

    steps: list[tuple[str, str]]
    ids: dict[str, str]
    gateway: dict[str, str]
    values: dict[str, Any]
    logical_names: list[str]
    types: Counter[str]
    outputs: dict[str, Any]


def _look(sandbox: Sandbox, steps: list[tuple[str, str]]) -> Seen:
    plain = json.loads(sandbox.must("stack", "export", "--stack", STACK, "--show-secrets"))
    _, *resources = plain["deployment"]["resources"]
    return Seen(
        steps=steps,
        ids={
            each["urn"]: each["id"]
            for each in resources
            if each["type"] in KEPT and "mcp-platform:foundation:Foundation$" in each["urn"]
        },
        gateway={
            each["urn"]: each["id"]
            for each in resources
            if "mcp-platform:gateway:Gateway$" in each["urn"]
        },
        values={
            each["urn"]: each["inputs"]["secretString"]["plaintext"]
            for each in resources
            if each["type"] == "aws:secretsmanager/secretVersion:SecretVersion"
        },
        logical_names=[each["urn"].split("::")[-1] for each in resources],
        types=Counter(stored.type for stored in sandbox.cloud.list()),
        outputs=sandbox.outputs(),
    )


def _steps(log: str) -> list[tuple[str, str]]:
    """The steps of an `up` in order: created or deleted, and the name of the resource."""
    return [
        (done, name)
        for name, done in re.findall(r"^ [+-]+ +\S+ (\S+) (created|deleted) ", log, re.MULTILINE)
    ]


def _switch(sandbox: Sandbox, target: str) -> list[tuple[str, str]]:
    sandbox.configure("target", target)
    steps = _steps(sandbox.up())
    sandbox.must("preview", "--stack", STACK, "--expect-no-changes")
    return steps


@pytest.fixture(scope="module")
def walk(example: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Sandbox, list[Seen]]:
    """The example fleet after all switches, and the stack at the start and after each."""
    sandbox = example.copy(tmp_path_factory.mktemp("switch") / "fleet")
    seen = [_look(sandbox, [])]
    seen += [_look(sandbox, _switch(sandbox, target)) for target in WALK]
    return sandbox, seen


def test_the_walk_has_every_switch_between_two_targets_once() -> None:
    assert sorted(SWITCHES) == sorted(itertools.permutations(("ecs", "eks", "lambda"), 2))


def test_what_the_foundation_holds_keeps_its_id(walk: tuple[Sandbox, list[Seen]]) -> None:
    first, *later = walk[1]
    assert {urn.split("::")[2].split("$")[-1] for urn in first.ids} == KEPT
    assert [each.ids for each in later] == [first.ids] * len(WALK)


def test_secrets_keep_their_values(walk: tuple[Sandbox, list[Seen]]) -> None:
    first, *later = walk[1]
    assert len(first.values) == 3
    assert [each.values for each in later] == [first.values] * len(WALK)


@pytest.mark.parametrize(
    ("place", "left", "target"), [(i, *each) for i, each in enumerate(SWITCHES)]
)
def test_new_things_are_made_before_old_ones_go(
    walk: tuple[Sandbox, list[Seen]], place: int, left: str, target: str
) -> None:
    steps = walk[1][place + 1].steps
    made = [place for place, (done, _) in enumerate(steps) if done == "created"]
    gone = [
        place
        for place, (done, name) in enumerate(steps)
        if done == "deleted" and name.startswith((f"{left}-", "gateway-"))
    ]
    assert [name for done, name in steps if done == "created" and name.startswith(f"{target}-")]
    assert min(len(made), len(gone)) > 25
    assert max(made) < min(gone)


@pytest.mark.parametrize(
    ("place", "left", "target"), [(i, *each) for i, each in enumerate(SWITCHES)]
)
def test_nothing_of_the_target_that_was_left_stays(
    walk: tuple[Sandbox, list[Seen]], place: int, left: str, target: str
) -> None:
    now = walk[1][place + 1]
    assert [name for name in now.logical_names if name.startswith(f"{left}-")] == []
    assert [name for name in now.types if name.startswith(OF_TARGET[left])] == []
    assert [name for name in now.types if name.startswith(OF_TARGET[target])] != []


@pytest.mark.parametrize("target", ["ecs", "eks", "lambda"])
def test_a_target_has_the_same_in_the_cloud_whenever_it_comes(
    walk: tuple[Sandbox, list[Seen]], target: str
) -> None:
    # The first Lambda fleet creates the log role, and no switch deletes it.
    visits = [
        Counter({name: count for name, count in each.types.items() if name not in LOG_ROLE})
        for each, visited in zip(walk[1], ("ecs", *WALK), strict=True)
        if visited == target
    ]
    assert len(visits) > 1
    assert visits == [visits[0]] * len(visits)


@pytest.mark.parametrize("place", [i for i, each in enumerate(SWITCHES) if "lambda" not in each])
def test_the_gateway_is_the_same_between_ecs_and_eks(
    walk: tuple[Sandbox, list[Seen]], place: int
) -> None:
    before, after = walk[1][place : place + 2]
    types = Counter(urn.split("::")[2].split("$")[-1] for urn in before.gateway)
    assert types["aws:lb/loadBalancer:LoadBalancer"] == types["aws:lb/listener:Listener"] == 1
    assert types["aws:lb/targetGroup:TargetGroup"] == types["aws:lb/listenerRule:ListenerRule"] == 3
    assert after.gateway == before.gateway
    for name in ("gateway_url", "servers", "agents", "mcp_json"):
        assert after.outputs[name] == before.outputs[name]


def test_the_outputs_are_of_the_same_shape_on_all(walk: tuple[Sandbox, list[Seen]]) -> None:
    first, *others = (each.outputs for each in walk[1])
    for other in others:
        assert other.keys() == first.keys()
        for name in ("servers", "agents", "log_groups", "chat", "discovery"):
            assert other[name].keys() == first[name].keys()
        assert other["log_groups"] == first["log_groups"]


def test_a_switched_stack_is_destroyed_to_nothing_but_the_log_role(
    walk: tuple[Sandbox, list[Seen]], tmp_path: Path
) -> None:
    sandbox = walk[0].copy(tmp_path / "destroyed")
    sandbox.must("destroy", "--yes", "--stack", STACK)
    assert {stored.type for stored in sandbox.cloud.list()} == LOG_ROLE


@pytest.fixture(scope="module")
def with_domain(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The example fleet with a domain in an existing zone; change only copies."""
    sandbox = create(tmp_path_factory.mktemp("switch") / "domain")
    name = {"name": "example.com", "zoneId": DOMAIN["zone"]}
    sandbox.cloud.put(
        StoredResource(
            provider="aws",
            type="aws:route53/zone:Zone",
            id=str(DOMAIN["zone"]),
            inputs={"name": "example.com"},
            properties=name,
        )
    )
    sandbox.configure("gateway", DOMAIN)
    sandbox.up()
    return sandbox


@pytest.mark.parametrize("target", ["eks", "lambda"])
def test_a_domain_keeps_its_certificate_and_its_record_changes_only_with_the_gateway(
    with_domain: Sandbox, tmp_path: Path, target: str
) -> None:
    sandbox = with_domain.copy(tmp_path / "domain")
    sandbox.configure("target", target)
    changed = {name for names in sandbox.changes().values() for name in names}
    kept = {"certificate-acm", "certificate-record", "certificate-validation"}
    assert not kept & changed
    assert ("published-address" in changed) == (target == "lambda")


SLOW = (
    "aws:apigateway/stage:Stage",
    "aws:ecs/service:Service",
    "aws:lambda/alias:Alias",
    "aws:lambda/permission:Permission",
    "kubernetes:apps/v1:Deployment",
)
"""What a target needs to serve. The record and the discovery document must change after it."""

LAST = {"lambda": "aws:lambda/permission:Permission", "ecs": "aws:ecs/service:Service"}


def _leads_to(sandbox: Sandbox) -> tuple[str, str]:
    """The targets of the domain and of the discovery document."""
    (record,) = (
        stored
        for stored in sandbox.cloud.list("aws", "aws:route53/record:Record")
        if stored.properties["type"] == "A"
    )
    (parameter,) = sandbox.cloud.list("aws", "aws:ssm/parameter:Parameter")
    return record.properties["aliases"][0]["name"], parameter.properties["value"]


@pytest.mark.parametrize(("left", "target"), [("ecs", "lambda"), ("lambda", "ecs")])
def test_a_domain_leads_to_the_old_target_until_all_of_the_new_one_answers(
    walk_of_domain: dict[str, Sandbox], tmp_path: Path, left: str, target: str
) -> None:
    sandbox = walk_of_domain[left].copy(tmp_path / "fleet")
    before, old = _leads_to(sandbox), _things(sandbox)
    faults = tmp_path / "faults.yaml"
    failure = {"type": LAST[target], "operation": "create", "skip": 1, "fail": "out of capacity"}
    faults.write_text(yaml.safe_dump([failure]))
    sandbox.configure("target", target)
    failed = sandbox.run(
        "up", "--yes", "--skip-preview", "--stack", STACK, SANDBOX_FAULTS=str(faults)
    )
    assert failed.returncode != 0
    assert _leads_to(sandbox) == before
    assert {each for each in old if each[0].startswith(OF_TARGET[left])} <= _things(sandbox)

    late = [{"type": each, "operation": "create", "latency": 2} for each in SLOW]
    faults.write_text(yaml.safe_dump(late))
    log = sandbox.up(SANDBOX_FAULTS=str(faults))
    assert _leads_to(sandbox) != before
    told = [
        (name, done) for name, done in re.findall(r"^ [-+~]+ +\S+ (\S+) (\w+) ", log, re.MULTILINE)
    ]
    answers = [
        place
        for place, (name, done) in enumerate(told)
        if done == "created" and name.startswith((f"{target}-", "gateway-"))
    ]
    gone = [
        place
        for place, (name, done) in enumerate(told)
        if done == "deleting" and name.startswith((f"{left}-", "gateway-"))
    ]
    assert answers != []
    for name in ("published-address", "published-discovery"):
        assert max(answers) < told.index((name, "updating"))
        assert told.index((name, "updated")) < min(gone)


@pytest.fixture(scope="module")
def walk_of_domain(
    with_domain: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Sandbox]:
    """The fleet with a domain, by target."""
    serverless = with_domain.copy(tmp_path_factory.mktemp("switch") / "serverless")
    serverless.configure("target", "lambda")
    kept = {"certificate-acm", "certificate-record", "certificate-validation", "published-address"}
    before = {each["urn"]: each["id"] for each in with_domain.resources() if _name(each) in kept}
    serverless.up()
    after = {each["urn"]: each["id"] for each in serverless.resources() if _name(each) in kept}
    assert len(before) == len(kept)
    assert after == before
    assert (
        serverless.outputs()["gateway_url"]
        == with_domain.outputs()["gateway_url"]
        == "https://mcp.example.com"
    )
    return {"ecs": with_domain, "lambda": serverless}


def _name(resource: dict[str, Any]) -> str:
    return resource["urn"].split("::")[-1]


_STACK_URN = f"urn:pulumi:{STACK}::mcp-platform::"
GATEWAY = "mcp-platform:gateway:Gateway"
MOVED = {
    "certificate-acm": (GATEWAY, "gateway", "gateway-certificate"),
    "certificate-record": (GATEWAY, "gateway", "gateway-certificate-record"),
    "certificate-validation": (GATEWAY, "gateway", "gateway-certificate-validation"),
    "published-address": (GATEWAY, "gateway", "gateway-address"),
}
"""Resources that are children of the load balancer's component in a stack of the first release: the
types of the parent, its name, and the former name of the resource."""

_SUBNET = (
    "mcp-platform:foundation:Foundation$mcp-platform:foundation:Network"
    "$awsx:ec2:Vpc$aws:ec2/vpc:Vpc$aws:ec2/subnet:Subnet"
)
_ROUTE_TABLE = f"{_SUBNET}$aws:ec2/routeTable:RouteTable"
_PUBLIC, _PRIVATE = "fleet-network-vpc-public", "fleet-network-vpc-private"
MOVED_FROM_VPC = {
    "fleet-network-nat-1": (_SUBNET, f"{_PUBLIC}-1", "fleet-network-vpc-1"),
    "fleet-network-nat-1-address": (_SUBNET, f"{_PUBLIC}-1", "fleet-network-vpc-1"),
    "fleet-network-egress-1": (_ROUTE_TABLE, f"{_PRIVATE}-1", f"{_PRIVATE}-1"),
    "fleet-network-egress-2": (_ROUTE_TABLE, f"{_PRIVATE}-2", f"{_PRIVATE}-2"),
}
"""The same for a stack whose NAT gateway awsx created."""


def _move_back(sandbox: Sandbox, moved: dict[str, tuple[str, str, str]], file: Path) -> None:
    """Restores the URNs and parents that resources had before they were moved."""
    text = sandbox.must("stack", "export", "--stack", STACK)
    parents: dict[str, str] = {}
    for each in json.loads(text)["deployment"]["resources"]:
        *_, types, name = each["urn"].split("::")
        if name in moved:
            above, parent, former = moved[name]
            was = f"{_STACK_URN}{above}${types.split('$')[-1]}::{former}"
            parents[was] = f"{_STACK_URN}{above}::{parent}"
            text = text.replace(f'"{each["urn"]}"', f'"{was}"')
    assert len(parents) == len(moved)
    state = json.loads(text)
    resources = state["deployment"]["resources"]
    for each in resources:
        each["parent"] = parents.get(each["urn"], each.get("parent"))
    # A parent is before its children. Only the stack is before all of them.
    for parent in (
        each for each in [*resources] if each["urn"] == f"{_STACK_URN}{GATEWAY}::gateway"
    ):
        resources.remove(parent)
        resources.insert(1, parent)
    file.write_text(json.dumps(state))
    sandbox.must("stack", "import", "--stack", STACK, "--file", str(file))


def test_a_stack_of_the_first_release_replaces_neither_certificate_nor_address(
    with_domain: Sandbox, tmp_path: Path
) -> None:
    sandbox = with_domain.copy(tmp_path / "moved")
    _move_back(sandbox, MOVED, tmp_path / "state.json")
    assert sandbox.changes() == {}


def test_a_stack_whose_nat_gateway_was_made_by_awsx_keeps_it(
    deployed: Sandbox, tmp_path: Path
) -> None:
    _move_back(deployed, MOVED_FROM_VPC, tmp_path / "state.json")
    assert deployed.changes() == {}


@pytest.mark.parametrize(
    ("target", "user"), [("ecs", "ecs-clock-service"), ("eks", "eks-clock-deployment")]
)
def test_egress_is_deleted_after_the_resources_that_use_it(
    tmp_path: Path, target: str, user: str
) -> None:
    sandbox = Sandbox(tmp_path)
    image = {"context": "workloads/clock", "additional_contexts": {"common": "workloads/common"}}
    config = {
        "aws:region": "us-east-1",
        "mcp-platform:target": target,
        "mcp-platform:servers": {"clock": {"image": image}},
    }
    sandbox.stack_file.write_text(yaml.safe_dump({"config": config}))
    sandbox.up()
    (nat,) = (
        each["urn"].split("::")[-1]
        for each in sandbox.resources()
        if each["type"] == "aws:ec2/natGateway:NatGateway"
    )
    gone = [name for done, name in _switch(sandbox, "lambda") if done == "deleted"]
    assert gone.index(user) < gone.index(nat)
    assert not sandbox.cloud.list("aws", "aws:ec2/natGateway:NatGateway")


def test_a_production_stack_can_be_switched_once_its_load_balancer_may_be_deleted(
    empty: Sandbox,
) -> None:
    empty.configure("production", True)
    empty.configure("gateway.deletion_protection", True)
    empty.up()
    before = _things(empty)
    empty.configure("target", "lambda")
    refused = empty.run("up", "--yes", "--stack", STACK)
    assert refused.returncode != 0
    assert re.search(r"::gateway-alb\" cannot be deleted\s+because it is protected", refused.stdout)
    assert _things(empty) == before
    empty.configure("target", "ecs")
    empty.configure("gateway.deletion_protection", False)
    empty.up()
    assert _switch(empty, "lambda") != []
    assert _switch(empty, "ecs") != []


def _things(sandbox: Sandbox) -> set[tuple[str, str]]:
    return {(stored.type, stored.id) for stored in sandbox.cloud.list()}


def test_a_production_cluster_is_left_in_two_steps_and_untouched_until_then(empty: Sandbox) -> None:
    empty.configure("production", True)
    empty.configure("target", "eks")
    empty.up()
    before = _things(empty)
    empty.configure("target", "lambda")
    refused = empty.run("up", "--yes", "--stack", STACK)
    assert refused.returncode != 0
    assert re.search(
        r'resource "urn:pulumi:\S+\$eks:index:Cluster\S*" cannot be deleted\s+'
        r"because it is protected",
        refused.stdout,
    )
    assert _things(empty) == before
    empty.configure("target", "eks")
    empty.configure("cluster.deletion_protection", False)
    empty.up()
    assert _things(empty) == before
    assert _switch(empty, "lambda") != []
    assert [each for each in _things(empty) if each[0].startswith(OF_TARGET["eks"])] == []
