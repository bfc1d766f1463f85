"""Checks of a fleet against the limits of an Application Load Balancer."""

from collections.abc import Iterator

from core import timeouts
from core.config.enums import Exposure, Nat, Sessions
from core.config.errors import Fault, set_command, show
from core.config.model import Fleet, Gateway
from core.discovery import protected_resource_metadata
from core.images import ecr_repository
from core.network.egress import Egress, block
from core.sidecars import services

# Elastic Load Balancing, "Quotas for your Application Load Balancers": 100 rules per load
# balancer without the default rules, and 100 target groups.
MAX_GATEWAY_ROUTES = 100

# Amazon VPC quotas: 60 inbound and 60 outbound rules per security group.
MAX_GROUP_RULES = 60

# Elastic Load Balancing API reference, FixedResponseActionConfig, MessageBody.
MAX_FIXED_RESPONSE = 1024


def check(
    fleet: Fleet, region: str, egress: Egress, *, opens_network: bool = False
) -> Iterator[Fault]:
    """Every reason why the fleet does not fit a load balancer in a region.

    Args:
        fleet: The fleet.
        region: The region.
        egress: How its workloads leave the network.
        opens_network: Whether workloads may call all addresses of the network of the stack.
    """
    yield from _request_times(fleet)
    yield from _sessions_in_one_replica(fleet)
    yield from _gateway_routes(fleet)
    yield from _gateway_callers(fleet)
    yield from _gateway_reachable_by_workloads(fleet, egress, opens_network=opens_network)
    yield from _metadata_fits(fleet)
    if egress.inside and not fleet.network.vpc and egress.nat is Nat.NONE:
        yield from _reach_without_nat(fleet, region)


def _request_times(fleet: Fleet) -> Iterator[Fault]:
    for path, load in fleet.paths():
        try:
            timeouts.chain(load.max_request_seconds)
        except ValueError as error:
            yield Fault(
                path=(*path, "max_request_seconds"),
                got=show(load.max_request_seconds),
                allowed=str(error),
                fix=set_command((*path, "max_request_seconds"), timeouts.MAX_REQUEST_SECONDS),
            )


def _sessions_in_one_replica(fleet: Fleet) -> Iterator[Fault]:
    # A server that runs only as a sidecar is excluded: each replica of the agent has its own.
    running = services(fleet)
    for name, server in fleet.servers.items():
        stateful = name in running and server.sessions is Sessions.LEGACY_STATEFUL
        if stateful and server.replicas.max > 1:
            yield Fault(
                path=("servers", name, "replicas", "max"),
                got=show(server.replicas.max),
                allowed=(
                    "1 with sessions: legacy-stateful. Sessions are in the memory of one replica, "
                    "and MCP clients do not keep the cookie that sticky sessions need"
                ),
                fix=set_command(("servers", name, "replicas", "max"), 1),
            )


def _gateway_routes(fleet: Fleet) -> Iterator[Fault]:
    # One rule per workload, and one for the protected resource metadata.
    room = MAX_GATEWAY_ROUTES - (1 if fleet.gateway.auth else 0)
    exposed = [path for path, load in fleet.paths() if load.expose]
    if len(exposed) > room:
        yield Fault(
            path=("servers",),
            got=f"{len(exposed)} workloads behind the gateway",
            allowed=(
                f"at most {room}, the quota of rules per load balancer. Set expose: false on "
                "servers that only agents call, or split the fleet into several stacks"
            ),
            fix=set_command((*exposed[-1], "expose"), value=False),
        )


def _gateway_callers(fleet: Fleet) -> Iterator[Fault]:
    # One rule per block and port: a gateway with TLS also listens on port 80, to redirect.
    room = MAX_GROUP_RULES // 2 if fleet.gateway.domain else MAX_GROUP_RULES
    blocks = set(fleet.gateway.allow_cidrs)
    if len(blocks) > room:
        yield Fault(
            path=("gateway", "allow_cidrs"),
            got=f"{len(blocks)} blocks",
            allowed=f"at most {room}, the quota of rules per security group",
        )


def _gateway_reachable_by_workloads(
    fleet: Fleet, egress: Egress, *, opens_network: bool
) -> Iterator[Fault]:
    """Refuse a gateway that workloads could call without a token."""
    # Egress rules can exclude the addresses of a network that the stack creates. An existing VPC
    # may contain AWS services that workloads need.
    example = Gateway.model_fields["auth"].examples or ()
    if egress.meets_gateway and (fleet.network.vpc or opens_network):
        yield Fault(
            path=("gateway", "auth"),
            got="no value, with gateway.domain",
            allowed=(
                f"auth, or allow_cidrs without addresses of the network ({block(fleet)}). "
                "Workloads have egress on port 443, so they could call every workload through a "
                "gateway without auth"
            ),
            fix=set_command(("gateway", "auth"), next(iter(example), None)),
        )


def _metadata_fits(fleet: Fleet) -> Iterator[Fault]:
    gateway = fleet.gateway
    if not (gateway.auth and gateway.domain):
        return
    length = len(protected_resource_metadata(gateway.auth, f"https://{gateway.domain}"))
    if length > MAX_FIXED_RESPONSE:
        yield Fault(
            path=("gateway", "auth", "scopes"),
            got=f"protected resource metadata of {length} characters",
            allowed=f"scopes with which the metadata has at most {MAX_FIXED_RESPONSE} characters, "
            "the limit of a fixed response of a load balancer",
        )


def _reach_without_nat(fleet: Fleet, region: str) -> Iterator[Fault]:
    """Dependencies that are not reachable without NAT gateways."""
    nat = set_command(("network", "nat"), Nat.SINGLE.value)
    for path, image in fleet.images():
        repository = ecr_repository(image.uri or "")
        if image.uri and not (repository and repository.region == region):
            yield Fault(
                path=(*path, "image", "uri"),
                got=show(image.uri),
                allowed=f"an image in a private ECR repository in {region}, because network.nat "
                "is none",
                fix=nat,
            )
    if fleet.gateway.auth and fleet.gateway.exposure is Exposure.PRIVATE:
        yield Fault(
            path=("gateway", "auth"),
            got=show(fleet.gateway.auth.jwks_uri),
            allowed="no auth, because network.nat is none: a private load balancer fetches the "
            "issuer's keys through a NAT gateway",
            fix=nat,
        )
