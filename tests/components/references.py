"""The resources of a fleet, and the names in inputs: ARNs, log groups, metrics, accounts."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, cast

from tests.components.recording import Recording, Resource, Secret

_ARN = re.compile(r"arn:aws[a-z-]*:[^\s\"'`\\<>,;]+")
# The URI of a function in an integration of API Gateway.
_INVOCATION = re.compile(
    r"^arn:aws[a-z-]*:apigateway:[^:]+:lambda:path/[^/]+/functions/(.+)/[^/]+$"
)
_VERBS = ("GET", "POST", "DELETE", "OPTIONS", "PUT", "PATCH", "HEAD")
# A placeholder for a later resource: an execution, a log stream, a connection.
_SOME = "some"


@dataclass(frozen=True)
class Mention:
    """A name in an input: the text, the resource, and the path of the input."""

    text: str
    resource: Resource
    path: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.resource.name} {self.path}: {self.text}"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The strings in a value, each with its path. JSON in a string is parsed."""
    match value:
        case Secret(value=inner):
            yield from leaves(inner, path)
        case dict():
            for key, inner in cast("dict[str, Any]", value).items():
                yield from leaves(inner, f"{path}.{key}" if path else key)
        case list():
            for inner in cast("list[Any]", value):
                yield from leaves(inner, path)
        case str() if value[:1] in ("{", "["):
            read: Any = value
            with suppress(ValueError):
                read = json.loads(value)
            yield from [(path, value)] if read == value else leaves(read, path)
        case str():
            yield path, value
        case _:
            pass


def at(value: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(part)
    return value


def mentions(recording: Recording) -> Iterator[Mention]:
    """The strings in the inputs of a fleet."""
    for made in recording.resources.values():
        for path, text in leaves(made.inputs):
            yield Mention(text, made, path)


def arns(recording: Recording) -> Iterator[Mention]:
    """The ARNs in the inputs. A template is cut at its first variable, followed by `*`."""
    for mention in mentions(recording):
        for found in _ARN.findall(mention.text):
            inner = _INVOCATION.match(found)
            arn = inner[1] if inner else found
            if "$" in arn and "$default" not in arn:
                arn = arn.partition("$")[0] + "*"
            yield Mention(arn, mention.resource, mention.path)


@dataclass(frozen=True)
class Made:
    """The names of the resources of a fleet.

    Attributes:
        recording: The run of the fleet.
    """

    recording: Recording

    def names(self, kind: str, attribute: str) -> set[str]:
        """The values of an output, or of a nested input, of the resources of a kind."""
        found: set[str] = set()
        for made in self.recording.of(kind):
            value = at({**made.inputs, **made.state}, attribute)
            if isinstance(value, str):
                found.add(value)
        return found

    @cached_property
    def arns(self) -> frozenset[str]:
        """The ARNs of the resources, and an example of each object that they can contain."""
        return frozenset(self._arns())

    def covers(self, pattern: str) -> bool:
        """Whether an ARN, or a pattern of ARNs, matches a resource of the fleet."""
        pattern = self._without_version(pattern)
        return any(fnmatchcase(arn, pattern) for arn in self.arns)

    def _without_version(self, arn: str) -> str:
        """The ARN of a secret without the suffix for ECS: key, stage and version."""
        versions = self.names("secretsmanager.SecretVersion", "versionId")
        start, _, version = arn.rpartition(":::")
        return start if version in versions else arn

    def _arns(self) -> Iterator[str]:
        for made in self.recording.resources.values():
            # An input with this name is the ARN of another resource.
            outputs = {key: text for key, text in made.state.items() if key not in made.inputs}
            for text in (made.id, outputs.get("arn")):
                if isinstance(text, str) and text.startswith("arn:"):
                    yield text
                    yield from (f"{text}{ending}" for ending in _INSIDE.get(made.kind, ()))
        yield from self._functions()
        yield from self._executions()
        yield from self._rest_apis()
        yield from self._socket_apis()
        yield from self._clusters()

    def _functions(self) -> Iterator[str]:
        """The names that functions have outside of the network, before they join it."""
        for function in self.recording.of("lambda.Function"):
            outside, in_network = re.subn(r"_[0-9a-f]{7}$", "", function.state["arn"])
            if in_network:
                yield from (outside, f"{outside}:1")

    def _executions(self) -> Iterator[str]:
        for machine in self.recording.of("sfn.StateMachine"):
            yield f"{machine.state['arn']}:{_SOME}".replace(":stateMachine:", ":execution:")

    def _rest_apis(self) -> Iterator[str]:
        for api in self.recording.of("apigateway.RestApi"):
            for path, verb in self._methods(api):
                for stage in self._stages(api):
                    yield f"{api.state['executionArn']}/{stage}/{verb}{path}"
            for authorizer in self.recording.of("apigateway.Authorizer"):
                if _is_below(authorizer, api):
                    yield f"{api.state['executionArn']}/authorizers/{authorizer.id}"

    def _stages(self, api: Resource) -> list[str]:
        stages = self.recording.of("apigateway.Stage")
        return [stage.inputs["stageName"] for stage in stages if _is_below(stage, api)]

    def _methods(self, api: Resource) -> Iterator[tuple[str, str]]:
        paths = {api.state["rootResourceId"]: ""}
        resources = self.recording.of("apigateway.Resource")
        waiting = [each for each in resources if _is_below(each, api)]
        while waiting:
            ready = [each for each in waiting if each.inputs["parentId"] in paths]
            assert ready, "resources without a parent"
            for each in ready:
                part = re.sub(r"\{.*\}", _SOME, each.inputs["pathPart"])
                paths[each.id] = f"{paths[each.inputs['parentId']]}/{part}"
            waiting = [each for each in waiting if each.id not in paths]
        for method in self.recording.of("apigateway.Method"):
            if _is_below(method, api):
                verb = method.inputs["httpMethod"]
                for each in _VERBS if verb == "ANY" else (verb,):
                    yield paths[method.inputs["resourceId"]] or "/", each

    def _socket_apis(self) -> Iterator[str]:
        for api in self.recording.of("apigatewayv2.Api"):
            arn = api.state["executionArn"]
            for each in self.recording.of("apigatewayv2.Authorizer"):
                yield f"{arn}/authorizers/{each.id}"
            for stage in self.names("apigatewayv2.Stage", "name"):
                yield f"{arn}/{stage}/POST/@connections/{_SOME}"
                for key in self.names("apigatewayv2.Route", "routeKey"):
                    yield f"{arn}/{stage}/{key}"

    def _clusters(self) -> Iterator[str]:
        for cluster in self.recording.of("eks.Cluster"):
            start = "arn:aws:eks:us-east-1:123456789012"
            name = cluster.inputs["name"]
            yield f"{start}:cluster/{name}"
            for group in self.recording.of("eks.ManagedNodeGroup"):
                yield f"{start}:nodegroup/{name}/{group.name}/{_SOME}"


def _is_below(made: Resource, api: Resource) -> bool:
    """Whether a resource belongs to an API, by name, because all APIs have the same id."""
    return made.name.startswith(api.name.removesuffix("rest"))


# The objects in a resource, as suffixes of its ARN.
_INSIDE: Mapping[str, tuple[str, ...]] = {
    "cloudwatch.LogGroup": (":*", f":log-stream:{_SOME}"),
    "lambda.Function": (":1",),
}
