"""An API in API Gateway is deployed again after a change of any input of its resources."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pytest

from components.targets.aws_lambda import snapshot
from components.targets.aws_lambda.api import Api
from components.targets.aws_lambda.apis import Apis
from components.targets.aws_lambda.chat import create_chat_api, deploy_chat_api
from components.targets.aws_lambda.function import Function
from components.targets.aws_lambda.routes import Routes
from components.targets.aws_lambda.state_machine import StateMachine
from core.config.model import Fleet
from core.stack import Stack
from core.targets.aws_lambda import rest_api, templates
from core.targets.aws_lambda.rest_api import (
    GatewayResponse,
    Reply,
    RestApi,
    Route,
    TokenAuthorizer,
)
from tests.components.fleets import LAMBDA_FULL
from tests.components.recording import PROJECT, REGION, Recording, Resource, record

_FLEET = Fleet.model_validate(LAMBDA_FULL)
_STACK = Stack(project=PROJECT, name="dev", region=REGION, production=False)
# The resources that a deployment does not copy.
_AROUND = {
    "apigateway.Account",
    "apigateway.BasePathMapping",
    "apigateway.Deployment",
    "apigateway.DomainName",
    "apigateway.MethodSettings",
    "apigateway.Stage",
    "apigatewayv2.Deployment",
    "apigatewayv2.Stage",
}


def _function(name: str) -> Function:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    alias: Any = SimpleNamespace(name=pulumi.Output.from_input("live"))
    return Function(
        name=pulumi.Output.from_input(name),
        alias_arn=pulumi.Output.from_input(f"{arn}:live"),
        alias=alias,
        role_arn=pulumi.Output.from_input(f"arn:aws:iam::123456789012:role/{name}"),
    )


class _Machine(SimpleNamespace):
    action_uri = StateMachine.action_uri


def _machine(name: str) -> Any:
    arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}"
    return _Machine(
        _region=REGION,
        arn=pulumi.Output.from_input(arn),
        execution_arn=pulumi.Output.from_input(arn.replace(":stateMachine:", ":execution:")),
        starter_role_arn=pulumi.Output.from_input(f"arn:aws:iam::123456789012:role/{name}"),
        startable=[],
    )


def _arn(service: str, resource: str, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:123456789012:{resource}"


def _foundation() -> Any:
    return SimpleNamespace(
        account=SimpleNamespace(arn=_arn),
        observability=SimpleNamespace(gateway_log_group_arn="arn:aws:logs:::log-group:gateway"),
    )


def _recorded(program: Callable[[], object]) -> Recording:
    return record(program, configuration={"aws:region": REGION}, encrypted=[])


def _rest(definition: RestApi) -> Recording:
    """The gateway with this definition."""

    def program() -> None:
        api = Api(
            "gateway",
            what="gateway",
            definition=definition,
            is_gateway=False,
            fleet=_FLEET,
            stack=_STACK,
            foundation=_foundation(),
        )
        api.admit_roles([pulumi.Output.from_input("arn:aws:iam::1:role/agent")], _foundation())
        Routes(
            "routes",
            api=api,
            apis=Apis(gateway=api, internal=api, tokens=_function("tokens"), logged=[]),
            functions={name: _function(name) for name in ("clock", "notes", "assistant")},
            machines={name: _machine(name) for name in ("researcher", "quick")},
            fleet=_FLEET,
            stack=_STACK,
            foundation=_foundation(),
        )

    return _recorded(program)


def _chat(tokens: Callable[[], Function | None] = lambda: _function("tokens")) -> Recording:
    def program() -> None:
        parent = pulumi.ComponentResource("tests:chat:Chat", "chat")
        api = create_chat_api("lambda", workload="assistant", stack=_STACK, parent=parent)
        deploy_chat_api(
            "lambda",
            api,
            _function("assistant"),
            fleet=_FLEET,
            stack=_STACK,
            foundation=_foundation(),
            tokens=tokens(),
            logged=[],
            parent=parent,
        )

    return _recorded(program)


def _deployment(recording: Recording) -> Resource:
    (made,) = (one for one in recording.resources.values() if one.kind.endswith(".Deployment"))
    return made


def _deployed(recording: Recording) -> str:
    return _deployment(recording).inputs["triggers"]["routes"]


def _gateway() -> RestApi:
    """The definition of the fleet's gateway, with one route of each kind."""
    definition = rest_api.gateway(_FLEET)
    kinds = {(one.integration, one.action, one.authorization): one for one in definition.routes}
    return replace(definition, routes=tuple(kinds.values()))


_DEFINITION = _gateway()


@functools.cache
def _before() -> str:
    return _deployed(_rest(_DEFINITION))


def _copied(recording: Recording) -> dict[str, Resource]:
    return {
        made.name: made
        for made in recording.resources.values()
        if made.kind.startswith(("apigateway.", "apigatewayv2.")) and made.kind not in _AROUND
    }


def _as_sent(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs by their names in the provider, without inputs that are None."""
    return {
        "".join(part.title() if number else part for number, part in enumerate(key.split("_"))): one
        for key, one in inputs.items()
        if one is not None
    }


@pytest.mark.parametrize("made", [lambda: _rest(_DEFINITION), _chat], ids=["rest", "chat"])
def test_the_fingerprint_is_of_every_input_of_every_resource(
    made: Callable[[], Recording], monkeypatch: pytest.MonkeyPatch
):
    def legible(value: Any) -> pulumi.Output[str]:
        return pulumi.Output.json_dumps(value)

    monkeypatch.setattr(snapshot, "fingerprint", legible)
    recording = made()
    hashed = json.loads(_deployed(recording))
    copied = _copied(recording)
    assert {name: (type_, _as_sent(inputs)) for name, (type_, inputs) in hashed.items()} == {
        name: (one.type, one.inputs) for name, one in copied.items()
    }
    assert {one.urn for one in copied.values()} <= set(_deployment(recording).dependencies)
    kinds = {one.kind for one in copied.values()}
    assert len(kinds) == (11 if "apigateway.RestApi" in kinds else 4)


def test_the_same_api_is_not_deployed_again():
    assert _deployed(_rest(_gateway())) == _before()
    assert _deployed(_chat()) == _deployed(_chat())


_TEMPLATE = '{"other":1}'
_REPLY = Reply(status=418, template=_TEMPLATE)
# Another value for each field of the definition, by class.
_OTHER: dict[type, dict[str, Any]] = {
    RestApi: {
        "routes": _DEFINITION.routes[1:],
        "authorizer": None,
        "question_schema": "{}",
        "responses": _DEFINITION.responses[1:],
        "binary_media_types": ("image/png",),
    },
    Route: {
        "path": "/other",
        "method": "PUT",
        "authorization": "NONE",
        "integration": "MOCK",
        "workload": {"clock": "notes", "notes": "clock", "assistant": "clock"}.get,
        "timeout_milliseconds": 1234,
        "action": "DescribeExecution",
        "request": f"{_TEMPLATE}${{arn}}",
        "takes_question": False,
        "required_parameters": ("method.request.querystring.other",),
        "replies": (_REPLY,),
    },
    Reply: {
        "status": 418,
        "template": _TEMPLATE,
        "pattern": "5.*",
        "headers": {"Other": "'other'"},
    },
    TokenAuthorizer: {
        "identity_source": "method.request.header.Other",
        "pattern": ".*",
        "result_ttl_seconds": 0,
    },
    GatewayResponse: {
        "name": "other",
        "type": "THROTTLED",
        "status": 418,
        "template": _TEMPLATE,
        "headers": {"gatewayresponse.header.Other": "'other'"},
    },
}


def _changed(old: Any, name: str) -> Any:
    other = _OTHER[type(old)][name]
    value = other(getattr(old, name)) if callable(other) else other
    return replace(old, **{name: value})


def _first(integration: str) -> int:
    found = (n for n, one in enumerate(_DEFINITION.routes) if one.integration == integration)
    return next(found)


def _with_route(position: int, route: Route) -> RestApi:
    routes = list(_DEFINITION.routes)
    routes[position] = route
    return replace(_DEFINITION, routes=tuple(routes))


def _changes() -> Iterator[Any]:
    """The definition with another value of a field, for each field that changes a resource."""
    for each in fields(RestApi):
        yield pytest.param(_changed(_DEFINITION, each.name), id=each.name)
    unused = {
        "AWS_PROXY": {"action", "request", "takes_question", "required_parameters", "replies"},
        "MOCK": {"integration", "workload", "timeout_milliseconds", "action", "takes_question"},
        "AWS": {"workload", "timeout_milliseconds"},
    }
    for kind, left_out in unused.items():
        position = _first(kind)
        route = _DEFINITION.routes[position]
        for each in fields(Route):
            if each.name not in left_out:
                changed = _with_route(position, _changed(route, each.name))
                yield pytest.param(changed, id=f"{kind} {each.name}")
    for kind in ("MOCK", "AWS"):
        position = _first(kind)
        route = _DEFINITION.routes[position]
        for each in fields(Reply):
            replies = (_changed(route.replies[0], each.name), *route.replies[1:])
            changed = _with_route(position, replace(route, replies=replies))
            yield pytest.param(changed, id=f"reply of {kind} {each.name}")
    for each in fields(TokenAuthorizer):
        changed = replace(_DEFINITION, authorizer=_changed(_DEFINITION.authorizer, each.name))
        yield pytest.param(changed, id=f"authorizer {each.name}")
    for each in fields(GatewayResponse):
        first, *others = _DEFINITION.responses
        changed = replace(_DEFINITION, responses=(_changed(first, each.name), *others))
        yield pytest.param(changed, id=f"response {each.name}")


@pytest.mark.parametrize("changed", list(_changes()))
def test_each_field_of_the_definition_deploys_the_api_again(changed: RestApi):
    assert changed != _DEFINITION
    assert _deployed(_rest(changed)) != _before()


def test_every_field_of_the_definition_has_another_value():
    def classes(value: object) -> Iterator[type]:
        if is_dataclass(value) and not isinstance(value, type):
            yield type(value)
            for each in fields(value):
                yield from classes(getattr(value, each.name))
        elif isinstance(value, tuple):
            for one in cast("tuple[object, ...]", value):
                yield from classes(one)

    found = set(classes(_DEFINITION))
    assert found == _OTHER.keys()
    assert {kind: {each.name for each in fields(kind)} for kind in found} == {
        kind: set(values) for kind, values in _OTHER.items()
    }


@pytest.mark.parametrize("name", ["CONNECTED", "MESSAGE"])
def test_each_template_of_the_chat_deploys_it_again(name: str, monkeypatch: pytest.MonkeyPatch):
    before = _deployed(_chat())
    monkeypatch.setattr(templates, name, _TEMPLATE)
    assert _deployed(_chat()) != before


def test_the_authorizer_of_the_chat_deploys_it_again():
    assert len({_deployed(_chat(of)) for of in (lambda: None, lambda: _function("a"), _other)}) == 3


def _other() -> Function:
    return _function("b")
