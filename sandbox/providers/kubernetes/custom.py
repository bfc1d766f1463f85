"""Custom kinds and CSI drivers, and the controllers that provide them, by custom_kinds.yaml.

A controller installs its own kinds. It is part of Auto Mode, an EKS add-on, an EKS capability or a
chart. Without it, the API server does not have the kinds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.engine.provider import RefusedError
from sandbox.providers.kubernetes import clusters
from sandbox.providers.kubernetes.clusters import Cluster
from sandbox.providers.kubernetes.kinds import Kind

CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
RELEASE = "kubernetes:helm.sh/v3:Release"
_ADDON = "aws:eks/addon:Addon"
_CAPABILITY = "aws:eks/capability:Capability"


def definition(cloud: Cloud, cluster: Cluster, kind: Kind) -> Mapping[str, Any] | None:
    """The CustomResourceDefinition of a kind.

    Args:
        cloud: the sandbox's cloud.
        cluster: the cluster.
        kind: the kind.

    Returns:
        The definition in the cluster, or that in the table, or None.
    """
    return _in_cluster(cloud, cluster, kind) or _table().get((kind.group, kind.kind))


def must_be_served(cloud: Cloud, cluster: Cluster, kind: Kind, name: str) -> None:
    """Refuses an object of a kind in the table if nothing in the cluster provides the kind.

    Args:
        cloud: the sandbox's cloud.
        cluster: the cluster.
        kind: its kind.
        name: its name, for the message.

    Raises:
        RefusedError: the cluster's API server does not have the kind.
    """
    known = _table().get((kind.group, kind.kind))
    if known is None or _in_cluster(cloud, cluster, kind):
        return
    missing = _missing(cloud, cluster, known["brought_by"])
    if not missing:
        return
    raise RefusedError(
        f"creation of resource {name} failed because the Kubernetes API server reported that the "
        "apiVersion for this resource does not exist. Verify that any required CRDs have been "
        f'created: no matches for kind "{kind.kind}" in version "{kind.api_version}": '
        f"{missing} provides it, and is not installed (depends_on)"
    )


def driver_errors(cloud: Cloud, cluster: Cluster, driver: str) -> Iterator[str]:
    """Yields an error if no node has a CSI driver of the table.

    Args:
        cloud: the sandbox's cloud.
        cluster: the cluster.
        driver: its name.

    Yields:
        The error, in the kubelet's wording, and what provides the driver.
    """
    missing = _missing(cloud, cluster, _file()["drivers"].get(driver, ()))
    if missing:
        yield (
            f"driver name {driver} not found in the list of registered CSI drivers: {missing} "
            "provides it, and is not installed"
        )


def addon(cloud: Cloud, cluster: Cluster, name: str) -> StoredResource | None:
    """An EKS add-on of a cluster.

    Args:
        cloud: the sandbox's cloud.
        cluster: the cluster.
        name: the add-on's name.

    Returns:
        The add-on, or None if the cluster does not have it.
    """
    found = _of_cluster(cloud, cluster, _ADDON)
    return next((one for one in found if one.properties.get("addonName") == name), None)


def _in_cluster(cloud: Cloud, cluster: Cluster, kind: Kind) -> Mapping[str, Any] | None:
    for stored in cloud.list(cluster.owner, CRD):
        spec: Mapping[str, Any] = stored.properties["spec"]
        if (spec["group"], spec["names"]["kind"]) == (kind.group, kind.kind):
            return stored.properties
    return None


def _missing(cloud: Cloud, cluster: Cluster, bringers: Sequence[Mapping[str, str]]) -> str:
    """A description of the missing providers of a kind or driver; empty if one is installed."""
    if any(_is_there(cloud, cluster, bringer) for bringer in bringers):
        return ""
    return " or ".join(_says(bringer) for bringer in bringers)


def _is_there(cloud: Cloud, cluster: Cluster, bringer: Mapping[str, str]) -> bool:
    ((form, name),) = bringer.items()
    return name in _FORMS[form](cloud, cluster)


def _says(bringer: Mapping[str, str]) -> str:
    ((form, name),) = bringer.items()
    return _NAMES[form].format(name)


def _modes(cloud: Cloud, cluster: Cluster) -> Iterator[str]:
    found = clusters.eks_cluster(cloud, cluster)
    config: Mapping[str, Any] = (found.properties.get("computeConfig") if found else None) or {}
    if config.get("enabled"):
        yield "auto"


def _charts(cloud: Cloud, cluster: Cluster) -> Iterator[str]:
    for release in cloud.list(cluster.owner, RELEASE):
        yield str(release.properties.get("chart")).rpartition("/")[2]


def _addons(cloud: Cloud, cluster: Cluster) -> Iterator[str]:
    for stored in _of_cluster(cloud, cluster, _ADDON):
        yield str(stored.properties.get("addonName"))


def _capabilities(cloud: Cloud, cluster: Cluster) -> Iterator[str]:
    for stored in _of_cluster(cloud, cluster, _CAPABILITY):
        yield str(stored.properties.get("type"))


def _of_cluster(cloud: Cloud, cluster: Cluster, type_: str) -> Iterator[StoredResource]:
    for stored in cloud.list("aws", type_):
        if cluster.eks_name and stored.properties.get("clusterName") == cluster.eks_name:
            yield stored


_FORMS: Mapping[str, Callable[[Cloud, Cluster], Iterator[str]]] = {
    "mode": _modes,
    "chart": _charts,
    "addon": _addons,
    "capability": _capabilities,
}
_NAMES: Mapping[str, str] = {
    "mode": "EKS Auto Mode",
    "chart": "a release of the Helm chart {}",
    "addon": "the EKS add-on {}",
    "capability": "the EKS capability {}",
}


@cache
def _file() -> Mapping[str, Any]:
    text = Path(__file__).with_name("custom_kinds.yaml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.load(text, Loader=yaml.CSafeLoader))


@cache
def _table() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    kinds: Mapping[str, Mapping[str, Any]] = _file()["kinds"]
    return dict(_definition(name, known) for name, known in kinds.items())


def _definition(name: str, known: Mapping[str, Any]) -> tuple[tuple[str, str], Mapping[str, Any]]:
    group, _, kind = name.rpartition("/")
    versions = [
        {"name": version, "served": True, "schema": {"openAPIV3Schema": schema}}
        for version, schema in known["versions"].items()
    ]
    spec = {"group": group, "names": {"kind": kind}, "scope": known["scope"], "versions": versions}
    return (group, kind), {"spec": spec, "brought_by": known["brought_by"]}
