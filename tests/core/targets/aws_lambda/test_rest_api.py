from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.model import Agent, Fleet
from core.targets.aws_lambda import rest_api
from core.targets.aws_lambda.rest_api import Answer, Route

_IMAGE = {"image": {"uri": "example.com/clock@sha256:" + "0" * 64}}
_LOOP = {"runs_as": "state-machine", "models": ["amazon.nova-lite-v1:0"]}
_AUTH = {
    "issuer": "https://login.example.com",
    "jwks_uri": "https://login.example.com/jwks.json",
    "audience": "https://mcp.example.com",
}
_ALL: dict[str, Any] = {
    "target": "lambda",
    "servers": {"clock": _IMAGE, "hidden": _IMAGE | {"expose": False}},
    "agents": {"helper": _IMAGE, "shy": _IMAGE | {"expose": False}},
}


def _fleet(**keys: Any) -> Fleet:
    return Fleet.model_validate(_ALL | keys)


def _server(name: str) -> list[Route]:
    path = f"/servers/{name}/mcp"
    return [
        Route(path=path, method="POST", answer=Answer.WORKLOAD, workload=name),
        Route(path=path, method="ANY", answer=Answer.NOT_ALLOWED, workload=name),
    ]


_HELPER = [
    Route(path="/agents/helper", method="ANY", answer=Answer.WORKLOAD, workload="helper"),
    Route(path="/agents/helper/{proxy+}", method="ANY", answer=Answer.WORKLOAD, workload="helper"),
]
_METADATA = [
    Route(path=path, method="GET", answer=Answer.METADATA)
    for path in (
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/{proxy+}",
    )
]


def test_a_gateway_for_all_leads_to_exposed_agents_and_since_agents_use_it_to_every_server():
    assert rest_api.gateway_routes(_fleet()) == [*_server("clock"), *_server("hidden"), *_HELPER]
    assert rest_api.internal_routes(_fleet()) == []


@pytest.mark.parametrize(
    ("gateway", "further"),
    [({"auth": _AUTH}, _METADATA), ({"allow_cidrs": ["203.0.113.0/24"]}, [])],
)
def test_a_gateway_that_is_not_for_agents_leads_only_to_what_is_exposed(
    gateway: dict[str, Any], further: list[Route]
):
    fleet = _fleet(gateway=gateway)
    assert rest_api.gateway_routes(fleet) == [*_server("clock"), *_HELPER, *further]
    assert rest_api.internal_routes(fleet) == [*_server("clock"), *_server("hidden")]


@pytest.mark.parametrize(
    ("seconds", "further"),
    [
        (28, []),
        (
            29,
            [
                Route(
                    path="/agents/loop/executions/{id}",
                    method="GET",
                    answer=Answer.STATUS,
                    workload="loop",
                )
            ],
        ),
    ],
)
def test_a_state_machine_is_asked_and_if_it_is_slow_then_asked_how_far_it_is(
    seconds: int, further: list[Route]
):
    loop = _LOOP | {"max_request_seconds": seconds}
    ask = Route(path="/agents/loop/ask", method="POST", answer=Answer.START, workload="loop")
    fleet = _fleet(servers={}, agents={"loop": loop})
    assert rest_api.gateway_routes(fleet) == [ask, *further]
    assert rest_api.answers_at_once(Agent.model_validate(loop)) is (not further)


def test_a_state_machine_that_is_not_exposed_has_no_route():
    fleet = _fleet(servers={}, agents={"loop": _LOOP | {"expose": False}})
    assert rest_api.gateway_routes(fleet) == []


def test_every_path_is_a_resource_and_so_is_every_path_above_it():
    fleet = _fleet(
        agents={"helper": _IMAGE, "loop": _LOOP}, gateway={"auth": _AUTH, "domain": "a.io"}
    )
    assert rest_api.resources(rest_api.gateway_routes(fleet)) == [
        "/.well-known",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/{proxy+}",
        "/agents",
        "/agents/helper",
        "/agents/helper/{proxy+}",
        "/agents/loop",
        "/agents/loop/ask",
        "/agents/loop/executions",
        "/agents/loop/executions/{id}",
        "/servers",
        "/servers/clock",
        "/servers/clock/mcp",
    ]
    assert rest_api.resources([]) == []


_PATHS = st.lists(
    st.from_regex(r"(/[a-z0-9.{}+-]+){1,5}", fullmatch=True), max_size=30, unique=True
)


@given(_PATHS)
def test_parents_come_before_children_and_every_resource_once(paths: list[str]):
    routes = [Route(path=path, method="GET", answer=Answer.METADATA) for path in paths]
    found = rest_api.resources(routes)
    assert len(found) == len(set(found))
    assert set(paths) <= set(found)
    for position, path in enumerate(found):
        parent = path.rpartition("/")[0]
        assert parent == "" or parent in found[:position]
        assert any(one == path or one.startswith(f"{path}/") for one in paths)


@given(servers=st.integers(0, 40), agents=st.integers(0, 40), loops=st.integers(0, 40))
def test_an_api_has_two_resources_a_workload_and_four_a_slow_state_machine(
    servers: int, agents: int, loops: int
):
    fleet = _fleet(
        servers={f"s{n}": _IMAGE for n in range(servers)},
        agents={f"a{n}": _IMAGE for n in range(agents)} | {f"l{n}": _LOOP for n in range(loops)},
    )
    found = rest_api.resources(rest_api.gateway_routes(fleet))
    shared = bool(servers) + bool(agents or loops)  # /servers and /agents
    assert len(found) == 2 * servers + 2 * agents + 4 * loops + shared
