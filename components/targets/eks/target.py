"""The EKS target as a whole."""

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

    Type token `mcp-platform:eks:Target`. Creates a cluster, unless one exists already, and the
    provider that speaks to it; the components `Base`, for what the cluster itself needs, and
    `Namespaces`, for what holds for all workloads; and a `Workload` for every server and agent,
    with its alarms.

    With `gitops`, what runs in the namespaces is rendered to files instead of being applied, and
    the engine that applies them is pointed at their repository.

    Attributes:
        gateway_url: The URL of the gateway, without a slash at the end.
        dashboard: The body of the fleet's dashboard, in JSON.
        namespace: The domain that servers are found in.
        server_addresses: Where agents reach each server, by name.
        chat: Where people chat with each agent that does, by name.
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
        """Makes the target.

        Args:
            name: The component's name.
            fleet: The fleet.
            foundation: The foundation.
            gateway: The gateway.
            cluster_name: What the cluster is called, or is to be called.
            aws_config: The stack's `aws:` configuration: as whom to speak to the cluster.
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
        """The components that answer requests."""
        self.endpoint = gateway.endpoint
        """What the fleet's domain leads to."""
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
        """Opens the ways to the nodes, and from them to the files.

        Pods have the addresses and the security group of their nodes: which pod may reach which is
        for network policies to say.

        Returns:
            The rules, those of the gateway's callers included. All pods depend on them.
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
