import json
from pathlib import Path
from typing import Any

import pytest

from core.config.errors import Fault, show
from core.config.model import Fleet
from core.graph import graph
from core.targets.aws_lambda import limits, rest_api
from core.targets.aws_lambda.checks import expected_variables
from tests.core.configurations import (
    DIGEST_URI,
    HERE_URI,
    SMALLEST,
    changed,
    configuration,
    fixed,
    many,
)

_AUTH = {
    "issuer": "https://login.example.com",
    "jwks_uri": "https://login.example.com/jwks.json",
    "audience": "https://mcp.example.com",
}
_TLS: dict[str, Any] = {"domain": "mcp.example.com", "zone": "Z0123456789"}
_LOOP = {"runs_as": "state-machine", "models": ["amazon.nova-lite-v1:0"]}
_HERE = {"image": {"uri": HERE_URI}}
_ON_LAMBDA: dict[str, Any] = SMALLEST | {"target": "lambda"}


def _set(path: str, value: object) -> str:
    return f"pulumi config set --path 'mcp-platform:{path}' {value}"


def _rm(path: str) -> str:
    return f"pulumi config rm --path 'mcp-platform:{path}'"


def _clock(**fields: Any) -> dict[str, Any]:
    """The smallest fleet on Lambda, its server with these fields."""
    return changed(
        _ON_LAMBDA, "servers", "clock", value={"image": {"context": "workloads/clock"}, **fields}
    )


def _agent(**fields: Any) -> dict[str, Any]:
    """The smallest fleet on Lambda with an agent of these fields."""
    return changed(_ON_LAMBDA, "agents", "helper", value=fields)


def _assert_fits(own: dict[str, Any], root: Path) -> None:
    assert not configuration(own).faults(root)


def _assert_refused(own: dict[str, Any], root: Path, *expected: Fault) -> None:
    """Exactly these faults, and none once the commands of all have been run."""
    before = configuration(own)
    assert before.faults(root) == expected
    assert all(fault.fix for fault in expected)
    for fault in expected:
        before = fixed(before, fault.fix or "")
    assert not before.faults(root)


@pytest.mark.parametrize(
    "size",
    [
        {"memory": 10_240},
        {"cpu": 5927},
        {"cpu": 5927, "memory": 10_240},
        {"cpu": 1, "memory": 1},
        {"cpu": 300, "memory": 700},  # no size of Fargate's
    ],
)
def test_a_workload_has_any_size_that_a_function_can_have(root: Path, size: dict[str, int]):
    _assert_fits(_clock(**size), root)
    _assert_fits(_agent(**_HERE, **size), root)


@pytest.mark.parametrize(
    ("size", "wrong", "needs", "fix"),
    [
        (
            {"cpu": 256, "memory": 10_241},
            "memory",
            10_241,
            _set("servers.clock.memory", 10_240),
        ),
        ({"cpu": 5928, "memory": 512}, "cpu", 10_241, _set("servers.clock.cpu", 4096)),
        (
            {"cpu": 16_384, "memory": 122_880},
            "memory",
            122_880,
            f"{_set('servers.clock.memory', 10_240)} && {_set('servers.clock.cpu', 4096)}",
        ),
    ],
)
def test_a_workload_that_a_function_is_too_small_for_is_refused(
    root: Path, size: dict[str, int], wrong: str, needs: int, fix: str
):
    got = f"cpu {size['cpu']} with memory {size['memory']}"
    _assert_refused(
        _clock(**size),
        root,
        Fault(
            path=("servers", "clock", wrong),
            got=f"{got}, which needs a function with {needs} MiB",
            allowed=(
                "at most 10240 MiB, with which a function has almost 6 vCPU; the ecs and eks "
                "targets support more"
            ),
            fix=fix,
        ),
    )


def test_an_image_of_10_gib_is_the_largest(root: Path):
    image: dict[str, Any] = {"context": "workloads/clock"}
    _assert_fits(_clock(image=image | {"size_mib": 10_240}), root)
    own = _clock(image=image | {"size_mib": 10_241})
    assert configuration(own).faults(root) == (
        Fault(
            path=("servers", "clock", "image", "size_mib"),
            got="10241",
            allowed="at most 10240; the ecs and eks targets support larger images",
        ),
    )
    _assert_fits(own | {"target": "ecs"}, root)


def test_a_request_takes_900_seconds_at_most(root: Path):
    _assert_fits(_clock(max_request_seconds=900), root)
    _assert_refused(
        _clock(max_request_seconds=901),
        root,
        Fault(
            path=("servers", "clock", "max_request_seconds"),
            got="901",
            allowed=(
                "at most 900, the maximum timeout of a function; the ecs and eks targets "
                "support longer requests"
            ),
            fix=_set("servers.clock.max_request_seconds", 900),
        ),
    )


@pytest.mark.parametrize(("field", "most"), [("max_request_mib", 4), ("max_response_mib", 200)])
def test_a_payload_is_as_large_as_an_invocation_carries(root: Path, field: str, most: int):
    _assert_fits(_clock(**{field: most}), root)
    _assert_refused(
        _clock(**{field: most + 1}),
        root,
        Fault(
            path=("servers", "clock", field),
            got=str(most + 1),
            allowed=(
                f"at most {most}, the payload limit of an invocation; the ecs and eks "
                "targets support more"
            ),
            fix=_set(f"servers.clock.{field}", most),
        ),
    )


def test_the_root_of_a_function_is_read_only(root: Path):
    _assert_refused(
        _clock(writable_root=True),
        root,
        Fault(
            path=("servers", "clock", "writable_root"),
            got="true",
            allowed=(
                "false: a function can write only to /tmp and to its storage; the ecs and "
                "eks targets support a writable root file system"
            ),
            fix=_rm("servers.clock.writable_root"),
        ),
    )


def test_a_function_has_no_shell(root: Path):
    _assert_refused(
        _clock(exec=True),
        root,
        Fault(
            path=("servers", "clock", "exec"),
            got="true",
            allowed=(
                "false: Lambda has no shell access to functions; the ecs and eks targets support it"
            ),
            fix=_rm("servers.clock.exec"),
        ),
    )


def test_files_are_mounted_at_a_path_of_160_characters_at_most(root: Path):
    room = 160 - len("/mnt/")
    _assert_fits(_clock(storage={"mount": "/" + "a" * room}), root)
    _assert_refused(
        _clock(storage={"mount": "/" + "a" * (room + 1)}),
        root,
        Fault(
            path=("servers", "clock", "storage", "mount"),
            got="a path of 157 characters",
            allowed=(
                "a path that has at most 160 characters below /mnt; the ecs and eks "
                "targets support longer paths"
            ),
            fix=_set("servers.clock.storage.mount", "/data"),
        ),
    )


# The configuration takes no name that begins with an underscore.
_LAMBDAS_OWN = [name for name in sorted(limits.RESERVED_VARIABLES) if name[0] != "_"]


@pytest.mark.parametrize("name", [*_LAMBDAS_OWN, "AWS_LWA_", "AWS_LWA_PORT"])
def test_a_variable_of_lambda_or_its_web_adapter_is_reserved(root: Path, name: str):
    _assert_refused(
        _clock(environment={name: "x"}),
        root,
        Fault(
            path=("servers", "clock", "environment", name),
            got="a variable that Lambda or the Lambda Web Adapter reserves",
            allowed=(
                "variables that are not reserved; the ecs and eks targets support this variable"
            ),
            fix=_rm(f"servers.clock.environment.{name}"),
        ),
    )


@pytest.mark.parametrize("name", ["AWS_LWA", "AWS_PROFILE", "LAMBDA"])
def test_a_variable_that_only_looks_like_one_of_lambda_is_free(root: Path, name: str):
    _assert_fits(_clock(environment={name: "x"}), root)


def test_a_variable_has_a_name_of_two_characters(root: Path):
    own = _clock(environment={"A": "x"})
    _assert_refused(
        own,
        root,
        Fault(
            path=("servers", "clock", "environment", "A"),
            got="A",
            allowed=(
                "names of at least 2 characters; the ecs and eks targets support shorter names"
            ),
            fix=_rm("servers.clock.environment.A"),
        ),
    )
    _assert_fits(_clock(environment={"AB": "x"}), root)
    _assert_fits(own | {"target": "ecs"}, root)


def _takes(own: dict[str, Any], section: str, name: str) -> int:
    fleet = Fleet.model_validate(own)
    load = getattr(fleet, section)[name]
    return limits.environment_bytes(
        expected_variables(fleet, graph(fleet), "us-east-1", name, load)
    )


def test_an_environment_has_4096_bytes_with_the_variables_of_the_platform(root: Path):
    room = 4096 - _takes(_clock(environment={"AA": ""}), "servers", "clock")
    assert room > 2500
    _assert_fits(_clock(environment={"AA": "x" * room}), root)
    own = _clock(environment={"AA": "x" * (room + 1)})
    assert configuration(own).faults(root) == (
        Fault(
            path=("servers", "clock"),
            got="environment variables of 4097 bytes, including those of the platform",
            allowed=(
                "at most 4096 bytes. Use fewer uses, secrets or variables, or shorter "
                "instructions; the ecs and eks targets support more"
            ),
        ),
    )
    _assert_fits(own | {"target": "ecs"}, root)


def test_instructions_of_a_container_are_in_its_environment_and_of_a_state_machine_not(root: Path):
    long = {"instructions": "x" * 4000}
    (fault,) = configuration(_agent(**_HERE, **long)).faults(root)
    assert fault.path == ("agents", "helper")
    _assert_fits(_agent(**_LOOP, **long), root)


@pytest.mark.parametrize("agent", [_HERE, _LOOP])
def test_an_agent_uses_as_many_servers_as_its_environment_names(root: Path, agent: dict[str, Any]):
    def own(count: int) -> dict[str, Any]:
        servers = many(count, image={"uri": HERE_URI})
        helper = {**agent, "uses": sorted(servers)}
        return {"target": "lambda", "servers": servers, "agents": {"helper": helper}}

    refused = [n for n in range(60) if configuration(own(n)).faults(root)]
    assert refused == list(range(refused[0], 60))
    assert refused[0] > 20
    (fault,) = configuration(own(refused[0])).faults(root)
    assert fault.path == ("agents", "helper")
    assert fault.allowed.startswith("at most 4096 bytes. Use fewer uses")


def test_sessions_in_memory_are_kept_by_no_function(root: Path):
    _assert_refused(
        _clock(sessions="legacy-stateful", replicas={"max": 1}),
        root,
        Fault(
            path=("servers", "clock", "sessions"),
            got="legacy-stateful",
            allowed=(
                "stateless: Lambda may run the requests of a client in different "
                "execution environments; the ecs and eks targets support sessions"
            ),
            fix=_rm("servers.clock.sessions"),
        ),
    )


def test_subscriptions_are_held_open_by_no_function(root: Path):
    _assert_refused(
        _clock(subscriptions=True),
        root,
        Fault(
            path=("servers", "clock", "subscriptions"),
            got="true",
            allowed=(
                "false: Lambda charges for an open stream per second and closes it after "
                "900 s; the ecs and eks targets support subscriptions"
            ),
            fix=_rm("servers.clock.subscriptions"),
        ),
    )


@pytest.mark.parametrize("agent", [_HERE, _LOOP])
def test_a_function_has_no_sidecars(root: Path, agent: dict[str, Any]):
    _assert_refused(
        _agent(**agent, uses=["clock"], sidecars=["clock"]),
        root,
        Fault(
            path=("agents", "helper", "sidecars"),
            got='["clock"]',
            allowed=(
                "no sidecars on lambda: a function has one container. The ecs target supports "
                "sidecars"
            ),
            fix=_rm("agents.helper.sidecars"),
        ),
    )


@pytest.mark.parametrize("uri", [DIGEST_URI, HERE_URI.replace("us-east-1", "eu-west-1")])
def test_an_image_is_in_ecr_in_the_region_of_the_function(root: Path, uri: str):
    _assert_fits(_clock(image={"uri": HERE_URI}), root)
    own = _clock(image={"uri": uri})
    assert configuration(own).faults(root) == (
        Fault(
            path=("servers", "clock", "image", "uri"),
            got=show(uri),
            allowed=(
                "an image in a private ECR repository in us-east-1, as Lambda requires; "
                "the ecs and eks targets support other registries"
            ),
        ),
    )
    _assert_fits(own | {"target": "ecs"}, root)


def test_a_state_machine_asks_a_model(root: Path):
    _assert_fits(_agent(**_LOOP), root)
    _assert_refused(
        _agent(runs_as="state-machine"),
        root,
        Fault(
            path=("agents", "helper", "models"),
            got="no value",
            allowed="at least one model: an agent with runs_as: state-machine uses the first",
            fix=_set("agents.helper.models[0]", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
    )


@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "amazon.nova-lite-v1:0",
        "global.amazon.nova-pro-v1:0",
    ],
)
def test_a_state_machine_asks_a_model_that_can_be_told_of_failed_tools(root: Path, model: str):
    _assert_fits(_agent(runs_as="state-machine", models=[model, "mistral.large-v1:0"]), root)


@pytest.mark.parametrize("model", ["amazon.titan-text-v1:0", "us.mistral.large-v1:0", "x.nova-1"])
def test_a_state_machine_asks_no_other_model_first(root: Path, model: str):
    _assert_fits(_agent(**_HERE, models=[model]), root)
    _assert_refused(
        _agent(runs_as="state-machine", models=[model]),
        root,
        Fault(
            path=("agents", "helper", "models", 0),
            got=model,
            allowed=(
                "an Anthropic or Amazon Nova model with runs_as: state-machine: only "
                "these accept the status of a failed tool. runs_as: container supports "
                "all models"
            ),
            fix=_set("agents.helper.models[0]", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
    )


def test_a_container_may_ask_no_model_and_may_chat(root: Path):
    _assert_fits(_agent(**_HERE, chat="websocket"), root)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("storage", {"mount": "/data"}),
        ("secrets", ["key"]),
        ("environment", {"LOG_LEVEL": "info"}),
    ],
)
def test_a_state_machine_without_an_image_has_nothing_that_only_a_container_reads(
    root: Path, field: str, value: Any
):
    secrets = {"secrets": {"key": {"source": "generated"}}}
    _assert_refused(
        {**_agent(**_LOOP, **{field: value}), **secrets},
        root,
        Fault(
            path=("agents", "helper", field),
            got="a value",
            allowed="no value with runs_as: state-machine, which has no container",
            fix=_rm(f"agents.helper.{field}"),
        ),
    )
    _assert_fits({**_agent(**_HERE, **_LOOP, **{field: value}), **secrets}, root)


def test_a_state_machine_does_not_chat(root: Path):
    _assert_refused(
        _agent(**_LOOP, chat="websocket"),
        root,
        Fault(
            path=("agents", "helper", "chat"),
            got="websocket",
            allowed="none with runs_as: state-machine, or runs_as: container",
            fix=_rm("agents.helper.chat"),
        ),
    )


def test_a_state_machine_runs_for_a_year_at_most(root: Path):
    _assert_fits(_agent(**_LOOP, max_request_seconds=31_536_000), root)
    _assert_refused(
        _agent(**_LOOP, max_request_seconds=31_536_001),
        root,
        Fault(
            path=("agents", "helper", "max_request_seconds"),
            got="31536001",
            allowed="at most 31536000 (one year), the limit of an execution in Step Functions",
            fix=_set("agents.helper.max_request_seconds", 31_536_000),
        ),
    )


@pytest.mark.parametrize("field", ["max_request_mib", "max_response_mib"])
def test_a_state_machine_carries_no_payload_of_a_mib(root: Path, field: str):
    _assert_refused(
        _agent(**_LOOP, **{field: 1}),
        root,
        Fault(
            path=("agents", "helper", field),
            got="1",
            allowed=(
                "no value with runs_as: state-machine: Step Functions limits payloads to 256 "
                "KiB. For larger payloads, use runs_as: container"
            ),
            fix=_rm(f"agents.helper.{field}"),
        ),
    )


def test_a_private_gateway_that_checks_tokens_says_where_its_callers_are(root: Path):
    gateway = {**_TLS, "auth": _AUTH}
    _assert_refused(
        _ON_LAMBDA | {"gateway": gateway},
        root,
        Fault(
            path=("gateway", "allow_cidrs"),
            got="no value",
            allowed=(
                "the public CIDR blocks of the clients: a REST API is not in the VPC, so "
                "with exposure: private and auth, only allow_cidrs restricts the clients; "
                "the ecs and eks targets have gateways in the VPC"
            ),
            fix=_set("gateway.allow_cidrs[0]", "203.0.113.0/24"),
        ),
    )
    _assert_fits(_ON_LAMBDA | {"gateway": {**gateway, "exposure": "public"}}, root)
    _assert_fits(_ON_LAMBDA | {"gateway": _TLS}, root)


@pytest.mark.parametrize(
    "block",
    ["10.0.0.0/8", "10.1.2.3/32", "172.31.0.0/16", "192.168.0.0/16", "100.127.0.0/16"],
)
def test_a_rest_api_sees_no_callers_from_private_addresses(root: Path, block: str):
    _assert_refused(
        _ON_LAMBDA | {"gateway": {"allow_cidrs": ["203.0.113.0/24", block]}},
        root,
        Fault(
            path=("gateway", "allow_cidrs", 1),
            got=block,
            allowed=(
                "CIDR blocks of public addresses: a REST API does not see private "
                "addresses; the ecs and eks targets support private blocks"
            ),
            fix=_rm("gateway.allow_cidrs[1]"),
        ),
    )


def test_people_who_chat_come_from_listed_addresses_only_where_tokens_are_checked(root: Path):
    chats: dict[str, Any] = _ON_LAMBDA | {
        "agents": {"helper": {**_HERE, "models": ["amazon.nova-lite-v1:0"], "chat": "websocket"}}
    }
    gateway: dict[str, Any] = {"allow_cidrs": ["203.0.113.0/24"]}
    _assert_refused(
        chats | {"gateway": gateway},
        root,
        Fault(
            path=("agents", "helper", "chat"),
            got="websocket, with gateway.allow_cidrs and without auth",
            allowed=(
                "none, or gateway.auth: a WebSocket API has no resource policy, so only "
                "the authorizer can check the addresses of clients"
            ),
            fix=_rm("agents.helper.chat"),
        ),
    )
    _assert_fits(chats | {"gateway": {**_TLS, **gateway, "auth": _AUTH}}, root)
    _assert_fits(chats, root)


@pytest.mark.parametrize("block", ["8.0.0.0/8", "172.32.0.0/16", "100.128.0.0/9"])
def test_a_block_with_public_addresses_may_call(root: Path, block: str):
    _assert_fits(_ON_LAMBDA | {"gateway": {"allow_cidrs": [block]}}, root)


def test_a_block_that_is_none_is_one_fault(root: Path):
    (fault,) = configuration(_ON_LAMBDA | {"gateway": {"allow_cidrs": ["10.0.0.0/33"]}}).faults(
        root
    )
    assert fault.allowed == "an IPv4 CIDR block without host bits, for example 203.0.113.0/24"


_NAT = _set("network.nat", "single")
_WITHOUT_NAT: dict[str, Any] = {"network": {"nat": "none"}}
_TOKENS: dict[str, Any] = {"gateway": {**_TLS, "auth": _AUTH, "exposure": "public"}}


@pytest.mark.parametrize("inside", [{"private_network": True}, {"storage": {"mount": "/data"}}])
def test_an_agent_inside_of_a_network_without_nat_reaches_no_servers(
    root: Path, inside: dict[str, Any]
):
    own = _agent(**_HERE, uses=["clock"], chat="websocket", **inside)
    _assert_fits(own, root)
    _assert_fits(_agent(**_HERE, uses=["clock"]) | _WITHOUT_NAT, root)
    _assert_refused(
        own | _WITHOUT_NAT,
        root,
        Fault(
            path=("agents", "helper", "uses"),
            got="clock, from a network without NAT gateways",
            allowed=(
                "network.nat: single or per-zone, because functions in the network reach "
                "servers through the internet"
            ),
            fix=_NAT,
        ),
    )


def test_an_agent_inside_of_a_network_without_nat_answers_no_chat(root: Path):
    own = _agent(**_HERE, chat="websocket", private_network=True)
    _assert_fits(own, root)
    _assert_refused(
        own | _WITHOUT_NAT,
        root,
        Fault(
            path=("agents", "helper", "chat"),
            got="websocket, from a network without NAT gateways",
            allowed=(
                "network.nat: single or per-zone, because functions in the network answer a "
                "chat through the internet"
            ),
            fix=_NAT,
        ),
    )


def test_a_server_inside_of_a_network_without_nat_fetches_no_keys_of_an_issuer(root: Path):
    own = _clock(private_network=True) | _TOKENS
    _assert_fits(own, root)
    _assert_fits(_clock(private_network=True) | _WITHOUT_NAT, root)
    _assert_refused(
        own | _WITHOUT_NAT,
        root,
        Fault(
            path=("gateway", "auth"),
            got="a value, but clock validates tokens in a network without NAT gateways",
            allowed=(
                "network.nat: single or per-zone, because functions in the network fetch the "
                "issuer's keys through the internet"
            ),
            fix=_NAT,
        ),
    )


def test_a_server_that_agents_call_checks_no_tokens_and_needs_no_keys(root: Path):
    own = changed(
        _clock(private_network=True), "agents", "helper", value={**_HERE, "uses": ["clock"]}
    )
    _assert_fits(own | _TOKENS | _WITHOUT_NAT, root)


def test_an_existing_network_has_its_own_egress(root: Path):
    vpc = {
        "id": "vpc-01234567",
        "cidr": "10.1.0.0/16",
        "private_subnets": ["subnet-01234567", "subnet-01234568"],
        "public_subnets": ["subnet-01234569", "subnet-01234570"],
    }
    own = _agent(**_HERE, uses=["clock"], private_network=True)
    _assert_fits(own | {"network": {"vpc": vpc}} | _TOKENS, root)


def test_a_rest_api_has_300_resources_at_most(root: Path):
    def own(count: int, **further: Any) -> dict[str, Any]:
        return {"target": "lambda", "servers": many(count, image={"uri": HERE_URI})} | further

    assert len(rest_api.resources(rest_api.gateway(Fleet.model_validate(own(149))).routes)) == 299
    _assert_fits(own(149), root)
    assert configuration(own(150)).faults(root) == (
        Fault(
            path=("servers",),
            got="301 resources in one REST API",
            allowed=(
                "at most 300, the quota of resources per REST API; a workload needs two. "
                "Split the fleet into several stacks"
            ),
        ),
    )
    # Three resources of the metadata take the place of a workload; hidden servers are in another.
    faults = configuration(own(149, **_TOKENS)).faults(root)
    assert [fault.got for fault in faults] == ["302 resources in one REST API"]
    _assert_fits(own(148, **_TOKENS), root)


def test_hidden_servers_are_counted_in_the_api_that_has_them(root: Path):
    def own(count: int) -> dict[str, Any]:
        hidden = many(count, image={"uri": HERE_URI}, expose=False)
        return {"target": "lambda", "servers": hidden} | _TOKENS

    _assert_fits(own(149), root)
    faults = configuration(own(150)).faults(root)
    assert [fault.got for fault in faults] == ["301 resources in one REST API"]


@pytest.mark.parametrize(
    "own",
    [
        _clock(cpu=256, memory=10_241),
        _clock(image={"context": "workloads/clock", "size_mib": 10_241}),
        _clock(max_request_seconds=901),
        _clock(max_request_mib=5),
        _clock(max_response_mib=201),
        _clock(writable_root=True),
        _clock(exec=True),
        _clock(storage={"mount": "/" + "a" * 156}),
        _clock(environment={"AWS_REGION": "x"}),
        _clock(environment={"AA": "x" * 4096}),
        _clock(sessions="legacy-stateful"),
        _clock(subscriptions=True),
        _clock(image={"uri": DIGEST_URI}),
        _agent(**_HERE, uses=["clock"], sidecars=["clock"]),
        _ON_LAMBDA | {"gateway": {**_TLS, "auth": _AUTH}},
        _ON_LAMBDA | {"gateway": {"allow_cidrs": ["10.0.0.0/8"]}},
    ],
    ids=lambda own: json.dumps(own)[55:120],
)
def test_what_only_lambda_cannot_do_is_refused_with_the_targets_that_can(
    root: Path, own: dict[str, Any]
):
    (fault,) = configuration(own).faults(root)
    assert "ecs" in fault.allowed


def test_all_errors_of_a_fleet_on_lambda_are_reported_together(root: Path):
    own = _clock(
        cpu=6000,
        max_request_seconds=901,
        max_request_mib=5,
        writable_root=True,
        sessions="legacy-stateful",
        subscriptions=True,
    )
    assert [fault.path[2:] for fault in configuration(own).faults(root)] == [
        ("cpu",),
        ("max_request_seconds",),
        ("max_request_mib",),
        ("writable_root",),
        ("sessions",),
        ("subscriptions",),
    ]


def test_a_chat_is_answered_before_its_connection_is_closed(root: Path):
    chat: dict[str, Any] = {**_HERE, "chat": "websocket"}
    _assert_fits(_agent(**chat, max_request_seconds=535), root)
    _assert_refused(
        _agent(**chat, max_request_seconds=536),
        root,
        Fault(
            path=("agents", "helper", "max_request_seconds"),
            got="536, with chat: websocket",
            allowed=(
                "at most 535: API Gateway closes a WebSocket connection after 600 s "
                "without data; the ecs and eks targets support longer requests"
            ),
            fix=_set("agents.helper.max_request_seconds", 535),
        ),
    )
    _assert_fits(_agent(**_HERE, max_request_seconds=900), root)
    for target in ("ecs", "eks"):
        _assert_fits(_agent(**chat, max_request_seconds=900) | {"target": target}, root)


_ADDRESSES = {"allow_cidrs": ["203.0.113.0/24"]}


@pytest.mark.parametrize(
    ("own", "wrong"),
    [
        ({"agents": {"helper": {**_HERE, "expose": False}}}, ("agents", "helper")),
        (
            {"servers": {"clock": {**_HERE, "expose": False}}, "gateway": _ADDRESSES},
            ("servers", "clock"),
        ),
    ],
    ids=["agents alone", "servers that agents have an API of their own for"],
)
def test_a_fleet_without_a_single_route_is_refused(
    root: Path, own: dict[str, Any], wrong: tuple[str, str]
):
    _assert_refused(
        own | {"target": "lambda"},
        root,
        Fault(
            path=(*wrong, "expose"),
            got="false, as for all other workloads",
            allowed=(
                "true for at least one workload: a REST API without routes cannot be "
                "deployed; the ecs and eks targets support fleets without exposed "
                "workloads"
            ),
            fix=_set(".".join((*wrong, "expose")), "true"),
        ),
    )


def test_hidden_servers_that_agents_reach_through_the_gateway_are_routes(root: Path):
    _assert_fits({"target": "lambda", "servers": {"clock": {**_HERE, "expose": False}}}, root)
