"""Sidecars: servers of an agent that run as containers in the agent's own task."""

from collections.abc import Mapping

from core.config.model import Agent, Fleet, Server
from core.graph import graph


def containers(fleet: Fleet, workload: str, load: Server | Agent) -> dict[str, Server | Agent]:
    """The containers of a workload's task, by name: its own, then its sidecars in their order."""
    if not isinstance(load, Agent):
        return {workload: load}
    # Only a configuration with faults names others.
    known = [name for name in load.sidecars if name in load.uses and name in fleet.servers]
    return {workload: load} | {name: fleet.servers[name] for name in known}


def task_size(task: Mapping[str, Server | Agent]) -> tuple[int, int]:
    """The CPU units and the MiB of a task: the sums over its containers."""
    return sum(load.cpu for load in task.values()), sum(load.memory for load in task.values())


def services(fleet: Fleet) -> dict[str, Server | Agent]:
    """The workloads that run as services, by name and in the order of the configuration.

    These are all workloads except sidecars that neither the gateway nor an agent calls over the
    network.
    """
    sidecars = {server for agent in fleet.agents.values() for server in agent.sidecars}
    called = graph(fleet).callers
    return {
        name: load
        for name, load in fleet.workloads()
        if load.expose or name in called or name not in sidecars
    }
