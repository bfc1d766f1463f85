"""Encodes event streams of AWS: messages of `application/vnd.amazon.eventstream`.

Facts from Smithy ("Amazon Event Stream Specification"): lengths of message and headers, and their
CRC-32; headers; content; the CRC-32 of all of it. Numbers are big-endian. botocore only decodes.
"""

import json
import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7  # the type of a header's value


def encode(event: str, payload: object) -> bytes:
    """Encodes one event.

    Args:
        event: Its type.
        payload: Its content, plain JSON.

    Returns:
        The message.
    """
    kinds = {":event-type": event, ":content-type": "application/json", ":message-type": "event"}
    headers, content = _headers(kinds), json.dumps(payload).encode()
    lengths = struct.pack("!II", 16 + len(headers) + len(content), len(headers))
    message = lengths + struct.pack("!I", zlib.crc32(lengths)) + headers + content
    return message + struct.pack("!I", zlib.crc32(message))


def _headers(values: Mapping[str, str]) -> bytes:
    pairs = ((name.encode(), value.encode()) for name, value in values.items())
    return b"".join(
        struct.pack(f"!B{len(name)}sBH", len(name), name, _STRING, len(value)) + value
        for name, value in pairs
    )
