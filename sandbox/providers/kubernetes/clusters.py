"""The cluster of a provider: read from its kubeconfig, looked up in the cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, cast

import yaml

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.engine.provider import RefusedError
from sandbox.providers.kubernetes.kinds import DEFAULT_VERSION
from sandbox.values.wire import Unknown

PACKAGE = "kubernetes"
EKS_CLUSTER = "aws:eks/cluster:Cluster"
_NAME_FLAG = "--cluster-name"


class KubeconfigError(ValueError):
    """A kubeconfig that cannot be read; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """One cluster.

    Attributes:
        owner: the owner of its objects in the cloud; two clusters do not share objects.
        eks_name: name of the EKS cluster, or empty for another cluster.
        namespace: namespace of objects that name none.
    """

    owner: str
    eks_name: str
    namespace: str


def cluster_of(config: Mapping[str, Any]) -> Cluster:
    """The cluster of a provider's configuration.

    Args:
        config: the configuration.

    Returns:
        The cluster; without a kubeconfig, its owner is the package's name.

    Raises:
        KubeconfigError: the kubeconfig cannot be read.
    """
    given = config.get("kubeconfig")
    namespace = str(config.get("namespace") or "default")
    if not given or isinstance(given, Unknown):
        return Cluster(owner=PACKAGE, eks_name="", namespace=namespace)
    kubeconfig = _content(given)
    try:
        server = str(kubeconfig["clusters"][0]["cluster"]["server"])
    except (KeyError, IndexError, TypeError) as error:
        raise KubeconfigError("kubeconfig names no server: clusters[0].cluster.server") from error
    return Cluster(owner=f"{PACKAGE}@{server}", eks_name=_eks_name(kubeconfig), namespace=namespace)


def eks_cluster(cloud: Cloud, cluster: Cluster) -> StoredResource | None:
    """The EKS cluster behind a kubeconfig.

    Args:
        cloud: the sandbox's cloud.
        cluster: the cluster.

    Returns:
        The EKS cluster, or None if the kubeconfig names none or the cluster does not exist.
    """
    if not cluster.eks_name:
        return None
    return next((t for t in cloud.find(cluster.eks_name) if t.type == EKS_CLUSTER), None)


def must_be_reachable(cloud: Cloud, cluster: Cluster) -> None:
    """Refuses a request to an EKS cluster that is not in the cloud.

    Args:
        cloud: the sandbox's cloud.
        cluster: the cluster.

    Raises:
        RefusedError: there is no such EKS cluster.
    """
    if cluster.eks_name and eks_cluster(cloud, cluster) is None:
        raise RefusedError(
            "configured Kubernetes cluster is unreachable: unable to load schema information from "
            f"the API server: there is no EKS cluster {cluster.eks_name}"
        )


def version_of(cloud: Cloud, cluster: Cluster) -> str:
    """Version of a cluster's API server.

    Args:
        cloud: the sandbox's cloud.
        cluster: the cluster.

    Returns:
        The EKS cluster's version; the newest version of EKS if it is not known.
    """
    found = eks_cluster(cloud, cluster)
    return str((found.properties.get("version") if found else None) or DEFAULT_VERSION)


def _content(given: object) -> Mapping[str, Any]:
    if isinstance(given, dict):
        return cast("dict[str, Any]", given)
    text = str(given)
    try:
        read = yaml.safe_load(text)
        if isinstance(read, str):
            read = yaml.safe_load(FilePath(read).expanduser().read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise KubeconfigError(f"kubeconfig is neither YAML nor a readable file: {error}") from error
    if not isinstance(read, dict):
        raise KubeconfigError("kubeconfig is not a mapping")
    return cast("dict[str, Any]", read)


def _eks_name(kubeconfig: Mapping[str, Any]) -> str:
    users: Sequence[Mapping[str, Any]] = kubeconfig.get("users") or ()
    for user in users:
        credentials: Mapping[str, Any] = user.get("user") or {}
        login: Mapping[str, Any] = credentials.get("exec") or {}
        args: Sequence[str] = login.get("args") or ()
        if _NAME_FLAG in args[:-1]:
            return args[args.index(_NAME_FLAG) + 1]
    return ""
