from pathlib import Path
from typing import Any

import pytest

from core.faults import Fault, show
from tests.core.configurations import (
    DIGEST_URI,
    HERE_URI,
    SMALLEST,
    clock,
    configuration,
    many,
    mended,
    only_fault,
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


def test_a_target_that_is_not_built_yet_is_refused(root: Path):
    before = configuration(SMALLEST | {"target": "eks"})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("target",),
        got="eks",
        allowed="ecs or lambda in this release",
        mend="pulumi config set --path 'mcp-platform:target' ecs",
    )
    assert not mended(before, fault.mend or "").faults(root)


@pytest.mark.parametrize("target", ["ecs", "lambda"])
def test_the_smallest_fleet_fits_every_target_that_is_built(root: Path, target: str):
    assert not configuration(SMALLEST | {"target": target}).faults(root)


@pytest.mark.parametrize(
    ("cpu", "memory"), [(256, 512), (256, 2048), (8192, 61440), (16384, 32768), (16384, 122880)]
)
def test_a_workload_has_a_size_that_fargate_offers(root: Path, cpu: int, memory: int):
    own = clock("cpu", value=cpu)
    own["servers"]["clock"]["memory"] = memory
    assert not configuration(own).faults(root)


@pytest.mark.parametrize(
    ("size", "wrong", "allowed", "mend"),
    [
        (
            {"cpu": 256, "memory": 4096},
            "memory",
            "cpu 256 goes with memory 512, 1024 or 2048; "
            "the nearest size is cpu 512 with memory 4096",
            f"{_CLOCK}.cpu' 512",
        ),
        (
            {"cpu": 300, "memory": 512},
            "cpu",
            "cpu is one of 256, 512, 1024, 2048, 4096, 8192, 16384; "
            "the nearest size is cpu 512 with memory 1024",
            f"{_CLOCK}.cpu' 512 && {_CLOCK}.memory' 1024",
        ),
        (
            {"cpu": 16384, "memory": 122881},
            "memory",
            "cpu 16384 goes with memory 32768 to 122880 in steps of 8192; "
            "the nearest size is cpu 16384 with memory 122880",
            f"{_CLOCK}.memory' 122880",
        ),
    ],
)
def test_a_workload_has_no_other_size(
    root: Path, size: dict[str, int], wrong: str, allowed: str, mend: str
):
    own = clock("image", value={"uri": DIGEST_URI})
    own["servers"]["clock"] |= size
    got = f"cpu {size['cpu']} with memory {size['memory']}"
    assert only_fault(own, root) == Fault(
        path=("servers", "clock", wrong),
        got=got,
        allowed=f"Fargate does not offer {got}: {allowed}",
        mend=mend,
    )
    assert not mended(configuration(own), mend).faults(root)


def test_a_request_of_3971_seconds_is_longer_than_a_load_balancer_waits(root: Path):
    assert not configuration(clock("max_request_seconds", value=3970)).faults(root)
    assert only_fault(clock("max_request_seconds", value=3971), root) == Fault(
        path=("servers", "clock", "max_request_seconds"),
        got="3971",
        allowed=(
            "a request of 3971 s is not possible: 1 to 3970 s are, because an Application Load "
            "Balancer waits 4000 s at most and 30 of them are kept as a margin"
        ),
        mend=f"{_CLOCK}.max_request_seconds' 3970",
    )


def test_sessions_in_memory_are_kept_by_one_copy(root: Path):
    own = clock("sessions", value="legacy-stateful")
    assert only_fault(own, root) == Fault(
        path=("servers", "clock", "replicas", "max"),
        got="4",
        allowed=(
            "1, since sessions: legacy-stateful keeps them in one copy's memory and MCP clients "
            "keep no cookie that would lead them back to it"
        ),
        mend=f"{_CLOCK}.replicas.max' 1",
    )
    own["servers"]["clock"]["replicas"] = {"max": 1}
    assert not configuration(own).faults(root)
    own["servers"]["clock"]["replicas"] = {"max": 2}
    assert only_fault(own, root).got == "2"


@pytest.mark.parametrize(("gateway", "room"), [({}, 100), (_AUTH, 99)])
def test_a_gateway_routes_to_100_workloads_less_one_for_the_metadata_of_its_authentication(
    root: Path, gateway: dict[str, Any], room: int
):
    agents = {"helper": {"image": {"uri": DIGEST_URI}}}
    own = {"servers": many(room - 1), "agents": agents, "gateway": gateway}
    assert not configuration(own).faults(root)
    before = configuration(own | {"servers": many(room)})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("servers",),
        got=f"{room + 1} workloads behind the gateway",
        allowed=(
            f"{room}, a load balancer's quota of rules; set expose: false on those that only "
            "agents call, or spread the fleet over several stacks"
        ),
        mend="pulumi config set --path 'mcp-platform:agents.helper.expose' false",
    )
    assert not mended(before, fault.mend or "").faults(root)


def test_a_workload_that_is_not_exposed_needs_no_route(root: Path):
    hidden = {"hidden": {"image": {"uri": DIGEST_URI}, "expose": False}}
    assert not configuration({"servers": many(100) | hidden}).faults(root)


def test_an_agent_uses_60_servers_and_no_61st(root: Path):
    servers = many(61)
    agent: dict[str, Any] = {"image": {"uri": DIGEST_URI}, "uses": sorted(servers)[:60]}
    own = {"servers": servers, "agents": {"helper": agent}}
    assert not configuration(own).faults(root)
    agent["uses"] = sorted(servers)
    assert only_fault(own, root) == Fault(
        path=("agents", "helper", "uses"),
        got="61 servers",
        allowed="60 at most, a security group's quota of rules",
    )


def test_a_server_is_used_by_60_agents_and_by_no_61st(root: Path):
    agents = many(60, uses=["clock"], expose=False)
    assert not configuration(SMALLEST | {"agents": agents}).faults(root)
    agents = many(61, uses=["clock"], expose=False)
    assert only_fault(SMALLEST | {"agents": agents}, root) == Fault(
        path=("servers", "clock"),
        got="61 agents that use it",
        allowed="60 at most, a security group's quota of rules",
    )


@pytest.mark.parametrize(("gateway", "room"), [({}, 60), (_AUTH, 30)])
def test_a_gateway_has_a_rule_for_every_block_and_port_of_its_callers(
    root: Path, gateway: dict[str, Any], room: int
):
    blocks = [f"203.0.113.{number}/32" for number in range(room)]
    own = SMALLEST | {"gateway": {**gateway, "allow_cidrs": [*blocks, blocks[0]]}}
    assert not configuration(own).faults(root)
    own = SMALLEST | {"gateway": {**gateway, "allow_cidrs": [*blocks, "198.51.100.0/24"]}}
    assert only_fault(own, root) == Fault(
        path=("gateway", "allow_cidrs"),
        got=f"{room + 1} blocks",
        allowed=f"{room} at most, a security group's quota of rules",
    )


def test_a_shell_needs_a_root_that_can_be_written_to(root: Path):
    assert only_fault(clock("exec", value=True), root) == Fault(
        path=("servers", "clock", "exec"),
        got="true",
        allowed="false, or writable_root: true beside it: a shell needs a root to write to",
        mend=f"{_CLOCK}.writable_root' true",
    )
    own = clock("exec", value=True)
    own["servers"]["clock"]["writable_root"] = True
    assert not configuration(own).faults(root)


def test_the_metadata_of_the_gateway_has_1024_characters_at_most(root: Path):
    def with_scope(length: int) -> dict[str, Any]:
        gateway = _AUTH | {"auth": {**_AUTH["auth"], "scopes": ["s" * length]}}
        return SMALLEST | {"gateway": gateway}

    # What stands around the one scope, with the names of this gateway and its issuer.
    around = len(
        '{"resource":"https://mcp.example.com","authorization_servers":["https://login.example.com"'
        '],"bearer_methods_supported":["header"],"scopes_supported":[""]}'
    )
    assert not configuration(with_scope(1024 - around)).faults(root)
    assert only_fault(with_scope(1025 - around), root) == Fault(
        path=("gateway", "auth", "scopes"),
        got="protected-resource metadata of 1025 characters",
        allowed="1024 at most, what a load balancer's fixed answer holds",
    )


_NAT = "pulumi config set --path 'mcp-platform:network.nat' single"


def test_a_network_without_nat_brings_images_of_the_regions_own_ecr(root: Path):
    own = clock("image", value={"uri": HERE_URI}) | {"network": {"nat": "none"}}
    assert not configuration(own).faults(root)
    assert not configuration(SMALLEST | {"network": {"nat": "none"}}).faults(root)


@pytest.mark.parametrize("uri", [DIGEST_URI, HERE_URI.replace("us-east-1", "eu-west-1")])
def test_a_network_without_nat_brings_no_other_images(root: Path, uri: str):
    before = configuration(clock("image", value={"uri": uri}) | {"network": {"nat": "none"}})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("servers", "clock", "image", "uri"),
        got=show(uri),
        allowed="an image in an ECR repository of us-east-1, since network.nat is none",
        mend=_NAT,
    )
    assert not mended(before, _NAT).faults(root)


def test_an_existing_network_has_its_own_way_to_images_and_keys(root: Path):
    subnets = ["subnet-01234567", "subnet-01234568"]
    vpc = {"id": "vpc-01234567", "cidr": "10.1.0.0/16", "private_subnets": subnets}
    own = clock("image", value={"uri": DIGEST_URI}) | {"gateway": _AUTH, "network": {"vpc": vpc}}
    assert not configuration(own).faults(root)


def test_a_private_gateway_in_a_network_without_nat_reaches_no_issuers_keys(root: Path):
    before = configuration(SMALLEST | {"gateway": _AUTH, "network": {"nat": "none"}})
    (fault,) = before.faults(root)
    assert fault == Fault(
        path=("gateway", "auth"),
        got="https://login.example.com/jwks.json",
        allowed=(
            "no auth, since network.nat is none: a private load balancer has no other way to the "
            "issuer's keys"
        ),
        mend=_NAT,
    )
    assert not mended(before, _NAT).faults(root)


def test_a_public_gateway_reaches_the_issuers_keys_without_nat(root: Path):
    own = SMALLEST | {"gateway": {**_AUTH, "exposure": "public"}, "network": {"nat": "none"}}
    assert not configuration(own).faults(root)
