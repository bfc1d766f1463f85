"""A namespace of a cluster, and the objects in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.providers.kubernetes.clusters import Cluster
from sandbox.values.tree import part

_PREFIX = "kubernetes:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where an object is.

    Attributes:
        cloud: the sandbox's cloud.
        cluster: the cluster.
        namespace: the namespace; empty for objects without one.
    """

    cloud: Cloud
    cluster: Cluster
    namespace: str

    def objects(self, kind: str) -> list[StoredResource]:
        """All objects of a kind in the namespace.

        Args:
            kind: the kind with its version, such as `apps/v1:Deployment`.

        Returns:
            The objects, in the order of their creation.
        """
        found = self.cloud.list(self.cluster.owner, _PREFIX + kind)
        return [one for one in found if _namespace(one) == self.namespace]

    def get(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """One object of the namespace.

        Args:
            kind: the kind with its version.
            name: its name.

        Returns:
            The object, or None.
        """
        id_ = f"{self.namespace}/{name}" if self.namespace else name
        found = self.cloud.get(self.cluster.owner, _PREFIX + kind, id_)
        return found.properties if found else None

    def outside(self) -> "Place":
        """The same cluster, for objects without a namespace."""
        return Place(cloud=self.cloud, cluster=self.cluster, namespace="")


def _namespace(stored: StoredResource) -> str:
    return str(part(stored.properties, "metadata").get("namespace") or "")
