"""Test clouds with functions and APIs, a workload that records its requests, and ASGI clients."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.serve.api_gateway import rest_api
from sandbox.serve.fleet import OPERATOR, Application, Fleet
from sandbox.serve.functions.runtime_api import FunctionError, Runtime
from sandbox.serve.readers import aws_lambda
from sandbox.serve.readers.aws_lambda import Function
from sandbox.tests.clusters import put
from sandbox.tests.serve.deployed import ACCOUNT, REGION, allow, role

LAMBDA = "lambda.amazonaws.com"
API, SOCKETS = "abcdefghij", "socketsapi"
EXECUTION = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API}"
SOCKETS_EXECUTION = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{SOCKETS}"
HOST = f"{API}.execute-api.{REGION}.amazonaws.com"
SOCKETS_HOST = f"{SOCKETS}.execute-api.{REGION}.amazonaws.com"
BEARER = "Bearer good"
ALLOW_ALL = {
    "principalId": "ann",
    "policyDocument": {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{EXECUTION}/live/*"}
        ],
    },
    "context": {"client_id": "app"},
}


def signature(key: str, region: str = REGION, service: str = "execute-api") -> str:
    """An Authorization header in the format of SigV4."""
    return (
        f"AWS4-HMAC-SHA256 Credential={key}/20261123/{region}/{service}/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=00"
    )


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:fleet-{name}"


def uri(name: str, *, streams: bool = True) -> str:
    path = (
        f"2021-11-15/functions/{function_arn(name)}:live/response-streaming-invocations"
        if streams
        else f"2015-03-31/functions/{function_arn(name)}:live/invocations"
    )
    return f"arn:aws:apigateway:{REGION}:lambda:path/{path}"


def add_function(
    cloud: Cloud,
    name: str,
    *statements: Any,
    variables: Mapping[str, str] | None = None,
    logs: str | None = None,
    **properties: Any,
) -> None:
    """Adds a function with a role and an alias; by default a workload with the web adapter."""
    if variables is None:
        variables = {
            "PORT": "8080",
            "AWS_LWA_READINESS_CHECK_PATH": "/health",
            "AWS_LWA_REMOVE_BASE_PATH": f"/servers/{name}",
        }
    made: dict[str, Any] = {
        "name": f"fleet-{name}",
        "arn": function_arn(name),
        "packageType": "Image",
        "imageUri": f"registry/{name}@sha256:1",
        "role": role(cloud, name, *statements, service=LAMBDA),
        "version": "1",
        "timeout": 5,
        "memorySize": 512,
        "environment": {"variables": variables},
        "loggingConfig": {"logFormat": "JSON", "logGroup": logs or f"/fleet/dev/{name}"},
    }
    put(cloud, "lambda/function:Function", f"fleet-{name}", **(made | properties))
    put(
        cloud,
        "lambda/alias:Alias",
        f"{function_arn(name)}:live",
        name="live",
        functionName=f"fleet-{name}",
        functionVersion="1",
        arn=f"{function_arn(name)}:live",
    )


def add_authorizer(cloud: Cloud, **properties: Any) -> None:
    """Adds an authorizer and its function."""
    add_function(
        cloud,
        "tokens",
        variables={},
        logs="/fleet/dev/gateway/requests",
        imageConfig={"commands": ["authorizer.handle"]},
    )
    permit(cloud, "tokens", f"{EXECUTION}/authorizers/auth1")
    made: dict[str, Any] = {
        "restApi": API,
        "type": "TOKEN",
        "identitySource": "method.request.header.Authorization",
        "authorizerUri": uri("tokens", streams=False),
        "authorizerResultTtlInSeconds": 60,
    }
    put(cloud, "apigateway/authorizer:Authorizer", "auth1", **(made | properties))


def permit(cloud: Cloud, name: str, source_arn: str, **properties: Any) -> None:
    made = {
        "function": f"fleet-{name}",
        "qualifier": "live",
        "principal": "apigateway.amazonaws.com",
        "action": "lambda:InvokeFunction",
        "sourceArn": source_arn,
    }
    put(cloud, "lambda/permission:Permission", f"{name} {source_arn}", **(made | properties))


def add_api(cloud: Cloud, api: str = API, name: str = "fleet-gateway", **properties: Any) -> None:
    made: dict[str, Any] = {
        "name": name,
        "executionArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}",
        "rootResourceId": f"{api}-root",
    }
    put(cloud, "apigateway/restApi:RestApi", api, **(made | properties))


def add_method(
    cloud: Cloud,
    path: str,
    http_method: str,
    integration: Mapping[str, Any],
    *replies: Mapping[str, Any],
    authorization: str = "AWS_IAM",
    authorizer: str | None = None,
) -> None:
    id_ = f"r{path}"
    at = {"restApi": API, "resourceId": id_, "httpMethod": http_method}
    own = {"authorization": authorization, "authorizerId": authorizer}
    put(cloud, "apigateway/resource:Resource", id_, restApi=API, path=path)
    put(cloud, "apigateway/method:Method", f"m{path}{http_method}", **at, **own)
    put(cloud, "apigateway/integration:Integration", f"i{path}{http_method}", **at, **integration)
    for reply in replies:
        put(
            cloud,
            "apigateway/integrationResponse:IntegrationResponse",
            f"ir{path}{http_method}{reply['statusCode']}",
            **at,
            **reply,
        )


def deploy(cloud: Cloud, **properties: Any) -> None:
    """Adds a deployment of the existing APIs, and the stage `live`."""
    cloud.delete("aws", "aws:apigateway/deployment:Deployment", "dep")
    put(cloud, "apigateway/deployment:Deployment", "dep", restApi=API)
    made = {"restApi": API, "stageName": "live", "deployment": "dep"}
    put(cloud, "apigateway/stage:Stage", "live", **(made | properties))


def answered_by(name: str, **properties: Any) -> dict[str, Any]:
    made = {"type": "AWS_PROXY", "uri": uri(name), "timeoutMilliseconds": 15_000}
    return made | properties


def mocked(status: int) -> dict[str, Any]:
    return {
        "type": "MOCK",
        "passthroughBehavior": "NEVER",
        "requestTemplates": {"application/json": json.dumps({"statusCode": status})},
    }


def put_at(cloud: Cloud, type_: str, id_: str, created: float, **properties: Any) -> None:
    """Puts a resource with a creation time."""
    stored = StoredResource(
        provider="aws",
        type=f"aws:{type_}",
        id=id_,
        inputs={},
        properties=properties,
        created=created,
    )
    cloud.put(stored)


def add_server(cloud: Cloud, name: str = "clock", **method: Any) -> None:
    """Adds a server with its function and its two methods, as the program does."""
    path = f"/servers/{name}/mcp"
    add_function(cloud, name)
    permit(cloud, name, f"{EXECUTION}/live/POST{path}")
    add_method(cloud, path, "POST", answered_by(name), **method)
    add_method(
        cloud,
        path,
        "ANY",
        mocked(405),
        {
            "statusCode": "405",
            "responseTemplates": {"application/json": '{"error": "POST is the only method here"}'},
            "responseParameters": {"method.response.header.Allow": "'POST'"},
        },
        **method,
    )


def invoke_right(*paths: str) -> Any:
    return allow("execute-api:Invoke", [f"{EXECUTION}/live/*{path}" for path in paths])


class Functions(Runtime):
    """Functions without a web server; each maps an event to a result."""

    def __init__(self, **handlers: Callable[[Any], Any]) -> None:
        super().__init__([])
        self.handlers = handlers
        self.events: list[Any] = []

    async def invoke(self, name: str, event: Mapping[str, Any], timeout_seconds: float) -> Any:
        self.events.append(event)
        if name not in self.handlers:
            raise FunctionError("ResourceNotFoundException", name)
        return self.handlers[name](event)


@dataclass
class Running:
    """Workloads that share an address."""

    address: str | None

    def url(self, name: str) -> str | None:
        return self.address

    def named(self, name: str) -> str | None:
        return self.address


@dataclass
class Seen:
    """The requests to the workload."""

    requests: list[tuple[str, str, dict[str, str], bytes]] = field(
        default_factory=list[tuple[str, str, dict[str, str], bytes]]
    )

    @property
    def last(self) -> tuple[str, str, dict[str, str], bytes]:
        return self.requests[-1]


class _Quiet(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Any:
        yield


Behaviour = Callable[[Any, Any], Coroutine[Any, Any, None]]


async def fine(_receive: Any, send: Any) -> None:
    """Responds with status 200 and a line."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"fine"})


@asynccontextmanager
async def workload(behaviour: Behaviour = fine) -> AsyncGenerator[tuple[Running, Seen]]:
    """A workload on a port, and the requests that it gets."""
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        query = scope["query_string"].decode()
        target = scope["raw_path"].decode() + (f"?{query}" if query else "")
        seen.requests.append((scope["method"], target, headers, body))
        await behaviour(receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    server = _Quiet(
        uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}"), seen
    finally:
        server.should_exit = True
        await task


def applications(
    cloud: Cloud, workloads: Running, functions: Runtime | None = None
) -> Mapping[str, Application]:
    deployed: Fleet = aws_lambda.read(cloud)
    return rest_api.application(cloud, deployed, workloads, functions or Functions())


@dataclass
class Answer:
    """The response of an application.

    Attributes:
        ended: Whether the response is complete.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    ended: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    application: Application,
    method: str,
    path: str,
    *,
    host: str = HOST,
    headers: Mapping[str, str] | None = None,
    repeated: Sequence[tuple[str, str]] = (),
    body: bytes | Sequence[bytes] = b"",
    source: str = OPERATOR,
    query: str = "",
) -> Answer:
    """Sends a request to an application over ASGI."""
    given = [*{"host": host, **(headers or {})}.items(), *repeated]
    pieces = [body] if isinstance(body, bytes) else list(body)
    answer = Answer()

    async def receive() -> Any:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            answer.body += message.get("body", b"")
            answer.ended = not message.get("more_body", False)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in given],
        "client": ("127.0.0.1", 1),
        "state": {"source": source},
    }
    await application(scope, receive, send)
    return answer


def by_process(cloud: Cloud) -> Mapping[str, Function]:
    return {one.process: one for one in aws_lambda.functions(cloud).values()}
