"""Whether a fleet fits Amazon EKS and the load balancer before it."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from core import mounts
from core.config.errors import Fault, KeyPath, rm_command, set_command, show, without_command
from core.config.model import (
    Access,
    AccessPolicy,
    AddOn,
    Fleet,
    GitOpsEngine,
    Mesh,
    Nat,
    Nodes,
)
from core.load_balancer import checks as load_balancer_checks
from core.network import cidrs
from core.network.cidrs import is_private
from core.targets.eks import network, paths
from core.targets.eks.kubernetes import cpu_units, namespaces, needs
from core.targets.eks.limits import LARGEST_OF_AUTO_MODE, Room, Size, is_graviton, room, size
from core.targets.eks.versions import AS_OF, NEWEST, STANDARD_SUPPORT_ENDS, supported

# General Reference, "Amazon EKS endpoints and quotas": it cannot be raised.
MAX_PUBLIC_BLOCKS = 40

# The same: nodes of a managed node group, and the bound of the key.
MAX_NODES = 450

# Kubernetes, "Namespaces": kube- is its own. The others are those of AWS and of what is installed.
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

# What an existing cluster has of its owner's.
_OWNERS = ("version", "managed_nodes", "public_access_cidrs", "access", "deletion_protection")


def check(fleet: Fleet, region: str) -> Iterator[Fault]:
    """Every reason why the fleet does not fit EKS in a region."""
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
                allowed="a namespace that is neither Kubernetes' nor AWS's nor an add-on's own: "
                f"not {', '.join(RESERVED_NAMESPACES)}",
                fix=rm_command(path),
            )
        elif position and name == rest:
            yield Fault(
                path=path,
                got=show(name),
                allowed="a team of another name: it is the namespace of the workloads that belong "
                "to none (cluster.namespace)",
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
                    allowed=f"{least} or more: what the team's workloads need at their most, each "
                    "copy twice while new ones take the place of old ones",
                    fix=set_command(here, least),
                )


def _sidecars(fleet: Fleet) -> Iterator[Fault]:
    for name, agent in fleet.agents.items():
        if agent.sidecars:
            here = ("agents", name, "sidecars")
            yield Fault(
                path=here,
                got=show(list(agent.sidecars)),
                allowed="none: a pod has one service account, and a server one of its own; ecs "
                "runs several containers in a task",
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
                allowed="nothing beside existing: that is its owner's",
                fix=rm_command(("cluster", key)),
            )
    if fleet.network.vpc is None:
        yield Fault(
            path=("network", "vpc"),
            got="nothing",
            allowed="the VPC that the existing cluster is in",
        )
    has = cluster.existing.addons if cluster.existing else ()
    missing = {
        addon.value: reason for addon, reason in _needed_addons(fleet).items() if addon not in has
    }
    if missing:
        here = ("cluster", "existing", "addons")
        reasons = "; ".join(f"{addon}, since {reason}" for addon, reason in missing.items())
        yield Fault(
            path=here,
            got=show(list(has)),
            allowed=f"these too, once the cluster has them: {reasons}",
            fix=" && ".join(
                set_command((*here, position), addon)
                for position, addon in enumerate(missing, start=len(has))
            ),
        )


def _needed_addons(fleet: Fleet) -> dict[AddOn, str]:
    """The add-ons that a fleet needs, with the reason."""
    loads = dict(fleet.workloads())
    asked = {
        AddOn.CLOUDWATCH: (list(loads), "writes logs, which would go nowhere"),
        AddOn.SECRETS_STORE_CSI: (
            [name for name, load in loads.items() if load.secrets or name in fleet.servers],
            "reads secrets (a server has its request-state key)",
        ),
        AddOn.METRICS_SERVER: (
            [name for name, load in loads.items() if load.replicas.min < load.replicas.max],
            "gets more or fewer copies by the CPU that they use",
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
            f"as of {AS_OF}",
            fix=set_command(("cluster", "version"), NEWEST),
        )


def _nodes(fleet: Fleet) -> Iterator[Fault]:
    if fleet.cluster.nodes is Nodes.AUTO:
        yield from _fits(fleet, LARGEST_OF_AUTO_MODE, "EKS Auto Mode's largest node")
        return
    here, wanted = ("cluster", "managed_nodes"), fleet.cluster.managed_nodes
    if wanted.min > wanted.max:
        yield Fault(
            path=(*here, "max"),
            got=show(wanted.max),
            allowed=f"managed_nodes.min ({wanted.min}) or more",
            fix=set_command((*here, "max"), wanted.min),
        )
    here, types = (*here, "instance_types"), wanted.instance_types
    foreign = [position for position, each in enumerate(types) if not is_graviton(each)]
    if foreign:
        yield Fault(
            path=here,
            got=", ".join(types[position] for position in foreign),
            allowed="types with Graviton processors, such as m7g.large: images are built for arm64",
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
            allowed=f"types of one size, here that of {types[first]} ({node}): what scales a group "
            "reckons with one",
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
                    allowed=f"{limit} at most: {name} has {node}, less what its system, its "
                    "kubelet and its add-ons take",
                    fix=set_command((*path, key), limit),
                )


def _enough(fleet: Fleet, node: Size, name: str) -> Iterator[Fault]:
    """Whether the fewest replicas fit on the most nodes.

    It refuses what cannot fit in any case. What fits by the sum may still not fit node by node.
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
            allowed=f"{least} or more{' for each of two groups' if groups > 1 else ''}, or larger "
            f"instance_types: the fewest replicas need {cpu} CPU units and {memory} MiB, which is "
            f"{nodes} {name}",
            fix=set_command(here, least) if least <= MAX_NODES else None,
        )


def _public_blocks(fleet: Fleet) -> Iterator[Fault]:
    here, blocks = ("cluster", "public_access_cidrs"), fleet.cluster.public_access_cidrs
    open_ = cidrs.too_open(blocks)
    if open_:
        yield Fault(
            path=(*here, open_[0]),
            got=", ".join(blocks[position] for position in open_),
            allowed="blocks of known callers, of a /8 of public addresses together at most: nobody "
            "else has anything to seek at the cluster's API",
            fix=without_command(here, open_),
        )
    for block in dict.fromkeys(blocks):
        if is_private(block):
            positions = [position for position, each in enumerate(blocks) if each == block]
            yield Fault(
                path=(*here, positions[0]),
                got=block,
                allowed="blocks of public addresses: from private ones, in the VPC, the cluster's "
                "API is reached anyway",
                fix=without_command(here, positions),
            )
    if len(blocks) > MAX_PUBLIC_BLOCKS:
        yield Fault(
            path=here,
            got=f"{len(blocks)} blocks",
            allowed=f"{MAX_PUBLIC_BLOCKS} at most, EKS's quota",
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
                allowed=f"a principal that has no other name: {other} is the same",
                fix=rm_command(here),
            )
        elif _bounds_what_has_no_bounds(access):
            yield Fault(
                path=(*here, "namespaces"),
                got=show(list(access.namespaces)),
                allowed=f"none with policy: {access.policy.value}, which is for the whole cluster; "
                f"{AccessPolicy.ADMIN.value} is for namespaces",
                fix=set_command((*here, "policy"), AccessPolicy.ADMIN.value),
            )


def _bounds_what_has_no_bounds(access: Access) -> bool:
    return access.policy is AccessPolicy.CLUSTER_ADMIN and bool(access.namespaces)


def _gitops(fleet: Fleet) -> Iterator[Fault]:
    gitops, here = fleet.gitops, ("gitops", "identity_center")
    if gitops is None:
        return
    if gitops.engine is GitOpsEngine.ARGOCD and gitops.identity_center is None:
        (example,) = type(gitops).model_fields["identity_center"].examples or [{}]
        yield Fault(
            path=here,
            got="nothing",
            allowed="an instance of AWS IAM Identity Center: it is how users sign in to the Argo "
            "CD that AWS runs, and the only way; flux needs none",
            fix=set_command(here, example),
        )
    if gitops.engine is GitOpsEngine.FLUX and gitops.identity_center:
        yield Fault(
            path=here,
            got=show(gitops.identity_center.instance_arn),
            allowed="none: nobody signs in to Flux; engine: argocd has users",
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
            allowed=f"single or per-zone: the images of {' and '.join(wanted)} come from the "
            "internet",
            fix=set_command(here, Nat.SINGLE.value),
        )
