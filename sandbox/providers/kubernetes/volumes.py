"""Volumes and their claims: binding, and protection against deletion.

Facts from Kubernetes: pkg/controller/volume/persistentvolume/pv_controller.go (a volume whose
`claimRef` has the uid of another claim is not bound, and a volume that is retained keeps that uid),
and "Storage Object in Use Protection" of the documentation.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.cloud.store import StoredResource
from sandbox.engine.provider import RefusedError
from sandbox.providers.kubernetes import quotas
from sandbox.providers.kubernetes.place import Place
from sandbox.values.tree import part, parts

CLAIM, VOLUME = "core/v1:PersistentVolumeClaim", "core/v1:PersistentVolume"
_PREFIX = "kubernetes:"
_NOTED = ("uid", "resourceVersion")
"""The fields that the controller sets in a volume's `claimRef`, which no apply removes."""


def binding_errors(volume: Mapping[str, Any], claim: Mapping[str, Any]) -> Iterator[str]:
    """The error of a claim on a volume that was bound to another claim.

    Args:
        volume: the volume.
        claim: the claim; it has no uid before it is created.

    Yields:
        The error.
    """
    owner = part(volume, "spec", "claimRef")
    uid = part(claim, "metadata").get("uid")
    if owner.get("uid") and owner.get("uid") != uid:
        yield (
            f'volume "{volume["metadata"]["name"]}" already bound to a different claim: '
            f"{owner.get('namespace')}/{owner.get('name')} of uid {owner.get('uid')}, which the "
            "volume keeps when that claim is gone (spec.claimRef.uid)"
        )


def noted(properties: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Keeps the controller's fields in a volume.

    Args:
        properties: the volume after an update, which is changed.
        before: the volume before the update.
    """
    reference = part(properties, "spec", "claimRef")
    kept = part(before, "spec", "claimRef")
    if reference:
        properties["spec"] = {
            **properties["spec"],
            "claimRef": {**reference, **{key: kept[key] for key in _NOTED if key in kept}},
        }
    if "status" in before:
        properties["status"] = copy.deepcopy(before["status"])


def bind(place: Place, claim: Mapping[str, Any]) -> None:
    """Records a claim in the volume that it names.

    Args:
        place: the claim's namespace.
        claim: the claim, as created.
    """
    stored = _volume(place, claim)
    if stored is None:
        return
    metadata = claim["metadata"]
    reference = {
        **part(stored.properties, "spec", "claimRef"),
        "namespace": place.namespace,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }
    _note(place, stored, reference, "Bound")


def release(place: Place, claim: Mapping[str, Any]) -> None:
    """Records in a volume that its claim was deleted: it is retained and not bound again.

    Args:
        place: the claim's namespace.
        claim: the claim.
    """
    stored = _volume(place, claim)
    if (
        stored
        and part(stored.properties, "spec", "claimRef").get("uid") == claim["metadata"]["uid"]
    ):
        _note(place, stored, part(stored.properties, "spec", "claimRef"), "Released")


def must_not_be_used(place: Place, type_: str, obj: Mapping[str, Any]) -> None:
    """Refuses to delete a claim that a workload uses or a volume that is bound.

    Args:
        place: its namespace.
        type_: its type.
        obj: the object.

    Raises:
        RefusedError: it is in use.
    """
    # A Helm release has no metadata.
    name = part(obj, "metadata").get("name")
    if type_ == _PREFIX + VOLUME and part(obj, "status").get("phase") == "Bound":
        owner = part(obj, "spec", "claimRef")
        raise RefusedError(
            f"timed out waiting for the deletion of {name}: finalizer kubernetes.io/pv-protection "
            f"waits until the claim {owner['namespace']}/{owner['name']} is gone"
        )
    if type_ == _PREFIX + CLAIM:
        for user in _users(place, str(name)):
            raise RefusedError(
                f"timed out waiting for the deletion of {place.namespace}/{name}: finalizer "
                f"kubernetes.io/pvc-protection waits until the pods of {user} are gone"
            )


def _users(place: Place, claim: str) -> Iterator[str]:
    for kind in quotas.WORKLOADS:
        for stored in place.objects(kind):
            volumes = parts(quotas.pod_of(stored.properties), "volumes")
            if any(part(one, "persistentVolumeClaim").get("claimName") == claim for one in volumes):
                yield stored.id


def _volume(place: Place, claim: Mapping[str, Any]) -> StoredResource | None:
    name = part(claim, "spec").get("volumeName")
    if not name:
        return None
    return place.cloud.get(place.cluster.owner, _PREFIX + VOLUME, str(name))


def _note(place: Place, stored: StoredResource, reference: Mapping[str, Any], phase: str) -> None:
    spec = {**part(stored.properties, "spec"), "claimRef": dict(reference)}
    place.cloud.edit(
        stored.provider, stored.type, stored.id, {"spec": spec, "status": {"phase": phase}}
    )
