"""Servers of this machine: HTTP from a function, HTTP from an application, and a token issuer."""

import json
import socket
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.types import ASGIApp

AUDIENCE = "https://mcp.example.com/servers/clock/mcp"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that a server got; the headers' names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, what goes out as JSON, and headers."""


@dataclass(frozen=True, kw_only=True)
class Local:
    """A server of this machine, and what it was asked so far."""

    url: str
    asked: list[Asked] = field(default_factory=list[Asked])


@contextmanager
def answering(answer: Callable[[Asked], Answer]) -> Generator[Local]:
    """Serve what a function answers to GET and POST."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(path=self.path, headers=headers, body=self.rfile.read(length))
            local.asked.append(asked)
            status, document, *more = answer(asked)
            data = json.dumps(document).encode()
            with suppress(ConnectionError):  # some do not wait for the answer
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the base class looks for this name

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    local = Local(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield local
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(app: ASGIApp) -> Generator[str]:
    """Serve an application from a thread, and give its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # from here on, clients may connect
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """An issuer's metadata and keys over HTTP; `documents` maps a path to what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        public = json.loads(RSAAlgorithm.to_jwk(private_key("issuer").public_key()))
        self.metadata = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.documents: dict[str, Any] = {
            "/realm/.well-known/openid-configuration": self.metadata,
            "/realm/keys": {"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]},
        }

    def token(self, *, key: str = "issuer", kid: str = "1", **claims: Any) -> str:
        """A valid token, changed by the arguments; a claim of None is left out."""
        now = int(time.time())
        payload = {"iss": self.url, "aud": AUDIENCE, "sub": "me", "exp": now + 60, **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, private_key(key), "RS256", headers={"kid": kid})

    def forged(self) -> list[str]:
        """Tokens that are unsigned, signed with the public key, or signed by another algorithm."""
        claims = {"iss": self.url, "aud": AUDIENCE, "exp": int(time.time()) + 60}
        modulus = self.documents["/realm/keys"]["keys"][0]["n"]
        return [
            jwt.encode(claims, "", "none", headers={"kid": "1"}),
            jwt.encode(claims, modulus, "HS256", headers={"kid": "1"}),
            jwt.encode(claims, private_key("issuer"), "RS512", headers={"kid": "1"}),
        ]


TOKEN_FAULTS: list[dict[str, Any]] = [
    {"aud": "https://other.example/mcp"},
    {"aud": AUDIENCE + "/"},
    {"aud": None},
    {"iss": "https://other.example"},
    {"iss": None},
    {"exp": 1},
    {"exp": None},
    {"nbf": 4_000_000_000},
    {"key": "stranger"},
    {"kid": "2"},
]
"""What makes a token of `Issuer.token` one that is not to be trusted."""


@contextmanager
def issuing() -> Generator[tuple[Issuer, Local]]:
    """Run an issuer."""

    def answer(asked: Asked) -> Answer:
        found = asked.path in issuer.documents
        return (200, issuer.documents[asked.path]) if found else (404, {})

    with answering(answer) as local:
        issuer = Issuer(f"{local.url}/realm")
        yield issuer, local
