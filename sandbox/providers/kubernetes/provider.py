"""The provider that the engine starts for kubernetes."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import yaml

from sandbox.engine import provider
from sandbox.engine.provider import (
    Call,
    Checked,
    Context,
    Difference,
    Failure,
    Made,
    Provider,
    RefusedError,
)
from sandbox.engine.shapes import configuration_errors
from sandbox.providers.kubernetes import clusters, helm, objects, rendering

DECODE = "kubernetes:yaml:decode"
_SECRET = "kubernetes:core/v1:Secret"


def check_config(_context: Context, config: Mapping[str, Any]) -> Checked:
    """Checks the provider's configuration: only known properties, a kubeconfig that can be read.

    Args:
        config: the configuration.

    Returns:
        The configuration and its errors.
    """
    failures = list(configuration_errors(clusters.PACKAGE, "pulumi_kubernetes", config))
    failures += rendering.config_errors(config)
    try:
        clusters.cluster_of(config)
    except clusters.KubeconfigError as error:
        failures.append(Failure(path=("kubeconfig",), reason=str(error)))
    return Checked(inputs=config, failures=failures)


def check(context: Context, call: Call) -> Checked:
    """Checks an object or a Helm release; see `objects.check` and `helm.check`."""
    return (helm if call.type == helm.TOKEN else objects).check(context, call)


def diff(context: Context, call: Call) -> Difference:
    """Compares an object or a Helm release; see `objects.diff` and `helm.diff`."""
    return (helm if call.type == helm.TOKEN else objects).diff(context, call)


def create(context: Context, call: Call) -> Made:
    """Creates an object or a Helm release; see `objects.create` and `helm.create`."""
    return (helm if call.type == helm.TOKEN else objects).create(context, call)


def update(context: Context, call: Call) -> Mapping[str, Any]:
    """Updates an object or a Helm release; see `objects.update` and `helm.update`."""
    return (helm if call.type == helm.TOKEN else objects).update(context, call)


def invoke(_context: Context, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answers a function call.

    Args:
        token: token of the function.
        arguments: its arguments.

    Returns:
        The objects of the manifests, for yaml:decode.

    Raises:
        RefusedError: the function is not yaml:decode, or the text is not YAML.
    """
    if token != DECODE:
        raise RefusedError(f"{token}: the sandbox does not support this function")
    try:
        found = list(yaml.safe_load_all(str(arguments.get("text", ""))))
    except yaml.YAMLError as error:
        raise RefusedError(f"{token}: {error}") from error
    return {"result": [one for one in found if one is not None]}


def secret_outputs(type_: str) -> frozenset[str]:
    """Properties of a type that are always secret."""
    return frozenset({"data", "stringData"}) if type_ == _SECRET else frozenset()


PROVIDER = Provider(
    name=clusters.PACKAGE,
    version=version("pulumi-kubernetes"),
    check=check,
    diff=diff,
    create=create,
    read=objects.read,
    update=update,
    delete=objects.delete,
    invoke=invoke,
    check_config=check_config,
    # The real provider also replaces if the kubeconfig's active cluster changes and none is named.
    replacing_config=frozenset({"clusterIdentifier", rendering.KEY}),
    secret_outputs=secret_outputs,
)


def run() -> None:
    """Run the provider's process."""
    provider.main(PROVIDER)
