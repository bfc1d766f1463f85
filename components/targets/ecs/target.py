"""The component of the ECS target."""

import pulumi

from components.component import Component
from components.foundation import Foundation
from components.gateway.gateway import Gateway
from components.outputs import by_name
from components.targets.ecs.cluster import create_cluster
from components.targets.ecs.observability import alarms, dashboard
from components.targets.ecs.scaling import scale
from components.targets.ecs.traffic import open_traffic
from components.targets.ecs.workload import Workload
from core.discovery import chat_address
from core.resolved import ResolvedFleet


class EcsTarget(Component):
    """The fleet on ECS Fargate.

    Type token `mcp-platform:ecs:Target`. Creates a cluster and, for every server and agent, a
    `Workload` with its autoscaling and alarms. A server that only runs as a sidecar has none. The
    security group rules allow only the connections of the fleet: from the gateway to exposed
    workloads, from an agent to its servers, and from a workload to the file system.

    Attributes:
        gateway_url: The URL of the gateway, without a slash at the end.
        dashboard: The body of the fleet's dashboard, in JSON.
        namespace: The private DNS namespace of the servers.
        server_addresses: The URL at which agents call each server, by name.
        chat: The chat URL of each agent with chat, by name.
    """

    gateway_url: pulumi.Output[str]
    dashboard: pulumi.Output[str]
    namespace: pulumi.Output[str]
    server_addresses: pulumi.Output[dict[str, str]]
    chat: pulumi.Output[dict[str, str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        foundation: Foundation,
        gateway: Gateway,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:ecs:Target", name, opts)
        cluster = create_cluster(name, foundation=foundation, parent=self)
        traffic = open_traffic(
            name, fleet=fleet, foundation=foundation, gateway=gateway, parent=self
        )
        workloads = {
            workload: Workload(
                f"{name}-{workload}",
                workload=resolved,
                fleet=fleet,
                foundation=foundation,
                gateway=gateway,
                cluster=cluster,
                traffic=traffic[workload],
                opts=self.child_opts,
            )
            for workload, resolved in fleet.workloads.items()
        }
        for workload, resolved in fleet.workloads.items():
            service_name = workloads[workload].service_name
            if resolved.is_autoscaled:
                scale(
                    f"{name}-{workload}",
                    parent=self,
                    workload=workload,
                    replicas=resolved.config.replicas,
                    cluster_name=cluster.name,
                    service_name=service_name,
                    gateway=gateway,
                )
            alarms(
                f"{name}-{workload}",
                parent=self,
                workload=workload,
                cluster_name=cluster.name,
                service_name=service_name,
                gateway=gateway,
                topic_arn=foundation.observability.topic_arn,
            )
        self.gateway_url = gateway.url
        self.dashboard = dashboard(
            region=fleet.stack.region,
            cluster_name=cluster.name,
            service_names={key: made.service_name for key, made in workloads.items()},
            gateway=gateway,
        )
        self.parts: list[pulumi.Resource] = [gateway, self]
        """The components that serve requests."""
        self.endpoint = gateway.endpoint
        """The endpoint for the DNS record of the domain."""
        self.namespace = foundation.discovery.namespace
        self.server_addresses = pulumi.Output.from_input(fleet.server_addresses)
        self.chat = by_name(
            {
                agent: gateway.url.apply(lambda url, agent=agent: chat_address(url, agent))
                for agent in fleet.chats
            }
        )
        self.register()
