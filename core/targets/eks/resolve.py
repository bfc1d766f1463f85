"""What a workload is on EKS: its namespace, the name of its service, size and timeouts."""

from core.config.model import Fleet, Server
from core.contract import MCP_PATH, PORT
from core.resolved import (
    Container,
    Graph,
    Workload,
    declared_secrets,
    load_balancer_idle_seconds,
)
from core.stack import Stack
from core.targets.eks.kubernetes import CLUSTER_DOMAIN, namespace, timeouts_of


def resolve(fleet: Fleet, _stack: Stack, graph: Graph) -> dict[str, Workload]:
    """Work out every workload of a fleet, by name."""
    idle = load_balancer_idle_seconds(fleet)
    resolved: dict[str, Workload] = {}
    for name, load in fleet.workloads():
        home = namespace(fleet, load)
        host = f"{name}.{home}.{CLUSTER_DOMAIN}"
        container = Container(
            name=name,
            config=load,
            port=PORT,
            timeouts=timeouts_of(load, idle if load.expose else None),
            secrets=declared_secrets(load),
        )
        resolved[name] = Workload(
            name=name,
            config=load,
            containers=(container,),
            cpu=load.cpu,
            memory_mib=load.memory,
            callers=graph.callers.get(name, ()),
            callees=graph.callees.get(name, ()),
            host=host,
            address=f"http://{host}:{PORT}{MCP_PATH}" if isinstance(load, Server) else "",
            namespace=home,
            files_path=load.storage.mount if load.storage else None,
        )
    return resolved
