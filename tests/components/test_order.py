"""The order of creation and deletion: what waits for what, and what does not."""

import pytest

from tests.components.fleets import EKS, EKS_FULL, EKS_MANAGED, FULL, LAMBDA_FULL, MINIMAL
from tests.components.recording import Recording, Resource, run

WITH_NAT = {**FULL, "network": {"nat": "per-zone"}}


def _awaited(recording: Recording, made: Resource) -> set[str]:
    """The kinds and names of everything that exists before a resource does."""
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
"""The add-ons that managed nodes start with: without nodes they have no pods."""


def test_only_functions_in_the_network_wait_for_nat_gateways():
    recording = run(LAMBDA_FULL)
    waiting = [
        made.name for made in recording.of("lambda.Function") if _awaited(recording, made) & NAT
    ]
    assert waiting == ["lambda-notes-function", "lambda-search-function"]
