"""Reads the stack's configuration, deploys the fleet and exports its outputs."""

import asyncio
from pathlib import Path

import pulumi
from pulumi.runtime import is_config_secret

# The whole configuration, not single keys: a mistyped key must not pass unseen.
from pulumi.runtime.config import CONFIG

from components.deployment import deploy
from core.faults import ConfigurationError
from core.fleet import SECRET_PREFIX, SecretSource
from core.parse import parse
from core.stack import Stack


async def main() -> pulumi.Inputs:
    """The program: see the module's first line."""
    bag = CONFIG.get()
    encrypted = frozenset(filter(is_config_secret, bag))
    try:
        fleet, region = parse(bag, encrypted=encrypted, root=Path(__file__).parent)
    except ConfigurationError as error:
        raise pulumi.RunError(str(error)) from None
    project, name = pulumi.get_project(), pulumi.get_stack()
    stack = Stack(project=project, name=name, region=region, production=fleet.production)
    values = {
        secret: pulumi.Config().require_secret(f"{SECRET_PREFIX}{secret}")
        for secret, declared in fleet.secrets.items()
        if declared.source is SecretSource.CONFIG
    }
    outputs = deploy(fleet, stack, secret_values=values, aws_config=pulumi.Config("aws"))
    # The SDK waits for registrations that have begun at once, but for all others in rounds over
    # every output there is, which takes as long again (measured: docs/adr/0007). Let them begin.
    await asyncio.sleep(0)
    return outputs


pulumi.run(main)
