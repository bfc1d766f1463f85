"""An EKS cluster in a cloud, and the kubernetes provider for it, without an engine."""

import copy
from collections.abc import Mapping
from typing import Any

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.engine.provider import Call, Context, Made
from sandbox.providers.kubernetes.provider import PROVIDER
from sandbox.values.wire import dotted

NAME, SERVER = "fleet", "https://fleet"
LABELS: Mapping[str, str] = {"app": "clock"}
KUBECONFIG: Mapping[str, Any] = {
    "clusters": [{"name": "cluster", "cluster": {"server": SERVER}}],
    "users": [{"name": "aws", "user": {"exec": {"args": ["--cluster-name", NAME]}}}],
}


def put(cloud: Cloud, type_: str, id_: str, *handles: str, **properties: Any) -> None:
    """Stores a resource of aws in a cloud."""
    cloud.put(
        StoredResource(
            provider="aws",
            type=f"aws:{type_}",
            id=id_,
            inputs={},
            properties=properties,
            handles=handles,
        )
    )


class Cluster:
    """The API server of the EKS cluster `fleet`; each method is one of the engine's calls."""

    def __init__(self, cloud: Cloud, **properties: Any) -> None:
        self.cloud = cloud
        self.warnings: list[str] = []
        put(cloud, "eks/cluster:Cluster", NAME, name=NAME, version="1.36", **properties)

    @property
    def context(self) -> Context:
        return Context(
            cloud=self.cloud,
            config={"kubeconfig": KUBECONFIG},
            warn=lambda _, text: self.warnings.append(text),
        )

    def call(self, kind: str, inputs: Mapping[str, Any], **more: Any) -> Call:
        return Call(
            type=f"kubernetes:{kind}", urn="it", name="it", inputs=inputs, seed=b"1", **more
        )

    def errors(self, kind: str, inputs: Mapping[str, Any]) -> dict[str, str]:
        failures = PROVIDER.check(self.context, self.call(kind, inputs)).failures
        return {dotted(failure.path): failure.reason for failure in failures}

    def make(self, kind: str, inputs: Mapping[str, Any]) -> Made:
        checked = PROVIDER.check(self.context, self.call(kind, inputs))
        assert checked.failures == []
        return PROVIDER.create(self.context, self.call(kind, checked.inputs))

    def change(self, kind: str, made: Made, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        checked = PROVIDER.check(self.context, self.call(kind, inputs))
        assert checked.failures == []
        return PROVIDER.update(self.context, self.call(kind, checked.inputs, id=made.id))

    def delete(self, kind: str, made: Made) -> None:
        PROVIDER.delete(self.context, self.call(kind, {}, id=made.id))


def changed(obj: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of an object with one value set at a path such as `spec.replicas`."""
    result = copy.deepcopy(dict(obj))
    *parents, last = path.split(".")
    at: Any = result
    for parent in parents:
        at = at[int(parent)] if parent.isdigit() else at.setdefault(parent, {})
    at[last] = value
    return result
