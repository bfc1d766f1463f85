"""Plays the APIs of AWS that workloads call: Secrets Manager and Bedrock, by the caller's role."""

import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

from sandbox.cloud import Cloud
from sandbox.serve import model
from sandbox.serve.event_stream import CONTENT_TYPE, encode
from sandbox.serve.plan import Application, Deployed, Receive, Scope, Send, source

_TARGET = "secretsmanager.GetSecretValue"
_SECRET = "aws:secretsmanager/secret:Secret"
_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
_CURRENT = "AWSCURRENT"
_ACTIONS = {
    "converse": "bedrock:InvokeModel",
    "converse-stream": "bedrock:InvokeModelWithResponseStream",
}


class _ApiError(Exception):
    """An error as an API answers it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def applications(cloud: Cloud, deployed: Deployed) -> Mapping[str, Application]:
    """Makes the applications that play AWS's APIs.

    Args:
        cloud: The cloud.
        deployed: What is deployed; its `allows` decides what a caller may do.

    Returns:
        The application of each API's host.
    """

    async def secrets(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            value = _secret_value(cloud, deployed, scope, await _body(receive))
            await _answer(send, 200, value, "application/x-amz-json-1.1")
        except _ApiError as error:
            told = {"__type": error.code, "message": error.message, "Message": error.message}
            await _answer(send, error.status, told, "application/x-amz-json-1.1")

    async def bedrock(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            action = _model_action(deployed, scope)
            request = _json(await _body(receive), "ValidationException")
            if action == "converse":
                await _answer(send, 200, model.converse(request), "application/json")
            else:
                await _stream(send, request)
        except _ApiError as error:
            headers = [(b"x-amzn-errortype", error.code.encode())]
            told = {"message": error.message}
            await _answer(send, error.status, told, "application/json", headers)

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
    send: Send,
    status: int,
    body: object,
    content_type: str,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    data = json.dumps(body).encode()
    own = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(data)).encode()),
        (b"x-amzn-requestid", b"00000000-0000-4000-8000-000000000000"),
    ]
    await send(
        {"type": "http.response.start", "status": status, "headers": [*own, *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": data})


def _json(body: bytes, code: str) -> dict[str, Any]:
    try:
        read: object = json.loads(body)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise _ApiError(400, code, "the body is no JSON object")
    return cast("dict[str, Any]", read)


def _secret_value(cloud: Cloud, deployed: Deployed, scope: Scope, body: bytes) -> dict[str, Any]:
    target = next((v for k, v in scope["headers"] if k == b"x-amz-target"), b"").decode()
    if target != _TARGET:
        raise _ApiError(400, "UnknownOperationException", f"{target or 'this'} is not played here")
    asked = _json(body, "SerializationException")
    wanted = str(asked.get("SecretId") or "")
    secret = next(
        (
            thing.properties
            for thing in cloud.list("aws", _SECRET)
            if wanted in (thing.id, thing.properties.get("arn"), thing.properties.get("name"))
        ),
        None,
    )
    arn = str(secret["arn"]) if secret else wanted
    if not deployed.allows(source(scope), "secretsmanager:GetSecretValue", arn):
        raise _ApiError(
            400,
            "AccessDeniedException",
            f"{source(scope)} is not authorized to perform: secretsmanager:GetSecretValue on "
            f"resource: {arn} because no identity-based policy allows the action",
        )
    for version in (thing.properties for thing in cloud.list("aws", _VERSION)):
        stages = version.get("versionStages") or [_CURRENT]
        asked_for = asked.get("VersionId") in (None, version.get("versionId"))
        staged = "VersionId" in asked or asked.get("VersionStage", _CURRENT) in stages
        if (
            secret
            and arn in (version.get("secretId"), version.get("secretArn"))
            and asked_for
            and staged
        ):
            return {
                "ARN": arn,
                "Name": secret.get("name"),
                "VersionId": version.get("versionId"),
                "SecretString": version.get("secretString"),
                "VersionStages": stages,
            }
    raise _ApiError(
        400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
    )


def _model_action(deployed: Deployed, scope: Scope) -> str:
    raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    pieces = [unquote(piece) for piece in raw.partition("?")[0].split("/")]
    # /model/<id or ARN>/<operation>
    if pieces[1:2] != ["model"] or pieces[-1] not in _ACTIONS:
        raise _ApiError(404, "UnknownOperationException", f"{raw} is not played here")
    name = "/".join(pieces[2:-1])
    arn = (
        name
        if name.startswith("arn:")
        else f"arn:aws:bedrock:{deployed.region}::foundation-model/{name}"
    )
    action = _ACTIONS[pieces[-1]]
    if not deployed.allows(source(scope), action, arn):
        raise _ApiError(
            403,
            "AccessDeniedException",
            f"{source(scope)} is not authorized to perform: {action} on resource: {arn} because no "
            f"identity-based policy allows the {action} action",
        )
    return pieces[-1]


async def _stream(send: Send, request: Mapping[str, Any]) -> None:
    headers = [(b"content-type", CONTENT_TYPE.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event, payload in model.converse_stream(request):
        body = encode(event, payload)
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body"})
