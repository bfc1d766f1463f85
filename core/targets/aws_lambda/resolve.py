"""What a workload is on Lambda: the memory of its function, its network and its timeouts."""

from core.config.model import Fleet
from core.contract import PORT
from core.network import egress
from core.resolved import Container, Graph, Workload, declared_secrets
from core.stack import Stack
from core.targets.aws_lambda import limits
from core.timeouts import chain


def resolve(fleet: Fleet, _stack: Stack, graph: Graph) -> dict[str, Workload]:
    """Work out every function of a fleet, by name; a state machine is none."""
    in_network = frozenset(egress.inside(fleet))
    return {
        name: Workload(
            name=name,
            config=load,
            containers=(
                Container(
                    name=name,
                    config=load,
                    port=PORT,
                    timeouts=chain(load.max_request_seconds),
                    secrets=declared_secrets(load),
                ),
            ),
            cpu=load.cpu,
            memory_mib=limits.memory_mib(load.cpu, load.memory),
            callers=graph.callers.get(name, ()),
            callees=graph.callees.get(name, ()),
            is_in_network=name in in_network,
            files_path=limits.mount_path(load.storage.mount) if load.storage else None,
        )
        for name, load in fleet.workloads()
        if not fleet.is_state_machine(load)
    }
