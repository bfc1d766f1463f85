"""Plays the Application Load Balancer: its listeners and their rules, as deployed.

Facts from the Elastic Load Balancing User Guide for Application Load Balancers ("Listener rules",
"Transforms for listener rules", "Verify JWTs using an Application Load Balancer", "HTTP headers and
Application Load Balancers", "Troubleshoot").

Not played: sessions, weights, a web ACL, mutual TLS, and signing in (`authenticate-…`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

import jwt

from sandbox.cloud import Cloud
from sandbox.providers.kubernetes.tree import part, parts
from sandbox.serve.forwarding import Headers, answer, forward
from sandbox.serve.issuers import Issuers
from sandbox.serve.plan import GATEWAY, Application, Deployed, Receive, Scope, Send, Workloads
from sandbox.serve.router import host

_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_LISTENER = "aws:lb/listener:Listener"
_RULE = "aws:lb/listenerRule:ListenerRule"
_RECORD = "aws:route53/record:Record"
_SERVICE = "aws:ecs/service:Service"
_BINDINGS = (
    "kubernetes:eks.amazonaws.com/v1:TargetGroupBinding",
    "kubernetes:elbv2.k8s.aws/v1beta1:TargetGroupBinding",
)
_SECURE = frozenset({"https", "wss"})
_DEFAULT_IDLE_SECONDS = 60.0  # ELB API reference, idle_timeout.timeout_seconds
_UNAUTHORIZED, _NOT_IMPLEMENTED, _UNAVAILABLE, _TIMEOUT = 401, 501, 503, 504
_REDIRECTS = {"HTTP_301": 301, "HTTP_302": 302}
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    """Where a target group's requests go."""

    process: str
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Balancer:
    """A load balancer as its listeners need it.

    Attributes:
        listeners: Its listeners, each with its rules in order and its default actions at the end.
        idle_seconds: How long it waits in silence.
        targets: Target group to process.
    """

    listeners: Sequence[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]
    idle_seconds: float
    targets: Mapping[str, _Target]


def application(
    cloud: Cloud, deployed: Deployed, workloads: Workloads, issuers: Issuers
) -> Mapping[str, Application]:
    """Makes the application that plays the load balancers.

    Args:
        cloud: The cloud.
        deployed: What is deployed.
        workloads: What runs.
        issuers: Whose keys tokens are verified with.

    Returns:
        The application of each host: a load balancer's own name, and what records lead to it.
    """
    hosts: dict[str, Application] = {}
    targets = _targets(cloud, deployed)
    for thing in cloud.list("aws", _BALANCER):
        made = thing.properties
        if made.get("loadBalancerType") != "application":
            continue
        balancer = _Balancer(
            listeners=_listeners(cloud, str(made["arn"])),
            idle_seconds=float(made.get("idleTimeout") or _DEFAULT_IDLE_SECONDS),
            targets=targets,
        )
        played = _played(balancer, deployed, workloads, issuers)
        for name in _names(cloud, str(made["dnsName"])):
            hosts[name] = played
    return hosts


def _names(cloud: Cloud, dns_name: str) -> list[str]:
    records = [
        str(thing.properties.get("name")).removesuffix(".").lower()
        for thing in cloud.list("aws", _RECORD)
        if any(alias.get("name") == dns_name for alias in parts(thing.properties, "aliases"))
    ]
    return [dns_name.lower(), *records]


def _listeners(
    cloud: Cloud, balancer_arn: str
) -> list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    rules = [thing.properties for thing in cloud.list("aws", _RULE)]
    rules.sort(key=lambda rule: int(rule.get("priority") or 0))
    return [
        (listener, [rule for rule in rules if rule.get("listenerArn") == listener.get("arn")])
        for listener in (thing.properties for thing in cloud.list("aws", _LISTENER))
        if listener.get("loadBalancerArn") == balancer_arn
    ]


def _targets(cloud: Cloud, deployed: Deployed) -> dict[str, _Target]:
    found: dict[str, _Target] = {}
    for service in (thing.properties for thing in cloud.list("aws", _SERVICE)):
        for one in parts(service, "loadBalancers"):
            found[str(one["targetGroupArn"])] = _Target(
                process=str(one["containerName"]), port=int(one["containerPort"])
            )
    for thing in cloud.list():
        if thing.type in _BINDINGS:
            spec = part(thing.properties, "spec")
            service = part(spec, "serviceRef")
            namespace = part(thing.properties, "metadata").get("namespace")
            name = f"{service['name']}.{namespace}.svc.cluster.local"
            process = deployed.resolve(GATEWAY, name, int(service["port"]))
            if process:
                found[str(spec["targetGroupARN"])] = _Target(
                    process=process, port=int(service["port"])
                )
    return found


def _played(
    balancer: _Balancer, deployed: Deployed, workloads: Workloads, issuers: Issuers
) -> Application:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        port = 443 if scope["scheme"] in _SECURE else 80
        found = next(
            ((one, rules) for one, rules in balancer.listeners if int(one["port"]) == port), None
        )
        if found is None:
            await answer(
                send, _UNAVAILABLE, {"error": f"the load balancer does not listen on {port}"}
            )
            return
        listener, rules = found
        rule = next((one for one in rules if _matches(one, scope)), None)
        actions = parts(rule, "actions") if rule else parts(listener, "defaultActions")
        path, query, headers = _transformed(rule or {}, scope)
        for action in sorted(actions, key=lambda one: int(one.get("order") or 0)):
            kind = action["type"]
            if kind == "jwt-validation":
                if not _token_is_good(part(action, "jwtValidation"), scope, issuers):
                    await _plain(send, _UNAUTHORIZED, "text/plain", b"Unauthorized")
                    return
            elif kind == "fixed-response":
                fixed = part(action, "fixedResponse")
                body = str(fixed.get("messageBody") or "").encode()
                await _plain(send, int(fixed["statusCode"]), str(fixed["contentType"]), body)
            elif kind == "redirect":
                await _redirect(send, part(action, "redirect"), scope, port)
            elif kind == "forward":
                target = balancer.targets.get(_group(action))
                await _forward(
                    scope, receive, send, target, deployed, workloads,
                    path=path, query=query, headers=headers, idle_seconds=balancer.idle_seconds,
                    port=port,
                )  # fmt: skip
            else:
                await answer(send, _NOT_IMPLEMENTED, {"error": f"{kind} is not played here"})
                return

    return application


def _group(action: Mapping[str, Any]) -> str:
    weighted = parts(part(action, "forward"), "targetGroups")
    return str(action.get("targetGroupArn") or next((one["arn"] for one in weighted), ""))


async def _forward(
    scope: Scope,
    receive: Receive,
    send: Send,
    target: _Target | None,
    deployed: Deployed,
    workloads: Workloads,
    *,
    path: str,
    query: bytes,
    headers: Headers,
    idle_seconds: float,
    port: int,
) -> None:
    url = workloads.url(target.process) if target else None
    if target is None or url is None:
        await answer(send, _UNAVAILABLE, {"error": "no target is healthy"})
        return
    refused = deployed.refusal(GATEWAY, target.process, target.port)
    if refused:
        told = [(b"x-sandbox-refused", refused.encode("latin-1", "replace"))]
        await answer(send, _TIMEOUT, {"error": refused}, told)
        return
    client = (scope.get("client") or ("127.0.0.1", 0))[0]
    before = next((value for key, value in headers if key == b"x-forwarded-for"), b"")
    added = [
        (b"x-forwarded-for", b", ".join(one for one in (before, client.encode()) if one)),
        (b"x-forwarded-proto", b"https" if scope["scheme"] in _SECURE else b"http"),
        (b"x-forwarded-port", str(port).encode()),
    ]
    kept = [(key, value) for key, value in headers if key not in dict(added)]
    await forward(
        scope,
        receive,
        send,
        base_url=url,
        path=path,
        query=query,
        headers=[*kept, *added],
        timeout_seconds=idle_seconds,
    )


def _matches(rule: Mapping[str, Any], scope: Scope) -> bool:
    return all(_holds(condition, scope) for condition in parts(rule, "conditions"))


def _holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    path = _raw_path(scope)
    name = host(scope)[0]
    if one := part(condition, "pathPattern"):
        return _any(one, path)
    if one := part(condition, "hostHeader"):
        return _any(one, name, insensitive=True)
    if one := part(condition, "httpRequestMethod"):
        return scope.get("method", "GET") in one["values"]
    if one := part(condition, "httpHeader"):
        wanted = str(one["httpHeaderName"]).lower().encode()
        values = [value.decode("latin-1") for key, value in scope["headers"] if key == wanted]
        return any(_any(one, value, insensitive=True) for value in values)
    if "queryStrings" in condition:
        return any(_in_query(one, scope) for one in parts(condition, "queryStrings"))
    # Whoever asks the entry is inside of whatever is let in.
    return bool(part(condition, "sourceIp"))


def _any(one: Mapping[str, Any], text: str, *, insensitive: bool = False) -> bool:
    flags = re.IGNORECASE if insensitive else 0
    return any(
        re.fullmatch(_pattern(str(value)), text, flags) for value in one.get("values") or ()
    ) or any(re.search(str(value), text, flags) for value in one.get("regexValues") or ())


def _pattern(value: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in value)


def _in_query(one: Mapping[str, Any], scope: Scope) -> bool:
    pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    wanted_key, wanted = one.get("key"), str(one.get("value"))
    return any(
        (not wanted_key or key.lower() == str(wanted_key).lower())
        and re.fullmatch(_pattern(wanted), value, re.IGNORECASE)
        for key, value in pairs
    )


def _raw_path(scope: Scope) -> str:
    return (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]


def _transformed(rule: Mapping[str, Any], scope: Scope) -> tuple[str, bytes, Headers]:
    """Path, query and headers after the rule's transforms."""
    path, query = _raw_path(scope), scope.get("query_string", b"").decode("latin-1")
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    for transform in parts(rule, "transforms"):
        if transform["type"] == "url-rewrite":
            rewrite = part(transform, "urlRewriteConfig", "rewrite")
            whole = _rewritten(rewrite, f"{path}?{query}" if query else path)
            path, _, query = whole.partition("?")
        elif transform["type"] == "host-header-rewrite":
            rewrite = part(transform, "hostHeaderRewriteConfig", "rewrite")
            headers = [
                (key, _rewritten(rewrite, value.decode("latin-1")).encode())
                if key == b"host"
                else (key, value)
                for key, value in headers
            ]
    return path, query.encode("latin-1"), headers


def _rewritten(rewrite: Mapping[str, Any], text: str) -> str:
    replace = re.sub(r"\$(\d)", r"\\g<\1>", str(rewrite["replace"]))
    return re.sub(str(rewrite["regex"]), replace, text, count=1)


def _token_is_good(check: Mapping[str, Any], scope: Scope, issuers: Issuers) -> bool:
    shown = next((value for key, value in scope["headers"] if key == b"authorization"), b"").decode(
        "latin-1"
    )
    found = _BEARER.fullmatch(shown)
    if found is None:
        return False
    try:
        keys = issuers.key_set(str(check["jwksEndpoint"]))
        kid = jwt.get_unverified_header(found[1]).get("kid")
        claims = jwt.decode(
            found[1],
            next(key for key in keys.keys if key.key_id == kid),
            algorithms=["RS256"],
            issuer=str(check["issuer"]),
            options={"require": ["exp", "iss"], "verify_aud": False},
        )
    except (jwt.PyJWTError, StopIteration):
        return False
    return all(_claims(one, claims) for one in parts(check, "additionalClaims"))


def _claims(one: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    value: object = claims.get(str(one["name"]))
    wanted = {str(each) for each in one.get("values") or ()}
    if one["format"] == "single-string":
        return isinstance(value, str) and value in wanted
    if isinstance(value, str):
        return not wanted.isdisjoint(value.split(" "))
    return isinstance(value, list) and not wanted.isdisjoint(cast("list[str]", value))


async def _plain(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"server", b"awselb/2.0"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _redirect(send: Send, redirect: Mapping[str, Any], scope: Scope, port: int) -> None:
    have = {
        "protocol": "https" if scope["scheme"] in _SECURE else "http",
        "host": host(scope)[0],
        "port": str(port),
        "path": _raw_path(scope).removeprefix("/"),
        "query": scope.get("query_string", b"").decode("latin-1"),
    }

    def filled(key: str, default: str) -> str:
        text = str(redirect.get(key) or default)
        return re.sub(r"#\{(\w+)\}", lambda found: have[found[1]], text)

    query = filled("query", "#{query}")
    url = (
        f"{filled('protocol', '#{protocol}').lower()}://{filled('host', '#{host}')}"
        f":{filled('port', '#{port}')}{filled('path', '/#{path}')}{'?' if query else ''}{query}"
    )
    headers = [(b"location", url.encode()), (b"content-length", b"0")]
    status = _REDIRECTS[str(redirect["statusCode"])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body"})
