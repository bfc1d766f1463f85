"""The kinds of object: their schemas, scopes and immutable fields.

The schemas are the OpenAPI definitions that Kubernetes publishes, as the package
kubernetes-validate ships them, per version. Facts that the definitions lack are in tables here,
each with its source.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from sandbox.engine.provider import RefusedError

DEFAULT_VERSION = "1.36"
"""Version of an API server whose version is not known: the newest of EKS."""
_PATCH = "Patch"
_VERSION_OF_FOLDER = re.compile(r"^v(\d+)\.(\d+)\.\d+-local-strict$")

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "CustomResourceDefinition",
        "DeviceClass",
        "DeviceTaintRule",
        "FlowSchema",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "ServiceCIDR",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    }
)
"""Built-in kinds that are in no namespace (source: `kubectl api-resources --namespaced=false`)."""

_WORKLOAD = ("spec.selector",)
IMMUTABLE: Mapping[str, tuple[str, ...]] = {
    # Source: the validation of updates in kubernetes/pkg/apis/*/validation, and, for what
    # pulumi-kubernetes itself replaces, its provider/pkg/provider/diff.go.
    "CSIDriver": ("spec.attachRequired", "spec.fsGroupPolicy", "spec.volumeLifecycleModes"),
    "ClusterRoleBinding": ("roleRef",),
    "ConfigMap": ("data", "binaryData", "immutable"),
    "CustomResourceDefinition": (
        "spec.group",
        "spec.names.kind",
        "spec.names.plural",
        "spec.scope",
    ),
    "DaemonSet": _WORKLOAD,
    "Deployment": _WORKLOAD,
    "IngressClass": ("spec.controller",),
    "Job": ("spec.selector", "spec.template", "spec.completionMode", "spec.podFailurePolicy"),
    "PersistentVolumeClaim": (
        "spec.accessModes",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeMode",
        "spec.volumeName",
    ),
    "Pod": ("spec",),
    "PriorityClass": ("value", "preemptionPolicy"),
    "ReplicaSet": _WORKLOAD,
    "RoleBinding": ("roleRef",),
    "RuntimeClass": ("handler",),
    "Secret": ("type", "immutable", "data", "stringData"),
    "Service": ("spec.clusterIP", "spec.clusterIPs"),
    "StatefulSet": (
        "spec.selector",
        "spec.serviceName",
        "spec.podManagementPolicy",
        "spec.volumeClaimTemplates",
    ),
    "StorageClass": ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
}
"""Paths whose change replaces an object, by kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """The parts of a type token.

    Attributes:
        api_version: as in a manifest: `v1`, `apps/v1`.
        kind: kind of the object.
        patch: whether the token is a patch of an existing object.
    """

    api_version: str
    kind: str
    patch: bool = False

    @property
    def group(self) -> str:
        """API group; empty for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Version in the group."""
        return self.api_version.rpartition("/")[2]


def parse(token: str, schema_version: str = DEFAULT_VERSION) -> Kind:
    """Reads a type token.

    Args:
        token: for example `kubernetes:apps/v1:Deployment`.
        schema_version: version of the API server.

    Returns:
        The kind; a token that ends in Patch is a patch if the rest is a built-in kind.
    """
    _, api_version, kind = token.split(":")
    api_version = api_version.removeprefix("core/")
    if kind.endswith(_PATCH):
        target = Kind(api_version=api_version, kind=kind.removesuffix(_PATCH), patch=True)
        if schema(target, schema_version) is not None:
            return target
    return Kind(api_version=api_version, kind=kind)


@cache
def schema(kind: Kind, version: str) -> Mapping[str, Any] | None:
    """JSON schema of a built-in kind.

    Args:
        kind: the kind.
        version: version of the API server, for example `1.36`.

    Returns:
        The schema, or None if Kubernetes has no such kind in this version.

    Raises:
        RefusedError: there are no schemas for the version.
    """
    group = kind.group.partition(".")[0]
    stem = "-".join(part for part in (kind.kind.lower(), group, kind.version) if part)
    path = _folder(version) / f"{stem}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # A file is named by only the first word of its group, and a custom group may begin with it.
    kinds: list[dict[str, str]] = found.get("x-kubernetes-group-version-kind", [])
    own = {"group": kind.group, "kind": kind.kind, "version": kind.version}
    return found if own in kinds else None


@cache
def definitions(version: str) -> Mapping[str, Any]:
    """All definitions that schemas refer to.

    Args:
        version: version of the API server.

    Returns:
        Name of a definition → schema.
    """
    text = (_folder(version) / "_definitions.json").read_text(encoding="utf-8")
    return json.loads(text)["$defs"]


@cache
def _folder(version: str) -> Traversable:
    wanted = tuple(int(part) for part in version.split(".")[:2])
    root = files("kubernetes_validate") / "kubernetes-json-schema"
    folders = {
        (int(match[1]), int(match[2])): folder
        for folder in root.iterdir()
        if (match := _VERSION_OF_FOLDER.match(folder.name))
    }
    usable = [known for known in folders if known <= wanted]
    if not usable:
        raise RefusedError(f"kubernetes: there are no schemas for Kubernetes {version}")
    return folders[max(usable)]
