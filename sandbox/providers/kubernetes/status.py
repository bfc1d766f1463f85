"""The additions of an API server and its controllers to an object: identity, defaults, status.

The status is that of a successful rollout; nothing runs in the sandbox.
"""

import base64
import copy
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.cloud.store import Cloud
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.values.wire import hexes

SERVICES = ipaddress.IPv4Network("172.20.0.0/16")
"""Block of the services' addresses: one of the two defaults of EKS (source: EKS guide,
"Creating an Amazon EKS cluster", Kubernetes service IP address block)."""
NODE_PORTS = range(30000, 32768)
"""Port range of node port services (source: --service-node-port-range of kube-apiserver)."""
_EPOCH = "2026-01-01T00:00:00Z"


def completed(
    kind: Kind, obj: Mapping[str, Any], cloud: Cloud, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """An object as the API server stores it after a create or an update.

    Args:
        kind: its kind.
        obj: the object as written.
        cloud: the sandbox's cloud, which counts addresses.
        before: the object before an update.

    Returns:
        The object with the cluster's additions.
    """
    result = copy.deepcopy(dict(obj))
    metadata: dict[str, Any] = result["metadata"]
    old: Mapping[str, Any] = (before or {}).get("metadata") or {}
    key = (kind.api_version, kind.kind, metadata.get("namespace", ""), metadata["name"])
    metadata["uid"] = old.get("uid") or _uid(*key, str(cloud.count("kubernetes uid")))
    metadata["creationTimestamp"] = old.get("creationTimestamp") or _EPOCH
    metadata["generation"] = int(old.get("generation") or 0) + 1
    metadata["resourceVersion"] = str(cloud.count("kubernetes resourceVersion"))
    if (add := _ADDITIONS.get(kind.kind)) is not None:
        add(result, before or {}, cloud)
    return result


def unknown_properties(kind: Kind) -> tuple[str, ...]:
    """Properties that are unknown in a preview.

    Args:
        kind: the kind.

    Returns:
        `status`, for the kinds that have one in the sandbox.
    """
    return ("status",) if kind.kind in _ADDITIONS and kind.kind != "Secret" else ()


def _uid(*seeds: str) -> str:
    digits = hexes(32, *seeds)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _service(obj: dict[str, Any], before: Mapping[str, Any], cloud: Cloud) -> None:
    spec: dict[str, Any] = obj.setdefault("spec", {})
    old: Mapping[str, Any] = before.get("spec") or {}
    kind = spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if kind != "ExternalName":
        address = spec.get("clusterIP") or old.get("clusterIP")
        if address is None:
            number = cloud.count("kubernetes services") % (SERVICES.num_addresses - 2)
            address = str(SERVICES.network_address + 1 + number)
        spec["clusterIP"] = address
        spec["clusterIPs"] = [address]
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
        if kind in {"LoadBalancer", "NodePort"}:
            number = cloud.count("kubernetes node ports") % len(NODE_PORTS)
            port.setdefault("nodePort", NODE_PORTS[number])
    metadata = obj["metadata"]
    name = f"k8s-{metadata.get('namespace')}-{metadata['name']}"[:32]
    host = f"{name}-{metadata['uid'][:10]}.elb.us-east-1.amazonaws.com"
    balancer = {"ingress": [{"hostname": host}]} if kind == "LoadBalancer" else {}
    obj["status"] = {"loadBalancer": balancer}


def _replicated(obj: dict[str, Any], _before: Mapping[str, Any], _cloud: Cloud) -> None:
    spec: dict[str, Any] = obj.setdefault("spec", {})
    wanted = spec.setdefault("replicas", 1)
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    obj["status"] = {
        **dict.fromkeys(counts, wanted),
        "observedGeneration": obj["metadata"]["generation"],
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    }


def _daemon_set(obj: dict[str, Any], _before: Mapping[str, Any], _cloud: Cloud) -> None:
    counts = ("currentNumberScheduled", "desiredNumberScheduled", "numberReady", "numberAvailable")
    obj["status"] = {**dict.fromkeys(counts, 1), "numberMisscheduled": 0}


def _fixed(status: Mapping[str, Any]) -> Callable[[dict[str, Any], Mapping[str, Any], Cloud], None]:
    def add(obj: dict[str, Any], _before: Mapping[str, Any], _cloud: Cloud) -> None:
        obj["status"] = copy.deepcopy(dict(status))

    return add


def _autoscaler(obj: dict[str, Any], _before: Mapping[str, Any], _cloud: Cloud) -> None:
    spec: dict[str, Any] = obj.setdefault("spec", {})
    count = spec.setdefault("minReplicas", 1)
    obj["status"] = {"currentReplicas": count, "desiredReplicas": count}


def _secret(obj: dict[str, Any], _before: Mapping[str, Any], _cloud: Cloud) -> None:
    obj.setdefault("type", "Opaque")
    texts: Mapping[str, str] = obj.get("stringData") or {}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    obj["data"] = {**(obj.get("data") or {}), **encoded}


_ADDITIONS: Mapping[str, Callable[[dict[str, Any], Mapping[str, Any], Cloud], None]] = {
    "CustomResourceDefinition": _fixed(
        {
            "conditions": [
                {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"}
            ]
        }
    ),
    "DaemonSet": _daemon_set,
    "Deployment": _replicated,
    "HorizontalPodAutoscaler": _autoscaler,
    "Job": _fixed({"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}),
    "Namespace": _fixed({"phase": "Active"}),
    "PersistentVolumeClaim": _fixed({"phase": "Bound"}),
    "Pod": _fixed({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
    "ReplicaSet": _replicated,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _replicated,
}
