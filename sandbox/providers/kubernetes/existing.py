"""Objects that exist in every new cluster, and the adoption of existing objects.

Facts from pulumi-kubernetes 4.34 (provider/pkg/await/await.go): the provider creates an object, and
the API server refuses a name that is taken, unless `upsertExistingObjects` is set.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.providers.kubernetes.kinds import Kind

BUILT_IN_NAMESPACES = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})
"""Namespaces of every new cluster (source: "Initial namespaces" of the documentation)."""

_UPSERT = "upsertExistingObjects"

# Some of these exist in each cluster of EKS, others after an add-on or an administrator creates
# them. Creating one fails in some clusters, so the sandbox always refuses it. The first two: EKS
# User Guide, "Configure your cluster for Kubernetes network policies" and "Grant IAM users access
# to Kubernetes with a ConfigMap".
_CONFIG_MAPS = frozenset(
    {"amazon-vpc-cni", "aws-auth", "coredns", "extension-apiserver-authentication", "kube-proxy"}
)
_IN_EVERY_NAMESPACE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


def adopts(config: Mapping[str, Any]) -> bool:
    """Whether a provider adopts objects that already exist.

    Args:
        config: the provider's configuration.
    """
    return str(config.get(_UPSERT)).lower() == "true"


def is_there(kind: Kind, metadata: Mapping[str, Any]) -> bool:
    """Whether an object exists in a new cluster.

    Args:
        kind: its kind.
        metadata: its metadata.
    """
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if kind.kind == "Namespace":
        return name in BUILT_IN_NAMESPACES
    if namespace == "kube-system" and kind.kind == "ConfigMap" and name in _CONFIG_MAPS:
        return True
    return (kind.kind, name) in _IN_EVERY_NAMESPACE
