"""Checks of a fleet against the limits of Amazon EKS and of its load balancer."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from core import mounts
from core.config.enums import (
    AccessPolicy,
    AddOn,
    GitOpsEngine,
    Mesh,
    Nat,
    Nodes,
)
from core.config.errors import Fault, KeyPath, rm_command, set_command, show, without_command
from core.config.model import (
    Fleet,
)
from core.load_balancer import checks as load_balancer_checks
from core.network import cidrs
from core.network.cidrs import is_private
from core.targets.eks import network, paths
from core.targets.eks.kubernetes import cpu_units, namespaces, needs
from core.targets.eks.limits import LARGEST_OF_AUTO_MODE, Room, Size, is_graviton, room, size
from core.targets.eks.versions import AS_OF, NEWEST, STANDARD_SUPPORT_ENDS, supported

# General Reference, "Amazon EKS endpoints and quotas"; the quota is not adjustable.
MAX_PUBLIC_BLOCKS = 40

# The same page: nodes per managed node group.
MAX_NODES = 450

# Kubernetes, "Namespaces": kube- is reserved. AWS and the add-ons use the others.
RESERVED_NAMESPACES = (
    "default",
    "kube-*",
    "aws-*",
    "eks-*",
    "amazon-cloudwatch",
    "amazon-guardduty",
    "argocd",
    "flux-system",
    "istio-system",
)

# The owner of an existing cluster manages these.
_OWNERS = ("version", "managed_nodes", "public_access_cidrs", "access", "deletion_protection")


def check(fleet: Fleet, region: str) -> Iterator[Fault]:
    """All faults of the fleet on EKS in a region."""
    yield from mounts.check(fleet, used=paths.used, files_path=paths.files_path)
    yield from _namespace_names(fleet)
    yield from _quotas(fleet)
    yield from _sidecars(fleet)
    if fleet.cluster.existing:
        yield from _existing(fleet)
    else:
        yield from _version(fleet)
        yield from _nodes(fleet)
        yield from _public_blocks(fleet)
        yield from _access(fleet)
    yield from _gitops(fleet)
    yield from _images_from_the_internet(fleet)
    egress = network.egress(fleet)
    # Network policies identify endpoints only by the CIDR block of the network, and the load
    # balancer has addresses of that block too.
    opens_network = egress.nat is Nat.NONE
    yield from load_balancer_checks.check(fleet, region, egress, opens_network=opens_network)


def _namespace_names(fleet: Fleet) -> Iterator[Fault]:
    rest = fleet.cluster.namespace
    places: list[tuple[KeyPath, str]] = [(("cluster", "namespace"), rest)]
    places += [(("teams", team), team) for team in fleet.teams]
    places += [((*path, "team"), load.team) for path, load in fleet.paths() if load.team]
    for position, (path, name) in enumerate(places):
        if any(fnmatchcase(name, reserved) for reserved in RESERVED_NAMESPACES):
            yield Fault(
                path=path,
                got=show(name),
                allowed="a namespace that Kubernetes, AWS and add-ons do not reserve: not "
                f"{', '.join(RESERVED_NAMESPACES)}",
                fix=rm_command(path),
            )
        elif position and name == rest:
            yield Fault(
                path=path,
                got=show(name),
                allowed="a team with another name: this is the namespace of the workloads without "
                "a team (cluster.namespace)",
                fix=rm_command(path),
            )


def _quotas(fleet: Fleet) -> Iterator[Fault]:
    for name, loads in namespaces(fleet).items():
        team = fleet.teams.get(name)
        if team is None:
            continue
        most = [needs(load) for load in loads.values()]
        needed = {
            "cpu": cpu_units(sum(each.millicores for each in most)),
            "memory": sum(each.memory_mib for each in most),
            "pods": sum(each.pods for each in most),
        }
        for key, least in needed.items():
            given = getattr(team, key)
            if given is not None and given < least:
                here = ("teams", name, key)
                yield Fault(
                    path=here,
                    got=show(given),
                    allowed=f"at least {least}: the team's workloads with replicas.max, each "
                    "replica twice during a rolling update",
                    fix=set_command(here, least),
                )


def _sidecars(fleet: Fleet) -> Iterator[Fault]:
    for name, agent in fleet.agents.items():
        if agent.sidecars:
            here = ("agents", name, "sidecars")
            yield Fault(
                path=here,
                got=show(list(agent.sidecars)),
                allowed="no sidecars on eks: a pod has one service account, and each server needs "
                "its own. The ecs target supports sidecars",
                fix=rm_command(here),
            )


def _existing(fleet: Fleet) -> Iterator[Fault]:
    cluster = fleet.cluster
    given = cluster.model_dump(mode="json")
    for key in _OWNERS:
        if key in cluster.model_fields_set:
            yield Fault(
                path=("cluster", key),
                got=show(given[key]),
                allowed="no value when cluster.existing is set: the owner of the cluster manages "
                "it",
                fix=rm_command(("cluster", key)),
            )
    if fleet.network.vpc is None:
        yield Fault(
            path=("network", "vpc"),
            got="no value",
            allowed="the VPC of the existing cluster",
        )
    has = cluster.existing.addons if cluster.existing else ()
    missing = {
        addon.value: reason for addon, reason in _needed_addons(fleet).items() if addon not in has
    }
    if missing:
        here = ("cluster", "existing", "addons")
        reasons = "; ".join(f"{addon} ({reason})" for addon, reason in missing.items())
        yield Fault(
            path=here,
            got=show(list(has)),
            allowed="all add-ons that the fleet needs. Install the missing ones in the cluster, "
            f"then add them here: {reasons}",
            fix=" && ".join(
                set_command((*here, position), addon)
                for position, addon in enumerate(missing, start=len(has))
            ),
        )


def _needed_addons(fleet: Fleet) -> dict[AddOn, str]:
    """The add-ons that a fleet needs, with reasons."""
    loads = dict(fleet.workloads())
    asked = {
        AddOn.CLOUDWATCH: (list(loads), "writes logs"),
        AddOn.SECRETS_STORE_CSI: (
            [name for name, load in loads.items() if load.secrets or name in fleet.servers],
            "reads secrets (a server has its request-state key)",
        ),
        AddOn.METRICS_SERVER: (
            [name for name, load in loads.items() if load.replicas.min < load.replicas.max],
            "scales with CPU utilization",
        ),
        AddOn.EFS_CSI: (list(fleet.with_storage()), "has storage"),
    }
    return {addon: f"{names[0]} {what}" for addon, (names, what) in asked.items() if names}


def _version(fleet: Fleet) -> Iterator[Fault]:
    version = fleet.cluster.version
    if version and not supported(version):
        yield Fault(
            path=("cluster", "version"),
            got=show(version),
            allowed=f"one of {', '.join(STANDARD_SUPPORT_ENDS)}, the versions in standard support "
            f"on {AS_OF}",
            fix=set_command(("cluster", "version"), NEWEST),
        )


def _nodes(fleet: Fleet) -> Iterator[Fault]:
    if fleet.cluster.nodes is Nodes.AUTO:
        yield from _fits(fleet, LARGEST_OF_AUTO_MODE, "the largest node of EKS Auto Mode")
        return
    here, wanted = ("cluster", "managed_nodes"), fleet.cluster.managed_nodes
    if wanted.min > wanted.max:
        yield Fault(
            path=(*here, "max"),
            got=show(wanted.max),
            allowed=f"at least managed_nodes.min ({wanted.min})",
            fix=set_command((*here, "max"), wanted.min),
        )
    here, types = (*here, "instance_types"), wanted.instance_types
    foreign = [position for position, each in enumerate(types) if not is_graviton(each)]
    if foreign:
        yield Fault(
            path=here,
            got=", ".join(types[position] for position in foreign),
            allowed="types with Graviton processors, for example m7g.large: images are built for "
            "arm64",
            fix=without_command(here, foreign) if len(foreign) < len(types) else rm_command(here),
        )
    sizes = {position: known for position, each in enumerate(types) if (known := size(each))}
    if not sizes:
        return
    first, node = next(iter(sizes.items()))
    others = [position for position, known in sizes.items() if known != node]
    if others:
        yield Fault(
            path=here,
            got=", ".join(f"{types[position]} ({sizes[position]})" for position in others),
            allowed=f"types with the size of {types[first]} ({node}): the cluster autoscaler "
            "requires nodes of one size in a node group",
            fix=without_command(here, others),
        )
    yield from _fits(fleet, node, f"a node of {types[first]}")
    yield from _enough(fleet, node, f"nodes of {types[first]}")


def _fits(fleet: Fleet, node: Size, name: str) -> Iterator[Fault]:
    most: Room = room(node)
    for path, load in fleet.paths():
        for key, wanted, limit in (
            ("cpu", load.cpu, most.cpu),
            ("memory", load.memory, most.memory_mib),
        ):
            if wanted > limit:
                yield Fault(
                    path=(*path, key),
                    got=show(wanted),
                    allowed=f"at most {limit}: {name} has {node}, minus what the operating system, "
                    "the kubelet and the add-ons reserve",
                    fix=set_command((*path, key), limit),
                )


def _enough(fleet: Fleet, node: Size, name: str) -> Iterator[Fault]:
    """Checks that the minimum of replicas fits on the maximum of nodes.

    The check adds up CPU and memory. A fleet that passes may still not fit node by node.
    """
    loads = [load for _, load in fleet.workloads()]
    wanted, left = fleet.cluster.managed_nodes, room(node)
    groups = 2 if any(load.spot for load in loads) else 1
    cpu = sum(load.replicas.min * load.cpu for load in loads)
    memory = sum(load.replicas.min * load.memory for load in loads)
    nodes = max(-(-cpu // left.cpu), -(-memory // left.memory_mib))
    least = -(-nodes // groups)
    if wanted.max < least:
        here = ("cluster", "managed_nodes", "max")
        yield Fault(
            path=here,
            got=show(wanted.max),
            allowed=f"at least {least}{' for each of two groups' if groups > 1 else ''}, or larger "
            f"instance_types: with replicas.min, the workloads need {cpu} CPU units and {memory} "
            f"MiB, which is {nodes} {name}",
            fix=set_command(here, least) if least <= MAX_NODES else None,
        )


def _public_blocks(fleet: Fleet) -> Iterator[Fault]:
    here, blocks = ("cluster", "public_access_cidrs"), fleet.cluster.public_access_cidrs
    open_ = cidrs.too_open(blocks)
    if open_:
        yield Fault(
            path=(*here, open_[0]),
            got=", ".join(blocks[position] for position in open_),
            allowed="CIDR blocks of known clients, together at most a /8 of public addresses",
            fix=without_command(here, open_),
        )
    for block in dict.fromkeys(blocks):
        if is_private(block):
            positions = [position for position, each in enumerate(blocks) if each == block]
            yield Fault(
                path=(*here, positions[0]),
                got=block,
                allowed="CIDR blocks of public addresses. Clients in the VPC reach the cluster's "
                "API without an entry",
                fix=without_command(here, positions),
            )
    if len(blocks) > MAX_PUBLIC_BLOCKS:
        yield Fault(
            path=here,
            got=f"{len(blocks)} blocks",
            allowed=f"at most {MAX_PUBLIC_BLOCKS}, the quota of EKS",
            fix=without_command(here, list(range(MAX_PUBLIC_BLOCKS, len(blocks)))),
        )


def _access(fleet: Fleet) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for name, access in fleet.cluster.access.items():
        here = ("cluster", "access", name)
        other = first.setdefault(access.principal_arn, name)
        if other != name:
            yield Fault(
                path=(*here, "principal_arn"),
                got=show(access.principal_arn),
                allowed=f"one entry per principal: {other} has the same principal_arn",
                fix=rm_command(here),
            )
        elif access.policy is AccessPolicy.CLUSTER_ADMIN and access.namespaces:
            yield Fault(
                path=(*here, "namespaces"),
                got=show(list(access.namespaces)),
                allowed=f"no namespaces with policy: {access.policy.value}, which applies to the "
                f"whole cluster; use {AccessPolicy.ADMIN.value} for namespaces",
                fix=set_command((*here, "policy"), AccessPolicy.ADMIN.value),
            )


def _gitops(fleet: Fleet) -> Iterator[Fault]:
    gitops, here = fleet.gitops, ("gitops", "identity_center")
    if gitops is None:
        return
    if gitops.engine is GitOpsEngine.ARGOCD and gitops.identity_center is None:
        (example,) = type(gitops).model_fields["identity_center"].examples or [{}]
        yield Fault(
            path=here,
            got="no value",
            allowed="an instance of AWS IAM Identity Center: users sign in to the managed Argo CD "
            "only through it. engine: flux needs none",
            fix=set_command(here, example),
        )
    if gitops.engine is GitOpsEngine.FLUX and gitops.identity_center:
        yield Fault(
            path=here,
            got=show(gitops.identity_center.instance_arn),
            allowed="no value with engine: flux, which has no users",
            fix=rm_command(here),
        )


def _images_from_the_internet(fleet: Fleet) -> Iterator[Fault]:
    cluster, gitops = fleet.cluster, fleet.gitops
    installed = {
        "the cluster autoscaler": cluster.nodes is Nodes.MANAGED,
        # AWS runs Argo CD outside of the cluster (Amazon EKS User Guide, "EKS Capabilities").
        "Flux": gitops is not None and gitops.engine is GitOpsEngine.FLUX,
        "Istio": fleet.mesh is Mesh.ISTIO,
    }
    wanted = [what for what, asked in installed.items() if asked]
    if wanted and fleet.network.vpc is None and fleet.network.nat is Nat.NONE:
        here = ("network", "nat")
        yield Fault(
            path=here,
            got=fleet.network.nat.value,
            allowed=f"single or per-zone: nodes pull the images of {' and '.join(wanted)} from the "
            "internet",
            fix=set_command(here, Nat.SINGLE.value),
        )
