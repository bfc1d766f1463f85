"""A fleet deployed: provider, foundation, target, and what is published of them."""

from collections.abc import Mapping

import pulumi

from components import targets
from components.foundation import Foundation
from components.gateway.certificate import Certificate
from components.provider import aws_provider
from components.publish import Published
from core.fleet import Fleet
from core.stack import Stack


def deploy(
    fleet: Fleet,
    stack: Stack,
    *,
    secret_values: Mapping[str, pulumi.Output[str]],
    aws_config: pulumi.Config,
) -> dict[str, pulumi.Output[object]]:
    """Makes everything of a fleet.

    Args:
        fleet: The fleet.
        stack: The stack.
        secret_values: The values of the secrets with `source: config`, by name.
        aws_config: The stack's `aws:` configuration.

    Returns:
        The stack's outputs.
    """
    opts = pulumi.ResourceOptions(providers=[aws_provider(fleet, stack, aws_config)])
    foundation = Foundation(
        "fleet", fleet=fleet, stack=stack, secret_values=secret_values, opts=opts
    )
    gateway = fleet.gateway
    certificate_arn = None
    if gateway.certificate_arn:
        certificate_arn = pulumi.Output.from_input(gateway.certificate_arn)
    elif gateway.domain and gateway.zone:
        made = Certificate("certificate", domain=gateway.domain, zone=gateway.zone, opts=opts)
        certificate_arn = made.arn
    target = targets.deploy(fleet, stack, foundation, certificate_arn, aws_config, opts)
    published = Published(
        "published", fleet=fleet, stack=stack, foundation=foundation, target=target, opts=opts
    )
    return published.outputs
