"""Reads Lambda functions of container images by their alias `live`, and their permissions.

Facts from the AWS Lambda Developer Guide ("Lambda runtime environment lifecycle", "Defined runtime
environment variables", "Permissions", "Configuring file system access") and the API Gateway
Developer Guide ("Regional custom domain name").
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sandbox.cloud.store import Cloud
from sandbox.iam import roles
from sandbox.iam.evaluate import Context
from sandbox.iam.policies import arn_like
from sandbox.profile import profile
from sandbox.serve.fleet import GATEWAY, OPERATOR, DeployedError, Fleet, Process
from sandbox.serve.reachability import security_groups
from sandbox.serve.reachability.security_groups import End
from sandbox.serve.readers import mounts
from sandbox.values.tree import part

"""The alias through which functions are invoked."""

FUNCTION = "aws:lambda/function:Function"
INIT_SECONDS = 10.0
"""The timeout for the start of a new environment."""

_ALIAS = "aws:lambda/alias:Alias"
_PERMISSION = "aws:lambda/permission:Permission"
_REST_API = "aws:apigateway/restApi:RestApi"
_DOMAIN = "aws:apigateway/domainName:DomainName"
_MAPPING = "aws:apigateway/basePathMapping:BasePathMapping"
_STAGE = "aws:apigateway/stage:Stage"
_LAMBDA, _API_GATEWAY = "lambda.amazonaws.com", "apigateway.amazonaws.com"
_INVOKE = "lambda:InvokeFunction"
# `/<project>/<stack>/<workload>`; what is no workload's logs to `…/gateway/requests`.
_WORKLOAD_LOGS = re.compile(r"/[^/]+/[^/]+/([^/]+)")
_URI = re.compile(r".*:lambda:path/[^/]+/functions/(.+)/(?:response-streaming-)?invocations")
_DEFAULT_SECONDS = 3  # Lambda API reference, CreateFunction, Timeout
_DEFAULT_MIB = 128  # the same, MemorySize


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function and its alias `live`.

    Attributes:
        process: The name of its process.
        name: Its name.
        alias_arn: The ARN of its alias `live`.
        version: The version that the alias points to.
        role_arn: Its execution role.
        timeout_seconds: The timeout of an invocation.
        memory_mib: Its memory.
        log_group: Its log group.
        environment: Its variables.
    """

    process: str
    name: str
    alias_arn: str
    version: str
    role_arn: str
    timeout_seconds: float
    memory_mib: int
    log_group: str
    environment: Mapping[str, str]


def read(cloud: Cloud) -> Fleet:
    """The fleet on Lambda.

    Workloads connect to each other only through the APIs; functions have no private names. The
    gateway can connect to a function that any API may invoke; `admits` decides for each route.

    Args:
        cloud: The cloud.

    Returns:
        The functions and their rules. The gateway's URL has the API's stage in its path, unless
        there is a domain.

    Raises:
        DeployedError: there is no function, or Lambda could not run one.
    """
    made = functions(cloud)
    if not made:
        raise DeployedError(
            "the cloud has no Lambda function with the alias live: bring a stack with target "
            "lambda up first"
        )
    by_process = {one.process: one for one in made.values()}
    if len(by_process) < len(made):
        names = ", ".join(one.name for one in made.values())
        raise DeployedError(
            f"two Lambda functions run the same workload ({names}): deploy one stack, and "
            "destroy the others of this sandbox"
        )

    def refusal(source: str, process: str, port: int) -> str | None:
        function = by_process[process]
        if source != GATEWAY:
            return f"a function has no address: only Lambda can connect to {process}:{port}"
        if any(True for _ in _admissions(cloud, function)):
            return None
        return f"no permission allows API Gateway to invoke {function.alias_arn}"

    def allows(source: str, action: str, resource: str, context: Context | None = None, /) -> bool:
        function = by_process.get(source)
        return source == OPERATOR or (
            function is not None
            and _taken(cloud, function.role_arn)
            and roles.allows(cloud, function.role_arn, action, resource, context)
        )

    return Fleet(
        target="lambda",
        region=next(iter(made)).split(":")[3],
        entry=entry(cloud),
        processes=tuple(
            _process(cloud, by_process[name], _properties(cloud, by_process[name]))
            for name in sorted(by_process)
        ),
        resolve=lambda _source, _host, _port: None,
        refusal=refusal,
        allows=allows,
    )


def functions(cloud: Cloud) -> Mapping[str, Function]:
    """The functions of images that have an alias `live`.

    Args:
        cloud: The cloud.

    Returns:
        The functions by the ARN of that alias.

    Raises:
        DeployedError: an alias points to a version that no longer exists.
    """
    found: dict[str, Function] = {}
    aliases = {
        str(one.properties.get("functionName")): one.properties
        for one in cloud.list("aws", _ALIAS)
        if one.properties.get("name") == profile().function_alias
    }
    for stored in cloud.list("aws", FUNCTION):
        made = stored.properties
        name = str(made.get("name"))
        alias = aliases.get(name) or aliases.get(str(made.get("arn")))
        if alias is None or made.get("packageType") != "Image":
            continue
        if alias.get("functionVersion") != made.get("version"):
            raise DeployedError(
                f"the alias {profile().function_alias} of the function {name} points to version "
                f"{alias.get('functionVersion')}, but the cloud has only version "
                f"{made.get('version')}: deploy the stack again"
            )
        function = _function(made, str(alias["arn"]))
        found[function.alias_arn] = function
    return found


def admits(cloud: Cloud, function: Function, source_arn: str) -> bool:
    """Whether API Gateway may invoke a function for a method or an authorizer of an API.

    Args:
        cloud: The cloud.
        function: The function.
        source_arn: `…:api-id/stage/METHOD/path` or `…:api-id/authorizers/id`.

    Returns:
        Whether a permission of its alias allows it.
    """
    return any(arn is None or arn_like(arn, source_arn) for arn in _admissions(cloud, function))


def invoked(uri: str, made: Mapping[str, Function]) -> Function | None:
    """The function that an integration or an authorizer of API Gateway invokes.

    Args:
        uri: `arn:aws:apigateway:region:lambda:path/version/functions/arn/invocations`, or with
            `response-streaming-invocations`.
        made: The functions by the ARN of their alias.

    Returns:
        The function, or None for another URI or a missing function or alias.
    """
    found = _URI.fullmatch(uri)
    return made.get(found[1]) if found else None


def entry(cloud: Cloud) -> str:
    """The URL of the REST API that callers use.

    Args:
        cloud: The cloud.

    Returns:
        The URL of its custom domain, or the default URL with the stage.

    Raises:
        DeployedError: there is none or more than one.
    """
    apis = cloud.list("aws", _REST_API)
    named = [
        one
        for one in apis
        if str(one.properties.get("name")).endswith(profile().gateway_name_suffix)
    ]
    found = named if len(apis) > 1 else apis
    if len(found) != 1:
        names = ", ".join(str(one.properties.get("name")) for one in found) or "none"
        raise DeployedError(
            f"the cloud has {len(found)} REST APIs that are a gateway ({names}); there must be "
            "exactly one: deploy one stack, and destroy the others of this sandbox"
        )
    (api,) = found
    for mapping in (one.properties for one in cloud.list("aws", _MAPPING)):
        if mapping.get("restApi") == api.id:
            path = str(mapping.get("basePath") or "").strip("/")
            return f"https://{mapping['domainName']}{'/' if path else ''}{path}"
    for stage in (one.properties for one in cloud.list("aws", _STAGE)):
        if stage.get("restApi") == api.id:
            region = str(api.properties["executionArn"]).split(":")[3]
            host = f"{api.id}.execute-api.{region}.amazonaws.com"
            return f"https://{host}/{stage['stageName']}"
    raise DeployedError(f"the REST API {api.id} has no stage: deploy the stack again")


def _function(made: Mapping[str, Any], alias_arn: str) -> Function:
    variables = cast("Mapping[str, object]", part(made, "environment", "variables"))
    return Function(
        process=_process_name(made),
        name=str(made["name"]),
        alias_arn=alias_arn,
        version=str(made.get("version")),
        role_arn=str(made.get("role")),
        timeout_seconds=float(made.get("timeout") or _DEFAULT_SECONDS),
        memory_mib=int(made.get("memorySize") or _DEFAULT_MIB),
        log_group=_log_group(made),
        environment={name: str(value) for name, value in variables.items()},
    )


def _log_group(made: Mapping[str, Any]) -> str:
    return str(part(made, "loggingConfig").get("logGroup") or f"/aws/lambda/{made['name']}")


def _process_name(made: Mapping[str, Any]) -> str:
    """The workload's name from its log group; platform functions add the handler's module."""
    logs = _WORKLOAD_LOGS.fullmatch(_log_group(made))
    command = _command(made)
    module = command[0].rpartition(".")[0] if command else ""
    own = module or str(made["name"])
    if logs is None:
        return own
    return f"{logs[1]}/{module}" if module else logs[1]


def _command(made: Mapping[str, Any]) -> Sequence[str]:
    return [str(one) for one in part(made, "imageConfig").get("commands") or ()]


def _properties(cloud: Cloud, function: Function) -> Mapping[str, Any]:
    found = (one.properties for one in cloud.list("aws", FUNCTION))
    return next(one for one in found if one.get("name") == function.name)


def _process(cloud: Cloud, function: Function, made: Mapping[str, Any]) -> Process:
    _must_start(cloud, function, made)
    own, variables = part(made, "imageConfig"), function.environment
    port = variables.get("AWS_LWA_PORT") or variables.get("PORT")
    return Process(
        name=function.process,
        image=str(made["imageUri"]),
        entry_point=_words(own.get("entryPoints")),
        arguments=_words(own.get("commands")),
        environment=_environment(function, made),
        files=_files(cloud, function, made),
        port=int(port) if port else None,
        health_path=variables.get("AWS_LWA_READINESS_CHECK_PATH", "/") if port else None,
        # A start that fails in its first ten seconds is retried within the first invocation.
        health_seconds=INIT_SECONDS + function.timeout_seconds,
        # Lambda does not stop an environment during an invocation.
        stop_seconds=function.timeout_seconds,
        replicas=1,
        kind="function",
    )


def _words(value: Iterable[object] | None) -> tuple[str, ...] | None:
    return tuple(str(one) for one in value) if value else None


def _environment(function: Function, made: Mapping[str, Any]) -> dict[str, str]:
    """The deployed variables and those of Lambda, without addresses."""
    log_format = str(part(made, "loggingConfig").get("logFormat") or "Text")
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mib),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream(function),
        **({"AWS_LAMBDA_LOG_FORMAT": "JSON"} if log_format == "JSON" else {}),
        "TZ": ":UTC",
        **function.environment,
    }


def log_stream(function: Function) -> str:
    """The name of the log stream of a function's only environment.

    Args:
        function: The function.

    Returns:
        The name, without AWS's date prefix.
    """
    return f"{function.name}[{function.version}]"


def _must_start(cloud: Cloud, function: Function, made: Mapping[str, Any]) -> None:
    arn, key = str(made["arn"]), str(made.get("kmsKeyArn") or "")
    if not _taken(cloud, function.role_arn):
        raise DeployedError(
            f"{function.process}: The role defined for the function cannot be assumed by Lambda: "
            f"{function.role_arn}"
        )
    context = {"kms:EncryptionContext:aws:lambda:FunctionArn": arn}
    if key and not roles.allows(cloud, function.role_arn, "kms:Decrypt", key, context):
        raise DeployedError(
            f"{function.process}: Lambda was unable to decrypt the environment variables because "
            f"KMS access was denied: {function.role_arn} is not authorized to perform kms:Decrypt "
            f"on {key} for {arn}"
        )


def _taken(cloud: Cloud, role_arn: str) -> bool:
    """Whether Lambda may assume a role for a function."""
    account = role_arn.split(":")[4:5]
    context = {"aws:SourceAccount": account[0]} if account else {}
    return roles.trusts(cloud, role_arn, _LAMBDA, "sts:AssumeRole", context)


def _files(cloud: Cloud, function: Function, made: Mapping[str, Any]) -> dict[str, str]:
    mount = part(made, "fileSystemConfig")
    if not mount:
        return {}
    arn = str(mount.get("arn"))
    point_id = arn.rpartition("/")[2]
    point = cloud.get("aws", "aws:efs/accessPoint:AccessPoint", point_id)
    if point is None:
        raise DeployedError(
            f"{function.process} cannot mount {arn}: there is no such access point; bring the "
            "stack up again"
        )
    network = part(made, "vpcConfig")
    root = mounts.root(
        cloud,
        str(point.properties.get("fileSystemId")),
        point_id,
        folder="/",
        role_arn=function.role_arn,
        end=End(
            name=function.process,
            groups=tuple(network.get("securityGroupIds") or ()),
            subnets=security_groups.subnets(cloud, network.get("subnetIds") or ()),
        ),
    )
    return {str(mount["localMountPath"]): root}


def _admissions(cloud: Cloud, function: Function) -> Iterable[str | None]:
    """The source ARNs from which API Gateway may invoke the alias; None for all."""
    for stored in cloud.list("aws", _PERMISSION):
        made = stored.properties
        if (
            str(made.get("function")) in (function.name, function.alias_arn.rpartition(":")[0])
            and made.get("qualifier") == profile().function_alias
            and made.get("principal") == _API_GATEWAY
            and made.get("action") in (_INVOKE, "lambda:*", "*")
        ):
            yield str(made["sourceArn"]) if made.get("sourceArn") else None
