"""The outputs that a component of eks reads from other resources of the program.

They arrive as references. `register` makes the SDK's runtime turn a reference into a resource with
only the outputs that are read here; the typed SDKs would do the same in ten times the time.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi
from pulumi.resource import DependencyResource
from pulumi.runtime import rpc

from sandbox.engine.components import Child, Value

_READ: Mapping[str, Sequence[str]] = {
    "aws:ec2/securityGroup:SecurityGroup": (),
    "aws:eks/cluster:Cluster": ("accessConfig", "arn", "name", "version", "vpcConfig"),
    "aws:iam/role:Role": ("arn", "name"),
    "kubernetes:core/v1:ConfigMap": (),
}
_CLUSTER_COMPONENT = "eks:index:Cluster"


class ReferencedCluster(pulumi.ComponentResource):
    """An eks.Cluster that exists already, with its output `core`.

    Attributes:
        core: the output.
        as_parent: the same resource, for children: a dependent of a component waits for all of its
            children, so a child of this object that used its outputs would wait for itself.
    """

    core: pulumi.Output[Any]

    def __init__(self, kind: str, name: str, urn: str) -> None:
        self.as_parent = DependencyResource(urn)
        super().__init__(kind, name, {"core": None}, pulumi.ResourceOptions(urn=urn))


class _References(rpc.ResourceModule):
    def version(self) -> None:
        return None

    def construct(self, name: str, typ: str, urn: str) -> pulumi.Resource:
        if typ == _CLUSTER_COMPONENT:
            return ReferencedCluster(typ, name, urn)
        return Child(typ, name, {}, pulumi.ResourceOptions(urn=urn), _READ.get(typ, ()))


def register() -> None:
    """Registers the types whose references arrive as resources."""
    references = _References()
    for kind in (*_READ, _CLUSTER_COMPONENT):
        package, module, _ = kind.split(":")
        rpc.register_resource_module(package, module, references)


class Core:
    """The core of a cluster, read by its wire names.

    Args:
        data: the core as a map, perhaps an output.
    """

    def __init__(self, data: Value) -> None:
        self._data: pulumi.Output[Any] = pulumi.Output.from_input(data)

    def get(self, key: str) -> pulumi.Output[Any]:
        """One value of the core.

        Args:
            key: camelCase name.

        Returns:
            An output of the value, or of None if it is not set.
        """
        return self._data.apply(lambda data: data.get(key))

    def cluster_output(self, key: str) -> pulumi.Output[Any]:
        """One output of the EKS cluster itself.

        Args:
            key: camelCase name.

        Returns:
            An output of the value.
        """
        return self.get("cluster").apply(lambda cluster: output_of(cluster, key))


def core_of(cluster: Value) -> Core:
    """The core behind an input `cluster`.

    Args:
        cluster: a reference to an eks.Cluster, or a core as a map; perhaps an output of it.

    Returns:
        Its core.
    """

    def data(one: Value) -> Value:
        return one.core if isinstance(one, ReferencedCluster) else one

    if isinstance(cluster, pulumi.Output):
        return Core(cast("pulumi.Output[Any]", cluster).apply(data))
    return Core(data(cluster))


def output_of(resource: Value, key: str) -> pulumi.Output[Any]:
    """An output of a resource that was created here or arrived as a reference.

    Args:
        resource: the resource, a Child.
        key: camelCase name of the output.

    Returns:
        The output.
    """
    return resource.id if key == "id" else resource[key]
