import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.enums import Sessions, Target
from core.config.model import (
    Agent,
    Authentication,
    Fleet,
    Gateway,
    Image,
    Server,
    Storage,
)
from core.environment import RESERVED, environment, servers_environment, variable
from core.stack import Stack
from core.targets.aws_lambda import addresses
from core.targets.dispatch import resolve
from core.timeouts import chain

_IMAGE = Image(context="workloads/clock")
_SERVER = Server(image=_IMAGE, environment={"LOG_LEVEL": "debug"})
_MODELS = ("amazon.nova-lite-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
_AGENT = Agent(image=_IMAGE, uses=("b", "a"), models=_MODELS)
_AUTH = Authentication(
    issuer="https://login.example.com",
    jwks_uri="https://login.example.com/jwks.json",
    audience="https://mcp.example.com",
)
_ADDRESSES = {name: f"http://{name}.example.internal:8080/mcp" for name in ("a", "b", "c")}


def test_a_server_sees_its_port_its_times_its_sessions_and_what_is_its_own():
    assert environment(_SERVER, timeouts=chain(300)) == {
        "LOG_LEVEL": "debug",
        "PORT": "8080",
        "KEEP_ALIVE_SECONDS": "335",
        "MAX_REQUEST_SECONDS": "300",
        "STOP_TIMEOUT_SECONDS": "115",
        "MCP_SESSIONS": "stateless",
    }


def test_a_server_with_sessions_gets_their_setting():
    server = Server(image=_IMAGE, sessions=Sessions.LEGACY_STATEFUL)
    assert environment(server, timeouts=chain(60))["MCP_SESSIONS"] == "legacy-stateful"


def test_an_agent_sees_its_models():
    assert environment(_AGENT, timeouts=chain(60)) == {
        "PORT": "8080",
        "KEEP_ALIVE_SECONDS": "305",
        "MAX_REQUEST_SECONDS": "60",
        "STOP_TIMEOUT_SECONDS": "60",
        "INSTRUCTIONS": "",
        "MAX_TURNS": "8",
        "MODELS": "amazon.nova-lite-v1:0,us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    }


def test_an_agent_sees_exactly_the_servers_that_it_uses():
    assert servers_environment(_AGENT, _ADDRESSES) == {
        "MCP_SERVERS": json.dumps({"b": _ADDRESSES["b"], "a": _ADDRESSES["a"]})
    }
    assert servers_environment(Agent(image=_IMAGE), _ADDRESSES) == {"MCP_SERVERS": "{}"}
    assert servers_environment(_SERVER, _ADDRESSES) == {}


def test_an_agent_gets_its_instructions_and_its_turns():
    agent = Agent(image=_IMAGE, instructions="Be brief.", max_turns=3)
    plain = environment(agent, timeouts=chain(60))
    assert (plain["INSTRUCTIONS"], plain["MAX_TURNS"]) == ("Be brief.", "3")


def test_only_on_lambda_an_agent_signs_requests_to_servers():
    signed = addresses.servers_environment(_AGENT, _ADDRESSES)
    assert signed == {
        **servers_environment(_AGENT, _ADDRESSES),
        "MCP_SERVERS_AUTH": "sigv4",
    }
    assert tuple(signed) == addresses.SERVERS_VARIABLES
    assert addresses.servers_environment(_SERVER, _ADDRESSES) == {}


def _resolved(name: str, **keys: Any) -> Mapping[str, str]:
    """The variables of a workload of a resolved fleet."""
    stack = Stack(project="mcp-platform", name="dev", region="us-east-1", production=False)
    return resolve(Fleet(**keys), stack).workloads[name].container.environment


@pytest.mark.parametrize(
    ("target", "mount", "place"),
    [
        (Target.ECS, "/data", "/data"),
        (Target.EKS, "/var/audit", "/var/audit"),
        (Target.LAMBDA, "/data", "/mnt/data"),
        (Target.LAMBDA, "/var/audit", "/mnt/var-audit"),
    ],
)
def test_a_workload_with_files_gets_the_path_of_its_target(target: Target, mount: str, place: str):
    server = Server(image=_IMAGE, storage=Storage(mount=mount))
    assert _resolved("a", target=target, servers={"a": server})["FILES_DIR"] == place
    assert "FILES_DIR" not in _resolved("a", target=target, servers={"a": _SERVER})


@pytest.mark.parametrize("target", [Target.ECS, Target.EKS])
def test_in_the_network_an_agent_gets_its_servers(target: Target):
    servers = dict.fromkeys("abc", _SERVER)
    plain = _resolved("helper", target=target, servers=servers, agents={"helper": _AGENT})
    assert list(json.loads(plain["MCP_SERVERS"])) == ["b", "a"]
    assert "MCP_SERVERS_AUTH" not in plain


@pytest.mark.parametrize("target", list(Target))
@pytest.mark.parametrize("load", [_SERVER, Agent(image=_IMAGE)])
def test_a_fleet_with_authentication_sets_the_issuer_and_audience_of_a_workload(
    load: Server | Agent, target: Target
):
    section = "servers" if isinstance(load, Server) else "agents"
    own: dict[str, Any] = {"target": target, section: {"a": load}}
    without = _resolved("a", **own)
    with_auth = _resolved("a", **own, gateway=Gateway(auth=_AUTH))
    assert with_auth == {
        **without,
        "AUTH_ISSUER": "https://login.example.com",
        "AUTH_AUDIENCE": "https://mcp.example.com",
    }


@pytest.mark.parametrize("target", list(Target))
def test_a_server_that_agents_call_takes_no_tokens_since_agents_have_none(target: Target):
    own: dict[str, Any] = {
        "target": target,
        "gateway": Gateway(auth=_AUTH),
        "servers": dict.fromkeys("abc", _SERVER),
        "agents": {"helper": _AGENT},
    }
    assert _resolved("a", **own).keys() & {"AUTH_ISSUER", "AUTH_AUDIENCE"} == set()
    assert _resolved("c", **own)["AUTH_ISSUER"] == "https://login.example.com"


@pytest.mark.parametrize("load", [_SERVER, _AGENT])
def test_every_variable_that_the_platform_sets_is_reserved(load: Server | Agent):
    plain = environment(load, timeouts=chain(60), auth=_AUTH, files_path="/data")
    plain |= addresses.servers_environment(load, _ADDRESSES)
    assert plain.keys() - load.environment.keys() <= RESERVED


def test_a_variable_of_the_platform_wins_over_one_of_the_configuration():
    server = Server(image=_IMAGE, environment={"PORT": "1"})
    assert environment(server, timeouts=chain(60))["PORT"] == "8080"


def test_a_secret_is_found_in_a_variable_of_its_name():
    assert variable("notes-api-key") == "NOTES_API_KEY"


_SECRETS = st.from_regex(r"[a-z]([a-z0-9-]{0,62}[a-z0-9])?", fullmatch=True)


@given(_SECRETS, _SECRETS)
def test_different_secrets_are_found_in_different_variables(one: str, other: str):
    assert (variable(one) == variable(other)) == (one == other)
