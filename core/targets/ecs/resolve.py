"""Resolves a fleet on ECS: the containers of its tasks, their size, addresses and timeouts."""

from collections.abc import Mapping

from core.config.model import Agent, Authentication, Fleet, Server
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
from core.sidecars import containers, services, task_size
from core.stack import Stack
from core.targets.ecs import network, paths
from core.timeouts import Chain, chain


def resolve(fleet: Fleet, stack: Stack) -> ResolvedFleet:
    """Resolves a fleet. Servers that run only as sidecars are not in its `workloads`."""
    calls, idle, running = graph(fleet), load_balancer_idle_seconds(fleet), services(fleet)
    hosts = {name: f"{name}.{stack.namespace}" for name in running}
    addresses = {name: mcp_url(hosts[name]) for name in fleet.servers if name in running}
    workloads: dict[str, Workload] = {}
    for name, load in running.items():
        task = containers(fleet, name, load)
        cpu, memory_mib = task_size(task)
        own, *sidecars = task
        ports = {each: PORT + position for position, each in enumerate(sidecars, start=1)}
        workloads[name] = Workload(
            name=name,
            config=load,
            containers=(
                _own_container(
                    own,
                    load,
                    # Only requests to the workload itself come through the load balancer.
                    timeouts=chain(
                        load.max_request_seconds, alb_idle=idle if load.expose else None
                    ),
                    auth=authentication(fleet, calls, name),
                    addresses=_reached(load, addresses, ports),
                ),
                *(_sidecar(each, task[each], port) for each, port in ports.items()),
            ),
            cpu=cpu,
            memory_mib=memory_mib,
            callers=calls.callers.get(name, ()),
            callees=calls.callees.get(name, ()),
            host=hosts[name],
            files_path=_files_path(load),
        )
    return ResolvedFleet(
        config=fleet,
        stack=stack,
        workloads=workloads,
        graph=calls,
        egress=network.egress(fleet),
        server_addresses=addresses,
    )


def _reached(
    load: Server | Agent, addresses: Mapping[str, str], ports: Mapping[str, int]
) -> dict[str, str]:
    """The address of each server that a workload uses. Sidecars are on localhost."""
    uses = load.uses if isinstance(load, Agent) else ()
    return {
        server: mcp_url("localhost", ports[server]) if server in ports else addresses[server]
        for server in uses
    }


def _own_container(
    name: str,
    load: Server | Agent,
    *,
    timeouts: Chain,
    auth: Authentication | None,
    addresses: Mapping[str, str],
) -> Container:
    variables = environment(load, timeouts=timeouts, auth=auth, files_path=_files_path(load))
    return Container(
        name=name,
        config=load,
        port=PORT,
        timeouts=timeouts,
        secrets=declared_secrets(load),
        environment=variables | servers_environment(load, addresses),
    )


def _sidecar(name: str, load: Server | Agent, port: int) -> Container:
    timeouts = chain(load.max_request_seconds)
    return Container(
        name=name,
        config=load,
        port=port,
        timeouts=timeouts,
        secrets=declared_secrets(load),
        environment=environment(load, timeouts=timeouts, port=port, files_path=_files_path(load)),
    )


def _files_path(load: Server | Agent) -> str | None:
    return paths.files_path(load.storage) if load.storage else None
