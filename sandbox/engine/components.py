"""What the stand-ins for component packages (awsx, eks) share.

A component package answers one call, Construct: it makes a component and its children in the engine
that called, and returns the component's outputs. Children are made by their type token with the
inputs as they travel (camelCase), not through the typed SDKs: those would rename every key twice.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, NoReturn, overload

import pulumi
import pulumi.provider
from pulumi.provider.provider import ConstructResult

from sandbox.engine.process import tie_to_engine

Value = Any
"""Anything that travels: a plain value, an output, a resource, or a list or map of such."""
Inputs = Mapping[str, Value]
"""Inputs of a resource as they travel: camelCase keys, plain values, outputs or resources."""

_SDK_DEFAULTS: Mapping[str, Inputs] = {
    "aws:ec2/securityGroup:SecurityGroup": {"description": "Managed by Pulumi"}
}
"""Inputs that the typed SDKs fill in by themselves (source: pulumi_aws, `_internal_init`)."""


class Component(pulumi.ComponentResource):
    """A component that remembers the outputs that its package gives back.

    Attributes:
        outputs: the state of the component, camelCase, as the program gets it.
    """

    outputs: dict[str, Any]

    def __init__(self, kind: str, name: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(kind, name, None, opts)
        self.outputs = {}


class Child(pulumi.CustomResource):
    """A resource made by its type token, its outputs found by index: `vpc["cidrBlock"]`.

    Args:
        kind: type token, for example `aws:ec2/vpc:Vpc`.
        name: logical name.
        inputs: inputs as they travel; those that are None are left out.
        opts: options; the version of the package that owns the type is added.
        outputs: names of the outputs that will be read by index.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        inputs: Inputs,
        opts: pulumi.ResourceOptions,
        outputs: Iterable[str] = (),
    ) -> None:
        # The SDK resolves an output only if its name is among the properties, given or not.
        given = {**_SDK_DEFAULTS.get(kind, {}), **present(inputs)}
        properties = {**dict.fromkeys(outputs), **given}
        owner = pulumi.ResourceOptions(version=package_version(kind.split(":", 1)[0]))
        super().__init__(kind, name, properties, pulumi.ResourceOptions.merge(owner, opts))

    def __getitem__(self, output: str) -> pulumi.Output[Any]:
        return self.__dict__[output]


@cache
def package_version(package: str) -> str:
    """Version of a Pulumi package's SDK: its children must name it to share its provider.

    Args:
        package: name of the package, for example `aws`.

    Returns:
        The version of the installed `pulumi-<package>`.
    """
    return version(f"pulumi-{package}")


def present(inputs: Inputs) -> dict[str, Any]:
    """The inputs that are given, that is, are not None.

    Args:
        inputs: any inputs.

    Returns:
        A new dictionary in the same order.
    """
    return {key: value for key, value in inputs.items() if value is not None}


@overload
def combine(merge: Callable[[Any], Value], one: Value, /) -> Value: ...
@overload
def combine(merge: Callable[[Any, Any], Value], one: Value, two: Value, /) -> Value: ...
@overload
def combine(merge: Callable[..., Value], /, *values: Value) -> Value: ...
def combine(merge: Callable[..., Value], /, *values: Value) -> Value:
    """Applies a function now if it can, else as soon as the values are known.

    Args:
        merge: a function of the plain values.
        values: plain values or outputs.

    Returns:
        The result, or an output of it if one of the values is, or holds, an output.
    """
    if any(holds_output(value) for value in values):
        return pulumi.Output.all(*values).apply(lambda plain: merge(*plain))
    return merge(*values)


def holds_output(value: Value) -> bool:
    """Whether a value is an output or has one inside.

    Args:
        value: any input.

    Returns:
        True for an output, or a list or a mapping with one at any depth.
    """
    match value:
        case pulumi.Output():
            return True
        case dict():
            return any(map(holds_output, value.values()))  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType] -- inputs are of any type
        case list():
            return any(map(holds_output, value))  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType] -- inputs are of any type
        case _:
            return False


def merged_tags(*tags: Value) -> Value:
    """One map of tags from several, the later ones winning.

    Args:
        tags: maps of tags, outputs of such, or None.

    Returns:
        The merged map, or an output of it.
    """

    def merge(*plain: Mapping[str, Any] | None) -> dict[str, Any]:
        return {key: value for one in plain for key, value in (one or {}).items()}

    return combine(merge, *tags)


def refuse(message: str) -> NoReturn:
    """Refuses a component as the real package does.

    Args:
        message: what is wrong, in the words of the real package.

    Raises:
        InputPropertiesError: always; the engine shows it without a traceback.
    """
    # Without a list, even an empty one, the SDK's server fails on the error itself.
    raise pulumi.InputPropertiesError(message, [])


Build = Callable[[str, Inputs, pulumi.ResourceOptions | None], Component]
"""Makes one component from its name, inputs and options."""


class ComponentProvider(pulumi.provider.Provider):
    """A component package: a table from type token to the function that makes the component.

    Args:
        package: name of the package; its SDK's version is the provider's.
        builders: type token → function.
    """

    def __init__(self, package: str, builders: Mapping[str, Build]) -> None:
        super().__init__(package_version(package))
        self._builders = builders

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Makes a component with its children.

        Args:
            name: logical name of the component.
            resource_type: its type token.
            inputs: its inputs as they travel.
            options: its options.

        Returns:
            Its URN and outputs.

        Raises:
            InputPropertiesError: the type is unknown here, or the component refuses its inputs.
        """
        build = self._builders.get(resource_type)
        if build is None:
            refuse(
                f"the sandbox has no stand-in for {resource_type}; "
                f"it has {', '.join(sorted(self._builders))}"
            )
        component = build(name, inputs, options)
        return ConstructResult(component.urn, component.outputs)


def serve(provider: ComponentProvider) -> None:
    """Serves a component package to the engine that started this process.

    Args:
        provider: the package.
    """
    tie_to_engine()
    pulumi.provider.main(provider, sys.argv[1:])
