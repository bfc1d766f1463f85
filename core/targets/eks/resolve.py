"""Resolves a fleet on EKS: namespaces, the names of services, sizes and timeouts."""

from core.config.model import Fleet
from core.contract import PORT
from core.discovery import mcp_url
from core.environment import environment, servers_environment
from core.graph import graph
from core.resolved import (
    Container,
    ResolvedFleet,
    Workload,
    authentication,
    declared_secrets,
    load_balancer_idle_seconds,
)
from core.stack import Stack
from core.targets.eks import network, paths
from core.targets.eks.kubernetes import CLUSTER_DOMAIN, namespace, timeouts_of


def resolve(fleet: Fleet, stack: Stack) -> ResolvedFleet:
    """Resolve a fleet."""
    calls, idle = graph(fleet), load_balancer_idle_seconds(fleet)
    homes = {name: namespace(fleet, load) for name, load in fleet.workloads()}
    hosts = {name: f"{name}.{home}.{CLUSTER_DOMAIN}" for name, home in homes.items()}
    addresses = {name: mcp_url(hosts[name]) for name in fleet.servers}
    workloads: dict[str, Workload] = {}
    for name, load in fleet.workloads():
        timeouts = timeouts_of(load, idle if load.expose else None)
        files_path = paths.files_path(load.storage) if load.storage else None
        variables = environment(
            load,
            timeouts=timeouts,
            auth=authentication(fleet, calls, name),
            files_path=files_path,
        )
        workloads[name] = Workload(
            name=name,
            config=load,
            containers=(
                Container(
                    name=name,
                    config=load,
                    port=PORT,
                    timeouts=timeouts,
                    secrets=declared_secrets(load),
                    environment=variables | servers_environment(load, addresses),
                ),
            ),
            cpu=load.cpu,
            memory_mib=load.memory,
            callers=calls.callers.get(name, ()),
            callees=calls.callees.get(name, ()),
            host=hosts[name],
            namespace=homes[name],
            files_path=files_path,
        )
    return ResolvedFleet(
        config=fleet,
        stack=stack,
        workloads=workloads,
        graph=calls,
        egress=network.egress(fleet),
        server_addresses=addresses,
    )
