"""The rules of the security groups allow exactly the edges of the graph."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.network import cidrs
from tests.components.fleets import ADOPTED_NETWORK, FULL, MINIMAL, PUBLIC_IMAGE
from tests.components.recording import Recording, run

# Source, direction, target, port.
Rule = tuple[str, str, str, int]


def _rules(recording: Recording) -> list[Rule]:
    """The rules, with the logical names of security groups instead of ids."""
    names = {made.id: made.name for made in recording.of("ec2.SecurityGroup")}
    assert len(names) == len(recording.of("ec2.SecurityGroup"))
    found: list[Rule] = []
    for direction in ("Ingress", "Egress"):
        for made in recording.of(f"vpc.SecurityGroup{direction}Rule"):
            rule = made.inputs
            assert (rule["ipProtocol"], rule["fromPort"]) == ("tcp", rule["toPort"])
            (peer,) = (
                str(names.get(rule[key], rule[key]))
                for key in ("referencedSecurityGroupId", "cidrIpv4", "prefixListId")
                if key in rule
            )
            way = "from" if direction == "Ingress" else "to"
            found.append((names[rule["securityGroupId"]], way, peer, rule["toPort"]))
    return sorted(found)


def _both_ends(source: str, destination: str, port: int) -> list[Rule]:
    return [(source, "to", destination, port), (destination, "from", source, port)]


def _expected(fleet: dict[str, Any]) -> list[Rule]:
    """The rules in a fleet, derived from its configuration."""
    loads: dict[str, Any] = fleet.get("servers", {}) | fleet.get("agents", {})
    rules: list[Rule] = []
    if any(load.get("expose", True) for load in loads.values()):
        rules += _both_ends("gateway-group", "ecs-routed", 8080)
    for agent, load in fleet.get("agents", {}).items():
        for server in load.get("uses", []):
            rules += _both_ends(f"ecs-{agent}-group", f"ecs-{server}-group", 8080)
    for name, load in loads.items():
        if "storage" in load:
            rules += _both_ends(f"ecs-{name}-group", "fleet-storage-group", 2049)
    return rules


INTERNET: Rule = ("ecs-outbound", "to", "0.0.0.0/0", 443)
ENDPOINTS: list[Rule] = [
    ("ecs-outbound", "to", "fleet-network-endpoints", 443),
    ("ecs-outbound", "to", "pl-63a5400a", 443),
    ("fleet-network-endpoints", "from", "10.0.0.0/16", 443),
]
# A public gateway: its clients, and the issuer of the keys that verify tokens.
PUBLIC: list[Rule] = [
    *(("gateway-group", "from", "0.0.0.0/0", port) for port in (80, 443)),
    ("gateway-group", "to", "0.0.0.0/0", 443),
]


def test_without_nat_tasks_reach_the_graph_and_the_endpoints_of_aws_only():
    assert _rules(run(FULL)) == sorted([*_expected(FULL), *ENDPOINTS, *PUBLIC])


@pytest.mark.parametrize("nat", ["single", "per-zone"])
def test_with_nat_tasks_reach_the_graph_and_https(nat: str):
    agents = {"assistant": {"image": {"uri": PUBLIC_IMAGE}, "uses": ["clock"]}}
    fleet = {**MINIMAL, "agents": agents, "network": {"nat": nat}}
    own_network: Rule = ("gateway-group", "from", "10.0.0.0/16", 80)
    assert _rules(run(fleet)) == sorted([*_expected(fleet), INTERNET, own_network])


_TLS = {"gateway": {"domain": "mcp.example.com", "zone": "Z0123456789ABCDEFGHIJ"}}


def test_tasks_do_not_reach_a_gateway_that_asks_for_no_token():
    out = [peer for who, _, peer, _ in _rules(run({**MINIMAL, **_TLS})) if who == "ecs-outbound"]
    assert out == sorted(cidrs.all_but("10.0.0.0/16"))


@pytest.mark.parametrize("callers", [["10.0.0.0/8"], ["192.168.0.0/16"]])
def test_tasks_are_denied_the_gateway_only_if_it_would_allow_them(callers: list[str]):
    gateway = {"gateway": {**_TLS["gateway"], "allow_cidrs": callers}}
    assert (INTERNET in _rules(run({**MINIMAL, **gateway}))) is (callers == ["192.168.0.0/16"])


def test_in_an_existing_network_tasks_reach_the_graph_and_https():
    expected = [*_expected(ADOPTED_NETWORK), INTERNET, *PUBLIC]
    assert _rules(run(ADOPTED_NETWORK)) == sorted(expected)


def test_the_least_fleet_has_the_least_rules():
    assert _rules(run(MINIMAL)) == sorted(
        [
            *_both_ends("gateway-group", "ecs-routed", 8080),
            INTERNET,
            ("gateway-group", "from", "10.0.0.0/16", 80),
        ]
    )


def test_a_gateway_with_no_routes_reaches_nothing():
    hidden = {"servers": {"clock": MINIMAL["servers"]["clock"] | {"expose": False}}}
    assert _rules(run(hidden)) == sorted([INTERNET, ("gateway-group", "from", "10.0.0.0/16", 80)])


def test_security_groups_have_no_rules_besides_the_recorded_ones():
    for made in run(FULL).of("ec2.SecurityGroup"):
        assert made.inputs.keys() == {"description", "tags", "vpcId"}


def test_a_task_has_its_own_group_egress_and_ingress_from_the_gateway_if_exposed():
    recording = run(FULL)
    names = {made.id: made.name for made in recording.of("ec2.SecurityGroup")}
    for name in (*FULL["servers"], *FULL["agents"]):
        service = recording.one("ecs.Service", f"ecs-{name}-service").inputs
        groups = [names[group] for group in service["networkConfiguration"]["securityGroups"]]
        routed = ["ecs-routed"] if name not in ("quiet", "auditor") else []
        assert groups == [f"ecs-{name}-group", "ecs-outbound", *routed]


_NAMES = st.sampled_from(["a", "b", "a-b", "a-to-b", "b-to-a", "files", "gateway", "routed"])
_LOADS = st.fixed_dictionaries(
    {"expose": st.booleans()}, optional={"storage": st.just({"mount": "/data"})}
)


@st.composite
def _fleets(draw: st.DrawFn) -> dict[str, Any]:
    """Small fleets with random graphs and similar names."""
    image = {"image": {"uri": PUBLIC_IMAGE}}
    names = draw(st.lists(_NAMES, unique=True, min_size=2, max_size=5))
    cut = draw(st.integers(1, len(names) - 1))
    servers, agents = names[:cut], names[cut:]
    uses = st.lists(st.sampled_from(servers), unique=True)
    return {
        "servers": {name: image | draw(_LOADS) for name in servers},
        "agents": {name: image | draw(_LOADS) | {"uses": draw(uses)} for name in agents},
    }


@settings(max_examples=8, deadline=None)
@given(fleet=_fleets())
def test_exactly_the_edges_of_any_graph_are_allowed(fleet: dict[str, Any]):
    callers: list[Rule] = [("gateway-group", "from", "10.0.0.0/16", 80)]
    assert _rules(run(fleet)) == sorted([*_expected(fleet), INTERNET, *callers])
