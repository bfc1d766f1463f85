"""Target groups that pods are registered in: TargetGroupBinding.

Facts from aws-load-balancer-controller 3 (webhooks/elbv2/targetgroupbinding_validator.go), which
EKS Auto Mode runs as well, and the user guide of EKS ("Configure NLB", TargetGroupBinding).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.engine.provider import RefusedError
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.place import Place
from sandbox.values.tree import part, parts

KIND, AUTO_MODE = "TargetGroupBinding", "eks.amazonaws.com"
GROUPS = frozenset({AUTO_MODE, "elbv2.k8s.aws"})
"""API groups that have the kind: that of Auto Mode, and that of the installed controller."""
CLUSTER_TAG = "eks:eks-cluster-name"
"""The tag of a target group that Auto Mode may register pods in."""
_TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
_IMMUTABLE = ("ipAddressType", "targetGroupARN", "targetType", "vpcID")


def must_bind(
    place: Place, kind: Kind, obj: Mapping[str, Any], before: Mapping[str, Any] | None
) -> None:
    """Refuses a binding that the controller's webhook denies, or that cannot register any pod.

    Args:
        place: its namespace.
        kind: its kind.
        obj: the binding.
        before: the binding before an update, or None.

    Raises:
        RefusedError: it is denied, or cannot register any pod.
    """
    spec: Mapping[str, Any] = obj["spec"]
    old: Mapping[str, Any] = (before or {"spec": spec})["spec"]
    changed = [f"spec.{key}" for key in _IMMUTABLE if old.get(key) != spec.get(key)]
    if changed:
        raise RefusedError(
            f"{_denied(kind)} TargetGroupBinding update may not change these immutable fields: "
            f"{','.join(changed)} (replace_on_changes)"
        )
    for error in _group_errors(place, kind, obj):
        raise RefusedError(f"{_denied(kind)} {error}")
    for error in _service_errors(place, spec):
        raise RefusedError(f"TargetGroupBinding {obj['metadata']['name']} binds nothing: {error}")


def _denied(kind: Kind) -> str:
    webhook = f"vtargetgroupbinding.{kind.group}"
    return f'admission webhook "{webhook}" denied the request:'


def _group_errors(place: Place, kind: Kind, obj: Mapping[str, Any]) -> Iterator[str]:
    spec: Mapping[str, Any] = obj["spec"]
    arn = spec.get("targetGroupARN")
    if not arn:
        # A name, which the sandbox does not resolve.
        return
    found = [stored for stored in place.cloud.find(arn) if stored.type == _TARGET_GROUP]
    if not found:
        yield f"target group {arn} does not exist"
        return
    group = found[0].properties
    wanted = spec.get("targetType")
    if wanted and wanted != group.get("targetType"):
        yield f"invalid targetType {wanted}: target group {arn} is of type {group['targetType']}"
    tags = part(group, "tagsAll") or part(group, "tags")
    cluster = place.cluster.eks_name
    if kind.group == AUTO_MODE and cluster and tags.get(CLUSTER_TAG) != cluster:
        yield (
            f"EKS Auto Mode may not register targets in {arn}: its tag {CLUSTER_TAG} is "
            f"{tags.get(CLUSTER_TAG)!r}, not {cluster!r}"
        )
    mine = (place.namespace, obj["metadata"]["name"])
    for group_name in GROUPS:
        for version in ("v1", "v1beta1"):
            type_ = f"kubernetes:{group_name}/{version}:{KIND}"
            for other in place.cloud.list(place.cluster.owner, type_):
                metadata = other.properties["metadata"]
                same = (metadata["namespace"], metadata["name"]) == mine
                bound: Mapping[str, Any] = other.properties["spec"]
                shared = _shares(spec) and _shares(bound)
                if not same and bound.get("targetGroupARN") == arn and not shared:
                    yield (
                        f"TargetGroup {arn} is already bound to following TargetGroupBindings "
                        f"{other.id}. Please enable MultiCluster mode on all TargetGroupBindings "
                        "referencing it or choose a different Target Group ARN."
                    )


def _shares(spec: Mapping[str, Any]) -> bool:
    """Whether a binding keeps targets that another binding registered."""
    return spec.get("multiClusterTargetGroup") is True


def _service_errors(place: Place, spec: Mapping[str, Any]) -> Iterator[str]:
    reference: Mapping[str, Any] = spec["serviceRef"]
    service = place.get("core/v1:Service", reference["name"])
    if service is None:
        yield f'backend not found: service "{place.namespace}/{reference["name"]}" not found'
        return
    ports = parts(service["spec"], "ports")
    if not any(reference["port"] in (port.get("port"), port.get("name")) for port in ports):
        offered = ", ".join(str(port.get("port")) for port in ports) or "none"
        yield (
            f"unable to find port {reference['port']} on service {place.namespace}/"
            f"{reference['name']}; its ports: {offered}"
        )
