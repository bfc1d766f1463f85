"""The order of creation and deletion."""

from typing import Any

import pytest

from tests.components.fleets import (
    EKS,
    EKS_EXISTING,
    EKS_FULL,
    EKS_MANAGED,
    FULL,
    LAMBDA_FULL,
    MINIMAL,
    PUBLIC,
)
from tests.components.recording import Recording, Resource, run

WITH_NAT = {**FULL, "network": {"nat": "per-zone"}}


def _awaited(recording: Recording, made: Resource) -> set[str]:
    """The kinds and names of the resources that exist before a resource."""
    found: dict[str, Resource] = {}
    left = [made]
    while left:
        each = left.pop()
        before = [*each.dependencies, each.provider.rpartition("::")[0]]
        for urn in before:
            if urn in recording.resources and urn not in found:
                found[urn] = recording.resources[urn]
                left.append(found[urn])
    return {f"{each.kind} {each.name}" for each in found.values()}


NAT = {"ec2.NatGateway fleet-network-nat-1", "ec2.Route fleet-network-egress-1"}


@pytest.mark.parametrize(
    ("fleet", "kind"),
    [
        (WITH_NAT, "lb.LoadBalancer"),
        (WITH_NAT, "efs.MountTarget"),
        (WITH_NAT, "servicediscovery.PrivateDnsNamespace"),
        (LAMBDA_FULL, "efs.MountTarget"),
        (EKS_FULL, "lb.LoadBalancer"),
        (EKS_FULL, "efs.MountTarget"),
        (EKS_FULL, "eks.Cluster"),
        (EKS_MANAGED, "eks.Cluster"),
    ],
)
def test_what_needs_no_egress_does_not_wait_for_nat_gateways(fleet: dict[str, object], kind: str):
    recording = run(fleet)
    assert recording.of(kind) != []
    for made in recording.of(kind):
        assert _awaited(recording, made) & NAT == set()


@pytest.mark.parametrize(
    ("fleet", "kind"),
    [
        (WITH_NAT, "ecs.Service"),
        (MINIMAL, "ecs.Service"),
        (EKS, "eks.Addon"),
        (EKS, "kubernetes.Deployment"),
        (EKS_FULL, "kubernetes.Release"),
        (EKS_MANAGED, "eks.ManagedNodeGroup"),
        (EKS_MANAGED, "kubernetes.Release"),
    ],
)
def test_what_pulls_images_waits_for_nat_gateways_and_their_routes(
    fleet: dict[str, object], kind: str
):
    recording = run(fleet)
    waiting = [made for made in recording.of(kind) if made.name not in _BEFORE_NODES]
    assert waiting != []
    for made in waiting:
        assert _awaited(recording, made) >= NAT


_BEFORE_NODES = {
    f"eks-base-{addon}" for addon in ("eks-pod-identity-agent", "kube-proxy", "vpc-cni")
}
"""The add-ons that managed nodes require at their start."""


def test_only_functions_in_the_network_wait_for_nat_gateways():
    recording = run(LAMBDA_FULL)
    waiting = [
        made.name for made in recording.of("lambda.Function") if _awaited(recording, made) & NAT
    ]
    assert waiting == ["lambda-notes-function", "lambda-search-function"]


RULES = ("vpc.SecurityGroupIngressRule", "vpc.SecurityGroupEgressRule")


def _rules_of(recording: Recording, group_ids: set[str]) -> set[str]:
    """The URNs of all rules with one of these security groups as source or destination."""
    return {
        made.urn
        for kind in RULES
        for made in recording.of(kind)
        if {made.inputs["securityGroupId"], made.inputs.get("referencedSecurityGroupId")}
        & group_ids
    }


@pytest.mark.parametrize("fleet", [MINIMAL, FULL, WITH_NAT])
def test_a_service_starts_after_every_rule_of_its_groups_and_ends_before_them(
    fleet: dict[str, object],
):
    recording = run(fleet)
    gateway = recording.one("ec2.SecurityGroup", "gateway-group").id
    assert recording.of("ecs.Service") != []
    for service in recording.of("ecs.Service"):
        groups = set(service.inputs["networkConfiguration"]["securityGroups"])
        behind_gateway = {gateway} if "loadBalancers" in service.inputs else set[str]()
        rules = _rules_of(recording, groups | behind_gateway)
        assert len(rules) > 1
        assert rules <= set(service.dependencies)


def test_a_function_in_the_network_starts_after_every_rule_of_its_group():
    recording = run(LAMBDA_FULL)
    inside = [made for made in recording.of("lambda.Function") if "vpcConfig" in made.inputs]
    assert len(inside) == 2
    for function in inside:
        rules = _rules_of(recording, set(function.inputs["vpcConfig"]["securityGroupIds"]))
        assert rules != set()
        assert rules <= set(function.dependencies)


@pytest.mark.parametrize("fleet", [EKS, EKS_FULL, EKS_MANAGED, EKS_EXISTING])
def test_a_pod_starts_after_the_rules_and_policies_that_concern_it(fleet: dict[str, object]):
    recording = run(fleet)
    rules = {
        made.urn
        for kind in RULES
        for made in recording.of(kind)
        if made.name.startswith(("gateway-", "eks-gateway-", "eks-files-"))
    }
    policies = recording.of("kubernetes.NetworkPolicy")
    mesh = [
        made
        for made in recording.resources.values()
        if made.type.startswith("kubernetes:security.istio.io")
    ]
    for pod in recording.of("kubernetes.Deployment"):
        labels = pod.inputs["spec"]["template"]["metadata"]["labels"]
        concerning = {
            each.urn
            for each in [*policies, *mesh]
            if each.inputs["metadata"]["namespace"] == pod.inputs["metadata"]["namespace"]
            and _selected(each).items() <= labels.items()
        }
        may_discover = {
            made.urn
            for made in recording.of("kubernetes.RoleBinding")
            if made.inputs["subjects"][0]["name"] == pod.inputs["metadata"]["name"]
        }
        assert len(rules) > 1
        assert len(concerning) > 1
        assert rules | concerning | may_discover <= set(pod.dependencies)


def _selected(policy: Resource) -> dict[str, str]:
    """The labels of the pods that a policy of Kubernetes or of the mesh selects."""
    spec: dict[str, Any] = policy.inputs["spec"]
    selector: dict[str, dict[str, str]] = spec.get("podSelector") or spec.get("selector") or {}
    return selector.get("matchLabels", {})


TARGETS = ("ecs", "eks", "lambda", "gateway")
"""The prefixes of the logical names of a target's components."""


@pytest.mark.parametrize("fleet", [{**MINIMAL, "gateway": PUBLIC}, FULL, LAMBDA_FULL, EKS_FULL])
def test_the_record_and_the_discovery_document_wait_for_everything_in_the_target(
    fleet: dict[str, object],
):
    recording = run(fleet)
    parts = {
        f"{made.kind} {made.name}"
        for made in recording.resources.values()
        if made.name.split("-")[0] in TARGETS and made.custom
    }
    assert len(parts) > 10
    leading = [
        made
        for made in [*recording.of("route53.Record"), *recording.of("ssm.Parameter")]
        if made.name.startswith("published-")
    ]
    assert len(leading) == 2
    for made in leading:
        assert parts - _awaited(recording, made) == set()


def test_the_domain_of_an_api_leads_to_a_stage_that_is_limited_and_guarded():
    recording = run(LAMBDA_FULL)
    mapping = _awaited(recording, recording.one("apigateway.BasePathMapping"))
    assert {
        "apigateway.MethodSettings lambda-gateway-routes-settings",
        "wafv2.WebAclAssociation lambda-gateway-routes-firewall-association",
    } <= mapping


def test_a_server_is_registered_once_the_routes_to_it_are_deployed():
    recording = run(LAMBDA_FULL)
    for instance in recording.of("servicediscovery.Instance"):
        assert "apigateway.Stage lambda-internal-routes-stage" in _awaited(recording, instance)
