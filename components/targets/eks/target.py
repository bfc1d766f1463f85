"""The component of the EKS target."""

import pulumi

from components.component import Component
from components.foundation import Foundation
from components.foundation.storage import NFS_PORT
from components.gateway.gateway import Gateway
from components.outputs import by_name
from components.targets.eks import gitops
from components.targets.eks.base import Base
from components.targets.eks.cluster import Cluster, create_cluster, existing_cluster
from components.targets.eks.kubeconfig import kubeconfig
from components.targets.eks.namespaces import Namespaces
from components.targets.eks.observability import alarms, dashboard
from components.targets.eks.provider import kubernetes_provider
from components.targets.eks.workload import Workload
from components.traffic import allow
from core.contract import PORT
from core.discovery import chat_address
from core.resolved import ResolvedFleet
from core.targets.eks.kubernetes import CLUSTER_DOMAIN


class EksTarget(Component):
    """The fleet on Kubernetes.

    Type token `mcp-platform:eks:Target`. Creates a cluster, unless an existing one is configured,
    and its Kubernetes provider; the component `Base` with nodes and add-ons; the component
    `Namespaces`; and a `Workload` with alarms for every server and agent.

    With `gitops`, the objects in the namespaces are rendered to files instead of being applied, and
    the GitOps engine applies them from their repository.

    Attributes:
        gateway_url: The URL of the gateway, without a slash at the end.
        dashboard: The body of the fleet's dashboard, in JSON.
        namespace: The DNS domain of the servers.
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
        cluster_name: pulumi.Output[str],
        aws_config: pulumi.Config,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the target.

        Args:
            name: The component's name.
            fleet: The fleet.
            foundation: The foundation.
            gateway: The gateway.
            cluster_name: The name of the cluster.
            aws_config: The stack's `aws:` configuration, for the credentials in the kubeconfig.
            opts: The component's options.
        """
        super().__init__("mcp-platform:eks:Target", name, opts)
        cluster = (
            existing_cluster(cluster_name, parent=self)
            if fleet.config.cluster.existing
            else create_cluster(name, cluster_name, fleet=fleet, foundation=foundation, parent=self)
        )
        rules = self._let_in(name, foundation, gateway, cluster)
        applying = kubernetes_provider(
            f"{name}-kubernetes",
            kubeconfig=kubeconfig(cluster, fleet.stack.region, aws_config),
            # Only another address is another cluster. Other changes of the kubeconfig must not
            # replace every object.
            cluster_identifier=cluster.endpoint,
            parent=self,
        )
        base = Base(
            f"{name}-base",
            fleet=fleet,
            foundation=foundation,
            gateway=gateway,
            cluster=cluster,
            opts=pulumi.ResourceOptions(parent=self, providers=[applying]),
        )
        follow = fleet.config.gitops
        rendering = follow and kubernetes_provider(
            f"{name}-manifests", kubeconfig="", render_to=follow.path, parent=self
        )
        described = pulumi.ResourceOptions(parent=self, providers=[rendering or applying])
        namespaces = Namespaces(
            f"{name}-namespaces",
            fleet=fleet,
            foundation=foundation,
            cluster=cluster,
            needed=base.ready,
            opts=described,
        )
        for workload in fleet.workloads.values():
            Workload(
                f"{name}-{workload.name}",
                workload=workload,
                fleet=fleet,
                foundation=foundation,
                gateway=gateway,
                namespaces=namespaces,
                rules=rules,
                opts=described,
            )
            alarms(
                f"{name}-{workload.name}",
                parent=self,
                workload=workload,
                cluster_name=cluster.name,
                gateway=gateway,
                topic_arn=foundation.observability.topic_arn,
            )
        if follow:
            gitops.follow(
                f"{name}-base",
                gitops=follow,
                stack=fleet.stack,
                workloads=list(fleet.workloads.values()),
                foundation=foundation,
                cluster=cluster,
                parent=base,
                needed=base.ready,
            )
        self.gateway_url = gateway.url
        self.dashboard = dashboard(fleet=fleet, cluster_name=cluster.name, gateway=gateway)
        self.parts: list[pulumi.Resource] = [gateway, self]
        """The components that serve requests."""
        self.endpoint = gateway.endpoint
        """The endpoint for the DNS record of the domain."""
        self.namespace = pulumi.Output.from_input(CLUSTER_DOMAIN)
        self.server_addresses = pulumi.Output.from_input(fleet.server_addresses)
        self.chat = by_name(
            {
                agent: gateway.url.apply(lambda url, agent=agent: chat_address(url, agent))
                for agent in fleet.chats
            }
        )
        self.register()

    def _let_in(
        self, name: str, foundation: Foundation, gateway: Gateway, cluster: Cluster
    ) -> list[pulumi.Resource]:
        """Allows traffic from the gateway to the nodes, and from the nodes to the file system.

        Pods share the addresses and the security group of their nodes. Network policies control
        the traffic between pods.

        Returns:
            The rules, with those of the gateway. All pods depend on them.
        """
        rules = [*gateway.rules]
        if gateway.routes:
            rules += allow(
                f"{name}-gateway-to-routed",
                parent=self,
                source=gateway.security_group_id,
                destination=cluster.security_group_id,
                port=PORT,
                description="The gateway to the workloads behind it",
            )
        if foundation.storage:
            rules += allow(
                f"{name}-files",
                parent=self,
                source=cluster.security_group_id,
                destination=foundation.storage.security_group_id,
                port=NFS_PORT,
                description="Nodes mount the files of the workloads",
            )
        return rules
