"""The references of pods: if one is missing, the pod is refused or never starts.

The messages are those of the API server's admission, of the scheduler and of the kubelet.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.providers.kubernetes import custom, secrets_store, volumes
from sandbox.providers.kubernetes.place import Place
from sandbox.providers.kubernetes.pod_security import containers
from sandbox.providers.kubernetes.volumes import CLAIM, VOLUME
from sandbox.values.tree import part, parts

_ACCOUNT = "core/v1:ServiceAccount"
_PRIORITY = "scheduling.k8s.io/v1:PriorityClass"
# Objects that every cluster and every namespace has.
_PRIORITIES = frozenset({"", "system-cluster-critical", "system-node-critical"})
_ACCOUNTS = frozenset({"", "default"})
_ROOT_CERTIFICATES = "kube-root-ca.crt"

_Spec = Mapping[str, Any]
_Known = Mapping[str, frozenset[str]]


def admission_errors(place: Place, pod: _Spec) -> Iterator[str]:
    """The missing references for which the API server refuses a pod.

    Args:
        place: the pod's namespace.
        pod: its spec.

    Yields:
        The errors.
    """
    account = account_of(pod)
    if account not in _ACCOUNTS and place.get(_ACCOUNT, account) is None:
        where = f"{place.namespace}/{account}"
        yield f'error looking up service account {where}: serviceaccount "{account}" not found'
    priority = pod.get("priorityClassName") or ""
    if priority not in _PRIORITIES and place.outside().get(_PRIORITY, priority) is None:
        yield f"no PriorityClass with name {priority} was found"


def start_errors(place: Place, pod: _Spec) -> Iterator[str]:
    """The missing references that prevent a created pod from starting.

    Args:
        place: the pod's namespace.
        pod: its spec.

    Yields:
        The errors.
    """
    for volume in parts(pod, "volumes"):
        for text in _volume_errors(place, pod, volume):
            yield f'MountVolume.SetUp failed for volume "{volume["name"]}" : {text}'
    config_maps = _known(place, "ConfigMap") | {_ROOT_CERTIFICATES: frozenset({"ca.crt"})}
    secrets = _known(place, "Secret") | secrets_store.synced(place, pod)
    kinds: Mapping[str, tuple[str, _Known]] = {
        "configMap": ("ConfigMap", config_maps),
        "secret": ("Secret", secrets),
    }
    for field, (kind, known) in kinds.items():
        for name, keys, optional in _uses(pod, field):
            if optional:
                continue
            if name not in known:
                yield f'{kind.lower()} "{name}" not found'
            for key in sorted(keys - known.get(name, keys)):
                yield f"couldn't find key {key} in {kind} {place.namespace}/{name}"


def account_of(pod: _Spec) -> str:
    """The name of a pod's service account; empty for the default one."""
    return str(pod.get("serviceAccountName") or pod.get("serviceAccount") or "")


def claim_errors(place: Place, claim: Mapping[str, Any]) -> Iterator[str]:
    """The reasons why a claim cannot be bound to the volume that it names.

    Args:
        place: the claim's namespace.
        claim: the claim.

    Yields:
        The errors.
    """
    spec = part(claim, "spec")
    name = spec.get("volumeName")
    if not name:
        return
    volume = place.outside().get(VOLUME, name)
    if volume is None:
        yield f'persistentvolume "{name}" not found'
        return
    offered: _Spec = volume["spec"]
    owner = part(offered, "claimRef")
    mine = (place.namespace, claim["metadata"]["name"])
    if owner and (owner.get("namespace"), owner.get("name")) != mine:
        yield (
            f'volume "{name}" already bound to a different claim: '
            f"{owner.get('namespace')}/{owner.get('name')}"
        )
    else:
        yield from volumes.binding_errors(volume, claim)
    if spec.get("storageClassName", "") != offered.get("storageClassName", ""):
        yield (
            f'storageClassName does not match: the claim has "{spec.get("storageClassName", "")}", '
            f'volume "{name}" has "{offered.get("storageClassName", "")}"'
        )
    wanted, modes = (set[str](one.get("accessModes") or ()) for one in (spec, offered))
    if missing := wanted - modes:
        yield f'volume "{name}" does not offer {", ".join(sorted(missing))}'


def _volume_errors(place: Place, pod: _Spec, volume: Mapping[str, Any]) -> Iterator[str]:
    if claim := part(volume, "persistentVolumeClaim"):
        yield from _claimed_errors(place, claim["claimName"])
    if inline := part(volume, "csi"):
        yield from _driver_errors(place, inline["driver"])
        if inline["driver"] == secrets_store.DRIVER:
            yield from secrets_store.mount_errors(place, inline, account_of(pod))


def _claimed_errors(place: Place, name: str) -> Iterator[str]:
    claim = place.get(CLAIM, name)
    if claim is None:
        yield f'persistentvolumeclaim "{name}" not found'
        return
    volume = place.outside().get(VOLUME, str(claim["spec"].get("volumeName")))
    source = part(volume or {}, "spec", "csi")
    if not source:
        return
    yield from _driver_errors(place, source["driver"])
    if source["driver"] == "efs.csi.aws.com" and place.cluster.eks_name:
        # fs-…:path:fsap-…; the path is usually empty.
        for id_ in str(source["volumeHandle"]).split(":"):
            if id_.startswith("fs") and not place.cloud.find(id_):
                yield f'the file system or access point "{id_}" does not exist'


def _driver_errors(place: Place, driver: str) -> Iterator[str]:
    # The contents of a cluster outside EKS are not known.
    if place.cluster.eks_name:
        yield from custom.driver_errors(place.cloud, place.cluster, driver)


def _known(place: Place, kind: str) -> dict[str, frozenset[str]]:
    """Keys of each ConfigMap or Secret of the namespace, by name."""
    fields = ("data", "binaryData", "stringData")
    return {
        one.properties["metadata"]["name"]: frozenset(
            key for field in fields for key in part(one.properties, field)
        )
        for one in place.objects(f"core/v1:{kind}")
    }


def _uses(pod: _Spec, field: str) -> Iterator[tuple[str, frozenset[str], bool]]:
    """Name, keys and optionality of the objects of one kind that a pod reads."""
    for container in containers(pod):
        for source in parts(container, "envFrom"):
            if found := part(source, f"{field}Ref"):
                yield found["name"], frozenset(), bool(found.get("optional"))
        for variable in parts(container, "env"):
            if found := part(variable, "valueFrom", f"{field}KeyRef"):
                yield found["name"], frozenset({found["key"]}), bool(found.get("optional"))
    for volume in parts(pod, "volumes"):
        for source in (volume, *parts(part(volume, "projected"), "sources")):
            if found := part(source, field):
                # A volume names its Secret under another key.
                name = found.get("secretName") or found.get("name")
                keys = frozenset(item["key"] for item in parts(found, "items"))
                yield str(name), keys, bool(found.get("optional"))
