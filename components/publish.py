"""The published outputs of a fleet: discovery document, dashboard, DNS record, stack outputs."""

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.gateway.address import address
from components.outputs import by_name
from components.targets import Deployed
from core import discovery
from core.aws import names, partitions
from core.resolved import ResolvedFleet


class Published(Component):
    """The discovery document, the dashboard and the DNS record of a fleet.

    Type token `mcp-platform:index:Published`. Creates the parameters of the discovery document (see
    `core.discovery.documents` for its format), the dashboard and, with a domain, the DNS record of
    the gateway. Their names are the same on every target.

    The discovery document and the record are updated after all resources of the target exist:
    services are stable, routes are deployed and pods are registered. If the deployment fails before
    that, both still refer to the old target, which is deleted last.

    The outputs are the outputs of the stack. They are the same on every target.

    Attributes:
        gateway_url: The URL of the gateway.
        servers: The URL of each exposed server, by name.
        agents: The URL of each exposed agent, by name.
        chat: The URL of each agent's chat, by name.
        discovery: The Cloud Map namespace, and the name of the discovery document's parameter.
        mcp_json: The configuration of an MCP client, in JSON.
        dashboard_url: The URL of the dashboard.
        log_groups: The name of each workload's log group, by workload.
    """

    gateway_url: pulumi.Output[str]
    servers: pulumi.Output[dict[str, str]]
    agents: pulumi.Output[dict[str, str]]
    chat: pulumi.Output[dict[str, str]]
    discovery: pulumi.Output[dict[str, str]]
    mcp_json: pulumi.Output[str]
    dashboard_url: pulumi.Output[str]
    log_groups: pulumi.Output[dict[str, str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        foundation: Foundation,
        target: Deployed,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:index:Published", name, opts)
        config, stack = fleet.config, fleet.stack
        leads = pulumi.ResourceOptions(parent=self, depends_on=target.parts)
        # Placeholders have the length of the final addresses, so the number of parts is known now.
        parts = len(fleet.discovery_documents)
        documents = target.server_addresses.apply(
            lambda addresses: discovery.documents(config, stack, addresses)
        )
        for number in range(1, parts + 1):
            aws.ssm.Parameter(
                f"{name}-discovery" if number == 1 else f"{name}-discovery-{number}",
                name=discovery.parameter(stack, number),
                description=f"Servers and agents of {stack.label}",
                type="String",
                value=documents[number - 1],
                opts=leads,
            )
        dashboard = aws.cloudwatch.Dashboard(
            f"{name}-dashboard",
            dashboard_name=names.fit(stack.label, names.DASHBOARD),
            dashboard_body=target.dashboard,
            opts=self.child_opts,
        )
        if config.gateway.domain and config.gateway.zone and target.endpoint:
            address(
                name,
                domain=config.gateway.domain,
                zone=config.gateway.zone,
                endpoint=target.endpoint,
                parent=self,
                needed=target.parts,
            )
        url = target.gateway_url
        self.gateway_url = url
        self.servers = by_name(
            {
                server: pulumi.Output.concat(url, discovery.server_path(server))
                for server, load in config.servers.items()
                if load.expose
            }
        )
        self.agents = by_name(
            {
                agent: pulumi.Output.concat(url, discovery.agent_path(agent))
                for agent, load in config.agents.items()
                if load.expose
            }
        )
        self.chat = target.chat
        self.discovery = by_name(
            {"namespace": target.namespace, "parameter": discovery.parameter(stack)}
        )
        self.mcp_json = self.servers.apply(
            lambda urls: discovery.client_configuration(
                config, stack, urls, signed=fleet.clients_sign
            )
        )
        self.dashboard_url = dashboard.dashboard_name.apply(
            lambda name: partitions.dashboard_url(stack.region, name)
        )
        self.log_groups = by_name(foundation.observability.log_group_names)
        self.register()
