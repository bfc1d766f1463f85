"""What holds for everything that the program registers, whatever the fleet."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from components.foundation.discovery import Discovery
from components.foundation.foundation import Foundation
from components.foundation.images import Images
from components.foundation.keys import Key
from components.foundation.network import Network
from components.foundation.observability import Observability
from components.foundation.storage import Storage
from components.foundation.vault import Vault
from components.gateway.certificate import Certificate
from components.gateway.gateway import Gateway
from components.publish import Published
from components.targets.aws_lambda import LambdaTarget
from components.targets.aws_lambda.api import Api
from components.targets.aws_lambda.routes import Routes
from components.targets.aws_lambda.state_machine import StateMachine
from components.targets.aws_lambda.workload import Workload as LambdaWorkload
from components.targets.ecs import EcsTarget
from components.targets.ecs.workload import Workload
from core import names
from tests.components.fleets import EVERY_FLEET, FULL, LAMBDA_FULL, MINIMAL
from tests.components.recording import MARKER, ROOT, UNKNOWN, Recording, leaves, run

COMPONENTS: dict[str, type] = {
    "mcp-platform:foundation:Foundation": Foundation,
    "mcp-platform:foundation:Key": Key,
    "mcp-platform:foundation:Network": Network,
    "mcp-platform:foundation:Vault": Vault,
    "mcp-platform:foundation:Observability": Observability,
    "mcp-platform:foundation:Discovery": Discovery,
    "mcp-platform:foundation:Images": Images,
    "mcp-platform:foundation:Storage": Storage,
    "mcp-platform:gateway:Certificate": Certificate,
    "mcp-platform:gateway:Gateway": Gateway,
    "mcp-platform:ecs:Target": EcsTarget,
    "mcp-platform:ecs:Workload": Workload,
    "mcp-platform:lambda:Target": LambdaTarget,
    "mcp-platform:lambda:Workload": LambdaWorkload,
    "mcp-platform:lambda:Api": Api,
    "mcp-platform:lambda:Routes": Routes,
    "mcp-platform:lambda:StateMachine": StateMachine,
    "mcp-platform:index:Published": Published,
}
ROOTS = {"ecs": ["ecs", "gateway"], "lambda": ["lambda"]}
"""What stands below the stack on each target, besides what all of them have."""
PROVIDER = "urn:pulumi:dev::mcp-platform::pulumi:pulumi:Stack$pulumi:providers:aws::aws::aws-"

fleets = pytest.mark.parametrize("fleet", EVERY_FLEET.values(), ids=EVERY_FLEET)


def test_the_full_fleets_make_every_component_and_no_other():
    made = {made.type for fleet in (FULL, LAMBDA_FULL) for made in run(fleet).components}
    assert made == COMPONENTS.keys()


@fleets
def test_every_component_has_a_type_token_of_three_parts_that_its_docstring_names(fleet: Any):
    for made in run(fleet).components:
        assert re.fullmatch(r"mcp-platform:[a-z]+:[A-Z][A-Za-z]+", made.type)
        assert f"Type token `{made.type}`" in (COMPONENTS[made.type].__doc__ or "")


@fleets
def test_every_resource_stands_below_a_component_and_only_the_roots_below_the_stack(
    fleet: Any,
):
    recording = run(fleet)
    components = {made.urn for made in recording.components}
    outside = [made for made in recording.resources.values() if made.parent not in components]
    certificate = ["certificate"] if "domain" in fleet.get("gateway", {}) else []
    roots = sorted([*ROOTS[fleet.get("target", "ecs")], "fleet", "published", *certificate])
    assert sorted(made.name for made in outside if made.urn in components) == roots
    assert [made.type for made in outside if made.urn not in components] == ["pulumi:providers:aws"]


@fleets
def test_the_name_of_a_child_starts_with_the_name_of_its_component(fleet: Any):
    recording = run(fleet)
    for component in recording.components:
        children = recording.children(component)
        # The short names of target groups keep as much of it as fits.
        assert [made.name for made in children if not made.name.startswith(component.name)] == []
        assert all(made.name != component.name for made in children)


@fleets
def test_a_component_registers_exactly_the_outputs_that_it_declares(fleet: Any):
    recording = run(fleet)
    for made in recording.components:
        declared = COMPONENTS[made.type].__annotations__
        registered = recording.outputs[made.urn]
        if made.type == "mcp-platform:index:Published":
            declared = recording.exports
        assert registered.keys() == declared.keys()
        assert UNKNOWN not in {text for text, _ in leaves(registered)}
        assert None not in registered.values()


def test_a_fleet_of_agents_alone_has_outputs_of_the_same_shapes():
    recording = run({"agents": {"assistant": {"image": {"context": "workloads/assistant"}}}})
    assert recording.exports["servers"] == {}
    assert json.loads(recording.exports["mcp_json"]) == {"mcpServers": {}}
    vault = recording.outputs[recording.one("mcp-platform.Vault").urn]
    assert vault == {"arns": {}, "request_state_arns": {}}


@fleets
def test_a_preview_registers_the_same_resources_as_an_update_though_it_knows_less(fleet: Any):
    preview, update = run(fleet, preview=True), run(fleet)
    assert preview.resources.keys() == update.resources.keys()
    assert preview.outputs.keys() == update.outputs.keys()
    assert UNKNOWN in {
        text for made in preview.resources.values() for text, _ in leaves(made.inputs)
    }


@fleets
def test_everything_of_aws_goes_through_the_one_provider(fleet: Any):
    recording = run(fleet)
    aws = [made for made in recording.resources.values() if made.type.startswith("aws:")]
    assert len(aws) > 40
    assert {made.provider.startswith(PROVIDER) for made in aws} == {True}
    assert {provider.startswith(PROVIDER) for _, provider in recording.invokes} == {True}
    for vpc in recording.of("awsx.Vpc"):
        assert vpc.providers["aws"].startswith(PROVIDER)


def test_two_targets_share_no_logical_name_but_of_what_they_both_have():
    fleet = {
        **LAMBDA_FULL,
        "servers": {**LAMBDA_FULL["servers"], "notes": FULL["servers"]["notes"]},
        "agents": {"assistant": LAMBDA_FULL["agents"]["assistant"]},
    }
    there, back = (
        {made.name: made.urn for made in run({**fleet, "target": target}).resources.values()}
        for target in ("lambda", "ecs")
    )
    both = there.keys() & back.keys()
    assert {name for name in both if there[name] != back[name]} == set()
    assert all(name.startswith(("fleet", "published", "certificate", "aws")) for name in both)
    assert len(both) > 60


def test_the_provider_tags_with_project_stack_and_the_fleets_own_tags():
    provider = run(FULL).one("pulumi.aws")
    assert json.loads(provider.inputs["defaultTags"]) == {
        "tags": {
            "project": "mcp-platform",
            "stack": "dev",
            "managed-by": "pulumi",
            "team": "platform",
        }
    }
    assert provider.inputs["region"] == "us-east-1"


def test_the_provider_works_as_whom_and_where_the_stack_says():
    aws = {"profile": "ops", "allowedAccountIds": '["123456789012"]'}
    provider = run(MINIMAL, aws=aws).one("pulumi.aws")
    assert provider.inputs["profile"] == "ops"
    assert json.loads(provider.inputs["allowedAccountIds"]) == ["123456789012"]
    assert run(FULL).one("pulumi.aws").inputs.keys() == {
        "defaultTags",
        "region",
        "skipCredentialsValidation",
        "skipRegionValidation",
    }


@fleets
def test_the_program_looks_up_nothing_but_account_partition_and_registry_tokens(fleet: Any):
    assert {token for token, _ in run(fleet).invokes} == {
        "aws:index/getCallerIdentity:getCallerIdentity",
        "aws:index/getPartition:getPartition",
        "aws:ecr/getAuthorizationToken:getAuthorizationToken",
    }


@fleets
def test_the_program_uses_nothing_deprecated(fleet: Any):
    assert run(fleet).warnings == []


def _in_plain_text(recording: Recording) -> list[str]:
    """Where a secret value stands unmarked."""
    values = {urn: made.inputs for urn, made in recording.resources.items()}
    return [
        urn
        for place in (values, recording.outputs)
        for urn, value in place.items()
        for text, secret in leaves(value)
        if MARKER in text and not secret
    ]


@fleets
@pytest.mark.parametrize("preview", [False, True])
def test_no_secret_value_stands_in_a_plain_input_or_output(fleet: Any, *, preview: bool):
    assert _in_plain_text(run(fleet, preview=preview)) == []


def test_secret_values_reach_only_the_secret_versions_and_the_registry_login():
    kinds = {
        made.kind
        for made in run(FULL).resources.values()
        if any(MARKER in text for text, _ in leaves(made.inputs))
    }
    assert kinds == {"secretsmanager.SecretVersion", "docker-build.Image"}


def test_no_output_holds_a_secret_not_even_an_encrypted_one():
    texts = [text for value in run(FULL).outputs.values() for text, _ in leaves(value)]
    assert [text for text in texts if MARKER in text] == []


# The physical names that AWS limits most; Pulumi adds eight characters to the logical name.
_LIMITS = {
    "lb.TargetGroup": names.TARGET_GROUP,
    "lb.LoadBalancer": names.LOAD_BALANCER,
    "iam.Role": names.IAM_ROLE,
    "ec2.SecurityGroup": names.SECURITY_GROUP,
    "ecs.Cluster": names.ECS_NAME,
    "ecs.Service": names.ECS_NAME,
    "sns.Topic": names.SNS_TOPIC,
    "cloudwatch.MetricAlarm": names.ALARM,
    "cloudwatch.Dashboard": names.DASHBOARD,
    "ecr.Repository": names.ECR_REPOSITORY,
}


def test_automatic_names_fit_the_limits_of_aws_with_the_longest_names_there_are():
    long = {"servers": "s" * 32, "agents": "a" * 32}
    fleet = {
        "servers": {long["servers"]: FULL["servers"]["clock"]},
        "agents": {long["agents"]: FULL["agents"]["assistant"] | {"uses": [long["servers"]]}},
    }
    recording = run(fleet)
    for kind, limit in _LIMITS.items():
        found = recording.of(kind)
        assert found != []
        lengths = {
            made.name: len(made.inputs.get("name") or f"{made.name}-1234567") for made in found
        }
        assert {name: length for name, length in lengths.items() if length > limit} == {}


def test_names_that_run_together_give_every_resource_a_urn_of_its_own():
    image = {"image": {"context": "workloads/clock"}}
    fleet = {
        "servers": {
            "files": image,
            "routed": image,
            "network": image,
            "b": image,
            "b-to-c": image,
            "c": image | {"secrets": ["c-request-state", "c"]},
        },
        "agents": {
            "a": image | {"uses": ["files", "b-to-c"], "storage": {"mount": "/data"}},
            "a-to-b": image | {"uses": ["c"], "storage": {"mount": "/data"}},
            "gateway": image | {"uses": ["routed"]},
        },
        "secrets": {"c-request-state": {"source": "generated"}, "c": {"source": "generated"}},
        "gateway": {"allow_cidrs": ["10.0.0.0/8", "10.0.0.0/8"]},
    }
    recording = run(fleet)
    assert len(recording.names("ecs.Service")) == 9
    groups = [made.inputs["name"] for made in recording.of("cloudwatch.LogGroup")]
    assert len(groups) == len(set(groups)) == 11


# Many of everything that has an order, so that two orders are hardly ever the same by chance.
_MANY = {
    **FULL,
    "agents": {
        "assistant": FULL["agents"]["assistant"]
        | {"uses": [*FULL["servers"]], "secrets": [*FULL["secrets"]]}
    },
}
_INVENTORY = """
import json, sys
from tests.components.recording import run
made = run(json.load(sys.stdin)).resources.values()
print(json.dumps({one.urn: one.inputs for one in made}, sort_keys=True, default=repr))
"""


def _inventory(seed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _INVENTORY],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        input=json.dumps(_MANY),
        capture_output=True,
        text=True,
        check=True,
    )


def test_inputs_do_not_depend_on_the_seed_of_pythons_hashes():
    with ThreadPoolExecutor() as pool:
        first, second = (json.loads(done.stdout) for done in pool.map(_inventory, ("1", "2")))
    assert len(first) == len(run(_MANY).resources)
    assert first == second
