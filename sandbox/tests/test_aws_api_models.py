"""The second source of constraints: AWS's API models, by the calls of a type."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.providers.aws import api_models
from sandbox.providers.aws.api_models import matches, table
from sandbox.providers.aws.constraints import KEYWORDS
from sandbox.providers.aws.resource_model import model_of
from sandbox.providers.aws.service_models import Member, _load, call
from sandbox.values.wire import UNKNOWN

TYPES = sorted(table().types)
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
ROLE = "aws:iam/role:Role"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
FUNCTION = "aws:lambda/function:Function"
RULE = {
    "securityGroupId": "sg-0123456789abcdef0",
    "ipProtocol": "tcp",
    "fromPort": 443,
    "toPort": 443,
    "cidrIpv4": "10.0.0.0/8",
}


def told(type_: str, **inputs: Any) -> list[tuple[tuple[str | int, ...], str]]:
    return [(error.path, error.reason) for error in api_models.errors(type_, inputs)]


def test_a_rules_description_with_an_apostrophe_is_refused_with_what_is_allowed(account: Any):
    described = {**RULE, "description": "The issuer's keys"}
    (reason,) = account.reasons(INGRESS, described)
    assert "description" in reason
    assert '"The issuer\'s keys"' in reason
    assert "._:/()#,@" in reason
    assert account.reasons(INGRESS, {**RULE, "description": "Keys of the issuer"}) == []


REFUSED: list[tuple[str, dict[str, Any], tuple[str | int, ...], str]] = [
    (INGRESS, {"description": "a" * 256}, ("description",), "at most 255"),
    (INGRESS, {"description": "A & B", **RULE}, ("description",), "does not match"),
    (GROUP, {"description": "gateway \u2014 callers"}, ("description",), "does not match"),
    (GROUP, {"name": "sg-mine"}, ("name",), "does not match"),
    (GROUP, {"tags": {"aws:mine": "x"}}, ("tags", "aws:mine"), "does not match"),
    (GROUP, {"tags": {"k" * 129: "x"}}, ("tags", "k" * 129), "at most 128"),
    (ROLE, {"description": "tools \u2013 and more"}, ("description",), "does not match"),
    (ROLE, {"name": "rôle"}, ("name",), "does not match"),
    (ROLE, {"tags": {"team": "a!"}}, ("tags", "team"), "does not match"),
    (ROLE, {"maxSessionDuration": 60}, ("maxSessionDuration",), "below the minimum of 3600"),
    (
        TASK,
        {"containerDefinitions": '[{"name": "a.b", "image": "i"}]'},
        ("containerDefinitions", 0, "name"),
        "does not match",
    ),
    (
        TASK,
        {"containerDefinitions": '[{"name": "a", "dependsOn": [{"condition": "READY"}]}]'},
        ("containerDefinitions", 0, "dependsOn", 0, "condition"),
        "allowed: START, COMPLETE, SUCCESS, HEALTHY",
    ),
    (TASK, {"networkMode": "vpc"}, ("networkMode",), "'vpc' is not allowed"),
    (
        FUNCTION,
        {"environment": {"variables": {"X": "1"}}},
        ("environment", "variables", "X"),
        "allowed: pattern [a-zA-Z]",
    ),
    (FUNCTION, {"memorySize": 64}, ("memorySize",), "below the minimum of 128"),
    (
        "aws:wafv2/webAcl:WebAcl",
        {"description": "The gateway's"},
        ("description",),
        "does not match",
    ),
    ("aws:sns/topic:Topic", {"name": "a.b"}, ("name",), "does not match"),
    ("aws:ssm/parameter:Parameter", {"name": "/aws/x"}, ("name",), "does not match"),
    (
        "aws:apigatewayv2/api:Api",
        {"description": "a" * 1025},
        ("description",),
        "at most 1024",
    ),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"dimensions": {"Service": "é"}},
        ("dimensions", "Service"),
        "does not match",
    ),
    (
        "aws:route53/record:Record",
        {"records": ["v" * 4001]},
        ("records", 0),
        "at most 4000",
    ),
]


@pytest.mark.parametrize(("type_", "inputs", "path", "reason"), REFUSED)
def test_a_value_that_a_call_refuses_is_refused_at_its_path(
    type_: str, inputs: dict[str, Any], path: tuple[str | int, ...], reason: str
):
    ((where, said),) = told(type_, **inputs)
    assert where == path
    assert reason in said


def test_an_error_names_the_service_and_the_member():
    ((_, reason),) = told(INGRESS, description="it's")
    assert reason.endswith("(ec2's IpPermissions.IpRanges.Description)")


def test_unknown_values_are_skipped():
    assert told(GROUP, description=UNKNOWN, tags={"a": UNKNOWN}) == []
    assert told(TASK, containerDefinitions=UNKNOWN, volumes=[{"name": UNKNOWN}]) == []


def test_an_empty_string_is_left_out_of_a_call():
    assert told(ROLE, name="") == []


def test_a_sensitive_value_is_not_shown():
    ((path, reason),) = told(
        "aws:secretsmanager/secretVersion:SecretVersion", secretString="s" * 65537
    )
    assert path == ("secretString",)
    assert "sss" not in reason


def test_a_type_that_is_not_in_the_table_is_skipped():
    assert told("aws:s3/bucket:Bucket", bucket="'") == []
    assert list(api_models.missing("aws:s3/bucket:Bucket", {})) == []


def test_a_member_that_only_the_call_requires_is_required(account: Any):
    fixed = {"contentType": "text/plain"}
    listener: dict[str, Any] = {
        "loadBalancerArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
        "loadbalancer/app/a/0123456789abcdef",
        "port": 80,
        "protocol": "HTTP",
        "defaultActions": [{"type": "fixed-response", "fixedResponse": fixed}],
    }
    (reason,) = account.reasons("aws:lb/listener:Listener", listener)
    assert "StatusCode is missing" in reason
    fixed["statusCode"] = "200"
    assert account.reasons("aws:lb/listener:Listener", listener) == []


def test_a_path_with_an_error_is_not_reported_twice(account: Any):
    assert len(account.reasons(ROLE, {"assumeRolePolicy": "{}", "name": "a b"})) == 2


def test_a_pattern_matches_the_whole_value_with_or_without_anchors():
    assert matches("[a-z]+", "abc")
    assert not matches("[a-z]+", "abc!")
    assert not matches("^[a-z]+", "abc!")
    assert not matches("[a-z]+$", "!abc")
    assert not matches("^[a-z]+$", "abc\n")


def test_a_pattern_is_read_as_java_reads_it():
    assert matches(r"[\p{L}\p{Z}]+", "é è")
    assert not matches(r"\w+", "é")
    assert not matches(r"[\w+=]+", "é")
    assert not matches(r"\d", "٣")
    assert matches(r"\\w", r"\w")
    pairs = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*"
    assert matches(pairs, "service/a/b 😀")
    assert not matches(pairs, "\x00")


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", TYPES)
def test_an_entry_has_calls_or_a_reason_and_names_only_inputs(type_: str):
    entry = table().types[type_]
    assert bool(entry.calls) != bool(entry.none)
    inputs = set(model_of(type_).resource.inputs)
    assert {path.partition(".")[0] for path in entry.members} <= inputs


@pytest.mark.parametrize("type_", TYPES)
def test_an_entry_points_to_members_that_a_call_has(type_: str):
    for path, pointer in table().types[type_].members.items():
        paths = [pointer] if isinstance(pointer, str) else pointer or ()
        for one in paths:
            found = api_models._pointed(api_models._walk(type_).roots, one)
            assert found, f"api_models.yaml: {type_}: {path}: no call has {one}"


@pytest.mark.parametrize("type_", TYPES)
def test_what_a_call_requires_by_default_is_a_required_member(type_: str):
    entry = table().types[type_]
    required = [name for made in entry.calls[:1] for name in call(made).shape.get("required", ())]
    deep = [name for name in entry.defaults if "." not in name]
    assert set(deep) <= set(required)


@pytest.mark.parametrize("place", sorted(table().silent))
def test_a_constraint_outside_the_models_names_a_member_and_a_source(place: str):
    service, shape, member = place.split(".")
    assert member.removesuffix("[]") in _load(service)["shapes"][shape]["members"]
    said = table().silent[place]
    assert said["source"]
    assert set(said) - {"source"} <= set(KEYWORDS)


def shapes(member: Member, seen: set[str]) -> Iterator[Member]:
    if member.name in seen:
        return
    seen.add(member.name)
    yield member
    below = {"structure": member.shape.get("members", {})}.get(member.kind, {})
    for name in below:
        inner = member.member(name)
        if inner:
            yield from shapes(inner, seen)
    if member.kind == "list":
        yield from shapes(member.item, seen)
    elif member.kind == "map":
        yield from shapes(member.key, seen)
        yield from shapes(member.value, seen)


def test_every_pattern_of_every_call_can_be_read_or_is_listed_as_wrong():
    unread: set[str] = set()
    there: set[str] = set()
    for entry in table().types.values():
        for name in entry.calls:
            for member in shapes(call(name), set()):
                place = f"{member.service}.{member.name}"
                there.add(place)
                text = member.shape.get("pattern")
                if text and api_models.compiled(text) is None:
                    unread.add(place)
    known = {place for place, keywords in table().wrong.items() if "pattern" in keywords}
    assert unread - known == set(), "api_models.yaml, wrong: list these with the reason"
    assert set(table().wrong) <= there, "api_models.yaml, wrong: no call has these any more"
