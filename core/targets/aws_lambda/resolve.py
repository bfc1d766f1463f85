"""Resolves a fleet on Lambda: the memory of its functions, their network and their timeouts."""

from core.config.model import Fleet
from core.contract import PORT
from core.environment import environment
from core.graph import graph
from core.resolved import Container, ResolvedFleet, Workload, authentication, declared_secrets
from core.stack import Stack
from core.targets.aws_lambda import addresses, limits, network, paths
from core.timeouts import chain


def resolve(fleet: Fleet, stack: Stack) -> ResolvedFleet:
    """Resolves a fleet. State machines are not in its `workloads`."""
    calls, egress = graph(fleet), network.egress(fleet)
    inside = frozenset(egress.inside)
    workloads: dict[str, Workload] = {}
    for name, load in fleet.workloads():
        if fleet.is_state_machine(load):
            continue
        timeouts = chain(load.max_request_seconds)
        files_path = paths.files_path(load.storage) if load.storage else None
        container = Container(
            name=name,
            config=load,
            port=PORT,
            timeouts=timeouts,
            secrets=declared_secrets(load),
            environment=environment(
                load,
                timeouts=timeouts,
                auth=authentication(fleet, calls, name),
                files_path=files_path,
            ),
        )
        workloads[name] = Workload(
            name=name,
            config=load,
            containers=(container,),
            cpu=load.cpu,
            memory_mib=limits.memory_mib(load.cpu, load.memory),
            callers=calls.callers.get(name, ()),
            callees=calls.callees.get(name, ()),
            is_in_network=name in inside,
            files_path=files_path,
        )
    return ResolvedFleet(
        config=fleet,
        stack=stack,
        workloads=workloads,
        graph=calls,
        egress=egress,
        server_addresses=addresses.server_addresses(
            fleet, addresses.expected_url(fleet, stack.region)
        ),
        clients_sign=fleet.gateway.auth is None,
    )
