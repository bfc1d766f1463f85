"""One stack, one target after another: what is kept, what goes, and in which order."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cloud import Thing
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


def _ids(sandbox: Sandbox) -> dict[str, str]:
    """The ids of what a switch keeps, by URN."""
    return {
        each["urn"]: each["id"]
        for each in sandbox.resources()
        if each["type"] in KEPT and "platform" not in each["urn"].split("::")[-1]
    }


def _secret_values(sandbox: Sandbox) -> dict[str, Any]:
    plain = json.loads(sandbox.must("stack", "export", "--stack", STACK, "--show-secrets"))
    return {
        each["urn"]: each["inputs"]["secretString"]["plaintext"]
        for each in plain["deployment"]["resources"]
        if each["type"] == "aws:secretsmanager/secretVersion:SecretVersion"
    }


def _steps(log: str) -> list[tuple[str, str]]:
    """What an `up` did, in order: created or deleted, and the name of the resource."""
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
def there_and_back(example: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The example fleet from ECS to Lambda and back, with what was seen on the way."""
    sandbox = example.copy(tmp_path_factory.mktemp("switch") / "fleet")
    seen: dict[str, Any] = {"first": _ids(sandbox), "values": [_secret_values(sandbox)]}
    for target in ("lambda", "ecs"):
        seen[target] = {
            "steps": _switch(sandbox, target),
            "ids": _ids(sandbox),
            "types": {each["type"] for each in sandbox.resources()},
            "outputs": sandbox.outputs(),
        }
        seen["values"].append(_secret_values(sandbox))
    seen["sandbox"] = sandbox
    return seen


@pytest.mark.parametrize("target", ["lambda", "ecs"])
def test_what_the_foundation_holds_keeps_its_id(
    there_and_back: dict[str, Any], target: str
) -> None:
    first, ids = there_and_back["first"], there_and_back[target]["ids"]
    assert {urn.split("::")[2].split("$")[-1] for urn in first} == KEPT
    assert ids == first


def test_secrets_keep_their_values(there_and_back: dict[str, Any]) -> None:
    first, *later = there_and_back["values"]
    assert len(first) == 3
    assert later == [first, first]


@pytest.mark.parametrize(("target", "other"), [("lambda", "ecs"), ("ecs", "lambda")])
def test_new_things_are_made_before_old_ones_go(
    there_and_back: dict[str, Any], target: str, other: str
) -> None:
    steps = there_and_back[target]["steps"]
    made = [place for place, (done, _) in enumerate(steps) if done == "created"]
    gone = [
        place
        for place, (done, name) in enumerate(steps)
        if done == "deleted" and name.startswith((f"{other}-", "gateway-"))
    ]
    assert len(made) > 50
    assert len(gone) > 50
    assert max(made) < min(gone)


@pytest.mark.parametrize(
    ("target", "gone"),
    [
        ("lambda", {"aws:ecs/service:Service", "aws:lb/loadBalancer:LoadBalancer"}),
        ("ecs", {"aws:lambda/function:Function", "aws:apigateway/restApi:RestApi"}),
    ],
)
def test_nothing_of_the_other_target_is_left(
    there_and_back: dict[str, Any], target: str, gone: set[str]
) -> None:
    assert gone & there_and_back[target]["types"] == set()


def test_the_outputs_are_of_the_same_shape_on_both(there_and_back: dict[str, Any]) -> None:
    there, back = (there_and_back[target]["outputs"] for target in ("lambda", "ecs"))
    assert there.keys() == back.keys()
    for name in ("servers", "agents", "log_groups", "chat"):
        assert there[name].keys() == back[name].keys()
    assert there["log_groups"] == back["log_groups"]


def test_a_switched_stack_is_destroyed_to_nothing_but_the_log_role(
    there_and_back: dict[str, Any],
) -> None:
    sandbox: Sandbox = there_and_back["sandbox"]
    sandbox.must("destroy", "--yes", "--stack", STACK)
    left = {thing.type for thing in sandbox.cloud.list()}
    assert left == {
        "aws:apigateway/account:Account",
        "aws:iam/role:Role",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    }


def _with_domain(folder: Path) -> Sandbox:
    """The example fleet behind a domain whose zone is there."""
    sandbox = create(folder)
    name = {"name": "example.com", "zoneId": DOMAIN["zone"]}
    sandbox.cloud.put(
        Thing(
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


def test_a_domain_keeps_its_certificate_and_its_record_is_turned(tmp_path: Path) -> None:
    sandbox = _with_domain(tmp_path / "domain")
    before = sandbox.outputs()["gateway_url"]
    kept = {
        each["urn"]: each["id"]
        for each in sandbox.resources()
        if each["urn"].split("::")[-1]
        in {"certificate-acm", "certificate-record", "certificate-validation", "published-address"}
    }
    assert len(kept) == 4
    sandbox.configure("target", "lambda")
    changes = sandbox.changes()
    assert "published-address" in changes["update"]
    sandbox.up()
    after = {each["urn"]: each.get("id") for each in sandbox.resources() if each["urn"] in kept}
    assert after == kept
    assert sandbox.outputs()["gateway_url"] == before == "https://mcp.example.com"


MOVED = {
    "certificate-acm": "gateway-certificate",
    "certificate-record": "gateway-certificate-record",
    "certificate-validation": "gateway-certificate-validation",
    "published-address": "gateway-address",
}
"""What a stack of the first release has as children of the load balancer's component."""


def test_a_stack_of_the_first_release_replaces_neither_certificate_nor_address(
    tmp_path: Path,
) -> None:
    sandbox = _with_domain(tmp_path / "moved")
    text = sandbox.must("stack", "export", "--stack", STACK)
    state = json.loads(text)
    gateway = f"urn:pulumi:{STACK}::mcp-platform::mcp-platform:gateway:Gateway"
    for each in state["deployment"]["resources"]:
        *_, type_, name = each["urn"].split("::")
        if name in MOVED:
            was = f"{gateway}${type_.split('$')[-1]}::{MOVED[name]}"
            text = text.replace(f'"{each["urn"]}"', f'"{was}"')
    state = json.loads(text)
    for each in state["deployment"]["resources"]:
        if each["urn"].split("::")[-1] in MOVED.values():
            each["parent"] = f"{gateway}::gateway"
    resources = state["deployment"]["resources"]
    # A parent stands before its children; only the stack is before them all.
    parent = next(each for each in resources if each["urn"] == f"{gateway}::gateway")
    resources.remove(parent)
    resources.insert(1, parent)
    (tmp_path / "state.json").write_text(json.dumps(state))
    sandbox.must("stack", "import", "--stack", STACK, "--file", str(tmp_path / "state.json"))
    assert sandbox.changes() == {}


def test_the_way_out_goes_after_the_services_that_use_it(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    image = {"context": "workloads/clock", "additional_contexts": {"common": "workloads/common"}}
    config = {
        "aws:region": "us-east-1",
        "mcp-platform:target": "ecs",
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
    assert gone.index("ecs-clock-service") < gone.index(nat)
    assert not sandbox.cloud.list("aws", "aws:ec2/natGateway:NatGateway")


def test_a_production_stack_can_be_switched(empty: Sandbox) -> None:
    empty.configure("production", True)
    empty.up()
    assert _switch(empty, "lambda") != []
    assert _switch(empty, "ecs") != []
