"""Rules about the gateway: domain, certificate and clients."""

from collections.abc import Iterator

from core.config.enums import Exposure
from core.config.errors import Fault, rm_command, set_command, show, without_command
from core.config.patterns import is_region
from core.config.rules.blocks import check_blocks
from core.config.rules.facts import Facts
from core.network import cidrs


def check_gateway(facts: Facts) -> Iterator[Fault]:
    """A public gateway must have TLS, a hosted zone and authentication."""
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
    for key, (required, reason) in needed.items():
        if required and getattr(gateway, key) is None:
            (example,) = type(gateway).model_fields[key].examples or [""]
            yield Fault(
                path=("gateway", key),
                got="no value",
                allowed=f"a value: {reason}",
                fix=set_command(("gateway", key), example),
            )
    yield from _certificate(facts)
    yield from check_blocks(("gateway", "allow_cidrs"), gateway.allow_cidrs, listed=True)
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
