"""Routes requests to applications by host, and the entry for external clients."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from sandbox.serve.fleet import LOOPBACK, OPERATOR, Application, Receive, Scope, Send, source
from sandbox.serve.http.forwarding import answer

ANONYMOUS = "anonymous"
"""The caller through the entry of `serve --unsigned`: a caller without AWS credentials."""

_BAD_GATEWAY = 502
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_PORT = re.compile(r":([0-9]{1,5})$")


def router(hosts: Mapping[str, Application], otherwise: Application) -> Application:
    """Makes the application that routes by host.

    Args:
        hosts: The applications by host, lowercase and without a port.
        otherwise: The application for all other hosts.

    Returns:
        The application.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        found = hosts.get(host(scope)[0], otherwise)
        await found(scope, receive, send)

    return application


def host(scope: Scope) -> tuple[str, int]:
    """The host of a request, in lowercase, and the port.

    Args:
        scope: The request's.

    Returns:
        Both; without a port, the default port of the scheme.
    """
    told = _header(scope, b"host").decode("latin-1").strip().lower()
    port = _PORT.search(told)
    name = told[: port.start()] if port else told
    return name.removesuffix("."), int(port[1]) if port else _PORTS[scope["scheme"]]


async def unknown_host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers for unknown hosts: the sandbox has no internet access.

    Args:
        scope: The request's.
        receive: The ASGI receive function, unused.
        send: The ASGI send function.
    """
    del receive
    name, port = host(scope)
    told = (
        f"{source(scope)} requested {name}:{port}, which is not in the sandbox. It has "
        "the gateway, the names of deployed workloads, their token issuers, Secrets Manager and "
        "Bedrock"
    )
    await answer(send, _BAD_GATEWAY, {"error": told})


def entry(application: Application, gateway_url: str, port: int, *, signed: bool) -> Application:
    """Makes the application for external clients.

    They call the gateway by the loopback address, because the gateway's name does not resolve for
    them. A Host or an Origin of the entry is replaced by that of the gateway; all others are
    unchanged. The scheme is also that of the gateway, although the entry is plain HTTP.

    Args:
        application: The application for the gateway's host.
        gateway_url: The gateway's URL, with its base path.
        port: The entry's port.
        signed: Whether clients count as the operator, whose requests are signed.

    Returns:
        The application.
    """
    gateway = urlsplit(gateway_url)
    names = {f"{name}:{port}" for name in LOOPBACK}
    if port == _PORTS["http"]:
        names |= LOOPBACK
    origins = {f"http://{name}" for name in names}

    async def translated(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        headers: list[tuple[bytes, bytes]] = []
        own = _header(scope, b"host").decode("latin-1").lower() in names
        for name, value in scope["headers"]:
            text = value.decode("latin-1").lower()
            if name == b"host" and own:
                headers.append((name, gateway.netloc.encode()))
            elif name == b"origin" and text in origins:
                headers.append((name, f"{gateway.scheme}://{gateway.netloc}".encode()))
            else:
                headers.append((name, value))
        prefix = gateway.path.rstrip("/") if own else ""
        scheme = {"http": gateway.scheme, "ws": {"http": "ws", "https": "wss"}[gateway.scheme]}
        changed = {
            **scope,
            "headers": headers,
            "scheme": scheme[scope["scheme"]],
            "path": prefix + scope["path"],
            "raw_path": prefix.encode() + (scope.get("raw_path") or scope["path"].encode()),
            "state": {"source": OPERATOR if signed else ANONYMOUS},
        }
        await application(changed, receive, send)

    return translated


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")
