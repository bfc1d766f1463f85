"""The stack's outputs are the same on every target (design: "What every target gives")."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from core import discovery
from core.config.enums import Target
from core.config.model import Fleet, Image, Server
from core.targets.dispatch import check
from tests.components.fleets import EKS_FLEETS, EKS_FULL, FLEETS, LAMBDA_FULL, MINIMAL, PRODUCTION
from tests.components.recording import API_ID, Recording, run

OUTPUTS = {
    "gateway_url",
    "servers",
    "agents",
    "chat",
    "discovery",
    "mcp_json",
    "dashboard_url",
    "log_groups",
}

NO_TEAM = "mcp"
"""What stands for the team where there is none."""

API_URL = f"https://{API_ID}.execute-api.us-east-1.amazonaws.com/live"


@dataclass(frozen=True, kw_only=True)
class Held:
    """A target that is held to the contract, and what of it may differ.

    Attributes:
        fleets: The fleets that it runs.
        plain_url: The gateway's address without a domain.
        reached: The address at which agents reach a server of a team, with any gateway.
        namespace: The kind and the name of what servers are found in; nothing is made for the
            domain of a cluster.
        shared: The kinds whose names are inside of something else of the stack's own (a namespace,
            an API, a function), so that two stacks have the same; and the domain's records, which
            two stacks cannot share.
    """

    fleets: dict[str, dict[str, Any]]
    plain_url: Callable[[Recording], str]
    reached: Callable[[str, str], str]
    namespace: tuple[str | None, str]
    shared: set[str]


def _load_balancer(recording: Recording) -> str:
    return f"http://{recording.one('lb.LoadBalancer').state['dnsName']}"


HELD = {
    "ecs": Held(
        fleets=FLEETS,
        plain_url=_load_balancer,
        reached=lambda name, _: f"http://{name}.mcp-platform-dev.internal:8080/mcp",
        namespace=("servicediscovery.PrivateDnsNamespace", "mcp-platform-dev.internal"),
        shared={"route53.Record", "servicediscovery.Service"},
    ),
    "eks": Held(
        fleets={
            **FLEETS,
            **{name: fleet for name, fleet in EKS_FLEETS.items() if name != "eks full"},
            "full": EKS_FULL,
        },
        plain_url=_load_balancer,
        reached=lambda name, team: f"http://{name}.{team}.svc.cluster.local:8080/mcp",
        namespace=(None, "svc.cluster.local"),
        shared={"route53.Record", "kubernetes.Release"},
    ),
    "lambda": Held(
        fleets={**FLEETS, "full": LAMBDA_FULL},
        plain_url=lambda _: API_URL,
        reached=lambda name, _: f"{API_URL}/servers/{name}/mcp",
        namespace=("servicediscovery.HttpNamespace", "mcp-platform-dev"),
        shared={
            "route53.Record",
            "servicediscovery.Service",
            "apigateway.Authorizer",
            "apigateway.Model",
            "apigateway.RequestValidator",
            "apigatewayv2.Authorizer",
            "apigatewayv2.Stage",
            "lambda.Alias",
        },
    ),
}

targets = pytest.mark.parametrize("target", HELD)
fleets_of_targets = pytest.mark.parametrize(
    ("target", "fleet"),
    [
        pytest.param(target, fleet, id=f"{target}-{name}")
        for target, held in HELD.items()
        for name, fleet in held.fleets.items()
    ],
)


def _run(fleet: dict[str, Any], target: str, *, preview: bool = False) -> Recording:
    return run({**fleet, "target": target}, preview=preview)


def _full(target: str) -> dict[str, Any]:
    return HELD[target].fleets["full"]


def test_every_target_that_a_fleet_may_choose_is_held_to_the_contract():
    server = Server(image=Image(context="workloads/clock"))
    fleets = {target: Fleet(target=target, servers={"clock": server}) for target in Target}
    fit = {target for target, fleet in fleets.items() if not list(check(fleet, "us-east-1"))}
    assert fit == HELD.keys()


@fleets_of_targets
@pytest.mark.parametrize("preview", [False, True])
def test_the_stack_has_exactly_the_outputs_of_the_contract(
    fleet: dict[str, Any], target: str, *, preview: bool
):
    assert _run(fleet, target, preview=preview).exports.keys() == OUTPUTS


@fleets_of_targets
def test_outputs_have_the_same_shapes_on_every_target(fleet: dict[str, Any], target: str):
    exports = _run(fleet, target).exports
    for name in ("servers", "agents", "chat", "discovery", "log_groups"):
        assert all(isinstance(value, str) for value in exports[name].values())
    for name in ("gateway_url", "mcp_json", "dashboard_url"):
        assert isinstance(exports[name], str)
    assert not exports["gateway_url"].endswith("/")


@targets
def test_every_exposed_workload_has_its_address_at_the_gateway(target: str):
    fleet = _full(target)
    exports = _run(fleet, target).exports
    url = exports["gateway_url"]
    assert url == "https://mcp.example.com"
    exposed = {
        section: [name for name, load in fleet[section].items() if load.get("expose", True)]
        for section in ("servers", "agents")
    }
    assert all(len(fleet[section]) > 1 for section in exposed)
    assert exports["servers"] == {name: f"{url}/servers/{name}/mcp" for name in exposed["servers"]}
    assert exports["agents"] == {name: f"{url}/agents/{name}" for name in exposed["agents"]}


@targets
def test_the_same_fleet_has_the_same_addresses_at_a_domain_on_every_target(target: str):
    exports = _run(PRODUCTION, target).exports
    assert {name: exports[name] for name in ("gateway_url", "servers", "agents")} == {
        "gateway_url": "https://mcp.example.com",
        "servers": {"notes": "https://mcp.example.com/servers/notes/mcp"},
        "agents": {"assistant": "https://mcp.example.com/agents/assistant"},
    }


@targets
def test_without_a_domain_the_addresses_are_those_that_aws_gives(target: str):
    recording = _run(MINIMAL, target)
    url = HELD[target].plain_url(recording)
    assert recording.exports["gateway_url"] == url
    assert recording.exports["servers"] == {"clock": f"{url}/servers/clock/mcp"}
    assert recording.exports["agents"] == {}


@targets
def test_only_agents_that_people_chat_with_are_in_the_chats(target: str):
    image = {"image": {"context": "workloads/assistant"}}
    agents = {"assistant": {**image, "chat": "websocket"}, "silent": image}
    chat = _run({"agents": agents}, target).exports["chat"]
    assert chat.keys() == {"assistant"}
    assert chat["assistant"].startswith(("ws://", "wss://"))
    assert _run(MINIMAL, target).exports["chat"] == {}


@fleets_of_targets
def test_the_client_configuration_has_every_server_at_its_address(
    fleet: dict[str, Any], target: str
):
    exports = _run(fleet, target).exports
    entries = json.loads(exports["mcp_json"])["mcpServers"]
    assert entries.keys() == exports["servers"].keys()
    signed = target == "lambda" and "auth" not in fleet.get("gateway", {})
    for name, url in exports["servers"].items():
        if signed:
            assert entries[name]["command"] == "uvx"
            assert entries[name]["args"][1] == url
        else:
            assert entries[name]["type"] == "http"
            assert entries[name]["url"] == url


@fleets_of_targets
def test_every_workload_has_its_log_group_in_the_outputs(fleet: dict[str, Any], target: str):
    workloads = [*fleet.get("servers", {}), *fleet.get("agents", {})]
    assert _run(fleet, target).exports["log_groups"] == {
        name: f"/mcp-platform/dev/{name}" for name in workloads
    }


@fleets_of_targets
def test_discovery_is_a_namespace_and_the_parameter_that_is_there(
    fleet: dict[str, Any], target: str
):
    recording = _run(fleet, target)
    kind, namespace = HELD[target].namespace
    assert recording.exports["discovery"] == {
        "namespace": namespace,
        "parameter": "/mcp-platform/dev/discovery",
    }
    if kind:
        assert recording.one(kind).inputs["name"] == namespace
    parameter = recording.one("ssm.Parameter").inputs
    assert parameter["name"] == "/mcp-platform/dev/discovery"
    document = json.loads(parameter["value"].value)
    assert document["servers"] == {
        name: HELD[target].reached(name, server.get("team", NO_TEAM))
        for name, server in fleet["servers"].items()
    }


@targets
def test_every_server_is_an_entry_of_the_namespace(target: str):
    fleet = _full(target)
    recording = _run(fleet, target)
    if target == "eks":
        # Of the cluster, where agents have services too.
        entries = {
            made.inputs["metadata"]["name"] for made in recording.of("kubernetes.Service")
        } - fleet["agents"].keys()
    else:
        entries = {made.inputs["name"] for made in recording.of("servicediscovery.Service")}
    assert entries == fleet["servers"].keys()


@targets
def test_a_fleet_too_large_for_one_parameter_is_found_through_the_first(
    target: str, monkeypatch: pytest.MonkeyPatch
):
    # One server fits, and the name of the next parameter, with any addresses of servers.
    url = HELD[target].reached("server-0", NO_TEAM)
    monkeypatch.setattr(discovery, "PARAMETER_BYTES", len(url) + 90)
    servers = {f"server-{number}": MINIMAL["servers"]["clock"] for number in range(2)}
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
    recording = _run(_full(target), target)
    assert recording.one("cloudwatch.Dashboard").inputs["dashboardName"] == "mcp-platform-dev"
    assert recording.exports["dashboard_url"] == (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home"
        "?region=us-east-1#dashboards/dashboard/mcp-platform-dev"
    )


@targets
def test_two_stacks_share_no_physical_name(target: str):
    one, other = (run(_full(target), stack_name=name) for name in ("dev", "prod"))
    named = [
        {
            (made.kind, made.inputs["name"])
            for made in recording.resources.values()
            if "name" in made.inputs
        }
        for recording in (one, other)
    ]
    shared = {kind for kind, _ in named[0] & named[1]}
    assert shared == HELD[target].shared
