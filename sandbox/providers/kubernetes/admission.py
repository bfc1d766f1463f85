"""Objects that an API server or a controller refuses because of the state of the cluster.

Kubernetes accepts a Deployment whose pods it then refuses, or that never start; pulumi-kubernetes
waits for it until the timeout. The sandbox fails immediately and creates nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.engine.provider import RefusedError
from sandbox.providers.kubernetes import bindings, pod_security, quotas, references
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.place import Place
from sandbox.values.tree import part

SKIP_AWAIT = "pulumi.com/skipAwait"
"""The annotation of an object for which pulumi-kubernetes does not wait."""
_NAMESPACE = "core/v1:Namespace"
_PLURALS: Mapping[str, str] = {
    "ConfigMap": "configmaps",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Secret": "secrets",
    "Service": "services",
}


def must_be_admitted(
    place: Place, kind: Kind, obj: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> str:
    """Refuses an object that the state of the cluster does not allow, or whose pods never start.

    Args:
        place: its namespace.
        kind: its kind.
        obj: the object.
        before: the object before an update, or None.

    Returns:
        The errors in the pods of an object that Pulumi does not wait for.

    Raises:
        RefusedError: the object is refused, or would never be ready.
    """
    if kind.patch:
        return ""
    name = str(obj["metadata"]["name"])
    full = f"{kind.api_version if kind.group else 'core/v1'}:{kind.kind}"
    counted = list(quotas.count_errors(place, full, obj))
    if counted:
        raise RefusedError(f'{_PLURALS[kind.kind]} "{name}" is forbidden: {counted[0]}')
    if kind.kind == bindings.KIND and kind.group in bindings.GROUPS:
        bindings.must_bind(place, kind, obj, before)
    if full == references.CLAIM and (errors := list(references.claim_errors(place, obj))):
        raise RefusedError(_never_ready(place, obj, errors))
    if full not in quotas.WORKLOADS:
        return ""
    errors = list(_pod_errors(place, obj, before))
    if not errors:
        return ""
    if kind.kind == "Pod":
        raise RefusedError(errors[0])
    if _is_not_awaited(obj):
        return "; ".join(errors)
    raise RefusedError(_never_ready(place, obj, errors))


def namespace_label_error(obj: Mapping[str, Any]) -> str:
    """Validates the Pod Security Standard in the labels of a namespace.

    Args:
        obj: the namespace.

    Returns:
        The error, or an empty string.
    """
    level = part(obj, "metadata", "labels").get(pod_security.ENFORCE)
    if not isinstance(level, str) or level in pod_security.LEVELS:
        return ""
    return f"{level!r} is not a Pod Security Standard: {', '.join(pod_security.LEVELS)}"


def _pod_errors(
    place: Place, obj: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Iterator[str]:
    count = quotas.replicas_of(place, obj)
    if not count:
        return
    pod = quotas.defaulted(place, quotas.pod_of(obj))
    forbidden = [
        *references.admission_errors(place, pod),
        *quotas.range_errors(place, pod),
        *_violations(place, pod),
        *quotas.quota_errors(place, obj, pod, count + _surge(obj, before, count)),
    ]
    name = obj["metadata"]["name"] + ("" if obj["kind"] == "Pod" else "-")
    yield from (f'pods "{name}" is forbidden: {text}' for text in forbidden)
    yield from references.start_errors(place, pod)


def _violations(place: Place, pod: Mapping[str, Any]) -> Iterator[str]:
    namespace = place.outside().get(_NAMESPACE, place.namespace) or {}
    labels = part(namespace, "metadata", "labels")
    level = labels.get(pod_security.ENFORCE, pod_security.LEVELS[0])
    if found := pod_security.violations(level, pod):
        version = labels.get(f"{pod_security.ENFORCE}-version", "latest")
        yield f'violates PodSecurity "{level}:{version}": {", ".join(found)}'


def _surge(obj: Mapping[str, Any], before: Mapping[str, Any] | None, count: int) -> int:
    """The number of additional pods during a rolling update: zero or one."""
    if obj["kind"] != "Deployment" or before is None:
        return 0
    if quotas.pod_of(before) == quotas.pod_of(obj):
        return 0
    strategy = part(obj, "spec", "strategy")
    if strategy.get("type") == "Recreate":
        return 0
    text = str(part(strategy, "rollingUpdate").get("maxUnavailable", "25%"))
    allowed = count * int(text[:-1]) // 100 if text.endswith("%") else int(text)
    return 0 if allowed else 1


def _is_not_awaited(obj: Mapping[str, Any]) -> bool:
    return str(part(obj, "metadata", "annotations").get(SKIP_AWAIT)).lower() == "true"


def _never_ready(place: Place, obj: Mapping[str, Any], errors: list[str]) -> str:
    name = obj["metadata"]["name"]
    where = f"{place.namespace}/{name}" if place.namespace else name
    return (
        f"resource {where} was successfully created, but the Kubernetes API server reported that "
        f"it failed to fully initialize or become live: '{name}' timed out waiting to be Ready: "
        + "; ".join(errors)
    )
