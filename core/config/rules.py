"""Rules that span several fields: references, exclusions and combinations of values.

Each rule is a function that returns the faults it finds. `check` runs all rules. The limits of one
target are in `core.targets.<target>.checks`.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from string import ascii_lowercase
from typing import Any, cast

from pydantic import BaseModel

from core.aws import bedrock_models
from core.config.errors import Fault, KeyPath, rm_command, set_command, show, without_command
from core.config.model import (
    SECRET_PREFIX,
    Exposure,
    Fleet,
    Mesh,
    Network,
    SecretSource,
    Vpc,
)
from core.config.patterns import is_region
from core.environment import RESERVED, variable
from core.network import cidrs
from core.targets import dispatch

# CloudWatch Logs API reference, PutRetentionPolicy, retentionInDays.
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip

# Elastic Load Balancing User Guide, "Subnets for your load balancer": at least two.
_LEAST_ZONES = 2

# Tagging AWS Resources user guide, "Tag naming limits": 50 tags per resource (the platform adds
# four and a name), 128 characters per key, 256 per value. The prefix `aws:` is reserved.
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 45, 128, 256

# The same guide: besides letters, digits and spaces of any language.
_TAG_SIGNS = frozenset(" _.:/=+-@")

_VPC_BLOCK = "10.1.0.0/16"

# Lists of distinct entries that no other rule checks.
_DISTINCT = frozenset(
    {"addons", "admin_groups", "instance_types", "models", "namespaces", "scopes"}
)

# Regions that an error message may suggest. Other regions are valid too.
_COMMON_REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-central-1",
    "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "ap-northeast-1",
    "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "us-gov-west-1",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The input of the rules.

    Attributes:
        fleet: The fleet, without the entries that could not be parsed.
        names: The names in `servers`, `agents` and `secrets`, including entries that could not be
            parsed. A section that could not be parsed at all is missing.
        region: The value of `aws:region`, empty where it is not set.
        assumed_roles: The value of `aws:assumeRoles`.
        root: The project's root. Image contexts are relative to it.
        secret_keys: The keys `secret-<name>` that have a value.
        encrypted: The keys whose value is encrypted.
    """

    fleet: Fleet
    names: Mapping[str, frozenset[str]]
    region: str
    assumed_roles: Sequence[Mapping[str, Any]]
    root: Path
    secret_keys: frozenset[str]
    encrypted: frozenset[str]


def check(facts: Facts) -> list[Fault]:
    """All faults that the rules find, in the order of the configuration."""
    return [fault for rule in _RULES for fault in rule(facts)]


def _region(facts: Facts) -> Iterator[Fault]:
    if not is_region(facts.region):
        near = get_close_matches(facts.region.strip().lower(), _COMMON_REGIONS, n=1)
        yield Fault(
            path=("aws:region",),
            got=show(facts.region) if facts.region else "no value",
            allowed="the name of an AWS Region, for example us-east-1",
            fix=f"pulumi config set aws:region {near[0] if near else _COMMON_REGIONS[0]}",
        )


def _models(facts: Facts) -> Iterator[Fault]:
    """Models that Bedrock cannot invoke from the stack's region by the configured id."""
    for name, agent in facts.fleet.agents.items() if is_region(facts.region) else ():
        for position, model in enumerate(agent.models):
            reason = _cannot_be_invoked(model, facts.region)
            if reason:
                profile = bedrock_models.profile(model)
                named = profile.model if profile else model
                proposed = bedrock_models.proposals(named, facts.region)
                here = ("agents", name, "models", position)
                yield Fault(
                    path=here,
                    got=show(model),
                    allowed=f"{reason}: {' or '.join(proposed) or 'no such profile is known'}",
                    fix=set_command(here, proposed[0]) if proposed else rm_command(here),
                )


def _cannot_be_invoked(model: str, region: str) -> str | None:
    """The kind of id that is required instead, or None if the model can be invoked."""
    profile = bedrock_models.profile(model)
    if profile and not bedrock_models.serves(profile.geography, region):
        return f"an inference profile of a geography that includes {region}"
    if bedrock_models.needs_profile(model, region):
        return f"an inference profile for {region}; the model is not available on demand"
    return None


def _assumed_roles(facts: Facts) -> Iterator[Fault]:
    """On EKS, `aws eks get-token` assumes at most one role, without an external ID."""
    roles = facts.assumed_roles
    if not facts.fleet.has_cluster:
        return
    if len(roles) > 1 or any("externalId" in role for role in roles):
        yield Fault(
            path=("aws:assumeRoles",),
            got=f"{len(roles)} roles" if len(roles) > 1 else "a role with an externalId",
            allowed=(
                "at most one role without an externalId. Kubernetes credentials come from aws eks "
                "get-token, which supports only one. For a chain of roles or an external ID, "
                "define a profile in the AWS CLI configuration and set aws:profile"
            ),
            fix="pulumi config rm aws:assumeRoles",
        )


def _something_to_run(facts: Facts) -> Iterator[Fault]:
    known = [facts.names.get(section) for section in ("servers", "agents")]
    if not any(names is None or names for names in known):
        yield Fault(
            path=("servers",),
            got="no value",
            allowed="at least one server or agent",
            fix=set_command(("servers", "clock", "image", "context"), "workloads/clock"),
        )


def _one_name_one_workload(facts: Facts) -> Iterator[Fault]:
    nothing = frozenset[str]()
    for name in sorted(facts.names.get("servers", nothing) & facts.names.get("agents", nothing)):
        yield Fault(
            path=("agents", name),
            got="the name of a server",
            allowed="a name that is unique across servers and agents",
            fix=rm_command(("agents", name)),
        )


def _images(facts: Facts) -> Iterator[Fault]:
    for path, image in facts.fleet.images():
        if (image.context is None) == (image.uri is None):
            yield Fault(
                path=(*path, "image"),
                got="both context and uri" if image.uri else "neither context nor uri",
                allowed="exactly one of context (a folder to build) and uri (an existing image)",
                fix=rm_command((*path, "image", "uri"))
                if image.uri
                else _set_folder(facts.root, (*path, "image", "context"), f"workloads/{path[1]}"),
            )
        elif image.context is not None:
            contexts = {("context",): image.context} | {
                ("additional_contexts", name): folder
                for name, folder in image.additional_contexts.items()
            }
            for keys, folder in contexts.items():
                if not _is_folder(facts.root, folder):
                    yield Fault(
                        path=(*path, "image", *keys),
                        got=show(folder),
                        allowed="an existing folder inside the project",
                        fix=_set_folder(facts.root, (*path, "image", *keys), folder),
                    )
            context = facts.root / image.context
            if _is_folder(facts.root, image.context) and not _is_file(context, image.dockerfile):
                yield Fault(
                    path=(*path, "image", "dockerfile"),
                    got=f"{show(image.dockerfile)}, which is not in {image.context}",
                    allowed="an existing file in the build context",
                    fix=set_command((*path, "image", "dockerfile"), "Dockerfile"),
                )


def _agents_have_images(facts: Facts) -> Iterator[Fault]:
    for name, agent in facts.fleet.agents.items():
        if agent.image is None and not facts.fleet.is_state_machine(agent):
            yield Fault(
                path=("agents", name, "image"),
                got="no value",
                allowed=(
                    "an image with a context or a uri. Only an agent on lambda with "
                    "runs_as: state-machine needs no image"
                ),
                fix=_set_folder(
                    facts.root, ("agents", name, "image", "context"), f"workloads/{name}"
                ),
            )


def _one_dockerfile_one_image(facts: Facts) -> Iterator[Fault]:
    builds: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = {}
    for path, image in facts.fleet.images():
        if image.context is None:
            continue
        build = (image.context, image.dockerfile)
        first, contexts = builds.setdefault(build, (path[1], image.additional_contexts))
        if image.additional_contexts != contexts:
            yield Fault(
                path=(*path, "image", "additional_contexts"),
                got=show(image.additional_contexts),
                allowed=f"{show(contexts)}, as in {first}: workloads that build the same "
                "Dockerfile must have the same additional_contexts",
                fix=" && ".join(
                    set_command((*path, "image", "additional_contexts", name), folder)
                    for name, folder in contexts.items()
                )
                or rm_command((*path, "image", "additional_contexts")),
            )


def _is_folder(root: Path, folder: str) -> bool:
    path = _inside(root, folder)
    return path is not None and path.is_dir()


def _is_file(root: Path, file: str) -> bool:
    path = _inside(root, file)
    return path is not None and path.is_file()


def _inside(root: Path, name: str) -> Path | None:
    """The resolved path, or None if it does not exist or is outside the root."""
    try:
        path = (root / name).resolve(strict=True)
    except (OSError, ValueError):  # it does not exist, or the name is not a valid path
        return None
    return path if path.is_relative_to(root.resolve()) else None


def _set_folder(root: Path, path: KeyPath, wanted: str) -> str | None:
    """The command that sets a context to the existing image folder with the closest name."""
    folders = [
        file.parent.relative_to(root).as_posix() for file in root.glob("workloads/*/Dockerfile")
    ]
    near = get_close_matches(wanted, sorted(folders), n=1, cutoff=0)
    return set_command(path, near[0]) if near else None


def _replicas(facts: Facts) -> Iterator[Fault]:
    for path, load in facts.fleet.paths():
        if load.replicas.min > load.replicas.max:
            yield Fault(
                path=(*path, "replicas", "max"),
                got=show(load.replicas.max),
                allowed=f"at least replicas.min ({load.replicas.min})",
                fix=set_command((*path, "replicas", "max"), load.replicas.min),
            )


def _concurrency(facts: Facts) -> Iterator[Fault]:
    for path, load in facts.fleet.paths():
        here, has = (*path, "concurrency"), load.concurrency
        warm = max(has.provisioned, has.provisioned_max or 0)
        if has.provisioned_max is not None and not 1 <= has.provisioned <= has.provisioned_max:
            yield Fault(
                path=(*here, "provisioned_max"),
                got=show(has.provisioned_max),
                allowed=f"at least provisioned ({has.provisioned}), which must be at least 1",
                fix=rm_command((*here, "provisioned_max")),
            )
        elif has.reserved is not None and has.reserved < warm:
            yield Fault(
                path=(*here, "reserved"),
                got=show(has.reserved),
                allowed=f"at least {warm}, the provisioned concurrency",
                fix=set_command((*here, "reserved"), warm),
            )


def _references(facts: Facts) -> Iterator[Fault]:
    for path, load in facts.fleet.paths():
        yield from _refer(facts, (*path, "secrets"), load.secrets, "secrets")
    for name, agent in facts.fleet.agents.items():
        yield from _refer(facts, ("agents", name, "uses"), agent.uses, "servers")
        for position, sidecar in enumerate(agent.sidecars):
            here = ("agents", name, "sidecars", position)
            if sidecar not in agent.uses or sidecar in agent.sidecars[:position]:
                yield Fault(
                    path=here,
                    got=show(sidecar),
                    allowed="servers in uses of the agent, each at most once: "
                    f"{', '.join(agent.uses) or 'uses is empty'}",
                    fix=rm_command(here),
                )


def _refer(facts: Facts, path: KeyPath, used: tuple[str, ...], section: str) -> Iterator[Fault]:
    known = facts.names.get(section)
    if known is None:
        return
    for position, name in enumerate(used):
        here = (*path, position)
        if name not in known:
            options = ", ".join(sorted(known)) or f"{section} is empty"
            near = get_close_matches(name, sorted(known.difference(used)), n=1, cutoff=0)
            yield Fault(
                path=here,
                got=show(name),
                allowed=f"a name declared in {section}: {options}",
                fix=set_command(here, near[0]) if near else rm_command(here),
            )
        elif name in used[:position]:
            yield _duplicate(here, name, "each name at most once")


def _duplicate(path: KeyPath, value: object, allowed: str) -> Fault:
    return Fault(path=path, got=f"{value}, a duplicate", allowed=allowed, fix=rm_command(path))


def _repeated(facts: Facts) -> Iterator[Fault]:
    """Duplicate entries of lists that must have distinct entries."""
    for path, values in _lists((), facts.fleet):
        for position, value in enumerate(values):
            if path[-1] in _DISTINCT and value in values[:position]:
                yield _duplicate((*path, position), value, "each entry at most once")


def _lists(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, tuple[object, ...]]]:
    """Every list in a part of the configuration, with its path."""
    match value:
        case BaseModel():
            for name in type(value).model_fields:
                yield from _lists((*path, name), getattr(value, name))
        case Mapping():
            for key, item in cast("Mapping[str, object]", value).items():
                yield from _lists((*path, key), item)
        case tuple():
            yield path, cast("tuple[object, ...]", value)
        case _:
            pass


def _variables(facts: Facts) -> Iterator[Fault]:
    for path, load in facts.fleet.paths():
        taken = {variable(secret): f"the secret {secret}" for secret in load.secrets}
        for secret in load.secrets:
            if variable(secret) in RESERVED:
                yield Fault(
                    path=(*path, "secrets"),
                    got=secret,
                    allowed="a secret with another name: the platform sets the variable "
                    f"{variable(secret)}",
                )
        for name in load.environment:
            owner = "the platform" if name in RESERVED else taken.get(name)
            if owner:
                yield Fault(
                    path=(*path, "environment", name),
                    got=f"a variable that {owner} sets",
                    allowed="variables that neither the platform nor a secret sets",
                    fix=rm_command((*path, "environment", name)),
                )


def _secrets(facts: Facts) -> Iterator[Fault]:
    for name, secret in facts.fleet.secrets.items():
        if secret.arn and secret.source is not SecretSource.EXTERNAL:
            yield Fault(
                path=("secrets", name, "arn"),
                got=show(secret.arn),
                allowed=f"no arn with source: {secret.source.value}",
                fix=rm_command(("secrets", name, "arn")),
            )
        key = f"{SECRET_PREFIX}{name}"
        if secret.source is SecretSource.CONFIG and key not in facts.encrypted:
            yield Fault(
                path=(key,),
                got="a value in plain text" if key in facts.secret_keys else "no value",
                allowed=f"the encrypted value of the secret {name}",
                fix=f"pulumi config set --secret {key}",
            )
        if secret.source is not SecretSource.CONFIG and key in facts.secret_keys:
            yield Fault(
                path=(key,),
                got="a value",
                allowed=f"no value: the secret {name} has source: {secret.source.value}",
                fix=rm_command((key,)),
            )
    declared = facts.names.get("secrets")
    for key in sorted(facts.secret_keys):
        if declared is not None and key.removeprefix(SECRET_PREFIX) not in declared:
            yield Fault(
                path=(key,),
                got="a value",
                allowed=f"{SECRET_PREFIX}<name> only for names declared in secrets",
                fix=rm_command((key,)),
            )


def _network(facts: Facts) -> Iterator[Fault]:
    network = facts.fleet.network
    if network.vpc:
        for key in sorted(network.model_fields_set - {"vpc"}):
            yield Fault(
                path=("network", key),
                got=show(getattr(network, key)),
                allowed="no value when network.vpc is set: an existing VPC is used as it is",
                fix=rm_command(("network", key)),
            )
        yield from _existing_vpc(network.vpc)
    else:
        faults = [*_zone_names(facts)]
        yield from faults
        zones = network.zones if faults else network.zone_count
        try:
            cidrs.plan(network.cidr, zones)
        except ValueError as error:
            yield Fault(
                path=("network", "cidr"),
                got=show(network.cidr),
                allowed=f"a private CIDR block for {zones} zones ({error})",
                fix=set_command(("network", "cidr"), Network().cidr),
            )


def _existing_vpc(vpc: Vpc) -> Iterator[Fault]:
    here = ("network", "vpc")
    yield from _blocks((*here, "cidr"), (vpc.cidr,), listed=False)
    length = int(vpc.cidr.partition("/")[2]) if _is_block(vpc.cidr) else cidrs.LARGEST_BLOCK
    if not cidrs.LARGEST_BLOCK <= length <= cidrs.SMALLEST_VPC:
        yield Fault(
            path=(*here, "cidr"),
            got=vpc.cidr,
            allowed=f"the CIDR block of a VPC, /{cidrs.LARGEST_BLOCK} to /{cidrs.SMALLEST_VPC}: "
            "clients in this block can reach a private gateway",
            fix=set_command((*here, "cidr"), _VPC_BLOCK),
        )
    seen: set[str] = set()
    for key in ("private_subnets", "public_subnets"):
        for position, subnet in enumerate(getattr(vpc, key)):
            if subnet in seen:
                allowed = "each subnet at most once, as private or as public"
                yield _duplicate((*here, key, position), subnet, allowed)
            seen.add(subnet)


def _zone_names(facts: Facts) -> Iterator[Fault]:
    """Errors in `network.zone_names` that are visible without asking AWS."""
    network = facts.fleet.network
    path: KeyPath = ("network", "zone_names")
    names, letters = network.zone_names[: len(ascii_lowercase)], ascii_lowercase
    if names and not _LEAST_ZONES <= len(names) <= cidrs.MAX_ZONES:
        yield Fault(
            path=path,
            got=f"{len(names)} zones",
            allowed=f"{_LEAST_ZONES} to {cidrs.MAX_ZONES} zones",
            fix=rm_command(path),
        )
    if names and "zones" in network.model_fields_set and network.zones != len(names):
        yield Fault(
            path=("network", "zones"),
            got=show(network.zones),
            allowed=f"no value when zone_names is set, or the number of zone_names ({len(names)})",
            fix=rm_command(("network", "zones")),
        )
    for position, name in enumerate(names):
        if not re.fullmatch(f"{re.escape(facts.region)}[a-z]", name) and facts.region:
            yield Fault(
                path=(*path, position),
                got=show(name),
                allowed=f"an Availability Zone of {facts.region}, for example {facts.region}a",
                fix=set_command((*path, position), f"{facts.region}{letters[position]}"),
            )
        elif name in names[:position]:
            yield Fault(
                path=(*path, position),
                got=f"{show(name)}, a duplicate",
                allowed="each zone at most once",
                fix=rm_command((*path, position)),
            )


def _gateway(facts: Facts) -> Iterator[Fault]:
    gateway, vpc = facts.fleet.gateway, facts.fleet.network.vpc
    public = gateway.exposure is Exposure.PUBLIC
    needed = {
        "domain": (public or gateway.auth, "TLS is required for a public gateway and for auth"),
        "zone": (
            public or gateway.domain or gateway.auth,
            "DNS records for the domain and its certificate are created in this hosted zone",
        ),
        "auth": (public, "a public gateway must authenticate its clients"),
    }
    for key, (wanted, reason) in needed.items():
        if wanted and getattr(gateway, key) is None:
            (example,) = type(gateway).model_fields[key].examples or [""]
            yield Fault(
                path=("gateway", key),
                got="no value",
                allowed=f"a value: {reason}",
                fix=set_command(("gateway", key), example),
            )
    yield from _certificate(facts)
    yield from _blocks(("gateway", "allow_cidrs"), gateway.allow_cidrs, listed=True)
    positions = [] if gateway.auth else cidrs.too_open(gateway.allow_cidrs)
    if positions:
        here = ("gateway", "allow_cidrs")
        yield Fault(
            path=(*here, positions[0]),
            got=", ".join(gateway.allow_cidrs[position] for position in positions),
            allowed="CIDR blocks of known clients, together at most a /8 of public addresses; or "
            "set gateway.auth to allow any address",
            fix=without_command(here, positions),
        )
    if public and vpc and len(vpc.public_subnets) < 2:  # noqa: PLR2004 - one per zone
        yield Fault(
            path=("network", "vpc", "public_subnets"),
            got=show(list(vpc.public_subnets)),
            allowed="at least two public subnets in different Availability Zones, for the public "
            "gateway",
        )


def _certificate(facts: Facts) -> Iterator[Fault]:
    """Load balancers and regional REST APIs need a certificate in their own region."""
    gateway, here = facts.fleet.gateway, ("gateway", "certificate_arn")
    if gateway.certificate_arn is None:
        return
    region = gateway.certificate_arn.split(":")[3]
    if gateway.domain is None:
        yield Fault(
            path=here,
            got=show(gateway.certificate_arn),
            allowed="no value without gateway.domain",
            fix=rm_command(here),
        )
    elif is_region(facts.region) and region != facts.region:
        yield Fault(
            path=here,
            got=f"a certificate in {show(region)}",
            allowed=f"a certificate in {facts.region}, the stack's region",
            fix=rm_command(here),
        )


def _cluster(facts: Facts) -> Iterator[Fault]:
    blocks = facts.fleet.cluster.public_access_cidrs
    yield from _blocks(("cluster", "public_access_cidrs"), blocks, listed=True)


def _teams(facts: Facts) -> Iterator[Fault]:
    fleet = facts.fleet
    known = {*facts.names.get("servers", ("unread",)), *facts.names.get("agents", ("unread",))}
    # A workload that could not be parsed may belong to the team.
    if not fleet.has_cluster or known != {name for name, _ in fleet.workloads()}:
        return
    named = {load.team: None for _, load in fleet.workloads() if load.team}
    for team in fleet.teams:
        if team not in named:
            yield Fault(
                path=("teams", team),
                got="a team without workloads",
                allowed=f"teams of workloads: {', '.join(named) or 'no workload sets team'}",
                fix=rm_command(("teams", team)),
            )


def _mesh(facts: Facts) -> Iterator[Fault]:
    if facts.fleet.mesh is Mesh.APP_MESH:
        instead = Mesh.ISTIO if facts.fleet.has_cluster else Mesh.NONE
        yield Fault(
            path=("mesh",),
            got=facts.fleet.mesh.value,
            allowed=f"{Mesh.NONE.value}, or {Mesh.ISTIO.value} on eks. AWS App Mesh was "
            "discontinued on 2026-09-30",
            fix=set_command(("mesh",), instead.value),
        )


def _blocks(path: KeyPath, blocks: tuple[str, ...], *, listed: bool) -> Iterator[Fault]:
    for position, block in enumerate(blocks):
        if not _is_block(block):
            here = (*path, position) if listed else path
            yield Fault(
                path=here,
                got=show(block),
                allowed="an IPv4 CIDR block without host bits, for example 203.0.113.0/24",
                fix=set_command(here, "203.0.113.0/24"),
            )


def _is_block(block: str) -> bool:
    """Whether it is an IPv4 CIDR block with a prefix length and without host bits."""
    try:
        return str(ipaddress.IPv4Network(block)) == block
    except ValueError:
        return False


def _retention(facts: Facts) -> Iterator[Fault]:
    days = facts.fleet.observability.retention_days
    if days not in RETENTION_DAYS:
        nearest = min(RETENTION_DAYS, key=lambda allowed: abs(allowed - days))
        yield Fault(
            path=("observability", "retention_days"),
            got=show(days),
            allowed=f"one of {', '.join(map(str, RETENTION_DAYS))}",
            fix=set_command(("observability", "retention_days"), nearest),
        )


def _tags(facts: Facts) -> Iterator[Fault]:
    tags = facts.fleet.tags
    if len(tags) > MAX_TAGS:
        yield Fault(path=("tags",), got=f"{len(tags)} tags", allowed=f"at most {MAX_TAGS} tags")
    for key, value in tags.items():
        fix = rm_command(("tags", key))
        if not 1 <= len(key) <= MAX_TAG_KEY or key.lower().startswith("aws:"):
            yield Fault(
                path=("tags", key),
                got=show(key),
                allowed=f"a key of 1 to {MAX_TAG_KEY} characters that does not start with aws:",
                fix=fix,
            )
        if len(value) > MAX_TAG_VALUE:
            yield Fault(
                path=("tags", key),
                got=f"{len(value)} characters",
                allowed=f"a value of at most {MAX_TAG_VALUE} characters",
                fix=fix,
            )
        strange = sorted(sign for sign in {*key, *value} - _TAG_SIGNS if not sign.isalnum())
        if strange:
            yield Fault(
                path=("tags", key),
                got=f"the characters {show(''.join(strange))}",
                allowed=f"letters, digits, spaces and {' '.join(sorted(_TAG_SIGNS - {' '}))}",
                fix=fix,
            )


def _target(facts: Facts) -> Iterator[Fault]:
    yield from dispatch.check(facts.fleet, facts.region)


_RULES = (
    _region,
    _assumed_roles,
    _something_to_run,
    _one_name_one_workload,
    _images,
    _agents_have_images,
    _one_dockerfile_one_image,
    _replicas,
    _concurrency,
    _references,
    _repeated,
    _models,
    _variables,
    _secrets,
    _network,
    _gateway,
    _cluster,
    _teams,
    _mesh,
    _retention,
    _tags,
    _target,
)
