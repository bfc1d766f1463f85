"""Reads the stack's configuration, deploys the fleet and exports its outputs."""

import asyncio
import gc
from pathlib import Path

import pulumi
from pulumi.runtime import is_config_secret

# The whole configuration instead of single keys, so that a misspelled key is an error.
from pulumi.runtime.config import CONFIG

from core.config.enums import SecretSource
from core.config.errors import ConfigurationError
from core.config.model import SECRET_PREFIX, Fleet
from core.config.parse import parse
from core.stack import Stack

# The SDKs create many objects that live as long as the program. Exclude them from garbage
# collection, during their import and afterwards.
gc.disable()
try:
    from components.deployment import deploy
    from components.foundation.origin import Memory
finally:
    gc.freeze()
    gc.enable()


async def main() -> pulumi.Inputs:
    """Deploys the fleet and returns the stack's outputs."""
    bag = CONFIG.get()
    encrypted = frozenset(filter(is_config_secret, bag))
    try:
        fleet, region = parse(bag, encrypted=encrypted, root=Path(__file__).parent)
        memory = Memory("memory", stack_name=pulumi.get_stack(), region=region)
        # After `pulumi stack rename`, the names in AWS do not change: a log group, for example,
        # cannot be renamed without a replacement.
        stack = Stack(
            project=pulumi.get_project(),
            name=await memory.first_name(),
            region=region,
            production=fleet.production,
        )
        outputs = await deploy(
            fleet,
            stack,
            memory,
            secret_values=_secrets(fleet),
            aws_config=pulumi.Config("aws"),
        )
    except ConfigurationError as error:
        raise pulumi.RunError(str(error)) from None
    # Let the registrations start. Otherwise the SDK finds none in progress and waits for all
    # outputs in rounds, which doubles the time (docs/adr/0007).
    await asyncio.sleep(0)
    return outputs


def _secrets(fleet: Fleet) -> dict[str, pulumi.Output[str]]:
    """The values of the secrets with `source: config`, by name."""
    return {
        secret: pulumi.Config().require_secret(f"{SECRET_PREFIX}{secret}")
        for secret, declared in fleet.secrets.items()
        if declared.source is SecretSource.CONFIG
    }


pulumi.run(main)
