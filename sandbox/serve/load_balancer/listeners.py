"""Simulates the Application Load Balancer: the deployed listeners and their rules.

Facts from the Elastic Load Balancing User Guide for Application Load Balancers ("Listener rules",
"Verify JWTs using an Application Load Balancer", "HTTP headers and Application Load Balancers",
"Edit attributes for your Application Load Balancer", "Troubleshoot your Application Load
Balancers"). It does not document the body of the load balancer's errors; here it is JSON with the
reason.

Not simulated: a web ACL, weights, sticky sessions, mutual TLS, sign-in (`authenticate-…` returns
501), trace ids, and the rules of the load balancer's security group for external callers and for
the issuer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jwt

from sandbox.cloud.store import Cloud
from sandbox.serve.fleet import (
    GATEWAY,
    Application,
    Fleet,
    Receive,
    Scope,
    Send,
    Workloads,
    source,
)
from sandbox.serve.http.forwarding import Headers, answer, forward
from sandbox.serve.http.router import host
from sandbox.serve.issuers import Issuers
from sandbox.serve.load_balancer.rules import matches, raw_path, transformed
from sandbox.values.tree import part, parts

_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_LISTENER = "aws:lb/listener:Listener"
_RULE = "aws:lb/listenerRule:ListenerRule"
_RECORD = "aws:route53/record:Record"
_SERVICE = "aws:ecs/service:Service"
_KUBERNETES_SERVICE = "kubernetes:core/v1:Service"
_BINDINGS = frozenset(
    {
        "kubernetes:eks.amazonaws.com/v1:TargetGroupBinding",
        "kubernetes:elbv2.k8s.aws/v1beta1:TargetGroupBinding",
    }
)
_SECURE = frozenset({"https", "wss"})
_HTTP_PORT, _HTTPS_PORT = 80, 443
_DEFAULT_IDLE_SECONDS = 60  # ELB API reference, LoadBalancerAttribute
_UNAUTHORIZED, _NOT_IMPLEMENTED, _UNAVAILABLE, _TIMEOUT = 401, 501, 503, 504
_REDIRECTS = {"HTTP_301": 301, "HTTP_302": 302}
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"#\{(\w+)\}")
_VALID_NAME = re.compile(rb"[-A-Za-z0-9]+")  # drop_invalid_header_fields
_FORWARDED_FOR = b"x-forwarded-for"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Balancer:
    """A load balancer with its listeners.

    Attributes:
        attributes: Its properties.
        listeners: Its listeners by port, each with its rules by priority.
        targets: Target group to the process and the registered port.
    """

    attributes: Mapping[str, Any]
    listeners: Mapping[int, tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]
    targets: Mapping[str, tuple[str, int]]
    deployed: Fleet
    workloads: Workloads
    issuers: Issuers


def application(
    cloud: Cloud, deployed: Fleet, workloads: Workloads, issuers: Issuers
) -> Mapping[str, Application]:
    """Makes the applications that simulate the load balancers.

    Args:
        cloud: The cloud; rules, targets and names are read once.
        deployed: The deployed workloads.
        workloads: The processes that run.
        issuers: The issuers whose keys verify tokens.

    Returns:
        The application of each host: the DNS name of a load balancer and the records for it.
    """
    hosts: dict[str, Application] = {}
    targets = _targets(cloud, deployed)
    for stored in cloud.list("aws", _BALANCER):
        made = stored.properties
        if made.get("loadBalancerType") == "application":
            played = _played(
                _Balancer(
                    attributes=made,
                    listeners=_listeners(cloud, str(made["arn"])),
                    targets=targets,
                    deployed=deployed,
                    workloads=workloads,
                    issuers=issuers,
                )
            )
            hosts |= dict.fromkeys(_names(cloud, str(made["dnsName"])), played)
    return hosts


def _names(cloud: Cloud, dns_name: str) -> list[str]:
    records = [
        str(stored.properties["name"])
        for stored in cloud.list("aws", _RECORD)
        if any(
            str(alias.get("name")).removesuffix(".").lower() == dns_name.lower()
            for alias in parts(stored.properties, "aliases")
        )
    ]
    return [name.removesuffix(".").lower() for name in (dns_name, *records)]


def _listeners(
    cloud: Cloud, balancer_arn: str
) -> dict[int, tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    rules = [stored.properties for stored in cloud.list("aws", _RULE)]
    rules.sort(key=lambda rule: int(rule.get("priority") or 0))
    return {
        int(listener["port"]): (
            listener,
            [rule for rule in rules if rule.get("listenerArn") == listener.get("arn")],
        )
        for listener in (stored.properties for stored in cloud.list("aws", _LISTENER))
        if listener.get("loadBalancerArn") == balancer_arn
    }


def _targets(cloud: Cloud, deployed: Fleet) -> dict[str, tuple[str, int]]:
    """The targets of each target group: containers of ECS, and pods by TargetGroupBindings."""
    found = {
        str(one["targetGroupArn"]): (str(one["containerName"]), int(one["containerPort"]))
        for stored in cloud.list("aws", _SERVICE)
        for one in parts(stored.properties, "loadBalancers")
    }
    everything = [stored for stored in cloud.list() if stored.provider != "aws"]
    services = {
        (stored.provider, _name(stored.properties)): stored.properties
        for stored in everything
        if stored.type == _KUBERNETES_SERVICE
    }
    for stored in everything:
        if stored.type in _BINDINGS:
            spec = part(stored.properties, "spec")
            reference = part(spec, "serviceRef")
            namespace, _ = _name(stored.properties)
            name = str(reference["name"])
            service = services.get((stored.provider, (namespace, name)), {})
            port = _number(service, reference["port"])
            process = deployed.resolve(GATEWAY, f"{name}.{namespace}.svc.cluster.local", port)
            if process:
                found[str(spec["targetGroupARN"])] = (process, port)
    return found


def _name(stored: Mapping[str, Any]) -> tuple[str, str]:
    metadata = part(stored, "metadata")
    return str(metadata.get("namespace") or "default"), str(metadata.get("name"))


def _number(service: Mapping[str, Any], port: int | str) -> int:
    """The number of a Service's port, by number or name; 0 if the Service does not have it."""
    if isinstance(port, str) and not port.isdecimal():
        ports = parts(part(service, "spec"), "ports")
        return next((int(one["port"]) for one in ports if one.get("name") == port), 0)
    return int(port)


def _played(balancer: _Balancer) -> Application:
    workloads = {process.name for process in balancer.deployed.processes}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        port = _HTTPS_PORT if scope["scheme"] in _SECURE else _HTTP_PORT
        who = source(scope)
        refused = balancer.deployed.to_gateway(who, port) if who in workloads else None
        if refused:
            await _refuse(send, refused)
            return
        if port not in balancer.listeners:
            told = f"the load balancer has no listener on port {port}"
            await answer(send, _UNAVAILABLE, {"error": told})
            return
        listener, rules = balancer.listeners[port]
        rule = next((one for one in rules if matches(one, scope)), None)
        actions = parts(rule, "actions") if rule else parts(listener, "defaultActions")
        for action in sorted(actions, key=lambda one: int(one.get("order") or 0)):
            if action["type"] != "jwt-validation":
                await _act(balancer, action, rule or {}, scope, receive, send)
                return
            if not _is_good(part(action, "jwtValidation"), scope, balancer.issuers):
                await answer(send, _UNAUTHORIZED, {"error": "there is no valid token"})
                return

    return application


async def _refuse(send: Send, reason: str) -> None:
    headers = [(b"x-sandbox-refused", reason.encode("latin-1", "replace"))]
    await answer(send, _TIMEOUT, {"error": reason}, headers)


async def _act(
    balancer: _Balancer,
    action: Mapping[str, Any],
    rule: Mapping[str, Any],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    kind = action["type"]
    if kind == "forward":
        await _forward(balancer, _group(action), rule, scope, receive, send)
    elif kind == "fixed-response":
        fixed = part(action, "fixedResponse")
        body = str(fixed.get("messageBody") or "").encode()
        kept = [(b"content-type", str(fixed["contentType"]).encode())] if body else []
        headers = [*kept, (b"content-length", str(len(body)).encode())]
        await _send(send, int(fixed["statusCode"]), headers, body)
    elif kind == "redirect":
        redirect = part(action, "redirect")
        headers = [(b"location", _location(redirect, scope)), (b"content-length", b"0")]
        await _send(send, _REDIRECTS[str(redirect["statusCode"])], headers, b"")
    else:
        await answer(send, _NOT_IMPLEMENTED, {"error": f"the sandbox does not support {kind}"})


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _group(action: Mapping[str, Any]) -> str:
    """The ARN of the first target group that an action forwards to."""
    weighted = parts(part(action, "forward"), "targetGroups")
    return str(action.get("targetGroupArn") or next((one["arn"] for one in weighted), ""))


async def _forward(
    balancer: _Balancer,
    group: str,
    rule: Mapping[str, Any],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    if group not in balancer.targets:
        told = f"the target group {group} has no registered target"
        await answer(send, _UNAVAILABLE, {"error": told})
        return
    process, port = balancer.targets[group]
    url = balancer.workloads.url(process)
    if url is None:
        await answer(send, _UNAVAILABLE, {"error": f"no replica of {process} is healthy"})
        return
    refused = balancer.deployed.refusal(GATEWAY, process, port)
    if refused:
        await _refuse(send, refused)
        return
    path, query, headers = transformed(rule, scope)
    await forward(
        scope,
        receive,
        send,
        base_url=url,
        path=path,
        query=query,
        headers=_sent(balancer.attributes, scope, headers),
        timeout_seconds=float(balancer.attributes.get("idleTimeout") or _DEFAULT_IDLE_SECONDS),
    )


def _sent(attributes: Mapping[str, Any], scope: Scope, headers: Headers) -> Headers:
    """The headers of the forwarded request."""
    secure = scope["scheme"] in _SECURE
    made = {
        b"x-forwarded-proto": b"https" if secure else b"http",
        b"x-forwarded-port": str(_HTTPS_PORT if secure else _HTTP_PORT).encode(),
    }
    mode = attributes.get("xffHeaderProcessingMode") or "append"
    if mode == "append":
        before = [value for name, value in headers if name == _FORWARDED_FOR]
        address, port = scope.get("client") or ("127.0.0.1", 0)
        client = f"{address}:{port}" if attributes.get("enableXffClientPort") else address
        made[_FORWARDED_FOR] = b", ".join([*before, client.encode()])
    kept = [
        (name, value)
        for name, value in headers
        if name not in made
        and (name, mode) != (_FORWARDED_FOR, "remove")
        and (not attributes.get("dropInvalidHeaderFields") or _VALID_NAME.fullmatch(name))
    ]
    return [*kept, *made.items()]


def _is_good(check: Mapping[str, Any], scope: Scope, issuers: Issuers) -> bool:
    """Whether a request has a token that a `jwt-validation` accepts."""
    headers: Headers = scope["headers"]
    shown = next((value for name, value in headers if name == b"authorization"), b"")
    found = _BEARER.fullmatch(shown.decode("latin-1"))
    if found is None:
        return False
    try:
        key_id = jwt.get_unverified_header(found[1]).get("kid")
        keys = issuers.key_set(str(check["jwksEndpoint"])).keys
        claims = jwt.decode(
            found[1],
            next(key for key in keys if key.key_id == key_id),
            algorithms=["RS256"],
            issuer=str(check["issuer"]),
            # `nbf` and `iat` are optional.
            options={"require": ["exp", "iss"], "verify_aud": False},
        )
    except (jwt.PyJWTError, StopIteration):
        return False
    return all(_has(one, claims) for one in parts(check, "additionalClaims"))


def _has(one: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Whether a claim has one of the configured values, in the configured format."""
    value: object = claims.get(str(one["name"]))
    given: list[object] = []
    if one["format"] == "string-array":
        given = cast("list[object]", value) if isinstance(value, list) else []
    elif isinstance(value, str):
        given = [*value.split(" ")] if one["format"] == "space-separated-values" else [value]
    return any(wanted in given for wanted in one.get("values") or ())


def _location(redirect: Mapping[str, Any], scope: Scope) -> bytes:
    """The location of a redirect; omitted parts are those of the request."""
    secure = scope["scheme"] in _SECURE
    have = {
        "protocol": "https" if secure else "http",
        "host": host(scope)[0],
        "port": str(_HTTPS_PORT if secure else _HTTP_PORT),
        "path": raw_path(scope).removeprefix("/"),
        "query": str(scope.get("query_string", b""), "latin-1"),
    }

    def filled(key: str, default: str) -> str:
        text = redirect.get(key)
        found = default if text is None else str(text)
        return _PLACEHOLDER.sub(lambda one: have.get(one[1], one[0]), found)

    scheme, name = filled("protocol", "#{protocol}").lower(), filled("host", "#{host}")
    path, query = filled("path", "/#{path}"), filled("query", "#{query}")
    to = f"{scheme}://{name}:{filled('port', '#{port}')}{path}{'?' if query else ''}{query}"
    return to.encode("latin-1")
