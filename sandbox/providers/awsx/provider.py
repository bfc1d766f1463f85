"""The provider that the engine starts for awsx."""

from sandbox.engine.components import ComponentProvider, serve
from sandbox.providers.awsx.vpc import TOKEN, Vpc


def provider() -> ComponentProvider:
    """The package awsx with the components that this project uses.

    Returns:
        A provider that creates `awsx:ec2:Vpc`.
    """
    return ComponentProvider("awsx", {TOKEN: Vpc})


def run() -> None:
    """Serves awsx to the engine that started this process."""
    serve(provider())
