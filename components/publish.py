"""What a deployed fleet tells the outside: discovery document, dashboard, stack outputs."""

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.outputs import by_name
from components.targets import Deployed
from core import discovery, names
from core.fleet import Fleet
from core.stack import Stack


class Published(pulumi.ComponentResource):
    """The parameters and the dashboard that are found by the stack's name, whatever the target.

    Type token `mcp-platform:index:Published`. Creates the discovery document as a parameter (see
    `core.discovery.documents` for its form) and the dashboard.

    Attributes:
        outputs: The stack's outputs, the same on every target.
    """

    outputs: dict[str, pulumi.Output[object]]

    def __init__(
        self,
        name: str,
        *,
        fleet: Fleet,
        stack: Stack,
        foundation: Foundation,
        target: Deployed,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:index:Published", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        for number, document in enumerate(discovery.documents(fleet, stack), start=1):
            aws.ssm.Parameter(
                f"{name}-discovery" if number == 1 else f"{name}-discovery-{number}",
                name=discovery.parameter(stack, number),
                description=f"Servers and agents of {stack.label}",
                type="String",
                value=document,
                opts=child,
            )
        dashboard = aws.cloudwatch.Dashboard(
            f"{name}-dashboard",
            dashboard_name=names.fit(stack.label, names.DASHBOARD),
            dashboard_body=target.dashboard,
            opts=child,
        )
        url = target.gateway_url
        servers = by_name(
            {
                server: pulumi.Output.concat(url, discovery.server_path(server))
                for server, load in fleet.servers.items()
                if load.expose
            }
        )
        agents = by_name(
            {
                agent: pulumi.Output.concat(url, discovery.agent_path(agent))
                for agent, load in fleet.agents.items()
                if load.expose
            }
        )
        self.outputs = {
            "gateway_url": url,
            "servers": servers,
            "agents": agents,
            "discovery": pulumi.Output.from_input(
                {
                    "namespace": foundation.discovery.namespace,
                    "parameter": discovery.parameter(stack),
                }
            ),
            "mcp_json": servers.apply(discovery.client_configuration),
            "dashboard_url": pulumi.Output.format(
                "https://{0}.console.aws.amazon.com/cloudwatch/home?region={0}#dashboards/dashboard/{1}",
                stack.region,
                dashboard.dashboard_name,
            ),
            "log_groups": by_name(foundation.observability.log_group_names),
        }
        self.register_outputs(self.outputs)
