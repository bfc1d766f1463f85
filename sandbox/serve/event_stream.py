"""Encodes AWS's event streams, `application/vnd.amazon.eventstream` (Smithy, "Event streams")."""

import json
import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7  # the header value's type


def encode(event: str, payload: object) -> bytes:
    """Encodes one event.

    Args:
        event: Its type.
        payload: Its content, plain JSON.

    Returns:
        The message: lengths, their checksum, headers, content, checksum of all.
    """
    headers = _headers(
        {":event-type": event, ":content-type": "application/json", ":message-type": "event"}
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))


def _headers(values: Mapping[str, str]) -> bytes:
    return b"".join(
        struct.pack("!B", len(name)) + name.encode()
        + struct.pack("!BH", _STRING, len(value.encode())) + value.encode()
        for name, value in values.items()
    )  # fmt: skip
