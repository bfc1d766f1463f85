"""Whether a fleet fits its target: what the target cannot do is refused before any resource."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from core import egress, fargate, lambda_fitness, timeouts
from core.discovery import protected_resource_metadata
from core.faults import Fault, KeyPath, rm_command, set_command, show
from core.fleet import Agent, Exposure, Fleet, Nat, Server, Sessions, Target
from core.images import ecr_repository
from core.sidecars import containers, network_edges, services, task_size

# Elastic Load Balancing, "Quotas for your Application Load Balancers": 100 rules a load balancer
# without the default ones, and 100 target groups.
MAX_GATEWAY_ROUTES = 100

# Amazon VPC quotas: 60 inbound and 60 outbound rules a security group.
MAX_GROUP_RULES = 60

# Elastic Load Balancing API reference, FixedResponseActionConfig, MessageBody.
MAX_FIXED_RESPONSE = 1024

# Amazon ECS Developer Guide, "Amazon ECS service quotas": 10 containers a task definition.
MAX_SIDECARS = 10 - 1

# Amazon ECS API reference, ContainerDefinition, memory.
MIN_CONTAINER_MIB = 6


def check(fleet: Fleet, region: str) -> Iterator[Fault]:
    """Every reason why the fleet does not fit its target in a region."""
    fits = _FITS.get(fleet.target)
    if fits:
        yield from fits(fleet, region)
    else:
        yield Fault(
            path=("target",),
            got=fleet.target.value,
            allowed=f"{' or '.join(target.value for target in _FITS)} in this release",
            mend=set_command(("target",), next(iter(_FITS)).value),
        )


def _ecs(fleet: Fleet, region: str) -> Iterator[Fault]:
    yield from _ecs_sizes(fleet)
    yield from _sidecars(fleet)
    yield from _request_times(fleet)
    yield from _sessions_in_one_copy(fleet)
    yield from _shells_can_write(fleet)
    yield from _gateway_routes(fleet)
    yield from _group_rules(fleet)
    yield from _gateway_callers(fleet)
    yield from _metadata_fits(fleet)
    yield from _reach_without_nat(fleet, region)


def _ecs_sizes(fleet: Fleet) -> Iterator[Fault]:
    running = services(fleet)
    for path, load in fleet.paths():
        task = containers(fleet, path[1], load)
        # Where a sidecar has a fault of its own, the size is not known.
        known = len(task) == 1 + (len(load.sidecars) if isinstance(load, Agent) else 0)
        if path[1] in running and known and not fargate.is_size(*task_size(task)):
            yield _no_size(path, load, task_size(task))


def _no_size(path: KeyPath, load: Server | Agent, size: tuple[int, int]) -> Fault:
    """What is wrong with a task of this size, and how its workload's own share makes it right."""
    (cpu, memory), near = size, fargate.smallest(*size)
    beside = size != (load.cpu, load.memory)
    got = f"cpu {cpu} with memory {memory}{', its sidecars included' if beside else ''}"
    allowed = fargate.explain(cpu, memory)
    if beside and near is None:
        path = (*path, "sidecars")
        return Fault(path=path, got=got, allowed=allowed, mend=rm_command(path))
    near = near or fargate.sizes()[-1]
    changes = {"cpu": near.cpu - cpu, "memory": near.memory_mib - memory}
    return Fault(
        path=(*path, "memory" if cpu in fargate.MEMORY_MIB else "cpu"),
        got=got,
        allowed=allowed,
        mend=" && ".join(
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
                allowed=f"{MAX_SIDECARS} at most, Amazon ECS's quota of containers in a task less "
                "the agent's own",
                mend=" && ".join(rm_command((*here, position)) for position in further),
            )
    # A container alone has all of its task's memory; beside others it has its own.
    shares = {name for agent in fleet.agents.values() for name in agent.sidecars}
    shares |= {name for name, agent in fleet.agents.items() if agent.sidecars}
    for path, load in fleet.paths():
        if path[1] in shares and load.memory < MIN_CONTAINER_MIB:
            yield Fault(
                path=(*path, "memory"),
                got=show(load.memory),
                allowed=f"{MIN_CONTAINER_MIB} or more, what a container beside others needs",
                mend=set_command((*path, "memory"), MIN_CONTAINER_MIB),
            )


def _request_times(fleet: Fleet) -> Iterator[Fault]:
    for path, load in fleet.paths():
        try:
            timeouts.chain(load.max_request_seconds)
        except ValueError as error:
            yield Fault(
                path=(*path, "max_request_seconds"),
                got=show(load.max_request_seconds),
                allowed=str(error),
                mend=set_command((*path, "max_request_seconds"), timeouts.MAX_REQUEST_SECONDS),
            )


def _sessions_in_one_copy(fleet: Fleet) -> Iterator[Fault]:
    # A sidecar alone needs no such rule: each copy of its agent talks to its own.
    running = services(fleet)
    for name, server in fleet.servers.items():
        stateful = name in running and server.sessions is Sessions.LEGACY_STATEFUL
        if stateful and server.replicas.max > 1:
            yield Fault(
                path=("servers", name, "replicas", "max"),
                got=show(server.replicas.max),
                allowed=(
                    "1, since sessions: legacy-stateful keeps them in one copy's memory and MCP "
                    "clients keep no cookie that would lead them back to it"
                ),
                mend=set_command(("servers", name, "replicas", "max"), 1),
            )


def _shells_can_write(fleet: Fleet) -> Iterator[Fault]:
    # Amazon ECS Developer Guide, "Monitor Amazon ECS containers with ECS Exec": the SSM agent
    # writes to the container's root file system.
    for path, load in fleet.paths():
        if load.exec and not load.writable_root:
            yield Fault(
                path=(*path, "exec"),
                got="true",
                allowed="false, or writable_root: true beside it: a shell needs a root to write to",
                mend=set_command((*path, "writable_root"), value=True),
            )


def _metadata_fits(fleet: Fleet) -> Iterator[Fault]:
    gateway = fleet.gateway
    if not (gateway.auth and gateway.domain):
        return
    length = len(protected_resource_metadata(gateway.auth, f"https://{gateway.domain}"))
    if length > MAX_FIXED_RESPONSE:
        yield Fault(
            path=("gateway", "auth", "scopes"),
            got=f"protected-resource metadata of {length} characters",
            allowed=f"{MAX_FIXED_RESPONSE} at most, what a load balancer's fixed answer holds",
        )


def _gateway_routes(fleet: Fleet) -> Iterator[Fault]:
    # One rule a workload, and one for the metadata that tells clients where to get a token.
    room = MAX_GATEWAY_ROUTES - (1 if fleet.gateway.auth else 0)
    exposed = [path for path, load in fleet.paths() if load.expose]
    if len(exposed) > room:
        yield Fault(
            path=("servers",),
            got=f"{len(exposed)} workloads behind the gateway",
            allowed=(
                f"{room}, a load balancer's quota of rules; set expose: false on those that only "
                "agents call, or spread the fleet over several stacks"
            ),
            mend=set_command((*exposed[-1], "expose"), value=False),
        )


def _group_rules(fleet: Fleet) -> Iterator[Fault]:
    edges = list(network_edges(fleet))
    for agent, count in Counter(agent for agent, _ in edges).items():
        if count > MAX_GROUP_RULES:
            yield Fault(
                path=("agents", agent, "uses"),
                got=f"{count} servers",
                allowed=f"{MAX_GROUP_RULES} at most, a security group's quota of rules",
            )
    for server, count in Counter(server for _, server in edges).items():
        if count > MAX_GROUP_RULES:
            yield Fault(
                path=("servers", server),
                got=f"{count} agents that use it",
                allowed=f"{MAX_GROUP_RULES} at most, a security group's quota of rules",
            )


def _reach_without_nat(fleet: Fleet, region: str) -> Iterator[Fault]:
    """What a network without NAT gateways and with endpoints of AWS alone does not reach."""
    if fleet.network.vpc or egress.nat(fleet) is not Nat.NONE:
        return
    nat = set_command(("network", "nat"), Nat.SINGLE.value)
    for path, image in fleet.images():
        repository = ecr_repository(image.uri or "")
        if image.uri and not (repository and repository.region == region):
            yield Fault(
                path=(*path, "image", "uri"),
                got=show(image.uri),
                allowed=f"an image in an ECR repository of {region}, since network.nat is none",
                mend=nat,
            )
    if fleet.gateway.auth and fleet.gateway.exposure is Exposure.PRIVATE:
        yield Fault(
            path=("gateway", "auth"),
            got=show(fleet.gateway.auth.jwks_uri),
            allowed="no auth, since network.nat is none: a private load balancer has no other way "
            "to the issuer's keys",
            mend=nat,
        )


def _gateway_callers(fleet: Fleet) -> Iterator[Fault]:
    # One rule a block and port: a gateway with TLS also answers on port 80, to redirect.
    room = MAX_GROUP_RULES // 2 if fleet.gateway.domain else MAX_GROUP_RULES
    blocks = set(fleet.gateway.allow_cidrs)
    if len(blocks) > room:
        yield Fault(
            path=("gateway", "allow_cidrs"),
            got=f"{len(blocks)} blocks",
            allowed=f"{room} at most, a security group's quota of rules",
        )


_FITS: Mapping[Target, Callable[[Fleet, str], Iterator[Fault]]] = {
    Target.ECS: _ecs,
    Target.LAMBDA: lambda_fitness.check,
}
