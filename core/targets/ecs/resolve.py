"""What a workload is on ECS: the containers of its task, their size, addresses and timeouts."""

from core.config.model import Fleet, Server
from core.contract import PORT
from core.discovery import server_address
from core.resolved import (
    Container,
    Graph,
    Workload,
    declared_secrets,
    load_balancer_idle_seconds,
)
from core.sidecars import containers, services, task_size
from core.stack import Stack
from core.timeouts import chain


def resolve(fleet: Fleet, stack: Stack, graph: Graph) -> dict[str, Workload]:
    """Work out every service of a fleet, by name."""
    idle = load_balancer_idle_seconds(fleet)
    resolved: dict[str, Workload] = {}
    for name, load in services(fleet).items():
        task = containers(fleet, name, load)
        cpu, memory_mib = task_size(task)
        resolved[name] = Workload(
            name=name,
            config=load,
            containers=tuple(
                Container(
                    name=each,
                    config=config,
                    port=PORT + position,
                    # Only requests to the workload itself come through the load balancer.
                    timeouts=chain(
                        config.max_request_seconds,
                        alb_idle=idle if each == name and config.expose else None,
                    ),
                    secrets=declared_secrets(config),
                )
                for position, (each, config) in enumerate(task.items())
            ),
            cpu=cpu,
            memory_mib=memory_mib,
            callers=graph.callers.get(name, ()),
            callees=graph.callees.get(name, ()),
            host=f"{name}.{stack.namespace}",
            address=server_address(stack, name) if isinstance(load, Server) else "",
            files_path=load.storage.mount if load.storage else None,
        )
    return resolved
