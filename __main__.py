"""Reads the stack's configuration, builds the fleet on its target, exports the outputs."""

from pathlib import Path

import pulumi
from pulumi.runtime import is_config_secret

# The whole configuration, not single keys: a mistyped key must not pass unseen.
from pulumi.runtime.config import CONFIG

from components.foundation import Foundation
from components.provider import aws_provider
from components.publish import Published
from components.targets import deploy
from core.faults import ConfigurationError
from core.fleet import SECRET_PREFIX, SecretSource
from core.parse import parse
from core.stack import Stack

bag = CONFIG.get()
try:
    fleet, region = parse(
        bag, encrypted=frozenset(filter(is_config_secret, bag)), root=Path(__file__).parent
    )
except ConfigurationError as error:
    raise pulumi.RunError(str(error)) from None

project, name = pulumi.get_project(), pulumi.get_stack()
stack = Stack(project=project, name=name, region=region, production=fleet.production)
values = {
    name: pulumi.Config().require_secret(f"{SECRET_PREFIX}{name}")
    for name, secret in fleet.secrets.items()
    if secret.source is SecretSource.CONFIG
}
opts = pulumi.ResourceOptions(providers=[aws_provider(fleet, stack, pulumi.Config("aws"))])
foundation = Foundation("fleet", fleet=fleet, stack=stack, secret_values=values, opts=opts)
target = deploy(fleet, stack, foundation, opts)
published = Published(
    "published", fleet=fleet, stack=stack, foundation=foundation, target=target, opts=opts
)
for name, value in published.outputs.items():
    pulumi.export(name, value)
