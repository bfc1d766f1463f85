"""The stack's outputs are the same whatever the target (design: "What every target gives")."""

import json
from typing import Any

import pytest

from core import discovery
from core.fitness import check
from core.fleet import Fleet, Image, Server, Target
from tests.components.fleets import FLEETS, FULL
from tests.components.recording import Recording, run

OUTPUTS = {
    "gateway_url",
    "servers",
    "agents",
    "discovery",
    "mcp_json",
    "dashboard_url",
    "log_groups",
}
TARGETS = ["ecs"]

targets = pytest.mark.parametrize("target", TARGETS)
fleets = pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS)


def _run(fleet: dict[str, Any], target: str, *, preview: bool = False) -> Recording:
    return run({**fleet, "target": target}, preview=preview)


def test_every_target_that_a_fleet_may_choose_is_held_to_the_contract():
    server = Server(image=Image(context="workloads/clock"))
    fleets = {target: Fleet(target=target, servers={"clock": server}) for target in Target}
    assert [target for target, fleet in fleets.items() if not list(check(fleet))] == TARGETS


@targets
@fleets
@pytest.mark.parametrize("preview", [False, True])
def test_the_stack_has_exactly_the_outputs_of_the_contract(
    fleet: dict[str, Any], target: str, *, preview: bool
):
    assert _run(fleet, target, preview=preview).exports.keys() == OUTPUTS


@targets
def test_every_exposed_workload_has_its_address_at_the_gateway(target: str):
    exports = _run(FULL, target).exports
    url = exports["gateway_url"]
    assert url == "https://mcp.example.com"
    assert exports["servers"] == {
        name: f"{url}/servers/{name}/mcp" for name in ("clock", "notes", "old")
    }
    assert exports["agents"] == {"assistant": f"{url}/agents/assistant"}


@targets
def test_without_a_domain_the_addresses_are_those_of_the_load_balancer(target: str):
    recording = _run(FLEETS["minimal"], target)
    url = f"http://{recording.one('lb.LoadBalancer').state['dnsName']}"
    assert recording.exports["gateway_url"] == url
    assert recording.exports["servers"] == {"clock": f"{url}/servers/clock/mcp"}
    assert recording.exports["agents"] == {}


@targets
@fleets
def test_the_client_configuration_has_every_server_at_its_address(
    fleet: dict[str, Any], target: str
):
    exports = _run(fleet, target).exports
    assert json.loads(exports["mcp_json"]) == {
        "mcpServers": {
            name: {"type": "http", "url": url} for name, url in exports["servers"].items()
        }
    }


@targets
@fleets
def test_every_workload_has_its_log_group_in_the_outputs(fleet: dict[str, Any], target: str):
    workloads = [*fleet.get("servers", {}), *fleet.get("agents", {})]
    assert _run(fleet, target).exports["log_groups"] == {
        name: f"/mcp-platform/dev/{name}" for name in workloads
    }


@targets
@fleets
def test_discovery_is_a_namespace_and_the_parameter_that_is_there(
    fleet: dict[str, Any], target: str
):
    recording = _run(fleet, target)
    assert recording.exports["discovery"] == {
        "namespace": "mcp-platform-dev.internal",
        "parameter": "/mcp-platform/dev/discovery",
    }
    namespace = recording.one("servicediscovery.PrivateDnsNamespace").inputs["name"]
    assert namespace == "mcp-platform-dev.internal"
    parameter = recording.one("ssm.Parameter").inputs
    assert parameter["name"] == "/mcp-platform/dev/discovery"
    document = json.loads(parameter["value"].value)
    assert document["servers"] == {
        name: f"http://{name}.mcp-platform-dev.internal:8080/mcp" for name in fleet["servers"]
    }


@targets
def test_a_fleet_too_large_for_one_parameter_is_found_through_the_first(
    target: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(discovery, "PARAMETER_BYTES", 150)
    image = FULL["servers"]["old"]["image"]
    servers = {f"server-{number}": {"image": image} for number in range(2)}
    recording = _run({"servers": servers}, target)
    pages = [made.inputs for made in recording.of("ssm.Parameter")]
    documents = [json.loads(page["value"].value) for page in pages]
    assert [page["name"] for page in pages] == [
        "/mcp-platform/dev/discovery",
        "/mcp-platform/dev/discovery-2",
    ]
    assert [document.get("next") for document in documents] == [
        "/mcp-platform/dev/discovery-2",
        None,
    ]
    assert {name for document in documents for name in document["servers"]} == servers.keys()
    assert recording.exports["discovery"]["parameter"] == pages[0]["name"]


@targets
def test_the_dashboard_is_at_the_address_of_the_outputs(target: str):
    recording = _run(FULL, target)
    assert recording.one("cloudwatch.Dashboard").inputs["dashboardName"] == "mcp-platform-dev"
    assert recording.exports["dashboard_url"] == (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home"
        "?region=us-east-1#dashboards/dashboard/mcp-platform-dev"
    )


@targets
def test_two_stacks_share_no_physical_name(target: str):
    one, other = (run({**FULL, "target": target}, stack_name=name) for name in ("dev", "prod"))
    named = [
        {
            (made.kind, made.inputs["name"])
            for made in recording.resources.values()
            if "name" in made.inputs
        }
        for recording in (one, other)
    ]
    # Records belong to the domain, which two stacks cannot share, and entries to their namespace.
    shared = {kind for kind, _ in named[0] & named[1]}
    assert shared == {"route53.Record", "servicediscovery.Service"}
