import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import discovery
from core.config.enums import Target
from core.config.model import Agent, Authentication, Fleet, Gateway, Image, Server
from core.stack import Stack
from core.targets.aws_lambda import addresses
from core.targets.dispatch import resolve

_STACK = Stack(project="mcp-platform", name="dev", region="us-east-1", production=False)
_IMAGE = Image(context="workloads/clock")
_URLS = {"clock": "https://mcp.example.com/servers/clock/mcp"}
_AUTH = Authentication(
    issuer="https://login.example.com",
    jwks_uri="https://login.example.com/jwks.json",
    audience="https://mcp.example.com",
)


def _fleet(servers: int, agents: int, length: int = 8) -> Fleet:
    return Fleet(
        servers={f"s{n:0{length - 1}}": Server(image=_IMAGE) for n in reversed(range(servers))},
        agents={f"a{n:0{length - 1}}": Agent(image=_IMAGE) for n in reversed(range(agents))},
    )


def _on_lambda(fleet: Fleet, **gateway: Any) -> Fleet:
    return fleet.model_copy(update={"target": Target.LAMBDA, "gateway": Gateway(**gateway)})


def _clients(fleet: Fleet, urls: dict[str, str]) -> dict[str, Any]:
    signed = resolve(fleet, _STACK).clients_sign
    return json.loads(discovery.client_configuration(fleet, _STACK, urls, signed=signed))


def _texts(fleet: Fleet, stack: Stack = _STACK) -> list[str]:
    return resolve(fleet, stack).discovery_documents


def _pages(fleet: Fleet, stack: Stack = _STACK) -> list[dict[str, Any]]:
    return [json.loads(text) for text in _texts(fleet, stack)]


def test_a_small_fleet_is_found_on_one_page_by_name():
    fleet = Fleet(
        servers={"notes": Server(image=_IMAGE), "clock": Server(image=_IMAGE)},
        agents={"assistant": Agent(image=_IMAGE)},
    )
    assert _texts(fleet) == [
        '{"servers":{"clock":"http://clock.mcp-platform-dev.internal:8080/mcp",'
        '"notes":"http://notes.mcp-platform-dev.internal:8080/mcp"},'
        '"agents":{"assistant":"/agents/assistant"}}'
    ]


def test_a_fleet_of_nothing_has_an_empty_page():
    assert _pages(Fleet()) == [{"servers": {}, "agents": {}}]


def test_the_pages_of_a_large_fleet_name_the_parameter_of_the_next():
    pages = _pages(_fleet(100, 20, length=32))
    assert [page.get("next") for page in pages] == [
        "/mcp-platform/dev/discovery-2",
        "/mcp-platform/dev/discovery-3",
        "/mcp-platform/dev/discovery-4",
        None,
    ]
    assert [discovery.parameter(_STACK, number) for number in (1, 2, 3)] == [
        "/mcp-platform/dev/discovery",
        "/mcp-platform/dev/discovery-2",
        "/mcp-platform/dev/discovery-3",
    ]


_STACKS = st.integers(1, 100).map(
    lambda length: Stack(
        project="mcp-platform", name="s" * length, region="us-east-1", production=False
    )
)


@given(
    st.integers(0, 150),
    st.integers(0, 150),
    st.integers(4, 32),
    _STACKS,
    st.sampled_from([Target.ECS, Target.LAMBDA]),
)
def test_every_page_fits_its_parameter_and_all_together_hold_every_workload_once(
    servers: int, agents: int, length: int, stack: Stack, target: Target
):
    fleet = _fleet(servers, agents, length).model_copy(update={"target": target})
    texts = _texts(fleet, stack)
    assert all(len(text.encode()) <= 4096 for text in texts)
    pages = [json.loads(text) for text in texts]
    found = {
        section: [entry for page in pages for entry in page[section].items()]
        for section in ("servers", "agents")
    }
    known = resolve(fleet, stack).server_addresses
    assert found["servers"] == [(name, known[name]) for name in sorted(fleet.servers)]
    assert found["agents"] == [(name, f"/agents/{name}") for name in sorted(fleet.agents)]
    following = [page.pop("next", None) for page in pages]
    assert following == [*(discovery.parameter(stack, n) for n in range(2, len(pages) + 1)), None]
    assert all(page.keys() == {"servers", "agents"} for page in pages)


def test_a_page_is_filled_to_the_last_byte_and_then_another_begins():
    # With a name of so many characters, a full page and the name of the next are 4096 bytes.
    def texts(length: int, count: int) -> list[str]:
        fleet = _fleet(count, 0, 32)
        return _texts(Fleet(servers=fleet.servers | {"z" * length: Server(image=_IMAGE)}))

    count = next(n for n in range(200) if len(_texts(_fleet(n, 0, 32))) > 1)
    assert len(_texts(_fleet(count - 1, 0, 32))) == 1
    sizes = {
        (fewer, length): texts(length, fewer)
        for fewer in (count - 2, count - 1)
        for length in range(1, 33)
    }
    room = len(',"next":"/mcp-platform/dev/discovery-2"')
    assert {len(pages) for pages in sizes.values()} == {1, 2}
    for (fewer, length), pages in sizes.items():
        whole = len(_one_page(fewer, length))
        assert len(pages) == (1 if whole + room <= 4096 else 2)


def _one_page(count: int, length: int) -> str:
    fleet = Fleet(servers=_fleet(count, 0, 32).servers | {"z" * length: Server(image=_IMAGE)})
    servers = resolve(fleet, _STACK).server_addresses
    return json.dumps({"servers": servers, "agents": {}}, separators=(",", ":"))


@pytest.mark.parametrize(("name", "path"), [("clock", "/servers/clock/mcp")])
def test_a_server_is_found_at_the_gateway_by_its_name(name: str, path: str):
    assert discovery.server_path(name) == path


def test_a_client_configuration_names_every_server_with_its_address():
    fleet = Fleet(servers={"clock": Server(image=_IMAGE, max_request_seconds=900)})
    for one in (fleet, _on_lambda(fleet, auth=_AUTH)):
        assert _clients(one, _URLS) == {
            "mcpServers": {
                "clock": {
                    "type": "http",
                    "url": "https://mcp.example.com/servers/clock/mcp",
                    "timeout": 930_000,
                }
            }
        }


@pytest.mark.parametrize("target", ["ecs", "lambda"])
def test_a_client_configuration_of_nothing_names_nothing(target: str):
    empty = Fleet.model_validate({"target": target})
    assert _clients(empty, {}) == {"mcpServers": {}}


@pytest.mark.parametrize("seconds", [1, 60, 900])
def test_where_requests_are_signed_a_client_starts_awss_proxy_which_outwaits_every_request(
    seconds: int,
):
    server = Server(image=_IMAGE, max_request_seconds=seconds)
    fleet = _on_lambda(Fleet(servers={"clock": server}))
    assert _clients(fleet, _URLS) == {
        "mcpServers": {
            "clock": {
                "command": "uvx",
                "args": [
                    "mcp-proxy-for-aws==1.7.0",
                    "https://mcp.example.com/servers/clock/mcp",
                    "--service",
                    "execute-api",
                    "--region",
                    "us-east-1",
                    "--read-timeout",
                    str(seconds + 30),
                    "--tool-timeout",
                    str(seconds + 30),
                ],
                "timeout": (seconds + 30) * 1000,
            }
        }
    }


_API = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"


def test_on_lambda_agents_reach_servers_at_the_address_of_the_api_for_them():
    fleet = _on_lambda(_fleet(2, 0))
    assert addresses.server_addresses(fleet, _API) == {
        name: f"{_API}/servers/{name}/mcp" for name in ("s0000001", "s0000000")
    }


@pytest.mark.parametrize("keys", [{}, {"auth": _AUTH}, {"allow_cidrs": ("203.0.113.0/24",)}])
def test_before_the_api_exists_its_address_is_a_placeholder_of_the_same_length(keys: Any):
    fleet = _on_lambda(_fleet(1, 0), **keys)
    expected = resolve(fleet, _STACK).server_addresses["s0000000"]
    given = addresses.server_addresses(fleet, _API)["s0000000"]
    assert expected == given.replace("a1b2c3d4e5", "0000000000")


@pytest.mark.parametrize(
    ("keys", "host"),
    [
        ({}, "https://mcp.example.com"),
        ({"auth": _AUTH}, "https://0000000000.execute-api.us-east-1.amazonaws.com/live"),
        (
            {"allow_cidrs": ("203.0.113.0/24",)},
            "https://0000000000.execute-api.us-east-1.amazonaws.com/live",
        ),
    ],
)
def test_agents_use_the_gateways_domain_unless_the_gateway_is_not_for_them(keys: Any, host: str):
    fleet = _on_lambda(_fleet(1, 0), domain="mcp.example.com", **keys)
    assert resolve(fleet, _STACK).server_addresses == {"s0000000": f"{host}/servers/s0000000/mcp"}
    assert addresses.agents_have_an_api(fleet) is bool(keys)


def test_in_a_cluster_servers_are_found_by_their_services_name_and_namespace():
    fleet = Fleet(
        target=Target.EKS,
        servers={"clock": Server(image=_IMAGE), "notes": Server(image=_IMAGE, team="records")},
        gateway=Gateway(domain="mcp.example.com", auth=_AUTH),
    )
    assert resolve(fleet, _STACK).server_addresses == {
        "clock": "http://clock.mcp.svc.cluster.local:8080/mcp",
        "notes": "http://notes.records.svc.cluster.local:8080/mcp",
    }


def test_on_ecs_servers_are_found_by_name_with_any_gateway():
    fleet = Fleet(
        servers=_fleet(1, 0).servers, gateway=Gateway(domain="mcp.example.com", auth=_AUTH)
    )
    assert resolve(fleet, _STACK).server_addresses == {
        "s0000000": "http://s0000000.mcp-platform-dev.internal:8080/mcp"
    }


@pytest.mark.parametrize(
    ("gateway", "chat"),
    [
        ("https://mcp.example.com", "wss://mcp.example.com/agents/assistant/chat"),
        ("http://internal.example.com", "ws://internal.example.com/agents/assistant/chat"),
    ],
)
def test_a_chat_is_at_the_gateway_and_as_encrypted_as_that(gateway: str, chat: str):
    assert discovery.chat_address(gateway, "assistant") == chat


def test_an_agent_that_is_not_exposed_has_no_address():
    fleet = Fleet(agents={"inside": Agent(image=_IMAGE, expose=False)})
    assert _pages(fleet) == [{"servers": {}, "agents": {}}]
