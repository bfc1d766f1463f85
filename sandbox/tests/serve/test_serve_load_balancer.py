"""The load balancer: rules, their actions, and the requests that reach a target."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.serve.fleet import GATEWAY, Application, Fleet, Process
from sandbox.serve.http.proxy import serving
from sandbox.serve.issuers import Issuers
from sandbox.serve.load_balancer import listeners
from sandbox.tests.clusters import put
from sandbox.tests.serve.apis import Running, Seen, workload
from sandbox.tests.serve.deployed import BALANCER, DNS_NAME, target_group
from sandbox.tests.serve.fleets import Answer, ask, asked, fleet, request

ISSUER, AUDIENCE = "https://login.example.com", "https://mcp.example.com"
KEYS = f"{ISSUER}/keys"
LOST: Mapping[str, Any] = {
    "type": "fixed-response",
    "fixedResponse": {"contentType": "text/plain", "messageBody": "lost", "statusCode": "404"},
}
FORWARD: Mapping[str, Any] = {"type": "forward", "targetGroupArn": target_group("clock")}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The issuers' key, which takes long to create."""
    folder = tmp_path_factory.mktemp("key")
    Issuers(folder, Cloud(folder / "cloud.sqlite"), fleet())
    return folder / "issuer.pem"


@pytest.fixture
def cloud(tmp_path: Path, key: Path) -> Cloud:
    """A load balancer with an HTTP listener, which responds with 404."""
    cloud = Cloud(tmp_path / "cloud.sqlite")
    (tmp_path / key.name).hardlink_to(key)
    balance(cloud)
    listen(cloud)
    return cloud


def balance(cloud: Cloud, arn: str = BALANCER, **properties: Any) -> None:
    made = {"arn": arn, "dnsName": DNS_NAME, "loadBalancerType": "application", "idleTimeout": 60}
    put(cloud, "lb/loadBalancer:LoadBalancer", arn, **(made | properties))


def listen(cloud: Cloud, port: int = 80, *actions: Mapping[str, Any]) -> None:
    put(
        cloud,
        "lb/listener:Listener",
        f"listener-{port}",
        arn=f"listener-{port}",
        loadBalancerArn=BALANCER,
        port=port,
        defaultActions=list(actions) or [LOST],
    )


def said(text: str, status: int = 200, **properties: Any) -> dict[str, Any]:
    fixed = {"contentType": "text/plain", "messageBody": text, "statusCode": str(status)}
    return {"type": "fixed-response", "fixedResponse": fixed, **properties}


def add_rule(
    cloud: Cloud,
    priority: int,
    *actions: Mapping[str, Any],
    conditions: Sequence[Mapping[str, Any]],
    listener: str = "listener-80",
    **properties: Any,
) -> None:
    put(
        cloud,
        "lb/listenerRule:ListenerRule",
        f"{listener}-{priority}",
        listenerArn=listener,
        # The provider stores priorities as text.
        priority=str(priority),
        conditions=list(conditions),
        actions=list(actions),
        **properties,
    )


def at(*paths: str) -> dict[str, Any]:
    return {"pathPattern": {"values": list(paths)}}


def run_by_ecs(cloud: Cloud, name: str = "clock", port: int = 8080) -> None:
    one = {"targetGroupArn": target_group(name), "containerName": name, "containerPort": port}
    put(cloud, "ecs/service:Service", name, loadBalancers=[one])


def rewriting(regex: str, replace: str, kind: str = "url") -> dict[str, Any]:
    key = {"url": "urlRewriteConfig", "host-header": "hostHeaderRewriteConfig"}[kind]
    return {"type": f"{kind}-rewrite", key: {"rewrite": {"regex": regex, "replace": replace}}}


def issuers_of(cloud: Cloud) -> Issuers:
    return Issuers(cloud.path.parent, cloud, fleet())


def played(
    cloud: Cloud, workloads: Running | None = None, deployed: Fleet | None = None
) -> Application:
    made = listeners.application(
        cloud, deployed or fleet(), workloads or Running(None), issuers_of(cloud)
    )
    return made[DNS_NAME]


def get(cloud: Cloud, path: str = "/", **changes: Any) -> Answer:
    return asked(played(cloud), request(DNS_NAME, path, **changes))


def with_headers(**headers: str) -> list[tuple[bytes, bytes]]:
    more = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return [(b"host", DNS_NAME.encode()), *more]


@asynccontextmanager
async def process() -> AsyncGenerator[tuple[Running, Seen]]:
    """Like `workload`, but for requests without a body. It stops immediately."""
    seen = Seen()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
        seen.requests.append((method, target, headers, b""))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
        yield Running(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), seen


async def reach(
    cloud: Cloud, path: str = "/a", deployed: Fleet | None = None, **changes: Any
) -> tuple[Answer, Seen]:
    """Sends a request to the load balancer, and returns the response and what the process got."""
    async with process() as (running, seen):
        scope = request(DNS_NAME, path, **changes)
        return await ask(played(cloud, running, deployed), scope), seen


def reached(cloud: Cloud, path: str = "/a", **changes: Any) -> tuple[str, dict[str, str]]:
    """The target and the headers of the request that reached the process."""
    answered, seen = asyncio.run(reach(cloud, path, **changes))
    assert (answered.status, answered.body) == (200, b"fine")
    return seen.last[1], seen.last[2]


def test_a_load_balancer_answers_to_its_own_name_and_to_those_that_lead_to_it(
    cloud: Cloud,
) -> None:
    for name, to in (
        ("mcp.example.com", DNS_NAME),
        ("Other.Example.com.", f"{DNS_NAME.upper()}."),
        ("else.example.com", "another.elb.amazonaws.com"),
    ):
        put(cloud, "route53/record:Record", name, name=name, aliases=[{"name": to}])
    put(cloud, "route53/record:Record", "text", name="text.example.com", records=["x"])
    balance(cloud, "network", loadBalancerType="network", dnsName="network.elb.amazonaws.com")
    hosts = listeners.application(cloud, fleet(), Running(None), issuers_of(cloud))
    assert set(hosts) == {DNS_NAME, "mcp.example.com", "other.example.com"}


def test_each_load_balancer_has_rules_of_its_own(cloud: Cloud) -> None:
    balance(cloud, "second", dnsName="second.elb.amazonaws.com")
    add_rule(cloud, 1, said("first"), conditions=[at("/*")])
    hosts = listeners.application(cloud, fleet(), Running(None), issuers_of(cloud))
    assert asked(hosts[DNS_NAME], request(DNS_NAME)).body == b"first"
    told = asked(hosts["second.elb.amazonaws.com"], request(DNS_NAME))
    assert (told.status, told.json) == (
        503,
        {"error": "the load balancer has no listener on port 80"},
    )


@pytest.mark.parametrize(
    ("scheme", "body"), [("http", b"80"), ("ws", b"80"), ("https", b"443"), ("wss", b"443")]
)
def test_the_scheme_says_which_listener_answers(cloud: Cloud, scheme: str, body: bytes) -> None:
    listen(cloud, 80, said("80"))
    listen(cloud, 443, said("443"))
    assert get(cloud, scheme=scheme).body == body


def test_no_listener_for_the_scheme_is_503(cloud: Cloud) -> None:
    assert get(cloud, scheme="https").status == 503


def test_the_first_rule_by_priority_whose_conditions_hold_answers(cloud: Cloud) -> None:
    add_rule(cloud, 10, said("ten"), conditions=[at("/*")])
    add_rule(cloud, 9, said("nine"), conditions=[at("/a*")])
    add_rule(
        cloud, 1, said("one"), conditions=[at("/a"), {"httpRequestMethod": {"values": ["PUT"]}}]
    )
    add_rule(cloud, 1, said("other"), conditions=[at("/*")], listener="listener-443")
    assert get(cloud, "/a").body == b"nine"
    assert get(cloud, "/b").body == b"ten"
    assert get(cloud, "/a", method="PUT").body == b"one"


def test_without_a_rule_the_listener_answers(cloud: Cloud) -> None:
    add_rule(cloud, 1, said("one"), conditions=[at("/a")])
    answered = get(cloud, "/b")
    assert (answered.status, answered.body) == (404, b"lost")
    assert answered.headers == {"content-type": "text/plain", "content-length": "4"}


def test_a_fixed_response_may_have_no_body(cloud: Cloud) -> None:
    fixed = {"contentType": "text/plain", "statusCode": "204"}
    listen(cloud, 80, {"type": "fixed-response", "fixedResponse": fixed})
    answered = get(cloud)
    assert (answered.status, answered.body, answered.headers) == (204, b"", {"content-length": "0"})


@pytest.mark.parametrize(
    ("pattern", "path", "holds"),
    [
        ("/a", "/a", True),
        ("/a", "/A", False),
        ("/a", "/a/", False),
        ("/a/*", "/a/", True),
        ("/a/*", "/a/b/c", True),
        ("/a/*", "/a", False),
        ("/a?", "/ab", True),
        ("/a?", "/a", False),
        ("/a?", "/abc", False),
        ("/a.b", "/axb", False),
        ("*", "/", True),
        ("/a/b", "/a%2Fb", False),
        ("/a%2Fb", "/a%2Fb", True),
        ("/a", "/a?b=/c", True),
    ],
)
def test_a_path_pattern_has_wildcards_and_capitals(
    cloud: Cloud, pattern: str, path: str, holds: bool
) -> None:
    add_rule(cloud, 1, said("yes"), conditions=[at("/other", pattern)])
    assert (get(cloud, path).body == b"yes") is holds


def condition(**one: Any) -> list[dict[str, Any]]:
    return [one]


@pytest.mark.parametrize(
    ("conditions", "changes", "holds"),
    [
        (condition(pathPattern={"regexValues": ["^/v[0-9]+/"]}), {"path": "/v12/a"}, True),
        (condition(pathPattern={"regexValues": ["^/v[0-9]+/"]}), {"path": "/V12/a"}, False),
        (condition(pathPattern={"regexValues": ["^/v[0-9]+/"]}), {"path": "/a/v1/"}, False),
        (condition(hostHeader={"values": ["*.Elb.amazonaws.com"]}), {}, True),
        (condition(hostHeader={"values": ["elb.amazonaws.com"]}), {}, False),
        (condition(hostHeader={"regexValues": ["^ALB-[0-9]"]}), {}, True),
        (condition(httpRequestMethod={"values": ["POST", "GET"]}), {}, True),
        (condition(httpRequestMethod={"values": ["POST"]}), {}, False),
        (condition(httpRequestMethod={"values": ["get"]}), {}, False),
        (
            condition(httpHeader={"httpHeaderName": "Mcp-Method", "values": ["TOOLS/*"]}),
            {"headers": with_headers(mcp_method="tools/call")},
            True,
        ),
        (
            condition(httpHeader={"httpHeaderName": "Mcp-Method", "values": ["tools"]}),
            {"headers": with_headers(mcp_method="tools/call")},
            False,
        ),
        (
            condition(httpHeader={"httpHeaderName": "Mcp-Method", "regexValues": ["^tools/"]}),
            {"headers": with_headers(mcp_method="tools/call")},
            True,
        ),
        (condition(httpHeader={"httpHeaderName": "Mcp-Method", "values": ["*"]}), {}, False),
        (
            condition(queryStrings=[{"key": "Version", "value": "V?"}]),
            {"query_string": b"a=b&version=v1"},
            True,
        ),
        (
            condition(queryStrings=[{"key": "version", "value": "v?"}]),
            {"query_string": b"other=v1"},
            False,
        ),
        (condition(queryStrings=[{"value": "v1"}]), {"query_string": b"other=v1"}, True),
        (condition(queryStrings=[{"value": "v1"}]), {"query_string": b"v1=x"}, False),
        (condition(queryStrings=[{"value": "*"}]), {}, False),
        (
            condition(queryStrings=[{"value": "x"}, {"key": "b", "value": ""}]),
            {"query_string": b"b="},
            True,
        ),
        (condition(sourceIp={"values": ["10.0.0.0/16"]}), {}, True),
        (condition(), {}, False),
    ],
)
def test_each_kind_of_condition(
    cloud: Cloud, conditions: Sequence[Mapping[str, Any]], changes: dict[str, Any], holds: bool
) -> None:
    add_rule(cloud, 1, said("yes"), conditions=conditions)
    path = changes.pop("path", "/")
    assert (get(cloud, path, **changes).body == b"yes") is holds


@pytest.mark.parametrize(
    ("redirect", "to"),
    [
        (
            {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"},
            f"https://{DNS_NAME}:443/a%20b?c=d",
        ),
        (
            {"host": "n.example.com", "path": "/#{path}/x", "query": "", "statusCode": "HTTP_302"},
            "http://n.example.com:80/a%20b/x",
        ),
        (
            {
                "protocol": "#{protocol}",
                "host": "old.#{host}",
                "port": "8#{port}",
                "path": "/#{path}",
                "query": "was=#{query}&#{other}",
                "statusCode": "HTTP_302",
            },
            f"http://old.{DNS_NAME}:880/a%20b?was=c=d&#{{other}}",
        ),
    ],
)  # fmt: skip
def test_a_redirect_keeps_what_it_does_not_change(
    cloud: Cloud, redirect: Mapping[str, str], to: str
) -> None:
    listen(cloud, 80, {"type": "redirect", "redirect": redirect})
    answered = get(cloud, "/a%20b", query_string=b"c=d")
    assert answered.status == int(redirect["statusCode"][-3:])
    assert answered.headers == {"location": to, "content-length": "0"}


def test_a_redirect_of_https_names_its_port(cloud: Cloud) -> None:
    redirect = {"host": "new.example.com", "statusCode": "HTTP_301"}
    listen(cloud, 443, {"type": "redirect", "redirect": redirect})
    answered = get(cloud, scheme="https")
    assert answered.headers["location"] == "https://new.example.com:443/"


@pytest.mark.parametrize("kind", ["authenticate-oidc", "authenticate-cognito"])
def test_signing_in_is_not_played(cloud: Cloud, kind: str) -> None:
    listen(cloud, 80, {"type": kind, "order": 1}, said("in", order=2))
    answered = get(cloud)
    assert (answered.status, answered.json) == (
        501,
        {"error": f"the sandbox does not support {kind}"},
    )


def test_a_request_is_forwarded_as_it_came(cloud: Cloud) -> None:
    run_by_ecs(cloud)
    listen(cloud, 80, FORWARD)
    target, headers = reached(
        cloud, "/a%2Fb", query_string=b"c=%20d", headers=with_headers(mcp_method="tools/call")
    )
    assert target == "/a%2Fb?c=%20d"
    assert headers == {
        "host": DNS_NAME,
        "mcp-method": "tools/call",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": "80",
        "x-forwarded-proto": "http",
    }


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_target_is_told_of_the_listener_and_not_of_what_a_client_claims(
    cloud: Cloud, scheme: str
) -> None:
    run_by_ecs(cloud)
    port = {"http": 80, "https": 443}[scheme]
    listen(cloud, port, FORWARD)
    claimed = with_headers(
        x_forwarded_proto="gopher", x_forwarded_port="1", x_forwarded_for="1.1.1.1"
    )
    _, headers = reached(cloud, scheme=scheme, headers=claimed)
    assert headers["x-forwarded-proto"] == scheme
    assert headers["x-forwarded-port"] == str(port)
    assert headers["x-forwarded-for"] == "1.1.1.1, 127.0.0.1"


@pytest.mark.parametrize(
    ("attributes", "given", "expected"),
    [
        ({}, [], "127.0.0.1"),
        ({"xffHeaderProcessingMode": "append"}, ["1.1.1.1"], "1.1.1.1, 127.0.0.1"),
        ({"xffHeaderProcessingMode": ""}, ["1.1.1.1", "2.2.2.2"], "1.1.1.1, 2.2.2.2, 127.0.0.1"),
        ({"enableXffClientPort": True}, ["1.1.1.1"], "1.1.1.1, 127.0.0.1:40123"),
        ({"xffHeaderProcessingMode": "preserve"}, ["1.1.1.1"], "1.1.1.1"),
        ({"xffHeaderProcessingMode": "preserve"}, [], None),
        ({"xffHeaderProcessingMode": "remove"}, ["1.1.1.1"], None),
    ],
)
def test_the_address_of_the_client_is_told_as_the_attributes_say(
    cloud: Cloud, attributes: Mapping[str, Any], given: Sequence[str], expected: str | None
) -> None:
    balance(cloud, **attributes)
    run_by_ecs(cloud)
    listen(cloud, 80, FORWARD)
    claimed = [(b"x-forwarded-for", one.encode()) for one in given]
    _, headers = reached(cloud, headers=[*with_headers(), *claimed])
    assert headers.get("x-forwarded-for") == expected


@pytest.mark.parametrize(("drops", "kept"), [(True, False), (False, True)])
def test_header_fields_with_odd_names_are_dropped_where_that_is_asked_for(
    cloud: Cloud, drops: bool, kept: bool
) -> None:
    balance(cloud, dropInvalidHeaderFields=drops)
    run_by_ecs(cloud)
    listen(cloud, 80, FORWARD)
    odd = [(b"x_under_score", b"1"), (b"x-fine-2", b"1")]
    _, headers = reached(cloud, headers=[*with_headers(), *odd])
    assert ("x_under_score" in headers) is kept
    assert headers["x-fine-2"] == "1"


@pytest.mark.parametrize(
    ("transform", "path", "query", "target"),
    [
        (rewriting("^/servers/a/mcp/?$", "/mcp"), "/servers/a/mcp", "", "/mcp"),
        (rewriting("^/servers/a/mcp/?$", "/mcp"), "/servers/a/mcp/", "", "/mcp"),
        (rewriting("^/servers/a/mcp/?$", "/mcp"), "/servers/a/mcp/x", "", "/servers/a/mcp/x"),
        (rewriting("^/agents/a/?(.*)$", "/$1"), "/agents/a", "", "/"),
        (rewriting("^/agents/a/?(.*)$", "/$1"), "/agents/a/b%2Fc", "d=e", "/b%2Fc?d=e"),
        (rewriting("^/x/(\\w+)/(\\w+)$", "/$2?of=$1&all=$0"), "/x/y/z", "", "/z?of=y&all=/x/y/z"),
        (rewriting("b", "c"), "/b/b", "", "/c/b"),
        (rewriting("^/(x)?a", "/$1\\1b"), "/a", "", "/\\1b"),
        (rewriting("\\?old=", "?new="), "/a", "old=1", "/a?new=1"),
    ],
)  # fmt: skip
def test_a_rule_rewrites_the_url(
    cloud: Cloud, transform: Mapping[str, Any], path: str, query: str, target: str
) -> None:
    run_by_ecs(cloud)
    add_rule(cloud, 1, FORWARD, conditions=[at("/*")], transforms=[transform])
    assert reached(cloud, path, query_string=query.encode())[0] == target


def test_a_rule_rewrites_the_host(cloud: Cloud) -> None:
    run_by_ecs(cloud)
    transform = rewriting("^alb-(.+?)\\..*$", "inner-$1.example.com", "host-header")
    add_rule(cloud, 1, FORWARD, conditions=[at("/*")], transforms=[transform])
    assert reached(cloud)[1]["host"] == "inner-1.example.com"


def test_of_weighted_target_groups_the_first_gets_the_request(cloud: Cloud) -> None:
    run_by_ecs(cloud)
    groups = [{"arn": target_group("clock"), "weight": 0}, {"arn": "other", "weight": 100}]
    listen(cloud, 80, {"type": "forward", "forward": {"targetGroups": groups}})
    assert reached(cloud, "/x")[0] == "/x"


def test_a_forward_to_nothing_is_503(cloud: Cloud) -> None:
    listen(cloud, 80, {"type": "forward"})
    assert get(cloud).status == 503


def test_a_target_group_without_targets_is_503(cloud: Cloud) -> None:
    listen(cloud, 80, FORWARD)
    answered = get(cloud)
    assert answered.status == 503
    assert answered.json == {
        "error": f"the target group {target_group('clock')} has no registered target"
    }


def test_targets_of_which_no_replica_is_healthy_are_503(cloud: Cloud) -> None:
    run_by_ecs(cloud)
    listen(cloud, 80, FORWARD)
    answered = get(cloud)
    assert (answered.status, answered.json) == (503, {"error": "no replica of clock is healthy"})


def test_what_the_network_does_not_let_through_is_504_and_says_why(cloud: Cloud) -> None:
    asked_for: list[tuple[str, str, int]] = []

    def refusal(source: str, process: str, port: int) -> str:
        asked_for.append((source, process, port))
        return "sg-alb does not let it out → 9000"

    run_by_ecs(cloud, port=9000)
    listen(cloud, 80, FORWARD)
    answered, seen = asyncio.run(reach(cloud, deployed=fleet(refusal=refusal)))
    assert answered.status == 504
    assert answered.json == {"error": "sg-alb does not let it out → 9000"}
    assert answered.headers["x-sandbox-refused"] == "sg-alb does not let it out ? 9000"
    assert asked_for == [(GATEWAY, "clock", 9000)]
    assert seen.requests == []


def test_a_target_that_is_silent_beyond_the_idle_time_is_504(cloud: Cloud) -> None:
    async def silent(_receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    async def run() -> Answer:
        async with workload(silent) as (running, _):
            return await ask(played(cloud, running), request(DNS_NAME))

    balance(cloud, idleTimeout=0.05)
    run_by_ecs(cloud)
    listen(cloud, 80, FORWARD)
    answered = asyncio.run(run())
    assert (answered.status, answered.json) == (504, {"error": "no response within 0.05 s"})


BOUND = "kubernetes@https://fleet"


def bind(cloud: Cloud, port: int | str, kind: str = "eks.amazonaws.com/v1") -> None:
    """Adds a binding of a Service with the ports 80 and 9000 in the namespace `teams`."""
    objects: dict[str, dict[str, Any]] = {
        f"{kind}:TargetGroupBinding": {
            "serviceRef": {"name": "clock", "port": port},
            "targetGroupARN": target_group("clock"),
        },
        "core/v1:Service": {"ports": [{"name": "web", "port": 80}, {"name": "mcp", "port": 9000}]},
    }
    for type_, spec in objects.items():
        metadata = {"name": "clock", "namespace": "teams"}
        properties = {"metadata": metadata, "spec": spec}
        stored = StoredResource(
            provider=BOUND,
            type=f"kubernetes:{type_}",
            id="teams/clock",
            inputs=properties,
            properties=properties,
        )
        cloud.put(stored)


@pytest.mark.parametrize(
    ("port", "number"), [(80, 80), ("80", 80), ("mcp", 9000), ("web", 80), ("none", 0)]
)
@pytest.mark.parametrize("kind", ["eks.amazonaws.com/v1", "elbv2.k8s.aws/v1beta1"])
def test_pods_are_registered_by_a_binding_of_their_service(
    cloud: Cloud, port: int | str, number: int, kind: str
) -> None:
    looked_up: list[tuple[str, str, int]] = []

    def resolve(source: str, host: str, port: int) -> str | None:
        looked_up.append((source, host, port))
        return "clock" if port else None

    bind(cloud, port, kind)
    listen(cloud, 80, FORWARD)
    answered, _ = asyncio.run(reach(cloud, deployed=fleet(target="eks", resolve=resolve)))
    assert looked_up == [(GATEWAY, "clock.teams.svc.cluster.local", number)]
    assert answered.status == (200 if number else 503)


def test_a_websocket_passes_both_ways(cloud: Cloud) -> None:
    async def echo(connection: ServerConnection) -> None:
        shown = connection.request
        assert shown is not None
        told = [shown.path, shown.headers["X-Forwarded-Proto"], shown.headers["Host"]]
        await connection.send(json.dumps(told))
        async for message in connection:
            await connection.send(message)

    async def run() -> list[str | bytes]:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            app = played(cloud, Running(f"http://127.0.0.1:{port}"))
            async with (
                serving(lambda _port: app) as entry,
                connect(
                    f"ws://{DNS_NAME}/chat", host="127.0.0.1", port=entry, proxy=None
                ) as client,
            ):
                await client.send("hello")
                return [await client.recv(), await client.recv()]

    run_by_ecs(cloud)
    add_rule(cloud, 1, FORWARD, conditions=[at("/chat")], transforms=[rewriting("chat", "talk")])
    assert asyncio.run(run()) == [json.dumps(["/talk", "http", DNS_NAME]), "hello"]


@pytest.fixture
def guarded(cloud: Cloud) -> Cloud:
    """A rule that validates tokens first; only `order` sets the order of its actions."""
    guard(cloud)
    return cloud


def guard(cloud: Cloud, name: str = "aud", kind: str = "single-string", *values: str) -> None:
    claim = {"name": name, "format": kind, "values": list(values or (AUDIENCE,))}
    check = {"issuer": ISSUER, "jwksEndpoint": KEYS, "additionalClaims": [claim]}
    action = {"type": "jwt-validation", "order": 1, "jwtValidation": check}
    listen(cloud, 443)
    add_rule(cloud, 1, said("in", order=2), action, conditions=[at("/in")], listener="listener-443")


def enter(cloud: Cloud, authorization: str | None, path: str = "/in") -> Answer:
    shown = {"authorization": authorization} if authorization is not None else {}
    return get(cloud, path, scheme="https", headers=with_headers(**shown))


def token(cloud: Cloud, **arguments: Any) -> str:
    return issuers_of(cloud).token(**arguments)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER  "])
def test_a_valid_token_passes(guarded: Cloud, scheme: str) -> None:
    answered = enter(guarded, f"{scheme} {token(guarded)}")
    assert (answered.status, answered.body) == (200, b"in")


@pytest.mark.parametrize(
    "shown", [None, "", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic eDp5"]
)
def test_a_request_without_a_token_is_401(guarded: Cloud, shown: str | None) -> None:
    answered = enter(guarded, shown)
    assert (answered.status, answered.json) == (401, {"error": "there is no valid token"})
    assert "www-authenticate" not in answered.headers


def test_a_token_beside_the_scheme_is_401(guarded: Cloud) -> None:
    assert enter(guarded, token(guarded)).status == 401
    assert enter(guarded, f"Basic {token(guarded)}").status == 401
    assert enter(guarded, f"Bearer {token(guarded)} more").status == 401


@pytest.mark.parametrize(
    "arguments",
    [
        {"seconds": 0},
        {"seconds": -1},
        {"issuer": "https://evil.example.com"},
        {"issuer": f"{ISSUER}/"},
        {"audience": f"{AUDIENCE}/"},
        {"audience": "https://other.example.com"},
        {"claims": {"aud": [AUDIENCE]}},
        {"claims": {"aud": None}},
        {"claims": {"exp": None}},
        {"claims": {"iss": None}},
        {"claims": {"nbf": 9999999999}},
        {"claims": {"iat": 9999999999}},
    ],
)
def test_a_token_with_wrong_claims_is_401(guarded: Cloud, arguments: Mapping[str, Any]) -> None:
    assert enter(guarded, f"Bearer {token(guarded, **arguments)}").status == 401


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_token_counts_from_its_beginning_to_its_end(guarded: Cloud, seconds: int) -> None:
    made = token(guarded, claims={"nbf": int(time.time()) + seconds})
    assert enter(guarded, f"Bearer {made}").status == (200 if seconds < 0 else 401)


def signed_by_another(claims: Mapping[str, Any], kid: str | None) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(dict(claims), key, "RS256", headers={"kid": kid} if kid else None)


@pytest.mark.parametrize("kid", ["sandbox", "other", None])
def test_a_token_of_another_key_is_401(guarded: Cloud, kid: str | None) -> None:
    claims = jwt.decode(token(guarded), options={"verify_signature": False})
    assert enter(guarded, f"Bearer {signed_by_another(claims, kid)}").status == 401


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_of_another_algorithm_is_401(guarded: Cloud, algorithm: str) -> None:
    claims = jwt.decode(token(guarded), options={"verify_signature": False})
    secret = None if algorithm == "none" else "x" * 32
    made = jwt.encode(claims, secret, algorithm, headers={"kid": "sandbox"})  # pyright: ignore[reportArgumentType] - "none" has no key
    assert enter(guarded, f"Bearer {made}").status == 401


def test_a_token_whose_claims_were_changed_is_401(guarded: Cloud) -> None:
    head, _, signature = token(guarded, audience="https://other.example.com").split(".")
    _, body, _ = token(guarded).split(".")
    assert enter(guarded, f"Bearer {head}.{body}.{signature}").status == 401


@pytest.mark.parametrize(
    ("kind", "value", "passes"),
    [
        ("single-string", "read", True),
        ("single-string", "read write", False),
        ("single-string", ["read"], False),
        ("single-string", 7, False),
        ("string-array", ["other", "read"], True),
        ("string-array", ["other"], False),
        ("string-array", [], False),
        ("string-array", "read", False),
        ("space-separated-values", "other read", True),
        ("space-separated-values", "read", True),
        ("space-separated-values", "reader", False),
        ("space-separated-values", ["read"], False),
        ("space-separated-values", None, False),
    ],
)
def test_a_claim_has_one_of_the_values_in_the_format(
    cloud: Cloud, kind: str, value: object, passes: bool
) -> None:
    guard(cloud, "scope", kind, "admin", "read")
    made = token(cloud, audience=AUDIENCE, claims={"scope": value})
    assert enter(cloud, f"Bearer {made}").status == (200 if passes else 401)


def test_other_rules_need_no_token(guarded: Cloud) -> None:
    add_rule(guarded, 2, said("metadata"), conditions=[at("/out")], listener="listener-443")
    assert enter(guarded, None, "/out").body == b"metadata"


def test_a_token_reaches_the_target_as_it_is(guarded: Cloud) -> None:
    check = guarded.list("aws", "aws:lb/listenerRule:ListenerRule")[0].properties["actions"][1]
    run_by_ecs(guarded)
    actions = [check, {**FORWARD, "order": 2}]
    add_rule(guarded, 2, *actions, conditions=[at("/to")], listener="listener-443")
    made = f"Bearer {token(guarded)}"
    _, headers = reached(guarded, "/to", scheme="https", headers=with_headers(authorization=made))
    assert headers["authorization"] == made


def test_a_websocket_without_a_token_is_refused_before_it_opens(guarded: Cloud) -> None:
    scope = request(DNS_NAME, "/in", type="websocket", scheme="wss")
    del scope["method"]
    assert asked(played(guarded), scope).status == 401


def no_way(source: str, port: int) -> str:
    return f"{source} has no way to {port}"


def test_a_workload_that_the_network_does_not_let_to_the_gateway_is_answered_504(
    cloud: Cloud,
) -> None:
    deployed = fleet(
        processes=(Process(name="clock", image="x", kind="task"),),
        to_gateway=no_way,
    )
    run_by_ecs(cloud)
    listen(cloud, 80, FORWARD)
    answered, seen = asyncio.run(reach(cloud, deployed=deployed, state={"source": "clock"}))
    assert (answered.status, answered.json) == (504, {"error": "clock has no way to 80"})
    assert seen.requests == []
    answered, _ = asyncio.run(reach(cloud, deployed=deployed, state={"source": "operator"}))
    assert answered.status == 200
