"""Gateway responses: the responses of API Gateway without an integration.

Facts from the API Gateway Developer Guide ("Gateway response types for API Gateway", "Gateway
responses in API Gateway") and from published responses of the service.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sandbox.serve.fleet import Send

Headers = Sequence[tuple[bytes, bytes]]
_PARAMETER = "gatewayresponse.header."
_MESSAGE = "$context.error.messageString"
_TEXT = "$context.error.message"


class Refused(Exception):  # noqa: N818 - it is an answer, and no error
    """A request that API Gateway answers itself.

    Attributes:
        kind: The type of the gateway response, such as `UNAUTHORIZED`.
        message: The message, or None for the default of the type.
        status: The status, if it is not the default of the type.
    """

    def __init__(self, kind: str, message: str | None = None, status: int | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class _Default:
    """The default gateway response of a type."""

    status: int
    error_type: str
    message: str | None
    key: str = "message"


_DEFAULTS = {
    "ACCESS_DENIED": _Default(403, "AccessDeniedException", None, key="Message"),
    "API_CONFIGURATION_ERROR": _Default(
        500, "InternalServerErrorException", "Internal server error"
    ),
    "AUTHORIZER_CONFIGURATION_ERROR": _Default(500, "AuthorizerConfigurationException", None),
    "AUTHORIZER_FAILURE": _Default(500, "AuthorizerFailureException", None),
    "BAD_REQUEST_BODY": _Default(400, "BadRequestException", "Invalid request body"),
    "DEFAULT_4XX": _Default(403, "ForbiddenException", "Forbidden"),
    "DEFAULT_5XX": _Default(502, "InternalServerErrorException", "Internal server error"),
    "INTEGRATION_TIMEOUT": _Default(504, "GatewayTimeoutException", "Endpoint request timed out"),
    "INVALID_SIGNATURE": _Default(403, "InvalidSignatureException", None),
    "MISSING_AUTHENTICATION_TOKEN": _Default(
        403, "MissingAuthenticationTokenException", "Missing Authentication Token"
    ),
    "REQUEST_TOO_LARGE": _Default(413, "RequestEntityTooLargeException", "Request Too Long"),
    "UNAUTHORIZED": _Default(401, "UnauthorizedException", "Unauthorized"),
    "UNSUPPORTED_MEDIA_TYPE": _Default(
        415, "UnsupportedMediaTypeException", "Unsupported Media Type"
    ),
}


def answer(
    refused: Refused, own: Mapping[str, Mapping[str, Any]], request_id: str
) -> tuple[int, Headers, bytes]:
    """The response to a refused request.

    Args:
        refused: The reason.
        own: The gateway responses that the API customizes, by type.
        request_id: The request's id.

    Returns:
        Status, headers and body.
    """
    default = _DEFAULTS[refused.kind]
    status = refused.status or default.status
    message = refused.message if refused.message is not None else default.message
    response = own.get(refused.kind) or own.get(f"DEFAULT_{status // 100}XX") or {}
    template = _json(response.get("responseTemplates"))
    body = (
        template.replace(_MESSAGE, json.dumps(message)).replace(_TEXT, message or "")
        if template is not None
        else json.dumps({default.key: message})
    )
    headers = {
        "content-type": "application/json",
        "x-amzn-requestid": request_id,
        "x-amzn-errortype": default.error_type,
        **static_headers(response.get("responseParameters"), _PARAMETER),
    }
    return int(response.get("statusCode") or status), encoded(headers.items()), body.encode()


def static_headers(parameters: object, prefix: str) -> dict[str, str]:
    """The headers that an API sets in a response.

    Args:
        parameters: The mapping expressions, by a name that begins with the prefix. Only constants
            in single quotes are supported.
        prefix: `gatewayresponse.header.` or `method.response.header.`.

    Returns:
        The headers, with lowercase names.
    """
    given = cast("Mapping[str, object]", parameters or {})
    return {
        name.removeprefix(prefix).lower(): str(value)[1:-1]
        for name, value in given.items()
        if name.startswith(prefix) and str(value)[:1] == "'" == str(value)[-1:]
    }


def encoded(headers: Iterable[tuple[str, str]]) -> Headers:
    """Headers in the format of ASGI.

    Args:
        headers: Names and values.

    Returns:
        The headers as bytes.
    """
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Sends a complete response.

    Args:
        send: The ASGI send function.
        status: Its status.
        headers: Its headers, without the length.
        body: Its body.
    """
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def _json(templates: object) -> str | None:
    found = cast("Mapping[str, object]", templates or {}).get("application/json")
    return None if found is None else str(found)
