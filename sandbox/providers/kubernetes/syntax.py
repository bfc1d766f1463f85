"""The syntax of names, labels, quantities and ports in Kubernetes, by kind of value.

Its published schemas have only "string" there; these rules are those of
k8s.io/apimachinery/pkg/util/validation and of the page "Object Names and IDs" of its documentation.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from sandbox.engine.provider import Failure
from sandbox.values.wire import Path

LABEL_LENGTH = 63
"""Longest RFC 1123 label, and longest name or value of a label."""
SUBDOMAIN_LENGTH = 253
"""Longest RFC 1123 subdomain: most names of objects, and the prefix of a label's key."""
ANNOTATIONS_SIZE = 256 * 1024
"""Bytes of all annotations of an object (source: TotalAnnotationSizeLimitB)."""
PORTS = range(1, 65536)
PORT_NAME_LENGTH = 15
"""Longest name of a container's port (source: IsValidPortName, an IANA service name)."""
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_QUANTITY = re.compile(r"[+-]?(\d+|\d+\.\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)
_ANNOTATIONS = ("ObjectMeta", "annotations")
_PATH_SEGMENT_NAMES = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})

# Allowed values of a property, by definition and property, where Kubernetes has a closed list
# (source: the API reference of each type; the schemas list them only in descriptions).
ENUMS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("Container", "imagePullPolicy"): ("Always", "Never", "IfNotPresent"),
    ("Container", "terminationMessagePolicy"): ("File", "FallbackToLogsOnError"),
    ("ContainerPort", "protocol"): ("TCP", "UDP", "SCTP"),
    ("CronJobSpec", "concurrencyPolicy"): ("Allow", "Forbid", "Replace"),
    ("DaemonSetUpdateStrategy", "type"): ("RollingUpdate", "OnDelete"),
    ("DeploymentStrategy", "type"): ("Recreate", "RollingUpdate"),
    ("HTTPGetAction", "scheme"): ("HTTP", "HTTPS"),
    ("HTTPIngressPath", "pathType"): ("Exact", "Prefix", "ImplementationSpecific"),
    ("JobSpec", "completionMode"): ("NonIndexed", "Indexed"),
    ("LabelSelectorRequirement", "operator"): ("In", "NotIn", "Exists", "DoesNotExist"),
    ("MetricSpec", "type"): ("ContainerResource", "External", "Object", "Pods", "Resource"),
    ("MetricTarget", "type"): ("Utilization", "Value", "AverageValue"),
    ("NodeSelectorRequirement", "operator"): (
        "In",
        "NotIn",
        "Exists",
        "DoesNotExist",
        "Gt",
        "Lt",
    ),
    ("PersistentVolumeSpec", "persistentVolumeReclaimPolicy"): ("Delete", "Recycle", "Retain"),
    ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy"): ("IfHealthyBudget", "AlwaysAllow"),
    ("PodSpec", "dnsPolicy"): ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    ("PodSpec", "restartPolicy"): ("Always", "OnFailure", "Never"),
    ("SeccompProfile", "type"): ("Localhost", "RuntimeDefault", "Unconfined"),
    ("ServicePort", "protocol"): ("TCP", "UDP", "SCTP"),
    ("ServiceSpec", "externalTrafficPolicy"): ("Cluster", "Local"),
    ("ServiceSpec", "internalTrafficPolicy"): ("Cluster", "Local"),
    ("ServiceSpec", "sessionAffinity"): ("ClientIP", "None"),
    ("ServiceSpec", "type"): ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
    ("StatefulSetSpec", "podManagementPolicy"): ("OrderedReady", "Parallel"),
    ("StorageClass", "volumeBindingMode"): ("Immediate", "WaitForFirstConsumer"),
    ("Toleration", "effect"): ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    ("Toleration", "operator"): ("Exists", "Equal", "Lt", "Gt"),
    ("TopologySpreadConstraint", "whenUnsatisfiable"): ("DoNotSchedule", "ScheduleAnyway"),
}

Check = Callable[[Any], str | None]
"""Returns the error of a value, or None."""


def is_label(value: str) -> str | None:
    """Checks an RFC 1123 label, such as a container's name.

    Args:
        value: the label.

    Returns:
        The error, or None.
    """
    if len(value) <= LABEL_LENGTH and _LABEL.fullmatch(value):
        return None
    return (
        f"{value!r} is not an RFC 1123 label: at most {LABEL_LENGTH} lower case letters, digits "
        "and '-', beginning and ending with a letter or digit"
    )


def is_object_name(kind: str, value: str) -> str | None:
    """Checks the name of an object.

    Args:
        kind: kind of the object, which determines the rule.
        value: the name.

    Returns:
        The error, or None.
    """
    if kind == "Namespace":
        return is_label(value)
    if kind in _PATH_SEGMENT_NAMES:
        fine = bool(value) and value not in {".", ".."} and "/" not in value and "%" not in value
        rule = "a name: it may not be empty, '.' or '..' nor contain '/' or '%'"
    elif kind == "Service":
        fine = len(value) <= LABEL_LENGTH and _DNS_1035.fullmatch(value) is not None
        rule = (
            f"an RFC 1035 label: at most {LABEL_LENGTH} lower case letters, digits and '-', "
            "beginning with a letter and not ending with '-'"
        )
    else:
        fine = len(value) <= SUBDOMAIN_LENGTH and _SUBDOMAIN.fullmatch(value) is not None
        rule = (
            f"an RFC 1123 subdomain: at most {SUBDOMAIN_LENGTH} lower case letters, digits, '-' "
            "and '.', beginning and ending with a letter or digit"
        )
    return None if fine else f"{value!r} is not {rule}"


def is_qualified_name(value: str) -> str | None:
    """Checks the key of a label or an annotation.

    Args:
        value: the key, perhaps with a prefix and a slash.

    Returns:
        The error, or None.
    """
    prefix, slash, name = value.rpartition("/")
    prefix_is_fine = not slash or (
        len(prefix) <= SUBDOMAIN_LENGTH and _SUBDOMAIN.fullmatch(prefix) is not None
    )
    if prefix_is_fine and len(name) <= LABEL_LENGTH and _QUALIFIED.fullmatch(name):
        return None
    return (
        f"{value!r} is not a key: a name of at most {LABEL_LENGTH} letters, digits, '-', '_' and "
        "'.', beginning and ending with a letter or digit, perhaps after a DNS subdomain and '/'"
    )


def is_label_value(value: str) -> str | None:
    """Checks the value of a label.

    Args:
        value: the value, which may be empty.

    Returns:
        The error, or None.
    """
    if not value or (len(value) <= LABEL_LENGTH and _QUALIFIED.fullmatch(value)):
        return None
    return (
        f"{value!r} is not a label's value: at most {LABEL_LENGTH} letters, digits, '-', '_' and "
        "'.', beginning and ending with a letter or digit"
    )


def is_quantity(value: str | float) -> str | None:
    """Checks a quantity, such as a container's memory.

    Args:
        value: text or number.

    Returns:
        The error, or None.
    """
    if not isinstance(value, str) or _QUANTITY.fullmatch(value):
        return None
    return f"{value!r} is not a quantity, such as 250m, 1.5, 512Mi or 2G"


def is_port(value: int) -> str | None:
    """Checks the number of a port.

    Args:
        value: the number.

    Returns:
        The error, or None.
    """
    return None if value in PORTS else f"{value} is not a port: 1 to {PORTS[-1]}"


def is_port_name(value: str) -> str | None:
    """Checks the name of a container's port.

    Args:
        value: the name.

    Returns:
        The error, or None.
    """
    if len(value) <= PORT_NAME_LENGTH and _PORT_NAME.fullmatch(value):
        return None
    return (
        f"{value!r} is not a port's name: at most {PORT_NAME_LENGTH} lower case letters, digits "
        "and single '-' between them, at least one of them a letter"
    )


BY_PROPERTY: Mapping[tuple[str, str], Check] = {
    ("Container", "name"): is_label,
    ("ContainerPort", "containerPort"): is_port,
    ("ContainerPort", "hostPort"): is_port,
    ("ContainerPort", "name"): is_port_name,
    ("EphemeralContainer", "name"): is_label,
    ("ServicePort", "name"): is_label,
    ("ServicePort", "port"): is_port,
    ("Volume", "name"): is_label,
}
"""Rules of single values, by definition and property."""

LABEL_MAPS = frozenset(
    {
        ("LabelSelector", "matchLabels"),
        ("ObjectMeta", "labels"),
        ("PodSpec", "nodeSelector"),
        ("ReplicationControllerSpec", "selector"),
        ("ServiceSpec", "selector"),
    }
)
"""Maps of labels, by definition and property."""
DATA_MAPS = frozenset(
    {
        ("ConfigMap", "binaryData"),
        ("ConfigMap", "data"),
        ("Secret", "data"),
        ("Secret", "stringData"),
    }
)
"""Maps whose keys become file names, by definition and property."""


def of_property(definition: str, key: str, value: Any, path: Path) -> Iterator[Failure]:  # noqa: ANN401 -- any JSON
    """Checks the syntax of one property.

    Args:
        definition: short name of the definition that has the property, such as `Container`.
        key: name of the property.
        value: its value, of the type in the schema.
        path: its path.

    Yields:
        The errors.
    """
    where = (definition, key)
    if where in ENUMS and value not in ENUMS[where]:
        reason = f"{value!r} is not allowed; allowed: {', '.join(ENUMS[where])}"
        yield Failure(path=path, reason=reason)
    if where in BY_PROPERTY and (error := BY_PROPERTY[where](value)):
        yield Failure(path=path, reason=error)
    if isinstance(value, dict):
        yield from _of_map(where, cast("dict[str, Any]", value), path)


def _of_map(where: tuple[str, str], values: Mapping[str, Any], path: Path) -> Iterator[Failure]:
    if where in LABEL_MAPS:
        errors = {key: _label_error(key, value) for key, value in values.items()}
    elif where == _ANNOTATIONS:
        errors = {key: is_qualified_name(key.lower()) for key in values}
        yield from _too_large(values, path)
    elif where in DATA_MAPS:
        errors = {key: _data_key_error(key) for key in values}
    else:
        return
    for key, error in errors.items():
        if error:
            yield Failure(path=(*path, key), reason=error)


def _label_error(key: str, value: object) -> str | None:
    return is_qualified_name(key) or (is_label_value(value) if isinstance(value, str) else None)


def _data_key_error(key: str) -> str | None:
    if len(key) <= SUBDOMAIN_LENGTH and _DATA_KEY.fullmatch(key):
        return None
    return f"{key!r} is not a key: letters, digits, '-', '_' and '.' only"


def _too_large(values: Mapping[str, Any], path: Path) -> Iterator[Failure]:
    texts = [key + value for key, value in values.items() if isinstance(value, str)]
    size = sum(len(text.encode()) for text in texts)
    if size > ANNOTATIONS_SIZE:
        yield Failure(path=path, reason=f"annotations are {size} bytes; at most {ANNOTATIONS_SIZE}")
