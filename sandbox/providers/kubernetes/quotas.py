"""The limits of a namespace: LimitRange and ResourceQuota.

Source: "Limit Ranges" and "Resource Quotas" of the Kubernetes documentation; the messages are those
of kubernetes/plugin/pkg/admission (limitranger, resourcequota).
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from sandbox.providers.kubernetes.place import Place
from sandbox.providers.kubernetes.pod_security import containers
from sandbox.providers.kubernetes.quantities import amount
from sandbox.values.tree import part, parts

WORKLOADS = (
    "apps/v1:DaemonSet",
    "apps/v1:Deployment",
    "apps/v1:ReplicaSet",
    "apps/v1:StatefulSet",
    "batch/v1:Job",
    "core/v1:Pod",
)
"""Kinds that have pods, with their versions."""
_AUTOSCALERS = ("autoscaling/v1:HorizontalPodAutoscaler", "autoscaling/v2:HorizontalPodAutoscaler")
_LIMIT_RANGE, _QUOTA, _SERVICE = "core/v1:LimitRange", "core/v1:ResourceQuota", "core/v1:Service"
# The resources that a quota counts, by their names in it.
_COUNTED: Mapping[str, str] = {
    "configmaps": "core/v1:ConfigMap",
    "persistentvolumeclaims": "core/v1:PersistentVolumeClaim",
    "secrets": "core/v1:Secret",
    "services": _SERVICE,
    "services.loadbalancers": _SERVICE,
    "services.nodeports": _SERVICE,
}
_WITH_NODE_PORTS = frozenset({"LoadBalancer", "NodePort"})

_Spec = Mapping[str, Any]


def pod_of(obj: Mapping[str, Any]) -> _Spec:
    """The spec of the pods of a workload, or of a pod."""
    return part(obj, "spec") if obj["kind"] == "Pod" else part(obj, "spec", "template", "spec")


def replicas_of(place: Place, obj: Mapping[str, Any]) -> int:
    """How many pods a workload has.

    Args:
        place: its namespace.
        obj: the workload.

    Returns:
        Its replicas, or the minimum of its autoscaler if that is more.
    """
    spec = part(obj, "spec")
    own = spec.get("parallelism", 1) if obj["kind"] == "Job" else spec.get("replicas", 1)
    target = (obj["kind"], obj["metadata"]["name"])
    scaled = [
        one.properties["spec"].get("minReplicas", 1)
        for kind in _AUTOSCALERS
        for one in place.objects(kind)
        if _scaled(one.properties) == target
    ]
    return max([int(own), *scaled])


def _scaled(autoscaler: Mapping[str, Any]) -> tuple[str, str]:
    reference = autoscaler["spec"]["scaleTargetRef"]
    return reference["kind"], reference["name"]


def defaulted(place: Place, pod: _Spec) -> _Spec:
    """A pod with the default requests and limits of the namespace filled in.

    Args:
        place: the namespace.
        pod: the pod's spec.

    Returns:
        The spec with its containers' resources filled in.
    """
    result = copy.deepcopy(dict(pod))
    for container in containers(result):
        resources = cast("dict[str, Any]", container).setdefault("resources", {})
        limits = dict(part(resources, "limits"))
        requests = {**limits, **part(resources, "requests")}
        for bound in _bounds(place):
            default = {**part(bound, "max"), **part(bound, "default")}
            least = {**part(bound, "min"), **default, **part(bound, "defaultRequest")}
            requests = {**least, **requests}
            limits = {**default, **limits}
        resources |= {"requests": requests, "limits": limits}
    return result


def _bounds(place: Place) -> Iterator[Mapping[str, Any]]:
    for one in place.objects(_LIMIT_RANGE):
        for bound in parts(one.properties["spec"], "limits"):
            if bound["type"] == "Container":
                yield bound


def range_errors(place: Place, pod: _Spec) -> Iterator[str]:
    """The resources of a pod that exceed the namespace's limits for a container.

    Args:
        place: the namespace.
        pod: the pod's spec, filled in.

    Yields:
        The errors, in the API server's wording.
    """
    for bound in _bounds(place):
        for container in containers(pod):
            limits, requests = (container["resources"][key] for key in ("limits", "requests"))
            for what, most in part(bound, "max").items():
                if what in limits and amount(limits[what]) > amount(most):
                    got = f"but limit is {limits[what]}"
                    yield f"maximum {what} usage per Container is {most}, {got}"
            for what, least in part(bound, "min").items():
                if what in requests and amount(requests[what]) < amount(least):
                    got = f"but request is {requests[what]}"
                    yield f"minimum {what} usage per Container is {least}, {got}"


def quota_errors(place: Place, obj: Mapping[str, Any], pod: _Spec, pods: int) -> Iterator[str]:
    """The quotas that a workload's pods exceed together with the others of the namespace.

    Args:
        place: the namespace.
        obj: the workload.
        pod: the spec of its pods, filled in.
        pods: the maximum number of pods at one time.

    Yields:
        The errors, close to the API server's wording, which reports the first excess pod.
    """
    others = [one for one in _workloads(place) if not _is_same(one, obj)]
    for quota in place.objects(_QUOTA):
        spec = quota.properties["spec"]
        # A quota with scopes counts only some pods, which is not modelled.
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        name = quota.properties["metadata"]["name"]
        for key, hard in part(spec, "hard").items():
            resource = _resource(key)
            if resource is None:
                continue
            if unset := _without(pod, resource):
                yield f"failed quota: {name}: must specify {key} for: {', '.join(unset)}"
                continue
            needed = _usage(pod, resource)
            used = sum(
                _usage(defaulted(place, pod_of(one)), resource) * replicas_of(place, one)
                for one in others
            )
            if used + needed * pods > amount(hard):
                yield (
                    f"exceeded quota: {name}, requested: {key}={_shown(needed)} for each "
                    f"of {pods} pods, used: {key}={_shown(used)}, limited: {key}={hard}"
                )


def count_errors(place: Place, kind: str, obj: Mapping[str, Any]) -> Iterator[str]:
    """The quotas of the namespace that another object of a kind exceeds.

    Args:
        place: the namespace.
        kind: the kind with its version.
        obj: the object.

    Yields:
        The errors, in the API server's wording.
    """
    mine = [key for key, counted in _COUNTED.items() if counted == kind and _counts(key, obj)]
    for quota in place.objects(_QUOTA):
        hard = part(quota.properties, "spec", "hard")
        name = quota.properties["metadata"]["name"]
        for key in mine:
            others = [one.properties for one in place.objects(kind)]
            used = sum(_counts(key, one) for one in others if not _is_same(one, obj))
            if key in hard and used + _counts(key, obj) > amount(hard[key]):
                yield (
                    f"exceeded quota: {name}, requested: {key}={_counts(key, obj)}, "
                    f"used: {key}={used}, limited: {key}={hard[key]}"
                )


def _counts(key: str, obj: Mapping[str, Any]) -> int:
    """The amount that an object adds to one resource of a quota."""
    spec = part(obj, "spec")
    type_ = spec.get("type", "ClusterIP")
    if key == "services.loadbalancers":
        return int(type_ == "LoadBalancer")
    if key == "services.nodeports":
        allocated = type_ in _WITH_NODE_PORTS and spec.get("allocateLoadBalancerNodePorts", True)
        return len(parts(spec, "ports")) if allocated else 0
    return 1


def _workloads(place: Place) -> Iterator[Mapping[str, Any]]:
    for kind in WORKLOADS:
        for one in place.objects(kind):
            yield one.properties


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = [(each["kind"], each["metadata"].get("name")) for each in (one, other)]
    return names[0] == names[1]


def _resource(key: str) -> tuple[str, str] | None:
    """The meaning of a quota's key: requests or limits of a resource, or pods."""
    if key == "pods":
        return "", key
    part, dot, what = key.partition(".")
    if dot and part in {"limits", "requests"} and what in {"cpu", "ephemeral-storage", "memory"}:
        return part, what
    return ("requests", key) if key in {"cpu", "memory"} else None


def _without(pod: _Spec, resource: tuple[str, str]) -> list[str]:
    part, what = resource
    if not part or what == "ephemeral-storage":
        return []
    return [one["name"] for one in containers(pod) if what not in one["resources"][part]]


def _usage(pod: _Spec, resource: tuple[str, str]) -> Fraction:
    """The amount of a resource that a pod requests."""
    part, what = resource
    if not part:
        return Fraction(1)

    def total(found: Sequence[Mapping[str, Any]]) -> Fraction:
        return sum((amount(one["resources"][part].get(what, 0)) for one in found), Fraction(0))

    initial = parts(pod, "initContainers")
    sidecars = [one for one in initial if one.get("restartPolicy") == "Always"]
    running = total([*parts(pod, "containers"), *sidecars])
    return max([running, *(total([one]) for one in initial if one not in sidecars)])


def _shown(number: Fraction | int) -> str:
    value = Fraction(number)
    return str(value) if value.denominator == 1 else f"{value * 1000}m"
