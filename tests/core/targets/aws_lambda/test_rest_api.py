import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.model import Agent, Fleet
from core.targets.aws_lambda import rest_api
from core.targets.aws_lambda.limits import BINARY_MEDIA_TYPES
from core.targets.aws_lambda.rest_api import RestApi, Route
from core.targets.aws_lambda.state_machine import MAX_QUESTION_CHARACTERS

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


Line = tuple[str, str, str, str | None]


def _lines(api: RestApi | None) -> list[Line]:
    """The routes of an API in short."""
    assert api is not None
    return [(one.method, one.path, one.integration, one.workload) for one in api.routes]


def _server(name: str) -> list[Line]:
    path = f"/servers/{name}/mcp"
    return [("POST", path, "AWS_PROXY", name), ("ANY", path, "MOCK", None)]


_HELPER: list[Line] = [
    ("ANY", "/agents/helper", "AWS_PROXY", "helper"),
    ("ANY", "/agents/helper/{proxy+}", "AWS_PROXY", "helper"),
]
_METADATA: list[Line] = [
    ("GET", path, "MOCK", None)
    for path in (
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/{proxy+}",
    )
]


def test_a_gateway_for_all_leads_to_exposed_agents_and_since_agents_use_it_to_every_server():
    lines = _lines(rest_api.gateway(_fleet()))
    assert lines == [*_server("clock"), *_server("hidden"), *_HELPER]
    assert rest_api.internal(_fleet()) is None


@pytest.mark.parametrize(
    ("gateway", "further"),
    [({"auth": _AUTH}, _METADATA), ({"allow_cidrs": ["203.0.113.0/24"]}, [])],
)
def test_a_gateway_that_is_not_for_agents_leads_only_to_what_is_exposed(
    gateway: dict[str, Any], further: list[Line]
):
    fleet = _fleet(gateway=gateway)
    assert _lines(rest_api.gateway(fleet)) == [*_server("clock"), *_HELPER, *further]
    assert _lines(rest_api.internal(fleet)) == [*_server("clock"), *_server("hidden")]


def test_without_servers_agents_need_no_api():
    assert rest_api.internal(_fleet(servers={}, gateway={"auth": _AUTH})) is None


@pytest.mark.parametrize(
    ("seconds", "actions"),
    [(28, ["StartSyncExecution"]), (29, ["StartExecution", "DescribeExecution"])],
)
def test_a_state_machine_is_asked_and_if_it_is_slow_then_asked_how_far_it_is(
    seconds: int, actions: list[str]
):
    loop = _LOOP | {"max_request_seconds": seconds}
    api = rest_api.gateway(_fleet(servers={}, agents={"loop": loop}))
    assert [route.action for route in api.routes] == actions
    expected: list[Line] = [
        ("POST", "/agents/loop/ask", "AWS", "loop"),
        ("GET", "/agents/loop/executions/{id}", "AWS", "loop"),
    ]
    assert _lines(api) == expected[: len(actions)]
    assert rest_api.answers_at_once(Agent.model_validate(loop)) is (len(actions) == 1)


def test_a_state_machine_that_is_not_exposed_has_no_route():
    fleet = _fleet(servers={}, agents={"loop": _LOOP | {"expose": False}})
    assert rest_api.gateway(fleet).routes == ()


def test_only_the_metadata_is_public():
    signed, tokens = rest_api.gateway(_fleet()), rest_api.gateway(_fleet(gateway={"auth": _AUTH}))
    assert {route.authorization for route in signed.routes} == {"AWS_IAM"}
    assert {(route.authorization, route.integration == "MOCK") for route in tokens.routes} == {
        ("CUSTOM", False),
        ("CUSTOM", True),
        ("NONE", True),
    }
    public = [route.path for route in tokens.routes if route.authorization == "NONE"]
    assert public == [path for _, path, *_ in _METADATA]
    assert (signed.authorizer, tokens.authorizer) == (None, rest_api.TokenAuthorizer())


def test_a_question_is_validated_where_one_is_asked():
    agents = {"helper": _IMAGE, "loop": _LOOP}
    api = rest_api.gateway(_fleet(agents=agents))
    takes = [route.path for route in api.routes if route.takes_question]
    assert takes == ["/agents/loop/ask"]
    question = json.loads(api.question_schema or "")["properties"]["question"]
    assert question["maxLength"] == MAX_QUESTION_CHARACTERS
    assert rest_api.gateway(_fleet()).question_schema is None


def test_bytes_are_kept_for_agents_in_containers_only():
    assert rest_api.gateway(_fleet()).binary_media_types == BINARY_MEDIA_TYPES
    assert rest_api.gateway(_fleet(agents={"loop": _LOOP})).binary_media_types == ()


def test_every_path_is_a_resource_and_so_is_every_path_above_it():
    fleet = _fleet(
        agents={"helper": _IMAGE, "loop": _LOOP}, gateway={"auth": _AUTH, "domain": "a.io"}
    )
    assert rest_api.resources(rest_api.gateway(fleet).routes) == [
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
    routes = [
        Route(path=path, method="GET", authorization="NONE", integration="MOCK") for path in paths
    ]
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
    found = rest_api.resources(rest_api.gateway(fleet).routes)
    shared = bool(servers) + bool(agents or loops)  # /servers and /agents
    assert len(found) == 2 * servers + 2 * agents + 4 * loops + shared
