"""Nodes, add-ons and mesh of the cluster."""

import pulumi

from components.component import Component
from components.foundation import Foundation
from components.gateway.gateway import Gateway
from components.targets.eks import mesh
from components.targets.eks.addons import create_addons, network_addons
from components.targets.eks.cluster import Cluster
from components.targets.eks.controllers import install_controllers
from components.targets.eks.nodes import node_groups, node_pools
from core.config.enums import Mesh, Nodes
from core.config.model import Fleet
from core.resolved import ResolvedFleet


class Base(Component):
    """Nodes and add-ons of the stack's own cluster and, if configured, the mesh.

    Type token `mcp-platform:eks:Base`. With Auto Mode, creates node pools. Without it, creates
    managed node groups, the add-ons that nodes need, and the controllers that Auto Mode includes.
    Then creates the add-ons that workloads need. In an existing cluster, it creates nothing: the
    owner of the cluster provides all of these.
    """

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        foundation: Foundation,
        gateway: Gateway,
        cluster: Cluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:eks:Base", name, opts)
        self.ready: list[pulumi.Resource] = []
        """The resources that must exist before a workload."""
        if cluster.component:
            nodes = self._nodes(name, fleet.config, foundation, cluster)
            addons = create_addons(
                name,
                fleet=fleet,
                foundation=foundation,
                cluster=cluster,
                parent=self,
                # The pods of the add-ons pull images.
                needed=[*nodes, *foundation.network.egress],
            )
            self.ready = [*cluster.ready, *nodes, *addons]
            if fleet.config.cluster.nodes is Nodes.MANAGED:
                self.ready += install_controllers(
                    name,
                    stack=fleet.stack,
                    foundation=foundation,
                    gateway=gateway,
                    cluster=cluster,
                    parent=self,
                    needed=[*nodes, *addons],
                )
            if fleet.config.mesh is Mesh.ISTIO:
                self.ready += mesh.install(name, parent=self, needed=[*nodes, *addons])
        self.register()

    def _nodes(
        self, name: str, fleet: Fleet, foundation: Foundation, cluster: Cluster
    ) -> list[pulumi.Resource]:
        if fleet.cluster.nodes is Nodes.AUTO:
            return node_pools(name, fleet=fleet, cluster=cluster, parent=self)
        return node_groups(
            name,
            fleet=fleet,
            foundation=foundation,
            cluster=cluster,
            parent=self,
            needed=[
                *network_addons(name, foundation=foundation, cluster=cluster, parent=self),
                # A node needs egress to pull images and to call AWS before it joins the cluster.
                *foundation.network.egress,
            ],
        )
