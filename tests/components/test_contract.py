"""Rules for all resources of the program, with every fleet."""

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
from components.foundation.origin import Memory
from components.foundation.storage import Storage
from components.foundation.vault import Vault
from components.foundation.zones import Zones
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
from components.targets.eks import EksTarget
from components.targets.eks.base import Base
from components.targets.eks.namespaces import Namespaces
from components.targets.eks.workload import Workload as EksWorkload
from core.aws import names
from tests.components.fleets import EKS_FULL, EVERY_FLEET, FULL, LAMBDA_FULL, MINIMAL
from tests.components.recording import MARKER, ROOT, UNKNOWN, Recording, Resource, leaves, run

COMPONENTS: dict[str, type] = {
    "mcp-platform:foundation:Foundation": Foundation,
    "mcp-platform:foundation:Key": Key,
    "mcp-platform:foundation:Memory": Memory,
    "mcp-platform:foundation:Network": Network,
    "mcp-platform:foundation:Vault": Vault,
    "mcp-platform:foundation:Zones": Zones,
    "mcp-platform:foundation:Observability": Observability,
    "mcp-platform:foundation:Discovery": Discovery,
    "mcp-platform:foundation:Images": Images,
    "mcp-platform:foundation:Storage": Storage,
    "mcp-platform:gateway:Certificate": Certificate,
    "mcp-platform:gateway:Gateway": Gateway,
    "mcp-platform:ecs:Target": EcsTarget,
    "mcp-platform:ecs:Workload": Workload,
    "mcp-platform:eks:Target": EksTarget,
    "mcp-platform:eks:Base": Base,
    "mcp-platform:eks:Namespaces": Namespaces,
    "mcp-platform:eks:Workload": EksWorkload,
    "mcp-platform:lambda:Target": LambdaTarget,
    "mcp-platform:lambda:Workload": LambdaWorkload,
    "mcp-platform:lambda:Api": Api,
    "mcp-platform:lambda:Routes": Routes,
    "mcp-platform:lambda:StateMachine": StateMachine,
    "mcp-platform:index:Published": Published,
}
ROOTS = {"ecs": ["ecs", "gateway"], "eks": ["eks", "gateway"], "lambda": ["lambda"]}
"""The children of the stack that are specific to a target."""
PROVIDER = "urn:pulumi:dev::mcp-platform::pulumi:pulumi:Stack$pulumi:providers:aws::aws::aws-"

fleets = pytest.mark.parametrize("fleet", EVERY_FLEET.values(), ids=EVERY_FLEET)


def test_the_full_fleets_make_every_component_and_no_other():
    full = (FULL, LAMBDA_FULL, EKS_FULL)
    made = {made.type for fleet in full for made in run(fleet).components}
    assert made == COMPONENTS.keys()


@fleets
def test_every_component_has_a_type_token_of_three_parts_that_its_docstring_names(fleet: Any):
    for made in run(fleet).components:
        assert re.fullmatch(r"mcp-platform:[a-z]+:[A-Z][A-Za-z]+", made.type)
        assert f"Type token `{made.type}`" in (COMPONENTS[made.type].__doc__ or "")


@fleets
def test_every_resource_has_a_component_as_parent_and_only_the_roots_the_stack(
    fleet: Any,
):
    recording = run(fleet)
    components = {made.urn for made in recording.components}
    outside = [made for made in recording.resources.values() if made.parent not in components]
    certificate = ["certificate"] if "domain" in fleet.get("gateway", {}) else []
    always = ["fleet", "memory", "published", "zones"]
    roots = sorted([*ROOTS[fleet.get("target", "ecs")], *always, *certificate])
    assert sorted(made.name for made in outside if made.urn in components) == roots
    # The names of target groups contain the name of the cluster, which is created after them.
    own = fleet.get("target") == "eks" and "existing" not in fleet.get("cluster", {})
    assert {made.name for made in outside if made.urn not in components} == {
        "aws",
        *(["eks-cluster-name"] if own else []),
    }


@fleets
def test_the_name_of_a_child_starts_with_the_name_of_its_component(fleet: Any):
    recording = run(fleet)
    for component in recording.components:
        children = recording.children(component)
        # A target group's name is shortened to the limit of AWS.
        assert [made.name for made in children if not made.name.startswith(component.name)] == []
        assert all(made.name != component.name for made in children)


@fleets
def test_a_component_registers_exactly_the_outputs_that_it_declares(fleet: Any):
    recording = run(fleet)
    for made in recording.components:
        declared = COMPONENTS[made.type].__annotations__
        registered = recording.outputs[made.urn]
        if made.type == "mcp-platform:index:Published":
            assert registered == recording.exports
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
def test_a_preview_registers_the_same_resources_as_an_update(fleet: Any):
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
    for kind in ("awsx.Vpc", "eks.Cluster", "eks.ManagedNodeGroup"):
        for made in recording.of(kind):
            assert made.providers["aws"].startswith(PROVIDER)


def test_ecs_and_eks_share_foundation_and_gateway_and_no_other_logical_name():
    image = {"image": {"context": "workloads/assistant"}}
    fleet = {**FULL, "agents": {"assistant": image | {"uses": ["clock"], "team": "payments"}}}
    there, back = (
        {made.name: made.urn for made in run({**fleet, "target": target}).resources.values()}
        for target in ("ecs", "eks")
    )
    both = there.keys() & back.keys()
    assert {name for name in both if there[name] != back[name]} == set()
    shared = ("fleet", "memory", "zones", "published", "certificate", "aws", "gateway")
    assert all(name.startswith(shared) for name in both)
    assert {name for name in there if name.startswith("gateway")} <= both
    assert len(both) > 80


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
    shared = ("fleet", "memory", "zones", "published", "certificate", "aws")
    assert all(name.startswith(shared) for name in both)
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


def test_the_provider_uses_the_role_profile_and_region_of_the_stack():
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
def test_the_program_looks_up_only_account_zones_registry_tokens_and_what_exists_already(
    fleet: Any,
):
    asked = {
        "aws:index/getCallerIdentity:getCallerIdentity",
        "aws:index/getPartition:getPartition",
        "aws:ecr/getAuthorizationToken:getAuthorizationToken",
    }
    if "vpc" in fleet.get("network", {}):
        asked |= {"aws:ec2/getVpc:getVpc", "aws:ec2/getSubnet:getSubnet"}
    else:
        asked.add("aws:index/getAvailabilityZones:getAvailabilityZones")
    gateway = fleet.get("gateway", {})
    if "domain" in gateway and "certificate_arn" not in gateway:
        asked.add("aws:route53/getZone:getZone")
    if any(
        each["source"] == "external" and "arn" not in each
        for each in fleet.get("secrets", {}).values()
    ):
        asked.add("aws:secretsmanager/getSecretVersions:getSecretVersions")
    if fleet.get("target") == "eks":
        # The subnets of the load balancer; the cluster, or the add-ons for its version.
        existing = "existing" in fleet.get("cluster", {})
        asked |= {
            "aws:ec2/getSubnet:getSubnet",
            "aws:eks/getCluster:getCluster"
            if existing
            else "aws:eks/getAddonVersion:getAddonVersion",
        }
    assert {token for token, _ in run(fleet).invokes} == asked


@fleets
def test_the_program_uses_nothing_deprecated(fleet: Any):
    # The end of support of a Kubernetes version depends on the date, so its warning is allowed.
    old = "Standard support for Kubernetes"
    assert [warning for warning in run(fleet).warnings if not warning.startswith(old)] == []


def _in_plain_text(recording: Recording) -> list[str]:
    """The URNs with a secret value that is not marked as secret."""
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
def test_no_secret_value_is_in_a_plain_input_or_output(fleet: Any, *, preview: bool):
    assert _in_plain_text(run(fleet, preview=preview)) == []


@pytest.mark.parametrize("fleet", [FULL, EKS_FULL], ids=["ecs", "eks"])
def test_secret_values_reach_only_the_secret_versions_and_the_registry_login(fleet: Any):
    kinds = {
        made.kind
        for made in run(fleet).resources.values()
        if any(MARKER in text for text, _ in leaves(made.inputs))
    }
    assert kinds == {"secretsmanager.SecretVersion", "docker-build.Image"}


@pytest.mark.parametrize("fleet", [FULL, EKS_FULL], ids=["ecs", "eks"])
def test_no_output_holds_a_secret_not_even_an_encrypted_one(fleet: Any):
    texts = [text for value in run(fleet).outputs.values() for text, _ in leaves(value)]
    assert [text for text in texts if MARKER in text] == []


# The shortest limits of physical names. Pulumi adds eight characters to the logical name. The
# numbers are the limits of CreateRole, CreateSecurityGroup, CreateTopic and CreateRepository in the
# API references of the services.
_LIMITS = {
    "lb.TargetGroup": names.TARGET_GROUP,
    "lb.LoadBalancer": names.LOAD_BALANCER,
    "iam.Role": 64,
    "ec2.SecurityGroup": 255,
    "sns.Topic": 256,
    "cloudwatch.MetricAlarm": names.ALARM,
    "cloudwatch.Dashboard": names.DASHBOARD,
    "ecr.Repository": 256,
}
_OWN_LIMITS = {
    "ecs": {"ecs.Cluster": names.ECS_NAME, "ecs.Service": names.ECS_NAME},
    # Amazon EKS API reference, CreateCluster, name.
    "eks": {"eks.Cluster": 100},
}
_LONG = {"servers": "s" * 32, "agents": "a" * 32}
_LONG_NAMES: dict[str, Any] = {
    "servers": {
        _LONG["servers"]: FULL["servers"]["clock"]
        | {"storage": {"mount": "/data"}, "secrets": ["x" * 64], "team": "t" * 32}
    },
    "agents": {
        _LONG["agents"]: FULL["agents"]["assistant"]
        | {"uses": [_LONG["servers"]], "team": "u" * 32}
    },
    "secrets": {"x" * 64: {"source": "generated"}},
}
LONGEST_STACK = "s" * 100


@pytest.mark.parametrize("target", _OWN_LIMITS)
def test_automatic_names_fit_the_limits_of_aws_with_the_longest_names_there_are(target: str):
    recording = run({**_LONG_NAMES, "target": target})
    for kind, limit in {**_LIMITS, **_OWN_LIMITS[target]}.items():
        found = recording.of(kind)
        assert found != []
        lengths = {
            made.name: len(made.inputs.get("name") or f"{made.name}-1234567") for made in found
        }
        assert {name: length for name, length in lengths.items() if length > limit} == {}


def _kubernetes(recording: Recording) -> list[Resource]:
    return [made for made in recording.resources.values() if made.type.startswith("kubernetes:")]


# Kinds whose names are DNS labels (RFC 1035). Other names have the limit of a DNS name.
_LABELS = {"Namespace", "Service"}


@pytest.mark.parametrize("mesh", ["none", "istio"])
@pytest.mark.parametrize("stack_name", ["dev", LONGEST_STACK])
def test_names_and_labels_fit_the_limits_of_kubernetes_with_the_longest_names_there_are(
    stack_name: str, mesh: str
):
    fleet = {**_LONG_NAMES, "target": "eks", "mesh": mesh}
    found = _kubernetes(run(fleet, stack_name=stack_name))
    assert len(found) > 30
    for made in found:
        metadata = made.inputs.get("metadata", {"name": made.inputs.get("name", "")})
        short = made.kind.removeprefix("kubernetes.") in _LABELS
        pattern = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?" if short else r"[a-z0-9]([a-z0-9.-]{0,252})"
        assert re.fullmatch(pattern, metadata["name"])
        for value in metadata.get("labels", {}).values():
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", value)


def _identity(made: Resource) -> tuple[str, str, str]:
    metadata = made.inputs["metadata"]
    return made.type, metadata.get("namespace", ""), metadata["name"]


def _looking_alike() -> dict[str, Any]:
    image = {"image": {"context": "workloads/clock"}}
    return {
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


def test_names_that_run_together_give_every_resource_a_urn_of_its_own():
    recording = run(_looking_alike())
    assert len(recording.names("ecs.Service")) == 9
    groups = [made.inputs["name"] for made in recording.of("cloudwatch.LogGroup")]
    assert len(groups) == len(set(groups)) == 12


@pytest.mark.parametrize("mesh", ["none", "istio"])
def test_names_that_run_together_give_every_object_of_kubernetes_a_name_of_its_own(mesh: str):
    fleet = _looking_alike()
    teams = {"b": "a-deny", "c": "probes-a", "b-to-c": "a", "a-to-b": "a-probes", "a": "b-to-c"}
    for name, team in teams.items():
        section = "servers" if name in fleet["servers"] else "agents"
        fleet[section][name] = fleet[section][name] | {"team": team}
    recording = run({**fleet, "target": "eks", "mesh": mesh})
    assert len(recording.names("kubernetes.Deployment")) == 9
    objects = [_identity(made) for made in _kubernetes(recording) if "metadata" in made.inputs]
    assert len(objects) > 100
    assert len(objects) == len(set(objects))


# Many items in each ordered list, so that two orders are unlikely to be equal by chance.
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


def _inventory(seed: str, target: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _INVENTORY],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        input=json.dumps({**_MANY, "target": target}),
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize("target", ["ecs", "eks"])
def test_inputs_do_not_depend_on_the_seed_of_pythons_hashes(target: str):
    with ThreadPoolExecutor() as pool:
        done = pool.map(_inventory, ("1", "2"), (target, target))
        first, second = (json.loads(each.stdout) for each in done)
    assert len(first) == len(run({**_MANY, "target": target}).resources)
    assert first == second
