"""The targets: Lambda, ECS and EKS run the same fleet."""

from typing import Protocol

import pulumi

from components.foundation import Foundation
from components.gateway.address import Endpoint
from core.config.enums import Target
from core.resolved import ResolvedFleet


class Deployed(Protocol):
    """The outputs that every target has.

    Attributes:
        gateway_url: The URL of the gateway, without a slash at the end.
        endpoint: The endpoint for the DNS record of the domain, if there is one.
        dashboard: The body of the fleet's dashboard, in JSON.
        namespace: The namespace in which clients discover servers.
        server_addresses: The URL at which agents call each server, by name.
        chat: The chat URL of each agent with `chat: websocket`, by name.
        parts: The components that serve requests. The DNS record and the discovery document
            depend on everything in them.
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
    """Creates the target of the fleet. Only the modules and SDKs of this target are imported."""
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
