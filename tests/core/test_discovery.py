import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import discovery
from core.fleet import Agent, Fleet, Image, Server
from core.stack import Stack

_STACK = Stack(project="mcp-platform", name="dev", region="us-east-1", production=False)
_IMAGE = Image(context="workloads/clock")


def _fleet(servers: int, agents: int, length: int = 8) -> Fleet:
    return Fleet(
        servers={f"s{n:0{length - 1}}": Server(image=_IMAGE) for n in reversed(range(servers))},
        agents={f"a{n:0{length - 1}}": Agent(image=_IMAGE) for n in reversed(range(agents))},
    )


def _pages(fleet: Fleet, stack: Stack = _STACK) -> list[dict[str, Any]]:
    return [json.loads(text) for text in discovery.documents(fleet, stack)]


def test_a_small_fleet_is_found_on_one_page_by_name():
    fleet = Fleet(
        servers={"notes": Server(image=_IMAGE), "clock": Server(image=_IMAGE)},
        agents={"assistant": Agent(image=_IMAGE)},
    )
    assert discovery.documents(fleet, _STACK) == [
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


@given(st.integers(0, 150), st.integers(0, 150), st.integers(4, 32), _STACKS)
def test_every_page_fits_its_parameter_and_all_together_hold_every_workload_once(
    servers: int, agents: int, length: int, stack: Stack
):
    fleet = _fleet(servers, agents, length)
    texts = discovery.documents(fleet, stack)
    assert all(len(text.encode()) <= 4096 for text in texts)
    pages = [json.loads(text) for text in texts]
    found = {
        section: [entry for page in pages for entry in page[section].items()]
        for section in ("servers", "agents")
    }
    assert found["servers"] == [
        (name, discovery.server_address(stack, name)) for name in sorted(fleet.servers)
    ]
    assert found["agents"] == [(name, f"/agents/{name}") for name in sorted(fleet.agents)]
    following = [page.pop("next", None) for page in pages]
    assert following == [*(discovery.parameter(stack, n) for n in range(2, len(pages) + 1)), None]
    assert all(page.keys() == {"servers", "agents"} for page in pages)


def test_a_page_is_filled_to_the_last_byte_and_then_another_begins():
    # With a name of so many characters, a full page and the name of the next are 4096 bytes.
    def texts(length: int, count: int) -> list[str]:
        fleet = _fleet(count, 0, 32)
        return discovery.documents(
            Fleet(servers=fleet.servers | {"z" * length: Server(image=_IMAGE)}), _STACK
        )

    count = next(n for n in range(200) if len(discovery.documents(_fleet(n, 0, 32), _STACK)) > 1)
    assert len(discovery.documents(_fleet(count - 1, 0, 32), _STACK)) == 1
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
    servers = {
        name: discovery.server_address(_STACK, name) for name in _fleet(count, 0, 32).servers
    }
    servers["z" * length] = discovery.server_address(_STACK, "z" * length)
    return json.dumps({"servers": servers, "agents": {}}, separators=(",", ":"))


@pytest.mark.parametrize(("name", "path"), [("clock", "/servers/clock/mcp")])
def test_a_server_is_found_at_the_gateway_by_its_name(name: str, path: str):
    assert discovery.server_path(name) == path


def test_a_client_configuration_names_every_server_with_its_address():
    urls = {"clock": "https://mcp.example.com/servers/clock/mcp"}
    assert json.loads(discovery.client_configuration(urls)) == {
        "mcpServers": {
            "clock": {"type": "http", "url": "https://mcp.example.com/servers/clock/mcp"}
        }
    }
    assert json.loads(discovery.client_configuration({})) == {"mcpServers": {}}


def test_an_agent_that_is_not_exposed_has_no_address():
    fleet = Fleet(agents={"inside": Agent(image=_IMAGE, expose=False)})
    assert _pages(fleet) == [{"servers": {}, "agents": {}}]
