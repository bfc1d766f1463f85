"""The provider that the engine starts for eks."""

from sandbox.engine.components import ComponentProvider, serve
from sandbox.providers.eks import addons, cluster, core, nodes, security_groups


def provider() -> ComponentProvider:
    """The package eks with the components that this project uses.

    Returns:
        A provider that creates clusters, managed node groups, add-ons and nodes' security groups.
    """
    return ComponentProvider(
        "eks",
        {
            cluster.TOKEN: cluster.Cluster,
            nodes.TOKEN: nodes.ManagedNodeGroup,
            addons.ADDON_TOKEN: addons.Addon,
            addons.CNI_TOKEN: addons.VpcCniAddon,
            security_groups.TOKEN: security_groups.NodeGroupSecurityGroup,
        },
    )


def run() -> None:
    """Serves eks to the engine that started this process."""
    core.register()
    serve(provider())
