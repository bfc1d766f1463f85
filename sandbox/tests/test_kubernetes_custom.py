"""The sandbox's kubernetes: kinds that controllers install, and their schemas."""

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.engine.provider import RefusedError
from sandbox.tests.clusters import NAME, Cluster, changed, put
from sandbox.values.wire import UNKNOWN

RELEASE = "helm.sh/v3:Release"
NAMED = {"name": "clock"}
AUTO = {"computeConfig": {"enabled": True}}
BINDING: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {
        "targetGroupARN": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/1",
        "targetType": "ip",
        "serviceRef": {"name": "clock", "port": 8080},
        "multiClusterTargetGroup": True,
    },
}
NODE_POOL: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {
        "template": {
            "spec": {
                "nodeClassRef": {
                    "group": "eks.amazonaws.com",
                    "kind": "NodeClass",
                    "name": "default",
                },
                "requirements": [
                    {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}
                ],
            }
        },
        "disruption": {"consolidateAfter": "5m", "budgets": [{"nodes": "1"}]},
    },
}
NODE_CLASS: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {"networkPolicy": "DefaultDeny", "ephemeralStorage": {"size": "80Gi"}},
}
PROVIDER_CLASS: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {
        "provider": "aws",
        "parameters": {"usePodIdentity": "true", "objects": "[]"},
        "secretObjects": [
            {
                "secretName": "clock",
                "type": "Opaque",
                "data": [{"objectName": "KEY", "key": "KEY"}],
            }
        ],
    },
}
STRICT: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {"mtls": {"mode": "STRICT"}, "portLevelMtls": {"8080": {"mode": "PERMISSIVE"}}},
}
CALLERS: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {
        "selector": {"matchLabels": {"app": "clock"}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/a/sa/b"]}}],
                "to": [{"operation": {"ports": ["8080"]}}],
            }
        ],
    },
}
REPOSITORY: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {"interval": "5m", "url": "https://example.com/fleet", "ref": {"branch": "main"}},
}
KUSTOMIZATION: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {
        "interval": "5m",
        "path": "./fleet",
        "prune": True,
        "wait": True,
        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
    },
}
APPLICATION: Mapping[str, Any] = {
    "metadata": NAMED,
    "spec": {
        "project": "default",
        "source": {
            "repoURL": "https://example.com/fleet",
            "targetRevision": "main",
            "path": "fleet",
            "directory": {"recurse": True},
        },
        "destination": {"name": "fleet"},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
    },
}
OBJECTS: Mapping[str, Mapping[str, Any]] = {
    "eks.amazonaws.com/v1:NodeClass": NODE_CLASS,
    "karpenter.sh/v1:NodePool": NODE_POOL,
    "secrets-store.csi.x-k8s.io/v1:SecretProviderClass": PROVIDER_CLASS,
    "security.istio.io/v1:PeerAuthentication": STRICT,
    "security.istio.io/v1:AuthorizationPolicy": CALLERS,
    "source.toolkit.fluxcd.io/v1:GitRepository": REPOSITORY,
    "kustomize.toolkit.fluxcd.io/v1:Kustomization": KUSTOMIZATION,
    "argoproj.io/v1alpha1:Application": APPLICATION,
    "eks.amazonaws.com/v1:TargetGroupBinding": BINDING,
    "elbv2.k8s.aws/v1beta1:TargetGroupBinding": BINDING,
}
SECRET_PROVIDER_CLASS = "secrets-store.csi.x-k8s.io/v1:SecretProviderClass"


def brings(cluster: Cluster, kind: str) -> None:
    """Stores the provider of a kind in a cluster that is not in Auto Mode."""
    match kind.partition("/")[0]:
        case "secrets-store.csi.x-k8s.io":
            addon = "aws-secrets-store-csi-driver-provider"
            put(cluster.cloud, "eks/addon:Addon", addon, clusterName=NAME, addonName=addon)
        case "argoproj.io":
            put(cluster.cloud, "eks/capability:Capability", "a", clusterName=NAME, type="ARGOCD")
        case "security.istio.io":
            cluster.make(RELEASE, {"chart": "base", "name": "istio-base"})
        case "elbv2.k8s.aws":
            cluster.make(RELEASE, {"chart": "aws-load-balancer-controller"})
        case _:
            cluster.make(RELEASE, {"chart": "oci://example.com/charts/flux2"})


@pytest.mark.parametrize("kind", OBJECTS)
def test_an_object_of_a_missing_kind_is_refused(cloud: Cloud, kind: str) -> None:
    version, _, name = kind.partition(":")
    with pytest.raises(RefusedError, match=f'no matches for kind "{name}" in version "{version}"'):
        Cluster(cloud).make(kind, OBJECTS[kind])


@pytest.mark.parametrize("kind", ["eks.amazonaws.com/v1:NodeClass", "karpenter.sh/v1:NodePool"])
def test_auto_mode_provides_its_cluster_scoped_kinds(cloud: Cloud, kind: str) -> None:
    assert Cluster(cloud, **AUTO).make(kind, OBJECTS[kind]).id == "clock"


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind, made in OBJECTS.items()
        if made is not BINDING and not kind.startswith(("eks.", "karpenter."))
    ],
)
def test_an_object_of_an_installed_kind_is_in_a_namespace(cloud: Cloud, kind: str) -> None:
    cluster = Cluster(cloud)
    brings(cluster, kind)
    assert cluster.make(kind, OBJECTS[kind]).id == "default/clock"
    assert [text for text in cluster.warnings if "is not checked" in text] == []


def test_a_controller_of_another_cluster_does_not_count(cloud: Cloud) -> None:
    addon = "aws-secrets-store-csi-driver-provider"
    put(cloud, "eks/addon:Addon", addon, clusterName="other", addonName=addon)
    with pytest.raises(RefusedError, match=f"the EKS add-on {addon} or a release of the Helm"):
        Cluster(cloud).make(SECRET_PROVIDER_CLASS, PROVIDER_CLASS)


def test_a_definition_in_the_cluster_is_sufficient(cloud: Cloud) -> None:
    cluster = Cluster(cloud)
    version = {"name": "v1", "served": True, "storage": True}
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = {
        "group": "secrets-store.csi.x-k8s.io",
        "names": {"kind": "SecretProviderClass", "plural": "secretproviderclasses"},
        "scope": "Namespaced",
        "versions": [{**version, "schema": {"openAPIV3Schema": anything}}],
    }
    cluster.make(
        "apiextensions.k8s.io/v1:CustomResourceDefinition", {"metadata": NAMED, "spec": spec}
    )
    assert cluster.make(SECRET_PROVIDER_CLASS, PROVIDER_CLASS).id == "default/clock"


def test_a_version_that_is_not_served_is_refused(cloud: Cloud) -> None:
    found = Cluster(cloud).errors("elbv2.k8s.aws/v1:TargetGroupBinding", BINDING)
    assert found == {"apiVersion": "elbv2.k8s.aws serves v1beta1 of TargetGroupBinding, not v1"}


REFUSED: list[tuple[str, str, Any, str, str]] = [
    (
        "eks.amazonaws.com/v1:TargetGroupBinding",
        "spec.targetGroupName",
        "clock",
        "spec.targetGroupName",
        "unknown field",
    ),
    (
        "elbv2.k8s.aws/v1beta1:TargetGroupBinding",
        "spec.serviceRef",
        {"name": "clock"},
        "spec.serviceRef.port",
        "is missing; it is required",
    ),
    (
        "elbv2.k8s.aws/v1beta1:TargetGroupBinding",
        "spec.targetType",
        "lambda",
        "spec.targetType",
        "'lambda' is not allowed; allowed: instance, ip",
    ),
    (
        "karpenter.sh/v1:NodePool",
        "spec.template.spec.nodeClassRef.group",
        "karpenter.k8s.aws",
        "spec.template.spec.nodeClassRef.group",
        "'karpenter.k8s.aws' is not allowed; allowed: eks.amazonaws.com",
    ),
    (
        "karpenter.sh/v1:NodePool",
        "spec.disruption.budgets.0.nodes",
        "101%",
        "spec.disruption.budgets[0].nodes",
        "'101%' does not match",
    ),
    (
        "karpenter.sh/v1:NodePool",
        "spec.disruption.budgets",
        [{"nodes": "1"}] * 51,
        "spec.disruption.budgets",
        "has 51 items; at most 50 are allowed",
    ),
    (
        "karpenter.sh/v1:NodePool",
        "spec.template.spec.requirements.0.values",
        ["a" * 64],
        "spec.template.spec.requirements[0].values[0]",
        "has 64 characters; at most 63 are allowed",
    ),
    (
        "karpenter.sh/v1:NodePool",
        "spec.weight",
        101,
        "spec.weight",
        "101 is above the maximum of 100",
    ),
    (
        "eks.amazonaws.com/v1:NodeClass",
        "spec.networkPolicy",
        "Deny",
        "spec.networkPolicy",
        "'Deny' is not allowed; allowed: DefaultAllow, DefaultDeny",
    ),
    (
        SECRET_PROVIDER_CLASS,
        "spec.parameters.objects",
        [],
        "spec.parameters.objects",
        "[] is not of type string",
    ),
    (
        "security.istio.io/v1:PeerAuthentication",
        "spec.mtls.mode",
        "strict",
        "spec.mtls.mode",
        "'strict' is not allowed; allowed: UNSET, DISABLE, PERMISSIVE, STRICT",
    ),
    (
        "security.istio.io/v1:AuthorizationPolicy",
        "spec.rules.0.from.0.source.principal",
        ["a"],
        "spec.rules[0].from[0].source.principal",
        "unknown field; did you mean principals?",
    ),
    (
        "source.toolkit.fluxcd.io/v1:GitRepository",
        "spec.url",
        "git@example.com:fleet",
        "spec.url",
        "'git@example.com:fleet' does not match the pattern ^(http|https|ssh)://.*$",
    ),
    (
        "kustomize.toolkit.fluxcd.io/v1:Kustomization",
        "spec.prune",
        None,
        "spec.prune",
        "is missing; it is required",
    ),
    (
        "kustomize.toolkit.fluxcd.io/v1:Kustomization",
        "spec.interval",
        "5 minutes",
        "spec.interval",
        "'5 minutes' does not match",
    ),
    (
        "argoproj.io/v1alpha1:Application",
        "spec.syncPolicy.automatic",
        {},
        "spec.syncPolicy.automatic",
        "unknown field; did you mean automated?",
    ),
    (
        "argoproj.io/v1alpha1:Application",
        "spec.project",
        None,
        "spec.project",
        "is missing; it is required",
    ),
]


@pytest.mark.parametrize(("kind", "path", "value", "where", "reason"), REFUSED)
def test_an_error_in_a_custom_object_is_reported_at_its_path(
    cloud: Cloud, kind: str, path: str, value: Any, where: str, reason: str
) -> None:
    found = Cluster(cloud).errors(kind, changed(OBJECTS[kind], path, value))
    assert list(found) == [where]
    assert reason in found[where]


REQUIREMENTS = "spec.template.spec.requirements"
RULES: list[tuple[str, Any, str, str]] = [
    (
        REQUIREMENTS,
        [{"key": "a", "operator": "In"}],
        "spec.template.spec.requirements[0]",
        "requirements with operator 'In' must have a value defined",
    ),
    *(
        (
            REQUIREMENTS,
            [{"key": "a", "operator": "Lt", "values": values}],
            "spec.template.spec.requirements[0]",
            "requirements operator 'Gt' or 'Lt' must have a single positive integer value",
        )
        for values in (None, ["1", "2"], ["-1"], ["a"])
    ),
    (
        f"{REQUIREMENTS}.0.minValues",
        2,
        "spec.template.spec.requirements[0]",
        "1 values are fewer than minValues",
    ),
    (
        "spec.disruption.budgets.0.duration",
        "1h",
        "spec.disruption.budgets[0]",
        "'schedule' must be set with 'duration'",
    ),
]


@pytest.mark.parametrize(("path", "value", "where", "reason"), RULES)
def test_a_node_pool_is_validated_by_the_rules_outside_its_schema(
    cloud: Cloud, path: str, value: Any, where: str, reason: str
) -> None:
    pool = changed(NODE_POOL, path, value)
    assert Cluster(cloud).errors("karpenter.sh/v1:NodePool", pool) == {where: reason}


def test_unknown_values_violate_no_rule(cloud: Cloud) -> None:
    pool = changed(NODE_POOL, f"{REQUIREMENTS}.0.values", UNKNOWN)
    assert Cluster(cloud).errors("karpenter.sh/v1:NodePool", pool) == {}


def test_values_at_the_limits_of_a_custom_object_are_allowed(cloud: Cloud) -> None:
    pool = changed(NODE_POOL, "spec.weight", 100)
    pool = changed(pool, "spec.disruption.budgets", [{"nodes": "100%"}] * 50)
    pool = changed(pool, "spec.template.spec.requirements.0.values", ["a" * 63])
    assert Cluster(cloud).errors("karpenter.sh/v1:NodePool", pool) == {}
