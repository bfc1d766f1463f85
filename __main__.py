"""Reads the stack's configuration, deploys the fleet and exports its outputs."""

import asyncio
from pathlib import Path

import pulumi
from pulumi.runtime import is_config_secret

# The whole configuration, not single keys: a mistyped key must not pass unseen.
from pulumi.runtime.config import CONFIG

from components.deployment import deploy
from components.foundation.origin import Memory
from core.faults import ConfigurationError
from core.fleet import SECRET_PREFIX, Fleet, SecretSource
from core.origin import Origin, moved, place
from core.parse import parse
from core.stack import Stack


async def main() -> pulumi.Inputs:
    """The program: see the module's first line."""
    bag = CONFIG.get()
    encrypted = frozenset(filter(is_config_secret, bag))
    try:
        fleet, region = parse(bag, encrypted=encrypted, root=Path(__file__).parent)
        stack = await _stack(fleet, region)
        outputs = await deploy(
            fleet, stack, secret_values=_secrets(fleet), aws_config=pulumi.Config("aws")
        )
    except ConfigurationError as error:
        raise pulumi.RunError(str(error)) from None
    # The SDK waits for registrations that have begun at once, but for all others in rounds over
    # every output there is, which takes as long again (measured: docs/adr/0007). Let them begin.
    await asyncio.sleep(0)
    return outputs


def _secrets(fleet: Fleet) -> dict[str, pulumi.Output[str]]:
    """The values of the secrets with `source: config`, by name."""
    return {
        secret: pulumi.Config().require_secret(f"{SECRET_PREFIX}{secret}")
        for secret, declared in fleet.secrets.items()
        if declared.source is SecretSource.CONFIG
    }


async def _stack(fleet: Fleet, region: str) -> Stack:
    """The stack, unless the configuration moves it to another place.

    Its name is the one that it was first deployed with: after `pulumi stack rename` the names in
    AWS stay what they were, since a log group cannot be renamed, only replaced.
    """
    now = Origin(name=pulumi.get_stack(), region=region, network=place(fleet.network))
    origin = await Memory("memory", now=now).origin()
    if faults := moved(origin, region=region, network=fleet.network):
        raise ConfigurationError(faults)
    return Stack(
        project=pulumi.get_project(),
        name=origin.name,
        region=region,
        production=fleet.production,
    )


pulumi.run(main)
