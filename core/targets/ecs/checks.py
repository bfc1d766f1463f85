"""Checks of a fleet against the limits of Amazon ECS on Fargate and of its load balancer."""

from collections.abc import Iterator

from core import mounts
from core.config.errors import Fault, KeyPath, rm_command, set_command, show
from core.config.model import Agent, Fleet, Server
from core.graph import graph
from core.load_balancer import checks as load_balancer_checks
from core.load_balancer.checks import MAX_GROUP_RULES
from core.sidecars import containers, services, task_size
from core.targets.ecs import limits, network, paths

# Amazon ECS Developer Guide, "Amazon ECS service quotas": 10 containers per task definition.
MAX_SIDECARS = 10 - 1

# Amazon ECS API reference, ContainerDefinition, memory.
MIN_CONTAINER_MIB = 6


def check(fleet: Fleet, region: str) -> Iterator[Fault]:
    """All faults of the fleet on ECS in a region."""
    yield from mounts.check(fleet, used=paths.used, files_path=paths.files_path)
    yield from _sizes(fleet)
    yield from _sidecars(fleet)
    yield from _shells_can_write(fleet)
    yield from _group_rules(fleet)
    yield from load_balancer_checks.check(fleet, region, network.egress(fleet))


def _sizes(fleet: Fleet) -> Iterator[Fault]:
    running = services(fleet)
    for path, load in fleet.paths():
        task = containers(fleet, path[1], load)
        # Without a valid sidecar, the size of the task is not known.
        known = len(task) == 1 + (len(load.sidecars) if isinstance(load, Agent) else 0)
        if path[1] in running and known and not limits.is_size(*task_size(task)):
            yield _wrong_size(path, load, task_size(task))


def _wrong_size(path: KeyPath, load: Server | Agent, size: tuple[int, int]) -> Fault:
    """The fault of a task with this size. The fix changes only the workload's own container."""
    (cpu, memory), near = size, limits.smallest(*size)
    beside = size != (load.cpu, load.memory)
    got = f"cpu {cpu} with memory {memory}{', including its sidecars' if beside else ''}"
    allowed = limits.explain(cpu, memory)
    if beside and near is None:
        path = (*path, "sidecars")
        return Fault(path=path, got=got, allowed=allowed, fix=rm_command(path))
    near = near or limits.sizes()[-1]
    changes = {"cpu": near.cpu - cpu, "memory": near.memory_mib - memory}
    return Fault(
        path=(*path, "memory" if cpu in limits.MEMORY_MIB else "cpu"),
        got=got,
        allowed=allowed,
        fix=" && ".join(
            set_command((*path, key), getattr(load, key) + change)
            for key, change in changes.items()
            if change
        ),
    )


def _sidecars(fleet: Fleet) -> Iterator[Fault]:
    for name, agent in fleet.agents.items():
        if len(agent.sidecars) > MAX_SIDECARS:
            here = ("agents", name, "sidecars")
            further = range(len(agent.sidecars) - 1, MAX_SIDECARS - 1, -1)
            yield Fault(
                path=here,
                got=f"{len(agent.sidecars)} sidecars",
                allowed=f"at most {MAX_SIDECARS}: Amazon ECS allows {MAX_SIDECARS + 1} containers "
                "per task, and one is the agent",
                fix=" && ".join(rm_command((*here, position)) for position in further),
            )
    # A single container uses the memory of its task. With sidecars, each container has a limit.
    shares = {name for agent in fleet.agents.values() for name in agent.sidecars}
    shares |= {name for name, agent in fleet.agents.items() if agent.sidecars}
    for path, load in fleet.paths():
        if path[1] in shares and load.memory < MIN_CONTAINER_MIB:
            yield Fault(
                path=(*path, "memory"),
                got=show(load.memory),
                allowed=f"at least {MIN_CONTAINER_MIB} MiB, the minimum of a container",
                fix=set_command((*path, "memory"), MIN_CONTAINER_MIB),
            )


def _shells_can_write(fleet: Fleet) -> Iterator[Fault]:
    # Amazon ECS Developer Guide, "Monitor Amazon ECS containers with ECS Exec": the SSM agent
    # writes to the container's root file system.
    for path, load in fleet.paths():
        if load.exec and not load.writable_root:
            yield Fault(
                path=(*path, "exec"),
                got="true",
                allowed="false, or writable_root: true: ECS Exec requires a writable root file "
                "system",
                fix=set_command((*path, "writable_root"), value=True),
            )


def _group_rules(fleet: Fleet) -> Iterator[Fault]:
    calls = graph(fleet)
    for agent, servers in calls.callees.items():
        if (count := len(servers)) > MAX_GROUP_RULES:
            yield Fault(
                path=("agents", agent, "uses"),
                got=f"{count} servers",
                allowed=f"at most {MAX_GROUP_RULES}, the quota of rules per security group",
            )
    for server, agents in calls.callers.items():
        if (count := len(agents)) > MAX_GROUP_RULES:
            yield Fault(
                path=("servers", server),
                got=f"{count} agents that use it",
                allowed=f"at most {MAX_GROUP_RULES}, the quota of rules per security group",
            )
