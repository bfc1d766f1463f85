"""Simulates the AWS APIs that workloads call, Secrets Manager and Bedrock, with the caller's role.

Facts from the AWS Secrets Manager and Amazon Bedrock API references; errors have the format of the
AWS SDKs (Smithy, "AWS JSON 1.1 protocol" and "AWS restJson1 protocol").

The connection identifies the caller; signatures are not verified. Permission to decrypt with the
key of a secret is not checked: roles have it only through Secrets Manager (`kms:ViaService`), which
`Fleet.allows` does not receive.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

from sandbox.cloud.store import Cloud
from sandbox.iam.evaluate import Context
from sandbox.iam.roles import denied
from sandbox.serve.bedrock import converse_requests, models, planner
from sandbox.serve.bedrock.event_stream import CONTENT_TYPE, encode
from sandbox.serve.fleet import Application, Fleet, Receive, Scope, Send, source

_GET = "GetSecretValue"
_PARAMETERS = ("SecretId", "VersionId", "VersionStage")
_SECRET = "aws:secretsmanager/secret:Secret"
_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
_CURRENT = "AWSCURRENT"
_AMZ_JSON = "application/x-amz-json-1.1"
_OK, _BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 200, 400, 403, 404
_REQUEST_ID = (b"x-amzn-requestid", b"00000000-0000-4000-8000-000000000000")
_MODEL_PATH = re.compile(r"/model/([^/]+)/([^/]+)")
_OPERATIONS = {
    "converse": ("Converse", "bedrock:InvokeModel"),
    "converse-stream": ("ConverseStream", "bedrock:InvokeModelWithResponseStream"),
}


class _ApiError(Exception):
    """An error response of an API."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def applications(cloud: Cloud, deployed: Fleet) -> Mapping[str, Application]:
    """Makes the applications that simulate AWS APIs.

    Args:
        cloud: The cloud; secrets are read on each request.
        deployed: The deployed workloads; `allows` authorizes callers.

    Returns:
        The application of each API's host.
    """

    async def secrets(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            value = _secret_value(cloud, deployed, scope, await _body(receive))
            await _answer(send, _OK, value, _AMZ_JSON)
        except _ApiError as error:
            told = {"__type": error.code, "message": error.message}
            await _answer(send, error.status, told, _AMZ_JSON)

    async def bedrock(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            operation, request = _model_request(cloud, deployed, scope, await _body(receive))
            if operation == "Converse":
                await _answer(send, _OK, planner.converse(request), "application/json")
            else:
                await _stream(send, request)
        except _ApiError as error:
            told = {"message": error.message}
            kind = (b"x-amzn-errortype", error.code.encode())
            await _answer(send, error.status, told, "application/json", kind)

    region = deployed.region
    return {
        f"secretsmanager.{region}.amazonaws.com": secrets,
        f"bedrock-runtime.{region}.amazonaws.com": bedrock,
    }


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _answer(
    send: Send, status: int, body: object, content_type: str, *headers: tuple[bytes, bytes]
) -> None:
    data = json.dumps(body).encode()
    own = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(data)).encode()),
        _REQUEST_ID,
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": data})


def _json(body: bytes, code: str) -> dict[str, Any]:
    try:
        read: object = json.loads(body)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise _ApiError(_BAD_REQUEST, code, "The body is not a JSON object.")
    return cast("dict[str, Any]", read)


def _must_allow(
    deployed: Fleet, who: str, action: str, arn: str, context: Context | None = None
) -> None:
    if not deployed.allows(who, action, arn, context):
        raise _ApiError(
            # Secrets Manager returns 400 for every client error.
            _FORBIDDEN if action.startswith("bedrock:") else _BAD_REQUEST,
            "AccessDeniedException",
            denied(who, action, arn),
        )


def _secret_value(cloud: Cloud, deployed: Fleet, scope: Scope, body: bytes) -> dict[str, Any]:
    target = next((value for key, value in scope["headers"] if key == b"x-amz-target"), b"")
    operation = target.decode("latin-1").removeprefix("secretsmanager.")
    if operation != _GET:
        raise _ApiError(
            _BAD_REQUEST,
            "UnknownOperationException",
            f"The sandbox does not support the operation {operation or '(none)'} of Secrets "
            f"Manager. Supported: {_GET}.",
        )
    asked = _json(body, "SerializationException")
    wanted, version_id, stage = (_text(asked, one) for one in _PARAMETERS)
    if not wanted:
        raise _ApiError(
            _BAD_REQUEST, "ValidationException", "SecretId must be the ARN or the name of a secret."
        )
    secret = _secret(cloud, wanted)
    arn = str(secret.get("arn") or wanted)
    _must_allow(deployed, source(scope), f"secretsmanager:{_GET}", arn)
    if not secret:
        raise _not_found("secret.")
    # A version that is requested by its id only does not need a stage.
    stage = stage or (None if version_id else _CURRENT)
    for stored in reversed(cloud.list("aws", _VERSION)):
        version = stored.properties
        stages = version.get("versionStages") or [_CURRENT]
        if (
            arn in {version.get("secretId"), version.get("secretArn")}
            and version_id in {None, version.get("versionId")}
            and stage in {None, *stages}
        ):
            kind = "Binary" if version.get("secretBinary") else "String"
            return {
                "ARN": arn,
                "Name": secret.get("name"),
                "VersionId": version.get("versionId"),
                f"Secret{kind}": version.get(f"secret{kind}"),
                "VersionStages": stages,
                "CreatedDate": stored.created,
            }
    named = f"VersionId: {version_id}" if version_id else f"staging label: {stage}"
    raise _not_found(f"secret value for {named}")


def _text(asked: Mapping[str, Any], name: str) -> str | None:
    value: object = asked.get(name)
    if not isinstance(value, str | None):
        raise _ApiError(_BAD_REQUEST, "ValidationException", f"{name} must be a string.")
    return value


def _secret(cloud: Cloud, wanted: str) -> Mapping[str, Any]:
    """The secret of an ARN or a name, or an empty map."""
    for stored in cloud.list("aws", _SECRET):
        if wanted in {stored.properties.get("arn"), stored.properties.get("name")}:
            return stored.properties
    return {}


def _not_found(what: str) -> _ApiError:
    message = f"Secrets Manager can't find the specified {what}"
    return _ApiError(_BAD_REQUEST, "ResourceNotFoundException", message)


def _model_request(
    cloud: Cloud, deployed: Fleet, scope: Scope, body: bytes
) -> tuple[str, dict[str, Any]]:
    """The operation and the request, after validation and authorization."""
    raw: bytes = scope.get("raw_path") or str(scope["path"]).encode()
    path = raw.decode("latin-1").partition("?")[0]
    found = _MODEL_PATH.fullmatch(path)
    if found is None or found[2] not in _OPERATIONS or scope["method"] != "POST":
        raise _ApiError(
            _NOT_FOUND,
            "UnknownOperationException",
            "The sandbox supports only Converse and ConverseStream of Bedrock, not "
            f"{scope['method']} {path}.",
        )
    name = unquote(found[1])
    operation, action = _OPERATIONS[found[2]]
    for asked in models.invoked(cloud, deployed.region, name):
        _must_allow(deployed, source(scope), action, asked.arn, asked.context)
    request = _json(body, "ValidationException")
    error = models.error(deployed.region, name) or converse_requests.error(operation, name, request)
    if error:
        raise _ApiError(_BAD_REQUEST, "ValidationException", error)
    return operation, request


async def _stream(send: Send, request: Mapping[str, Any]) -> None:
    headers = [(b"content-type", CONTENT_TYPE.encode()), _REQUEST_ID]
    await send({"type": "http.response.start", "status": _OK, "headers": headers})
    for event, payload in planner.converse_stream(request):
        body = encode(event, payload)
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body"})
