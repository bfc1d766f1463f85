"""The limits of a load balancer apply to both targets that have one."""

from pathlib import Path
from typing import Any

import pytest

from core.config.errors import Fault, show
from tests.core.configurations import (
    DIGEST_URI,
    HERE_URI,
    SMALLEST,
    Configuration,
    clock,
    configuration,
    fixed,
    many,
)

_AUTH: dict[str, Any] = {
    "domain": "mcp.example.com",
    "zone": "Z0123456789",
    "auth": {
        "issuer": "https://login.example.com",
        "jwks_uri": "https://login.example.com/jwks.json",
        "audience": "https://mcp.example.com",
    },
}
_CLOCK = "pulumi config set --path 'mcp-platform:servers.clock"
_NAT = "pulumi config set --path 'mcp-platform:network.nat' single"
_WITHOUT_NAT: dict[str, Any] = {"network": {"nat": "none"}}


class _Held:
    """Configurations held against the rules of one target."""

    def __init__(self, root: Path, target: str) -> None:
        self.root, self.target = root, target

    def before(self, own: dict[str, Any]) -> Configuration:
        return configuration(own | {"target": self.target})

    def fits(self, own: dict[str, Any]) -> bool:
        return not self.before(own).faults(self.root)

    def only_fault(self, own: dict[str, Any]) -> Fault:
        (fault,) = self.before(own).faults(self.root)
        return fault

    def fits_fixed(self, own: dict[str, Any], fix: str | None) -> bool:
        assert fix
        return not fixed(self.before(own), fix).faults(self.root)


@pytest.fixture(params=["ecs", "eks"])
def held(request: pytest.FixtureRequest, root: Path) -> _Held:
    return _Held(root, request.param)


def test_a_request_of_3971_seconds_is_longer_than_a_load_balancer_waits(held: _Held):
    assert held.fits(clock("max_request_seconds", value=3970))
    own = clock("max_request_seconds", value=3971)
    fault = held.only_fault(own)
    assert fault == Fault(
        path=("servers", "clock", "max_request_seconds"),
        got="3971",
        allowed=(
            "1 to 3970: the idle timeout of an Application Load Balancer is at most 4000 "
            "s, with a margin of 30 s"
        ),
        fix=f"{_CLOCK}.max_request_seconds' 3970",
    )
    assert held.fits_fixed(own, fault.fix)


def test_sessions_in_memory_are_kept_by_one_copy(held: _Held):
    own = clock("sessions", value="legacy-stateful")
    fault = held.only_fault(own)
    assert fault == Fault(
        path=("servers", "clock", "replicas", "max"),
        got="4",
        allowed=(
            "1 with sessions: legacy-stateful. Sessions are in the memory of one replica, "
            "and MCP clients do not keep the cookie that sticky sessions need"
        ),
        fix=f"{_CLOCK}.replicas.max' 1",
    )
    assert held.fits_fixed(own, fault.fix)
    own["servers"]["clock"]["replicas"] = {"max": 2}
    assert held.only_fault(own).got == "2"


@pytest.mark.parametrize(("gateway", "room"), [({}, 100), (_AUTH, 99)])
def test_a_gateway_routes_to_100_workloads_less_one_for_the_metadata_of_its_authentication(
    held: _Held, gateway: dict[str, Any], room: int
):
    agents = {"helper": {"image": {"uri": DIGEST_URI}}}
    own = {"servers": many(room - 1), "agents": agents, "gateway": gateway}
    assert held.fits(own)
    own |= {"servers": many(room)}
    fault = held.only_fault(own)
    assert fault == Fault(
        path=("servers",),
        got=f"{room + 1} workloads behind the gateway",
        allowed=(
            f"at most {room}, the quota of rules per load balancer. Set expose: false on "
            "servers that only agents call, or split the fleet into several stacks"
        ),
        fix="pulumi config set --path 'mcp-platform:agents.helper.expose' false",
    )
    assert held.fits_fixed(own, fault.fix)


def test_a_workload_that_is_not_exposed_needs_no_route(held: _Held):
    hidden = {"hidden": {"image": {"uri": DIGEST_URI}, "expose": False}}
    assert held.fits({"servers": many(100) | hidden})


@pytest.mark.parametrize(("gateway", "room"), [({}, 60), (_AUTH, 30)])
def test_a_gateway_has_a_rule_for_every_block_and_port_of_its_callers(
    held: _Held, gateway: dict[str, Any], room: int
):
    blocks = [f"203.0.113.{number}/32" for number in range(room)]
    assert held.fits(SMALLEST | {"gateway": {**gateway, "allow_cidrs": [*blocks, blocks[0]]}})
    further = [*blocks, "198.51.100.0/24"]
    assert held.only_fault(SMALLEST | {"gateway": {**gateway, "allow_cidrs": further}}) == Fault(
        path=("gateway", "allow_cidrs"),
        got=f"{room + 1} blocks",
        allowed=f"at most {room}, the quota of rules per security group",
    )


def test_the_metadata_of_the_gateway_has_1024_characters_at_most(held: _Held):
    def with_scope(length: int) -> dict[str, Any]:
        gateway = _AUTH | {"auth": {**_AUTH["auth"], "scopes": ["s" * length]}}
        return SMALLEST | {"gateway": gateway}

    # What stands around the one scope, with the names of this gateway and its issuer.
    around = len(
        '{"resource":"https://mcp.example.com","authorization_servers":["https://login.example.com"'
        '],"bearer_methods_supported":["header"],"scopes_supported":[""]}'
    )
    assert held.fits(with_scope(1024 - around))
    assert held.only_fault(with_scope(1025 - around)) == Fault(
        path=("gateway", "auth", "scopes"),
        got="protected resource metadata of 1025 characters",
        allowed=(
            "scopes with which the metadata has at most 1024 characters, the limit of a fixed "
            "response of a load balancer"
        ),
    )


def test_a_network_without_nat_brings_images_of_the_regions_own_ecr(held: _Held):
    assert held.fits(clock("image", value={"uri": HERE_URI}) | _WITHOUT_NAT)
    assert held.fits(SMALLEST | _WITHOUT_NAT)


@pytest.mark.parametrize("uri", [DIGEST_URI, HERE_URI.replace("us-east-1", "eu-west-1")])
def test_a_network_without_nat_brings_no_other_images(held: _Held, uri: str):
    own = clock("image", value={"uri": uri}) | _WITHOUT_NAT
    fault = held.only_fault(own)
    assert fault == Fault(
        path=("servers", "clock", "image", "uri"),
        got=show(uri),
        allowed="an image in a private ECR repository in us-east-1, because network.nat is none",
        fix=_NAT,
    )
    assert held.fits_fixed(own, fault.fix)


def test_an_existing_network_has_its_own_way_to_images_and_keys(held: _Held):
    subnets = ["subnet-01234567", "subnet-01234568"]
    vpc = {"id": "vpc-01234567", "cidr": "10.1.0.0/16", "private_subnets": subnets}
    own = clock("image", value={"uri": DIGEST_URI}) | {"gateway": _AUTH, "network": {"vpc": vpc}}
    assert held.fits(own)


def test_a_private_gateway_in_a_network_without_nat_reaches_no_issuers_keys(held: _Held):
    own = SMALLEST | {"gateway": _AUTH} | _WITHOUT_NAT
    fault = held.only_fault(own)
    assert fault == Fault(
        path=("gateway", "auth"),
        got="https://login.example.com/jwks.json",
        allowed=(
            "no auth, because network.nat is none: a private load balancer fetches the "
            "issuer's keys through a NAT gateway"
        ),
        fix=_NAT,
    )
    assert held.fits_fixed(own, fault.fix)


def test_the_only_error_of_an_empty_fleet_is_that_it_is_empty(held: _Held):
    assert held.only_fault({"gateway": _AUTH}).path == ("servers",)


def test_a_public_gateway_reaches_the_issuers_keys_without_nat(held: _Held):
    assert held.fits(SMALLEST | {"gateway": {**_AUTH, "exposure": "public"}} | _WITHOUT_NAT)


def test_a_public_gateway_without_authentication_is_refused(held: _Held):
    gateway = {"exposure": "public", "domain": "mcp.example.com", "zone": "Z0123456789"}
    own = SMALLEST | {"gateway": gateway}
    fault = held.only_fault(own)
    assert (fault.path, fault.got) == (("gateway", "auth"), "no value")
    assert fault.allowed == "a value: a public gateway must authenticate its clients"
    assert held.fits_fixed(own, fault.fix)


def test_a_gateway_for_all_addresses_without_authentication_is_refused(held: _Held):
    own = SMALLEST | {"gateway": {"allow_cidrs": ["0.0.0.0/0"]}}
    fault = held.only_fault(own)
    assert (fault.path, fault.got) == (("gateway", "allow_cidrs", 0), "0.0.0.0/0")
    assert held.fits_fixed(own, fault.fix)


@pytest.mark.parametrize("agent", [{"chat": "websocket"}, {"max_request_mib": 100}])
def test_a_load_balancer_holds_chats_and_carries_large_requests(held: _Held, agent: dict[str, Any]):
    own = SMALLEST | {"agents": {"helper": {"image": {"uri": DIGEST_URI}, **agent}}}
    assert held.fits(own)


_TLS: dict[str, Any] = {"domain": "mcp.example.com", "zone": "Z0123456789"}
_EXISTING: dict[str, Any] = {
    "vpc": {
        "id": "vpc-01234567",
        "cidr": "10.1.0.0/16",
        "private_subnets": ["subnet-01234567", "subnet-01234568"],
    }
}


@pytest.mark.parametrize("blocks", [[], ["10.0.0.0/8"], ["192.168.0.0/16", "10.1.255.255/32"]])
def test_a_gateway_that_workloads_of_an_existing_network_could_call_requires_tokens(
    held: _Held, blocks: list[str]
):
    own = SMALLEST | {"network": _EXISTING, "gateway": {**_TLS, "allow_cidrs": blocks}}
    fault = held.only_fault(own)
    assert (fault.path, fault.got) == (("gateway", "auth"), "no value, with gateway.domain")
    assert fault.allowed == (
        "auth, or allow_cidrs without addresses of the network (10.1.0.0/16). Workloads "
        "have egress on port 443, so they could call every workload through a gateway "
        "without auth"
    )
    assert held.fits_fixed(own, fault.fix)


@pytest.mark.parametrize(
    "gateway",
    [
        {"allow_cidrs": []},
        {**_TLS, "allow_cidrs": ["10.0.0.0/16", "192.168.0.0/16"]},
        {**_AUTH, "allow_cidrs": []},
    ],
)
def test_a_gateway_that_workloads_cannot_call_requires_no_tokens(
    held: _Held, gateway: dict[str, Any]
):
    assert held.fits(SMALLEST | {"network": _EXISTING, "gateway": gateway})


def test_in_a_network_of_its_own_workloads_are_kept_from_the_gateway(held: _Held):
    assert held.fits(SMALLEST | {"gateway": _TLS})


def test_without_nat_they_are_kept_from_it_on_ecs_alone(held: _Held):
    own = SMALLEST | {"gateway": _TLS, **_WITHOUT_NAT}
    faults = held.before(own).faults(held.root)
    assert [fault.path for fault in faults] == (
        [("gateway", "auth")] if held.target == "eks" else []
    )
