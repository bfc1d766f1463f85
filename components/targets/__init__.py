"""The targets: one fleet, three ways to run it."""

from typing import Protocol

import pulumi

from components.foundation import Foundation
from components.gateway.address import Endpoint
from core.config.model import Target
from core.resolved import ResolvedFleet


class Deployed(Protocol):
    """The outputs that every target has.

    Attributes:
        gateway_url: The URL of the gateway, without a slash at the end.
        endpoint: What a domain leads to, where the fleet has one.
        dashboard: The body of the fleet's dashboard, in JSON.
        namespace: The Cloud Map namespace that servers are found in.
        server_addresses: Where agents reach each server, by name.
        chat: Where people chat with each agent that does (`chat: websocket`), by name.
        parts: The components that answer requests. The domain's record and the discovery document
            lead to the target only once everything in them exists.
    """

    @property
    def gateway_url(self) -> pulumi.Output[str]: ...  # noqa: D102 - above
    @property
    def endpoint(self) -> Endpoint | None: ...  # noqa: D102 - above
    @property
    def dashboard(self) -> pulumi.Output[str]: ...  # noqa: D102 - above
    @property
    def namespace(self) -> pulumi.Output[str]: ...  # noqa: D102 - above
    @property
    def server_addresses(self) -> pulumi.Output[dict[str, str]]: ...  # noqa: D102 - above
    @property
    def parts(self) -> list[pulumi.Resource]: ...  # noqa: D102 - above
    @property
    def chat(self) -> pulumi.Output[dict[str, str]]: ...  # noqa: D102 - above


def deploy(
    fleet: ResolvedFleet,
    foundation: Foundation,
    certificate_arn: pulumi.Output[str] | None,
    aws_config: pulumi.Config,
    opts: pulumi.ResourceOptions,
) -> Deployed:
    """Makes the fleet's target; only its modules, and the SDKs they need, are imported."""
    match fleet.config.target:
        case Target.LAMBDA:
            from components.targets import aws_lambda  # noqa: PLC0415 - only the chosen one

            return aws_lambda.deploy(fleet, foundation, certificate_arn, opts)
        case Target.ECS:
            from components.targets import ecs  # noqa: PLC0415 - only the chosen one

            return ecs.deploy(fleet, foundation, certificate_arn, opts)
        case Target.EKS:
            from components.targets import eks  # noqa: PLC0415 - only the chosen one

            return eks.deploy(fleet, foundation, certificate_arn, aws_config, opts)
