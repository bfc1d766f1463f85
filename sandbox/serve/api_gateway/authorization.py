"""Authorization of methods and routes in API Gateway: signatures and Lambda authorizers.

Facts from the API Gateway Developer Guide ("Control access to a REST API with IAM permissions",
"Use API Gateway Lambda authorizers", "How API Gateway resource policies affect authorization
workflow") and the IAM User Guide ("AWS Signature Version 4 for API requests").

The proxy identifies the workload that sends a request. The request must have a signature for the
right service and region with the access key of that workload; the signature is not verified.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs

from sandbox.cloud.store import Cloud
from sandbox.iam.evaluate import Effect
from sandbox.serve.api_gateway.resource_policies import INVOKE, decide
from sandbox.serve.fleet import OPERATOR, Fleet
from sandbox.serve.functions.runtime_api import FunctionError, Runtime
from sandbox.serve.http.gateway_responses import Refused
from sandbox.serve.readers.aws_lambda import Function, admits, invoked

# API Gateway quotas: the timeout is the same as that of an integration.
_AUTHORIZER_SECONDS = 29.0
_DEFAULT_TTL_SECONDS = 300.0  # API Gateway API reference, Authorizer, authorizerResultTtlInSeconds
_ALGORITHM = "AWS4-HMAC-SHA256"
_NEEDED = ("Credential", "Signature", "SignedHeaders")
_SOURCE = re.compile(r"(?:method|route)\.request\.(header|querystring)\.(.+)")
_EXPLICITLY = "with an explicit deny"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request to an API.

    Attributes:
        arn: `arn:aws:execute-api:region:account:api-id/stage/METHOD/path`.
        source: The caller: a process, `OPERATOR`, or an unknown caller.
        source_ip: The caller's address, or None if it is unknown.
        headers: The headers, with lowercase names.
        query: The query string.
        policy: The resource policy of the API, or nothing.
        event: The event for an authorizer of the type REQUEST.
    """

    arn: str
    source: str
    source_ip: str | None
    headers: Sequence[tuple[str, str]]
    query: str = ""
    policy: str = ""
    event: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    def parameter(self, name: str) -> str:
        """The first value of a parameter of the query, or nothing."""
        return (parse_qs(self.query, keep_blank_values=True).get(name) or [""])[0]


def open_to_all(asked: Asked) -> None:
    """Allows every caller that the resource policy of the API allows.

    Args:
        asked: The request.

    Raises:
        Refused: the policy does not allow the caller.
    """
    effect = _own_policy(asked, {"*"})
    if asked.policy and effect is not Effect.ALLOW:
        raise _denied("User: anonymous", asked, effect)


def signed(
    asked: Asked,
    deployed: Fleet,
    functions: Mapping[str, Function],
    action: str = INVOKE,
) -> dict[str, str]:
    """Allows callers that sign with credentials that have a permission.

    Args:
        asked: The request.
        deployed: The deployed workloads and their permissions.
        functions: The functions by the name of their process.
        action: The action that the caller needs.

    Returns:
        The identity in the request context of API Gateway.

    Raises:
        Refused: the request is not signed, or not by the caller; or no policy of the caller or
            of the API allows it; or one of them denies it.
    """
    account = asked.arn.split(":")[4]
    if asked.source == OPERATOR:
        user = f"arn:aws:iam::{account}:user/{OPERATOR}"
        effect = _own_policy(asked, {"*"}, user)
        if effect is Effect.DENY:
            raise _denied(f"User: {user}", asked, effect, action)
        return {"accessKey": OPERATOR, "accountId": account, "userArn": user}
    key = _access_key(asked)
    function = functions.get(asked.source)
    if function is None or key != asked.source:
        raise Refused("INVALID_SIGNATURE", "The security token included in the request is invalid.")
    role = function.role_arn.rpartition("/")[2]
    user = f"arn:aws:sts::{account}:assumed-role/{role}/{function.name}"
    effect = _own_policy(asked, {"*", function.role_arn}, function.role_arn)
    allowed = deployed.allows(asked.source, action, asked.arn)
    if effect is Effect.DENY or not (allowed or effect is Effect.ALLOW):
        raise _denied(f"User: {user}", asked, effect, action)
    return {"accessKey": key, "accountId": account, "userArn": user}


@dataclass(kw_only=True)
class LambdaAuthorizer:
    """A Lambda authorizer of an API, with the cache of its policies.

    Attributes:
        cloud: The cloud.
        settings: The authorizer, of a REST or a WebSocket API.
        id: Its id.
        execution_arn: The API's ARN.
        functions: The functions by the ARN of their alias.
        runtime: Invokes them.
        clock: A monotonic clock, in seconds.
    """

    cloud: Cloud
    settings: Mapping[str, Any]
    id: str
    execution_arn: str
    functions: Mapping[str, Function]
    runtime: Runtime
    clock: Callable[[], float] = time.monotonic
    _kept: dict[tuple[str, ...], tuple[float, Mapping[str, Any]]] = field(
        default_factory=dict[tuple[str, ...], tuple[float, Mapping[str, Any]]]
    )

    async def admit(self, asked: Asked) -> dict[str, Any]:
        """Allows the callers that the policy of the function allows.

        Args:
            asked: The request.

        Returns:
            The caller in the request context of API Gateway: `principalId`, and the values that
            the function adds.

        Raises:
            Refused: 401 for a caller without a token or one that the function does not accept, 403
                for a caller that the policy does not allow, 500 if the function may not be
                invoked, fails, or returns no policy.
        """
        if _own_policy(asked, {"*"}) is Effect.DENY:
            raise _denied("User", asked, Effect.DENY, None)
        identity = self._identity(asked)
        said = self._remembered(identity)
        if said is None:
            said = await self._ask(asked, identity)
            self._remember(identity, said)
        try:
            effect = decide(said.get("policyDocument"), asked.arn)
        except (ValueError, TypeError) as error:
            raise Refused("AUTHORIZER_CONFIGURATION_ERROR") from error
        # Within one account one allow in either policy is enough if neither policy denies.
        if effect is Effect.NOTHING and asked.policy:
            effect = _own_policy(asked, {"*"})
        if effect is not Effect.ALLOW:
            raise _denied("User", asked, effect, None)
        context = cast("Mapping[str, Any]", said.get("context") or {})
        return {"principalId": str(said["principalId"]), **context}

    @property
    def _is_token(self) -> bool:
        return self.settings.get("type", "TOKEN") == "TOKEN" and "authorizerType" not in (
            self.settings
        )

    def _identity(self, asked: Asked) -> tuple[str, ...]:
        """The identity sources of a request; all of them are required."""
        named: object = self.settings.get("identitySources") or self.settings.get("identitySource")
        sources = (
            named.split(",")
            if isinstance(named, str)
            else [str(one) for one in cast("Sequence[object]", named or ())]
        )
        values: list[str] = []
        for source in sources or ["method.request.header.Authorization"]:
            found = _SOURCE.fullmatch(source.strip())
            if not found:
                raise Refused("AUTHORIZER_CONFIGURATION_ERROR")
            values.append(
                asked.header(found[2]) if found[1] == "header" else asked.parameter(found[2])
            )
        pattern = str(self.settings.get("identityValidationExpression") or "")
        if not all(values) or (self._is_token and pattern and not re.fullmatch(pattern, values[0])):
            raise Refused("UNAUTHORIZED")
        return tuple(values)

    def _remembered(self, identity: tuple[str, ...]) -> Mapping[str, Any] | None:
        until, said = self._kept.get(identity, (0.0, None))
        return said if said is not None and self.clock() < until else None

    def _remember(self, identity: tuple[str, ...], said: Mapping[str, Any]) -> None:
        told = self.settings.get("authorizerResultTtlInSeconds")
        seconds = _DEFAULT_TTL_SECONDS if told in (None, "") else float(told)
        now = self.clock()
        self._kept = {key: kept for key, kept in self._kept.items() if now < kept[0]}
        if seconds > 0:
            self._kept[identity] = (now + seconds, said)

    async def _ask(self, asked: Asked, identity: tuple[str, ...]) -> Mapping[str, Any]:
        function = invoked(str(self.settings.get("authorizerUri")), self.functions)
        place = f"{self.execution_arn}/authorizers/{self.id}"
        if function is None or not admits(self.cloud, function, place):
            raise Refused("AUTHORIZER_CONFIGURATION_ERROR")
        event = (
            {"type": "TOKEN", "methodArn": asked.arn, "authorizationToken": identity[0]}
            if self._is_token
            else {"type": "REQUEST", "methodArn": asked.arn, **asked.event}
        )
        limit = min(function.timeout_seconds, _AUTHORIZER_SECONDS)
        try:
            said = await self.runtime.invoke(function.process, event, limit)
        except FunctionError as error:
            if error.message == "Unauthorized":
                raise Refused("UNAUTHORIZED") from error
            raise Refused("AUTHORIZER_CONFIGURATION_ERROR") from error
        policy = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
        if not policy.get("principalId"):
            raise Refused("AUTHORIZER_CONFIGURATION_ERROR")
        return policy


def _access_key(asked: Asked) -> str:
    """The access key that a request is signed with, in its header or its query."""
    header = asked.header("authorization")
    if header:
        algorithm, _, rest = header.partition(" ")
        pairs = (one.strip().partition("=") for one in rest.split(","))
        given = {name: value for name, _, value in pairs}
    else:
        algorithm = asked.parameter("X-Amz-Algorithm")
        given = {name: asked.parameter(f"X-Amz-{name}") for name in _NEEDED}
        if not algorithm:
            raise Refused("MISSING_AUTHENTICATION_TOKEN")
    absent = [name for name in _NEEDED if not given.get(name)]
    if algorithm != _ALGORITHM or absent:
        told = " ".join(f"Authorization header requires '{name}' parameter." for name in absent)
        raise Refused("INVALID_SIGNATURE", told or f"Unsupported AWS 'algorithm': '{algorithm}'")
    # The access key can contain slashes in the sandbox; the scope after it begins with a date.
    key, *scope = given["Credential"].rsplit("/", 4)
    region = asked.arn.split(":")[3]
    if scope[1:] != [region, "execute-api", "aws4_request"]:
        raise Refused(
            "INVALID_SIGNATURE",
            f"Credential should be scoped to correct service: 'execute-api' in {region}, not to "
            f"{'/'.join(scope)!r}",
        )
    return key


def _own_policy(asked: Asked, principals: set[str], principal_arn: str | None = None) -> Effect:
    if not asked.policy:
        return Effect.NOTHING
    try:
        return decide(
            asked.policy,
            asked.arn,
            principals=principals,
            source_ip=asked.source_ip,
            principal_arn=principal_arn,
        )
    except ValueError as error:
        raise Refused("API_CONFIGURATION_ERROR", str(error)) from error


def _denied(who: str, asked: Asked, effect: Effect, action: str | None = INVOKE) -> Refused:
    what = f"perform: {action} on resource: {asked.arn}" if action else "access this resource"
    how = f" {_EXPLICITLY}" if effect is Effect.DENY else ""
    return Refused("ACCESS_DENIED", f"{who} is not authorized to {what}{how}")
