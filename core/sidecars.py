"""Sidecars: an agent's servers that run as containers of its own task, and not over the network."""

from collections.abc import Iterator, Mapping

from core.config.model import Agent, Fleet, Server


def containers(fleet: Fleet, workload: str, load: Server | Agent) -> dict[str, Server | Agent]:
    """What runs in a workload's task, by name: itself first, then its sidecars in their order."""
    if not isinstance(load, Agent):
        return {workload: load}
    # Only a configuration with faults names others.
    known = [name for name in load.sidecars if name in load.uses and name in fleet.servers]
    return {workload: load} | {name: fleet.servers[name] for name in known}


def task_size(task: Mapping[str, Server | Agent]) -> tuple[int, int]:
    """CPU units, of which 1024 are one vCPU, and MiB of a task: the sum of its containers'."""
    return sum(load.cpu for load in task.values()), sum(load.memory for load in task.values())


def network_edges(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """Every (agent, server) pair that talks over the network: all but agents and sidecars."""
    for agent, server in fleet.edges():
        if server not in fleet.agents[agent].sidecars:
            yield agent, server


def services(fleet: Fleet) -> dict[str, Server | Agent]:
    """The workloads that run as services, by name and in the order of the configuration.

    These are all workloads except sidecars that neither the gateway nor an agent calls over the
    network.
    """
    beside = {server for agent in fleet.agents.values() for server in agent.sidecars}
    called = {server for _, server in network_edges(fleet)}
    return {
        name: load
        for name, load in fleet.workloads()
        if load.expose or name in called or name not in beside
    }
