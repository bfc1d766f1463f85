"""The sandbox's own certificate authority, which only the processes of the data plane trust."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import trustme

_FOLDER = "authority"


@dataclass(kw_only=True)
class Authority:
    """A certificate authority and its certificates.

    Attributes:
        bundle: The file with its certificate, for clients that trust it.
    """

    bundle: Path
    _authority: trustme.CA
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict[str, ssl.SSLContext])

    def context(self) -> ssl.SSLContext:
        """A TLS context for a listener, with a certificate for each host that a client requests."""
        context = self._context_of("localhost")

        def choose(
            connection: ssl.SSLObject, host: str | None, _first: ssl.SSLContext
        ) -> int | None:
            try:
                connection.context = self._context_of(host or "localhost")
            except UnicodeError:  # An invalid host name, such as one with an underscore.
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            return None

        context.sni_callback = choose
        return context

    def _context_of(self, host: str) -> ssl.SSLContext:
        if host not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(host).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[host] = context
        return self._contexts[host]


def authority(home: Path) -> Authority:
    """The authority of a sandbox, created on first use.

    Args:
        home: The sandbox's home.

    Returns:
        The authority; its key is a file in the home that only its owner can read.
    """
    folder = home / _FOLDER
    bundle, key = folder / "ca.pem", folder / "ca.key"
    if bundle.exists() and key.exists():
        made = trustme.CA.from_pem(bundle.read_bytes(), key.read_bytes())
    else:
        made = trustme.CA(organization_name="Pulumi sandbox")
        folder.mkdir(parents=True, exist_ok=True)
        key.touch(mode=0o600)
        key.write_bytes(made.private_key_pem.bytes())
        bundle.write_bytes(made.cert_pem.bytes())
    return Authority(bundle=bundle, _authority=made)
