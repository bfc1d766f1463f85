"""Shared code of the component packages of the sandbox (awsx, eks).

A component package has one method, Construct. It creates a component and its children in the engine
that calls it, and returns the outputs of the component. Children are created by type token, with
inputs in wire format (camelCase). The typed SDKs would convert each key twice.
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
"""A plain value, an output, a resource, or a list or a map of these."""
Inputs = Mapping[str, Value]
"""Inputs of a resource in wire format: camelCase keys; plain values, outputs or resources."""

_SDK_DEFAULTS: Mapping[str, Inputs] = {
    "aws:ec2/securityGroup:SecurityGroup": {"description": "Managed by Pulumi"}
}
"""Inputs that the typed SDKs add (source: pulumi_aws, `_internal_init`)."""


class Component(pulumi.ComponentResource):
    """A component with the outputs that its package returns.

    Attributes:
        outputs: The outputs that the program gets, with camelCase keys.
    """

    outputs: dict[str, Any]

    def __init__(self, kind: str, name: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(kind, name, None, opts)
        self.outputs = {}


class Child(pulumi.CustomResource):
    """A resource that is created by type token. An output is read by key: `vpc["cidrBlock"]`.

    Args:
        kind: The type token, for example `aws:ec2/vpc:Vpc`.
        name: The logical name.
        inputs: The inputs in wire format. Inputs that are None are omitted.
        opts: The options, to which the version of the type's package is added.
        outputs: The names of the outputs that are read by key.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        inputs: Inputs,
        opts: pulumi.ResourceOptions,
        outputs: Iterable[str] = (),
    ) -> None:
        # The SDK resolves an output only if the properties have its name, even with None.
        given = {**_SDK_DEFAULTS.get(kind, {}), **present(inputs)}
        properties = {**dict.fromkeys(outputs), **given}
        owner = pulumi.ResourceOptions(version=package_version(kind.split(":", 1)[0]))
        super().__init__(kind, name, properties, pulumi.ResourceOptions.merge(owner, opts))

    def __getitem__(self, output: str) -> pulumi.Output[Any]:
        return self.__dict__[output]


@cache
def package_version(package: str) -> str:
    """The version of a Pulumi package's SDK. Resources must name it to share the provider.

    Args:
        package: The name of the package, for example `aws`.

    Returns:
        The version of the installed `pulumi-<package>`.
    """
    return version(f"pulumi-{package}")


def present(inputs: Inputs) -> dict[str, Any]:
    """The inputs that are not None.

    Args:
        inputs: The inputs.

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
    """Applies a function to values, immediately or when the outputs among them are known.

    Args:
        merge: The function, which gets plain values.
        values: Plain values or outputs.

    Returns:
        The result. It is an output if a value is an output or contains one.
    """
    if any(holds_output(value) for value in values):
        return pulumi.Output.all(*values).apply(lambda plain: merge(*plain))
    return merge(*values)


def holds_output(value: Value) -> bool:
    """Whether a value is an output or contains one.

    Args:
        value: An input.

    Returns:
        True for an output, and for a list or a mapping with an output at any depth.
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
    """Merges maps of tags. Later maps take precedence.

    Args:
        tags: Maps of tags, outputs of maps, or None.

    Returns:
        The merged map, or an output of it.
    """

    def merge(*plain: Mapping[str, Any] | None) -> dict[str, Any]:
        return {key: value for one in plain for key, value in (one or {}).items()}

    return combine(merge, *tags)


def refuse(message: str) -> NoReturn:
    """Rejects a component as the real package does.

    Args:
        message: The error message of the real package.

    Raises:
        InputPropertiesError: Always. The engine shows it without a traceback.
    """
    # Without a list, even an empty one, the SDK's server cannot return the error.
    raise pulumi.InputPropertiesError(message, [])


Build = Callable[[str, Inputs, pulumi.ResourceOptions | None], Component]
"""Creates a component from a name, inputs and options."""


class ComponentProvider(pulumi.provider.Provider):
    """A component package.

    Args:
        package: The name of the package. The version of its SDK is the provider's version.
        builders: The functions that create the components, by type token.
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
        """Creates a component with its children.

        Args:
            name: The logical name of the component.
            resource_type: The type token.
            inputs: The inputs in wire format.
            options: The options.

        Returns:
            The URN and the outputs.

        Raises:
            InputPropertiesError: The type is unknown, or the inputs are invalid.
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
        provider: The package.
    """
    tie_to_engine()
    pulumi.provider.main(provider, sys.argv[1:])
