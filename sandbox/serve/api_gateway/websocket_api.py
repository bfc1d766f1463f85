"""Simulates the WebSocket APIs of API Gateway and their `@connections` API.

Facts from the API Gateway Developer Guide ("About WebSocket APIs in API Gateway", "Quotas for
configuring and running a WebSocket API", "Use @connections commands in your backend service") and
the AWS Lambda Developer Guide ("Invoking a Lambda function asynchronously").

Not simulated: throttling, stage variables, route responses, synchronous invocations, retries of
failed invocations, and the size limit of a frame, which the server sets.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.serve.api_gateway.authorization import Asked, LambdaAuthorizer, signed
from sandbox.serve.api_gateway.deployments import held_at, with_copies
from sandbox.serve.api_gateway.requests import event, headers, path, query
from sandbox.serve.api_gateway.resource_policies import LOOPBACK, address_within
from sandbox.serve.api_gateway.velocity import TemplateError, render
from sandbox.serve.fleet import Application, Fleet, Receive, Scope, Send, Workloads, source
from sandbox.serve.functions import web_adapter
from sandbox.serve.functions.runtime_api import FunctionError, Runtime, has_web_server
from sandbox.serve.http.gateway_responses import Headers, Refused, answer, encoded, respond
from sandbox.serve.readers.aws_lambda import Function, admits, functions, invoked

_REST_POLICY = "aws:apigateway/restApiPolicy:RestApiPolicy"

MAX_MESSAGE_BYTES = 128 * 1024
"""The maximum size of a message in both directions."""

IDLE_SECONDS = 600.0
"""The idle timeout of a connection."""

CONNECTION_SECONDS = 7200.0
"""The maximum duration of a connection."""

_OWN = "aws:apigatewayv2/"
_MANAGE = "execute-api:ManageConnections"
_CONNECTIONS = "@connections"
_CONNECT, _DEFAULT = "$connect", "$default"
_INVOCATION_TYPE = "integration.request.header.X-Amz-Invocation-Type"
_EXPRESSION = "$request.body."
_GOING_AWAY, _TOO_BIG = 1001, 1009
_OK = range(200, 300)
_FIRST_SERVER_ERROR = 500


@dataclass(kw_only=True, eq=False)
class _Connection:
    """One connection; a lock serializes the writes of several tasks."""

    send: Send
    connected_at: float = field(default_factory=time.time)
    last_active_at: float = field(default_factory=time.time)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, text: str) -> None:
        self.last_active_at = time.time()
        async with self.lock:
            await self.send({"type": "websocket.send", "text": text})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Api:
    """A WebSocket API as it is deployed to one stage, with its connections."""

    id: str
    stage: str
    execution_arn: str
    selection: str
    routes: Mapping[str, Mapping[str, Any]]
    integrations: Mapping[str, Mapping[str, Any]]
    authorizers: Mapping[str, LambdaAuthorizer]
    cloud: Cloud
    deployed: Fleet
    workloads: Workloads
    runtime: Runtime
    functions: Mapping[str, Function]
    connections: dict[str, _Connection] = field(default_factory=dict[str, _Connection])
    running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


def applications(
    cloud: Cloud, deployed: Fleet, workloads: Workloads, runtime: Runtime
) -> Mapping[str, Application]:
    """The WebSocket APIs, by host.

    Args:
        cloud: The cloud.
        deployed: The deployed workloads.
        workloads: The processes that run.
        runtime: Invokes functions without a web server.

    Returns:
        The applications: clients connect to the path of the stage, and functions write to
        connections below `/@connections` of it.

    Raises:
        DeployedError: a function's alias points to a version that does not exist.
    """
    made = functions(cloud)
    hosts: dict[str, Application] = {}
    for stored in cloud.list("aws", f"{_OWN}api:Api"):
        if stored.properties.get("protocolType") != "WEBSOCKET":
            continue
        stages = {
            str(one.properties["name"]): _read(
                cloud, deployed, workloads, runtime, made, api=stored, stage=one
            )
            for one in _of(cloud, "stage:Stage", stored.id)
        }
        host = f"{stored.id}.execute-api.{deployed.region}.amazonaws.com"
        hosts[host] = _application(stages)
    return hosts


def _of(cloud: Cloud, type_: str, api_id: str) -> list[StoredResource]:
    return [one for one in cloud.list("aws", _OWN + type_) if _is_of(one, api_id)]


def _is_of(stored: StoredResource, api_id: str) -> bool:
    return stored.properties.get("apiId") == api_id


def _read(
    cloud: Cloud,
    deployed: Fleet,
    workloads: Workloads,
    runtime: Runtime,
    made: Mapping[str, Function],
    *,
    api: StoredResource,
    stage: StoredResource,
) -> _Api:
    """The API of a stage, without changes after the stage's deployment."""
    id_ = str(stage.properties.get("deploymentId"))
    deployment = cloud.get("aws", f"{_OWN}deployment:Deployment", id_)
    until = deployment.created if deployment else 0.0

    def parts(type_: str) -> dict[str, StoredResource]:
        ever = [one for one in with_copies(cloud, _OWN + type_) if _is_of(one, api.id)]
        return {one.id: one for one in ever if held_at(one, until)}

    execution_arn = str(api.properties["executionArn"])
    return _Api(
        id=api.id,
        stage=str(stage.properties["name"]),
        execution_arn=execution_arn,
        selection=str(api.properties.get("routeSelectionExpression") or ""),
        routes={
            str(one.properties["routeKey"]): one.properties for one in parts("route:Route").values()
        },
        integrations={
            f"integrations/{id_}": one.properties
            for id_, one in parts("integration:Integration").items()
        },
        authorizers={
            id_: LambdaAuthorizer(
                cloud=cloud,
                settings=one.properties,
                id=id_,
                execution_arn=execution_arn,
                functions=made,
                runtime=runtime,
            )
            for id_, one in parts("authorizer:Authorizer").items()
        },
        cloud=cloud,
        deployed=deployed,
        workloads=workloads,
        runtime=runtime,
        functions=made,
    )


def _application(stages: Mapping[str, _Api]) -> Application:
    async def by_stage(scope: Scope, receive: Receive, send: Send) -> None:
        stage, _, rest = path(scope).removeprefix("/").partition("/")
        api = stages.get(stage)
        request_id = str(uuid.uuid4())
        refuse = _refuse_connection if scope["type"] == "websocket" else _refuse
        try:
            if api is None:
                raise Refused("DEFAULT_4XX")  # noqa: TRY301 - answered as all others
            if scope["type"] == "websocket":
                await _connect(api, scope, receive, send, request_id)
            else:
                await _manage(api, scope, receive, send, rest)
        except Refused as refused:
            await refuse(scope, send, refused, request_id)

    return by_stage


async def _refuse(_scope: Scope, send: Send, refused: Refused, request_id: str) -> None:
    await respond(send, *answer(refused, {}, request_id))


async def _refuse_connection(scope: Scope, send: Send, refused: Refused, request_id: str) -> None:
    """Refuses a handshake; a server without the response extension sends 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return

    async def as_connection(message: MutableMapping[str, Any]) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await _refuse(scope, as_connection, refused, request_id)


async def _connect(api: _Api, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
    """Accepts a connection and handles its messages until it ends."""
    if (await receive())["type"] != "websocket.connect":
        return
    connection_id = uuid.uuid4().hex
    route = api.routes.get(_CONNECT)
    if route:
        await _authorize(api, route, _asked(api, scope, connection_id, request_id))
        await _welcome(api, route, connection_id, request_id)
    await send({"type": "websocket.accept"})
    connection = _Connection(send=send)
    api.connections[connection_id] = connection
    try:
        await _converse(api, connection, connection_id, receive)
    finally:
        del api.connections[connection_id]


def _asked(api: _Api, scope: Scope, connection_id: str, request_id: str) -> Asked:
    given, asked = headers(scope), query(scope)
    context = {
        "apiId": api.id,
        "connectionId": connection_id,
        "domainName": dict(given).get("host", "").partition(":")[0],
        "eventType": "CONNECT",
        "identity": {"sourceIp": _address(api.cloud)},
        "requestId": request_id,
        "routeKey": _CONNECT,
        "stage": api.stage,
    }
    return Asked(
        arn=f"{api.execution_arn}/{api.stage}/{_CONNECT}",
        source=source(scope),
        source_ip=None,
        headers=given,
        query=asked,
        event={**event(given, asked), "stageVariables": {}, "requestContext": context},
    )


def _address(cloud: Cloud) -> str:
    """The address of clients; a WebSocket API has no policy, so the REST APIs' policies decide."""
    policies = [one.properties.get("policy") for one in cloud.list("aws", _REST_POLICY)]
    found = [address for one in policies if (address := address_within(one)) != LOOPBACK]
    return found[0] if found else LOOPBACK


async def _authorize(api: _Api, route: Mapping[str, Any], asked: Asked) -> None:
    match route.get("authorizationType") or "NONE":
        case "NONE":
            return
        case "AWS_IAM":
            signed(asked, api.deployed, _by_process(api))
        case "CUSTOM" if route.get("authorizerId") in api.authorizers:
            await api.authorizers[str(route["authorizerId"])].admit(asked)
        case _:
            raise Refused("API_CONFIGURATION_ERROR")


def _by_process(api: _Api) -> Mapping[str, Function]:
    return {one.process: one for one in api.functions.values()}


async def _welcome(
    api: _Api, route: Mapping[str, Any], connection_id: str, request_id: str
) -> None:
    """Runs the integration of `$connect`; its status accepts or refuses the connection."""
    integration = api.integrations.get(str(route.get("target")), {})
    if integration.get("integrationType") != "MOCK":
        raise Refused(
            "API_CONFIGURATION_ERROR",
            f"the route {_CONNECT} has an integration of the type "
            f"{integration.get('integrationType')}; the sandbox supports only MOCK on this route",
            status=501,
        )
    context = {"connectionId": connection_id, "requestId": request_id, "routeKey": _CONNECT}
    try:
        said = json.loads(render(_template(integration), context=context, body="").text)
        status = int(said["statusCode"])
    except (TemplateError, ValueError, KeyError, TypeError) as error:
        raise Refused("API_CONFIGURATION_ERROR") from error
    if status not in _OK:
        raise Refused(
            "DEFAULT_4XX" if status < _FIRST_SERVER_ERROR else "DEFAULT_5XX", status=status
        )


def _template(integration: Mapping[str, Any]) -> str:
    """The request template that the selection expression names; it must be a constant."""
    selection = str(integration.get("templateSelectionExpression") or "").removeprefix("\\")
    templates = cast("Mapping[str, str]", integration.get("requestTemplates") or {})
    return templates.get(selection) or templates.get(_DEFAULT) or ""


async def _converse(
    api: _Api, connection: _Connection, connection_id: str, receive: Receive
) -> None:
    """Handles messages until the connection ends or reaches a timeout."""
    until = time.time() + CONNECTION_SECONDS
    ended = asyncio.create_task(connection.ended.wait())
    coming = asyncio.ensure_future(receive())

    def left() -> float:
        # A message from a function also resets the idle timeout.
        return min(until, connection.last_active_at + IDLE_SECONDS) - time.time()

    try:
        while True:
            await asyncio.wait(
                {coming, ended}, timeout=max(left(), 0), return_when=asyncio.FIRST_COMPLETED
            )
            if coming.done():
                if not await _received(api, connection, connection_id, coming.result()):
                    return
                coming = asyncio.ensure_future(receive())
            elif ended.done() or left() <= 0:
                await connection.send({"type": "websocket.close", "code": _GOING_AWAY})
                return
    finally:
        ended.cancel()
        coming.cancel()


async def _received(
    api: _Api, connection: _Connection, connection_id: str, message: MutableMapping[str, Any]
) -> bool:
    """Handles one ASGI event of a connection; returns whether the connection continues."""
    if message["type"] != "websocket.receive":
        return False
    text: str | None = message.get("text")
    body = text if text is not None else message["bytes"].decode("utf-8", "replace")
    if len(body.encode()) > MAX_MESSAGE_BYTES:
        await connection.send({"type": "websocket.close", "code": _TOO_BIG})
        return False
    connection.last_active_at = time.time()
    await _message(api, connection, connection_id, body)
    return True


async def _message(api: _Api, connection: _Connection, connection_id: str, body: str) -> None:
    """Sends a message to the function of its route; the caller gets an error if that fails."""
    request_id = str(uuid.uuid4())
    try:
        await _integrate(api, connection_id, body, request_id)
    except Refused as refused:
        said = {"connectionId": connection_id, "requestId": request_id}
        await connection.write(json.dumps({"message": refused.message or "Forbidden", **said}))


def _route(api: _Api, body: str) -> tuple[str, Mapping[str, Any]]:
    """The route that a message selects, or the default route."""
    key = ""
    if api.selection.startswith(_EXPRESSION):
        try:
            found: object = json.loads(body)
        except ValueError:
            found = None
        for part in api.selection.removeprefix(_EXPRESSION).split("."):
            found = cast("dict[str, object]", found).get(part) if isinstance(found, dict) else None
        key = str(found)
    if key in api.routes and not key.startswith("$"):
        return key, api.routes[key]
    if _DEFAULT in api.routes:
        return _DEFAULT, api.routes[_DEFAULT]
    raise Refused("DEFAULT_4XX", "Forbidden")


async def _integrate(api: _Api, connection_id: str, body: str, request_id: str) -> None:
    key, route = _route(api, body)
    integration = api.integrations.get(str(route.get("target")), {})
    if integration.get("integrationType") == "MOCK":
        return
    function = invoked(str(integration.get("integrationUri")), api.functions)
    place = f"{api.execution_arn}/{api.stage}/{key}"
    parameters = cast("Mapping[str, str]", integration.get("requestParameters") or {})
    if (
        integration.get("integrationType") != "AWS"
        or parameters.get(_INVOCATION_TYPE) != "'Event'"
        or function is None
        or not admits(api.cloud, function, place)
    ):
        raise Refused("API_CONFIGURATION_ERROR", "Internal server error")
    context = {"connectionId": connection_id, "requestId": request_id, "routeKey": key}
    try:
        made = json.loads(render(_template(integration), context=context, body=body).text)
    except (TemplateError, ValueError) as error:
        raise Refused("API_CONFIGURATION_ERROR", "Internal server error") from error
    task = asyncio.create_task(_invoke(api, function, made, request_id))
    # The event loop has only weak references to tasks.
    api.running.add(task)
    task.add_done_callback(api.running.discard)


async def _invoke(api: _Api, function: Function, made: object, request_id: str) -> None:
    """Invokes a function asynchronously; its errors are in its log."""
    try:
        if has_web_server(function):
            await web_adapter.post_event(function, api.workloads, made, request_id=request_id)
        else:
            event_ = cast("Mapping[str, Any]", made)
            await api.runtime.invoke(function.process, event_, function.timeout_seconds)
    except FunctionError:
        return


async def _manage(api: _Api, scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """The `@connections` API: sends to a connection, describes it, or closes it."""
    place, _, quoted = rest.partition("/")
    method = str(scope["method"])
    if place != _CONNECTIONS or not quoted or method not in ("POST", "GET", "DELETE"):
        raise Refused("MISSING_AUTHENTICATION_TOKEN")
    connection_id = unquote(quoted)
    asked = Asked(
        arn=f"{api.execution_arn}/{api.stage}/{method}/{_CONNECTIONS}/{connection_id}",
        source=source(scope),
        source_ip=None,
        headers=headers(scope),
        query=query(scope),
    )
    signed(asked, api.deployed, _by_process(api), _MANAGE)
    data = await _data(receive)
    connection = api.connections.get(connection_id)
    if connection is None:
        await _gone(send)
    elif method == "DELETE":
        connection.ended.set()
        await respond(send, 204, [], b"")
    elif method == "GET":
        await respond(send, 200, _JSON, json.dumps(_status(connection)).encode())
    elif data is None:
        await _error(send, 413, "PayloadTooLargeException", "Message too long")
    else:
        try:
            await connection.write(data.decode("utf-8", "replace"))
        except OSError:
            # Servers raise this for a client that has just disconnected.
            await _gone(send)
        else:
            await respond(send, 200, _JSON, b"")


_JSON: Headers = [(b"content-type", b"application/json")]


async def _data(receive: Receive) -> bytes | None:
    """The message to send, or None if it is too long."""
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if len(data) > MAX_MESSAGE_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(data)


def _status(connection: _Connection) -> dict[str, Any]:
    def at(seconds: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

    return {
        "connectedAt": at(connection.connected_at),
        "identity": {"sourceIp": LOOPBACK, "userAgent": ""},
        "lastActiveAt": at(connection.last_active_at),
    }


async def _gone(send: Send) -> None:
    await _error(send, 410, "GoneException", "the connection is not there anymore")


async def _error(send: Send, status: int, error_type: str, message: str) -> None:
    names: Sequence[tuple[str, str]] = [("x-amzn-errortype", error_type)]
    body = json.dumps({"message": message}).encode()
    await respond(send, status, [*_JSON, *encoded(names)], body)
