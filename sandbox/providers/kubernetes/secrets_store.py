"""Secrets that the Secrets Store CSI driver and AWS's provider mount into pods.

Facts from secrets-store-csi-driver (pkg/secrets-store, controllers/) and
secrets-store-csi-driver-provider-aws (provider/secret_descriptor.go, server/server.go).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml

from sandbox.providers.kubernetes import custom
from sandbox.providers.kubernetes.place import Place
from sandbox.values.tree import part, parts

DRIVER = "secrets-store.csi.k8s.io"
"""Name of the CSI driver."""
ADDON = "aws-secrets-store-csi-driver-provider"
"""The EKS add-on that has the driver and AWS's provider."""
_CLASS = "secrets-store.csi.x-k8s.io/v1:SecretProviderClass"
_ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
_TYPES: Mapping[str, str] = {
    "secretsmanager": "aws:secretsmanager/secret:Secret",
    "ssmparameter": "aws:ssm/parameter:Parameter",
}
_REVISIONS = 10
"""The default revision history limit of a Deployment (Kubernetes API, DeploymentSpec)."""


def mount_errors(place: Place, volume: Mapping[str, Any], account: str) -> Iterator[str]:
    """The reasons why a volume of the driver cannot be mounted.

    Args:
        place: the pod's namespace.
        volume: the volume, a `csi` one.
        account: the pod's service account; empty for the default one.

    Yields:
        The errors.
    """
    name = _class_name(volume)
    found = place.get(_CLASS, name)
    if found is None:
        yield f'failed to get secretproviderclass {place.namespace}/{name}: "{name}" not found'
        return
    if found["spec"].get("provider") != "aws":
        return
    try:
        objects = _objects(found)
    except (yaml.YAMLError, TypeError) as error:
        yield f"SecretProviderClass {name}: parameters.objects cannot be read: {error}"
        return
    for one in objects:
        yield from _object_errors(place, name, one)
    yield from _sync_errors(place, name, found, objects)
    if place.cluster.eks_name:
        yield from _identity_errors(place, found, account or "default")


def synced(place: Place, pod: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The Secrets that the driver creates from the mounted objects of a pod.

    Args:
        place: the pod's namespace.
        pod: the pod's spec.

    Returns:
        Name of a Secret → its keys.
    """
    secrets: dict[str, frozenset[str]] = {}
    for volume in parts(pod, "volumes"):
        inline = part(volume, "csi")
        found = place.get(_CLASS, _class_name(inline)) if inline.get("driver") == DRIVER else None
        for one in parts(part(found or {}, "spec"), "secretObjects"):
            keys = frozenset(str(item.get("key")) for item in parts(one, "data"))
            secrets[str(one.get("secretName"))] = keys
    return secrets


def outlived(place: Place, deployment: Mapping[str, Any], pod: Mapping[str, Any]) -> str:
    """The error of a Deployment whose old ReplicaSets keep Secrets that the driver created.

    The ReplicaSet of the pods owns their Secret. So rotated values stay readable for as many
    revisions as the Deployment keeps.

    Args:
        place: its namespace.
        deployment: the Deployment.
        pod: the spec of its pods.

    Returns:
        The error, or an empty string.
    """
    kept = part(deployment, "spec").get("revisionHistoryLimit", _REVISIONS)
    if not kept or not synced(place, pod):
        return ""
    return (
        f"its {kept} old ReplicaSets own the Secrets of their pods, in which values stay that have "
        "been rotated since (spec.revisionHistoryLimit)"
    )


def _class_name(volume: Mapping[str, Any]) -> str:
    return str(part(volume, "volumeAttributes").get("secretProviderClass"))


def _objects(found: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    objects = yaml.safe_load(part(found, "spec", "parameters").get("objects", ""))
    if not isinstance(objects, list):
        raise TypeError("a list is required")
    return cast("list[dict[str, Any]]", objects)


def _object_errors(place: Place, name: str, one: Mapping[str, Any]) -> Iterator[str]:
    object_name = str(one.get("objectName") or "")
    if not object_name:
        yield f"SecretProviderClass {name}: object name must be specified"
        return
    service = object_name.split(":")[2] if object_name.startswith("arn:") else ""
    kind = {"secretsmanager": "secretsmanager", "ssm": "ssmparameter"}.get(service)
    given = str(one.get("objectType") or kind)
    if given not in _TYPES or (kind and given != kind):
        yield f"SecretProviderClass {name}: {object_name}: objectType does not match: {given}"
    elif place.cluster.eks_name:
        types = {stored.type for stored in place.cloud.find(object_name)}
        if _TYPES[given] not in types:
            yield f"Failed to fetch secret from all regions: {object_name} does not exist"


def _files(objects: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The file names of the mounted objects."""
    names: set[str] = set()
    for one in objects:
        # The provider writes no folders: a slash in a name becomes an underscore.
        names.add(str(one.get("objectAlias") or one.get("objectName")).replace("/", "_"))
        names |= {str(path.get("objectAlias")) for path in parts(one, "jmesPath")}
    return frozenset(names)


def _sync_errors(
    place: Place, name: str, found: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    secrets = parts(found["spec"], "secretObjects")
    files = _files(objects)
    for secret in secrets:
        for item in parts(secret, "data"):
            if str(item.get("objectName")).replace("/", "_") not in files:
                yield (
                    f"SecretProviderClass {name}: secretObjects: file matching objectName "
                    f"{item.get('objectName')} not found in the pod"
                )
    addon = custom.addon(place.cloud, place.cluster, ADDON)
    if secrets and addon is not None and not _syncs(addon.properties):
        yield (
            f"SecretProviderClass {name}: the EKS add-on {ADDON} creates no Secrets: its "
            "configurationValues need secrets-store-csi-driver.syncSecret.enabled: true"
        )


def _syncs(addon: Mapping[str, Any]) -> bool:
    values = json.loads(addon.get("configurationValues") or "{}")
    return part(values, "secrets-store-csi-driver", "syncSecret").get("enabled") is True


def _identity_errors(place: Place, found: Mapping[str, Any], account: str) -> Iterator[str]:
    if str(part(found, "spec", "parameters").get("usePodIdentity")).lower() != "true":
        return
    wanted = {
        "clusterName": place.cluster.eks_name,
        "namespace": place.namespace,
        "serviceAccount": account,
    }
    associations = place.cloud.list("aws", _ASSOCIATION)
    if not any(wanted.items() <= dict(one.properties).items() for one in associations):
        yield (
            f"no Pod Identity association found for service account {place.namespace}/{account} "
            f"of cluster {place.cluster.eks_name}"
        )
