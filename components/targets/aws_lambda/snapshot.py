"""The resources that a deployment of an API Gateway API copies, and a hash of their inputs."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import pulumi

from components.outputs import fingerprint

_Inputs = ParamSpec("_Inputs")
_Resource = TypeVar("_Resource", bound=pulumi.Resource)


class Snapshot:
    """Creates the resources of an API and keeps the inputs of each.

    A deployment is a copy of these resources. A stage serves a change only after another
    deployment (API Gateway Developer Guide, "Updates to a REST API that require redeployment").
    The fingerprint covers all inputs, because each resource is created through this class.
    """

    def __init__(self) -> None:
        self.resources: list[pulumi.Resource] = []
        """The resources, which a deployment depends on."""
        self._inputs: dict[str, tuple[str, dict[str, object]]] = {}

    def create(
        self,
        kind: Callable[Concatenate[str, _Inputs], _Resource],
        name: str,
        /,
        *args: _Inputs.args,
        **inputs: _Inputs.kwargs,
    ) -> _Resource:
        """Creates a resource.

        Args:
            kind: The class of the resource.
            name: The logical name.
            args: Further positional arguments. None are used.
            inputs: The inputs, and the options as `opts`.
        """
        made = kind(name, *args, **inputs)
        self.resources.append(made)
        kept = {key: value for key, value in inputs.items() if key != "opts"}
        self._inputs[name] = (made.pulumi_resource_type, kept)
        return made

    def fingerprint(self) -> pulumi.Output[str]:
        """A hash of the types, names and inputs of all resources."""
        return fingerprint(self._inputs)
