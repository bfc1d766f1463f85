"""The Lambda reader: processes and edges of functions, aliases, permissions and APIs."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.iam.policies import like
from sandbox.serve.fleet import GATEWAY, OPERATOR, DeployedError, Process
from sandbox.serve.readers import aws_lambda
from sandbox.serve.readers.aws_lambda import admits, functions, invoked
from sandbox.tests.clusters import put
from sandbox.tests.serve.apis import (
    API,
    EXECUTION,
    HOST,
    add_api,
    add_authorizer,
    add_function,
    by_process,
    deploy,
    function_arn,
    permit,
    uri,
)
from sandbox.tests.serve.deployed import (
    KEY,
    MOUNT,
    POINT,
    SECRET,
    allow,
    files,
    group,
    network,
    opened,
    role_arn,
)

PLACE = f"{EXECUTION}/live/POST/servers/clock/mcp"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.sqlite")
    add_api(cloud)
    deploy(cloud)
    return cloud


def _process(cloud: Cloud, name: str = "clock") -> Process:
    return next(one for one in aws_lambda.read(cloud).processes if one.name == name)


def test_a_workload_is_a_function_with_its_port_health_and_deployed_variables(
    cloud: Cloud,
) -> None:
    add_function(cloud, "clock")
    process = _process(cloud)
    assert (process.kind, process.replicas, process.port) == ("function", 1, 8080)
    assert (process.image, process.entry_point, process.arguments) == (
        "registry/clock@sha256:1",
        None,
        None,
    )
    assert (process.health_path, process.health_seconds) == ("/health", 15)
    assert process.stop_seconds == 5
    assert process.files == {}
    assert process.environment == {
        "PORT": "8080",
        "AWS_LWA_READINESS_CHECK_PATH": "/health",
        "AWS_LWA_REMOVE_BASE_PATH": "/servers/clock",
        "AWS_LAMBDA_FUNCTION_NAME": "fleet-clock",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/fleet/dev/clock",
        "AWS_LAMBDA_LOG_STREAM_NAME": "fleet-clock[1]",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "TZ": ":UTC",
    }


def test_the_platforms_own_functions_run_their_handler_without_a_port(cloud: Cloud) -> None:
    add_authorizer(cloud)
    add_function(
        cloud,
        "researcher_tools",
        variables={"MCP_SERVERS": "{}"},
        logs="/fleet/dev/researcher",
        imageConfig={"commands": ["tools.handle"]},
    )
    processes = aws_lambda.read(cloud).processes
    assert [one.name for one in processes] == ["authorizer", "researcher/tools"]
    assert [one.arguments for one in processes] == [("authorizer.handle",), ("tools.handle",)]
    assert {(one.port, one.health_path) for one in processes} == {(None, None)}


def test_the_lambda_api_has_defaults_for_what_a_function_does_not_say(cloud: Cloud) -> None:
    add_function(cloud, "clock", timeout=None, memorySize=None, loggingConfig=None)
    function = next(iter(functions(cloud).values()))
    assert (function.timeout_seconds, function.memory_mib) == (3, 128)
    assert (function.log_group, function.process) == ("/aws/lambda/fleet-clock", "fleet-clock")


def test_without_an_alias_live_a_function_does_not_run(cloud: Cloud) -> None:
    add_function(cloud, "clock")
    add_function(cloud, "notes")
    cloud.delete("aws", "aws:lambda/alias:Alias", f"{function_arn('notes')}:live")
    assert [one.name for one in aws_lambda.read(cloud).processes] == ["clock"]


def test_an_alias_of_another_version_is_refused(cloud: Cloud) -> None:
    add_function(cloud, "clock", version="2")
    with pytest.raises(DeployedError, match=r"fleet-clock points to version 1, .* version 2"):
        aws_lambda.read(cloud)


def test_a_cloud_without_functions_says_what_to_bring_up(cloud: Cloud) -> None:
    with pytest.raises(DeployedError, match="bring a stack with target lambda up first"):
        aws_lambda.read(cloud)


def test_two_functions_of_one_workload_are_refused(cloud: Cloud) -> None:
    add_function(cloud, "clock")
    add_function(cloud, "other", logs="/fleet/prod/clock")
    with pytest.raises(DeployedError, match=r"the same workload \(fleet-clock, fleet-other\)"):
        aws_lambda.read(cloud)


def test_a_role_that_lambda_cannot_take_is_refused(cloud: Cloud) -> None:
    add_function(cloud, "clock", role=role_arn("nobody"))
    with pytest.raises(DeployedError, match="clock: The role defined for the function cannot be"):
        aws_lambda.read(cloud)


@pytest.mark.parametrize("of", ["clock", "notes"])
def test_variables_under_a_key_are_read_only_with_the_right_for_this_function(
    cloud: Cloud, of: str
) -> None:
    condition = {"StringEquals": {"kms:EncryptionContext:aws:lambda:FunctionArn": function_arn(of)}}
    add_function(cloud, "clock", allow("kms:Decrypt", KEY, Condition=condition), kmsKeyArn=KEY)
    if of == "clock":
        assert _process(cloud).port == 8080
    else:
        with pytest.raises(DeployedError, match="clock: Lambda was unable to decrypt the env"):
            aws_lambda.read(cloud)


def _with_files(cloud: Cloud, *statements: Any) -> None:
    network(cloud)
    files(cloud)
    group(cloud, "sg-notes")
    add_function(
        cloud,
        "notes",
        *statements,
        fileSystemConfig={"arn": POINT, "localMountPath": "/mnt/data"},
        vpcConfig={"subnetIds": ["subnet-a"], "securityGroupIds": ["sg-notes"]},
    )


def test_files_are_those_of_the_access_point(cloud: Cloud) -> None:
    _with_files(cloud, MOUNT)
    opened(cloud, "sg-notes", "sg-files", 2049)
    assert _process(cloud, "notes").files == {"/mnt/data": "fs-1/notes"}


def test_files_without_the_right_to_mount_them_are_refused(cloud: Cloud) -> None:
    _with_files(cloud)
    opened(cloud, "sg-notes", "sg-files", 2049)
    with pytest.raises(DeployedError, match=r"notes cannot mount fs-1: .*ClientMount"):
        aws_lambda.read(cloud)


def test_files_behind_a_closed_security_group_are_refused(cloud: Cloud) -> None:
    _with_files(cloud, MOUNT)
    with pytest.raises(DeployedError, match=r"notes cannot mount fs-1: .*2049"):
        aws_lambda.read(cloud)


def test_an_access_point_that_is_gone_is_refused(cloud: Cloud) -> None:
    _with_files(cloud, MOUNT)
    cloud.delete("aws", "aws:efs/accessPoint:AccessPoint", "fsap-1")
    with pytest.raises(DeployedError, match=r"notes cannot mount .*there is no such access point"):
        aws_lambda.read(cloud)


def test_no_name_leads_to_a_function_and_nothing_but_lambda_reaches_it(cloud: Cloud) -> None:
    add_function(cloud, "clock")
    add_function(cloud, "notes")
    deployed = aws_lambda.read(cloud)
    assert deployed.resolve("clock", "notes", 8080) is None
    assert deployed.refusal("clock", "notes", 8080) == (
        "a function has no address: only Lambda can connect to notes:8080"
    )


def test_the_gateway_reaches_a_function_that_some_permission_lets_it_invoke(cloud: Cloud) -> None:
    add_function(cloud, "clock")
    add_function(cloud, "notes")
    permit(cloud, "clock", PLACE)
    deployed = aws_lambda.read(cloud)
    assert deployed.refusal(GATEWAY, "clock", 8080) is None
    assert deployed.refusal(GATEWAY, "notes", 8080) == (
        f"no permission allows API Gateway to invoke {function_arn('notes')}:live"
    )


@pytest.mark.parametrize(
    ("changes", "admitted"),
    [
        ({}, True),
        ({"sourceArn": f"{EXECUTION}/live/*/servers/clock/mcp"}, True),
        ({"sourceArn": f"{EXECUTION}/*"}, True),
        ({"sourceArn": None}, True),
        ({"function": function_arn("clock")}, True),
        ({"sourceArn": f"{EXECUTION}/live/GET/servers/clock/mcp"}, False),
        ({"sourceArn": f"{EXECUTION}/live/POST/servers/notes/mcp"}, False),
        ({"sourceArn": PLACE.replace(API, "otherapi00")}, False),
        ({"sourceArn": PLACE.replace("us-east-1", "eu-west-1")}, False),
        ({"function": "fleet-notes"}, False),
        ({"qualifier": "other"}, False),
        ({"qualifier": None}, False),
        ({"principal": "events.amazonaws.com"}, False),
        ({"action": "lambda:GetFunction"}, False),
    ],
)
def test_a_permission_is_for_one_place_of_one_api(
    cloud: Cloud, changes: dict[str, Any], admitted: bool
) -> None:
    add_function(cloud, "clock")
    permit(cloud, "clock", PLACE, **changes)
    assert admits(cloud, by_process(cloud)["clock"], PLACE) is admitted


def test_rights_are_those_of_the_functions_role_and_the_operator_has_all(cloud: Cloud) -> None:
    add_function(cloud, "clock", allow("secretsmanager:GetSecretValue", SECRET))
    allows = aws_lambda.read(cloud).allows
    assert allows("clock", "secretsmanager:GetSecretValue", SECRET)
    assert not allows("clock", "secretsmanager:GetSecretValue", f"{SECRET}2")
    assert not allows("clock", "secretsmanager:PutSecretValue", SECRET)
    assert not allows("nobody", "secretsmanager:GetSecretValue", SECRET)
    assert allows(OPERATOR, "secretsmanager:PutSecretValue", SECRET)


def test_a_role_that_lambda_may_not_take_anymore_has_no_rights(cloud: Cloud) -> None:
    add_function(cloud, "clock", allow("secretsmanager:GetSecretValue", SECRET))
    allows = aws_lambda.read(cloud).allows
    cloud.edit("aws", "aws:iam/role:Role", "clock", {"assumeRolePolicy": json.dumps({})})
    assert not allows("clock", "secretsmanager:GetSecretValue", SECRET)


def test_the_way_in_is_the_apis_own_name_with_its_stage(cloud: Cloud) -> None:
    add_function(cloud, "clock")
    deployed = aws_lambda.read(cloud)
    assert (deployed.entry, deployed.target, deployed.region) == (
        f"https://{HOST}/live",
        "lambda",
        "us-east-1",
    )


@pytest.mark.parametrize(
    ("base", "url"), [(None, "https://mcp.example.com"), ("fleet", "https://mcp.example.com/fleet")]
)
def test_with_a_domain_the_way_in_is_that(cloud: Cloud, base: str | None, url: str) -> None:
    made = {"domainName": "mcp.example.com", "restApi": API, "stageName": "live", "basePath": base}
    put(cloud, "apigateway/basePathMapping:BasePathMapping", "mcp.example.com/", **made)
    assert aws_lambda.entry(cloud) == url


def test_of_several_apis_the_gateway_is_the_way_in(cloud: Cloud) -> None:
    add_api(cloud, "internalid", "fleet-internal")
    assert aws_lambda.entry(cloud) == f"https://{HOST}/live"


def test_two_gateways_are_refused(cloud: Cloud) -> None:
    add_api(cloud, "secondgate", "other-gateway")
    with pytest.raises(DeployedError, match=r"2 REST APIs .*\(fleet-gateway, other-gateway\)"):
        aws_lambda.entry(cloud)


def test_an_api_without_a_stage_is_refused(cloud: Cloud) -> None:
    cloud.delete("aws", "aws:apigateway/stage:Stage", "live")
    with pytest.raises(DeployedError, match=f"the REST API {API} has no stage"):
        aws_lambda.entry(cloud)


def test_an_integration_names_the_function_by_its_alias(cloud: Cloud) -> None:
    add_function(cloud, "clock")
    made = functions(cloud)
    for streams in (True, False):
        found = invoked(uri("clock", streams=streams), made)
        assert found is not None
        assert found.process == "clock"
    assert invoked(uri("clock").replace(":live", ""), made) is None
    assert invoked(uri("notes"), made) is None
    assert invoked("arn:aws:apigateway:us-east-1:states:action/StartExecution", made) is None


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a*c", "abbc", True),
        ("a?c", "abc", True),
        ("a?c", "abbc", False),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("*", "a\nb", True),
        ("a", "ab", False),
    ],
)
def test_wildcards_are_those_of_policies(pattern: str, text: str, matches: bool) -> None:
    assert like(pattern, text) is matches
