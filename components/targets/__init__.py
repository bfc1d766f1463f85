"""The targets: one fleet, three ways to run it."""

from typing import Protocol

import pulumi

from components.foundation import Foundation
from core.fleet import Fleet, Target
from core.stack import Stack


class Deployed(Protocol):
    """What every target gives, whatever it runs on.

    Attributes:
        gateway_url: The way in, without a slash at the end.
        dashboard: The body of the fleet's dashboard, in JSON.
    """

    @property
    def gateway_url(self) -> pulumi.Output[str]: ...  # noqa: D102 - above
    @property
    def dashboard(self) -> pulumi.Output[str]: ...  # noqa: D102 - above


def deploy(
    fleet: Fleet, stack: Stack, foundation: Foundation, opts: pulumi.ResourceOptions
) -> Deployed:
    """Makes the fleet's target; only that target's modules, and the SDKs they need, are imported.

    Raises:
        ValueError: For a target that this release does not have; `core.fitness` refuses it first.
    """
    match fleet.target:
        case Target.ECS:
            from components.targets import ecs  # noqa: PLC0415 - only the chosen one

            return ecs.deploy(fleet, stack, foundation, opts)
        case Target.LAMBDA | Target.EKS:
            raise ValueError(f"there is no target {fleet.target.value} yet")
