"""Functions, their versions, aliases and permissions, and related resources."""

import json
from typing import Any

import pytest

from sandbox.engine.provider import Change, RefusedError
from sandbox.tests.serverless import (
    ALIAS,
    DIGEST,
    FUNCTION,
    GROUP,
    LOG_GROUP,
    REGISTRY,
    SUBNET,
    function_inputs,
    make_alias,
    make_deployed,
    make_function,
    make_network,
    make_role,
    trust,
)
from sandbox.values.wire import UNKNOWN

PERMISSION = "aws:lambda/permission:Permission"
WARM = "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig"
EVENTS = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
FUNCTION_URL = "aws:lambda/functionUrl:FunctionUrl"
TARGET = "aws:appautoscaling/target:Target"
SCALING = "aws:appautoscaling/policy:Policy"
FILES = "aws:efs/fileSystem:FileSystem"
MOUNT_TARGET = "aws:efs/mountTarget:MountTarget"
ACCESS_POINT = "aws:efs/accessPoint:AccessPoint"
NAMESPACE = "aws:servicediscovery/httpNamespace:HttpNamespace"
DISCOVERED = "aws:servicediscovery/service:Service"
INSTANCE = "aws:servicediscovery/instance:Instance"
WEB_ACL = "aws:wafv2/webAcl:WebAcl"
ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
STAGE = "aws:apigateway/stage:Stage"
SCHEDULE = "aws:scheduler/schedule:Schedule"

ARN = "arn:aws:lambda:us-east-1:123456789012:function:clock"
INVOKE = {"action": "lambda:InvokeFunction", "principal": "apigateway.amazonaws.com"}
DIMENSION: dict[str, Any] = {
    "resourceId": "function:clock:live",
    "scalableDimension": "lambda:function:ProvisionedConcurrency",
    "serviceNamespace": "lambda",
}


def inputs(**changes: Any) -> dict[str, Any]:
    """Inputs of a function that Check accepts."""
    return {
        "role": "arn:aws:iam::123456789012:role/runner",
        "packageType": "Image",
        "imageUri": f"{REGISTRY}/app@{DIGEST}",
        **changes,
    }


def tracking(value: float) -> dict[str, Any]:
    return {
        "targetValue": value,
        "predefinedMetricSpecification": {
            "predefinedMetricType": "LambdaProvisionedConcurrencyUtilization"
        },
    }


def test_every_property_of_a_function_is_accepted_without_a_warning(account: Any):
    full = inputs(
        architectures=["arm64"],
        description="tells the time",
        environment={"variables": {"PORT": "8080"}},
        ephemeralStorage={"size": 512},
        fileSystemConfig={
            "arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/"
            "fsap-0123456789abcdef0",
            "localMountPath": "/mnt/notes",
        },
        imageConfig={"commands": ["serve"]},
        kmsKeyArn="arn:aws:kms:us-east-1:123456789012:key/k",
        loggingConfig={"logFormat": "JSON", "logGroup": "/clock", "systemLogLevel": "INFO"},
        memorySize=512,
        publish=True,
        replaceSecurityGroupsOnDestroy=True,
        reservedConcurrentExecutions=5,
        timeout=900,
        tracingConfig={"mode": "Active"},
        vpcConfig={
            "subnetIds": ["subnet-0123456789abcdef0"],
            "securityGroupIds": ["sg-0123456789abcdef0"],
        },
    )
    assert account.reasons(FUNCTION, full) == []
    assert account.warnings == []


@pytest.mark.parametrize(
    "uri",
    [f"{REGISTRY}/app:1", f"{REGISTRY}/team/app@{DIGEST}", f"{REGISTRY}/app:1@{DIGEST}"],
)
def test_an_image_of_a_private_registry_is_accepted(account: Any, uri: str):
    assert account.reasons(FUNCTION, inputs(imageUri=uri)) == []


@pytest.mark.parametrize(
    "uri", ["app:1", "public.ecr.aws/docker/library/python:3", f"{REGISTRY}/app@sha256:0"]
)
def test_an_image_of_another_registry_is_refused(account: Any, uri: str):
    (reason,) = account.reasons(FUNCTION, inputs(imageUri=uri))
    assert reason.startswith(f"{FUNCTION}: imageUri '{uri}' does not match the pattern")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"memorySize": 10241}, "10241 is above the maximum of 10240"),
    ({"ephemeralStorage": {"size": 511}}, "511 is below the minimum of 512"),
    ({"ephemeralStorage": {"size": 10241}}, "10241 is above the maximum of 10240"),
    ({"timeout": 0}, "0 is below the minimum of 1"),
    ({"reservedConcurrentExecutions": -2}, "-2 is below the minimum of -1"),
    ({"architectures": ["arm"]}, "'arm' is not allowed; allowed: x86_64, arm64"),
    ({"architectures": ["arm64", "x86_64"]}, "has 2 items; at most 1 are allowed"),
    ({"environment": {"variables": {"AWS_REGION": "r"}}}, "'AWS_REGION' is reserved; reserved: "),
    ({"environment": {"variables": {"2ND": "x"}}}, "the name '2ND' does not match the pattern"),
    ({"tracingConfig": {"mode": "On"}}, "'On' is not allowed; allowed: Active, PassThrough"),
    ({"loggingConfig": {"logFormat": "json"}}, "'json' is not allowed; allowed: Text, JSON"),
    ({"kmsKeyArn": "alias/app"}, "'alias/app' is not the ARN of a KMS key"),
    ({"snapStart": {"applyOn": "PublishedVersions"}}, "'PublishedVersions' is not allowed"),
    (
        {"loggingConfig": {"logFormat": "Text", "systemLogLevel": "INFO"}},
        "loggingConfig.systemLogLevel is not allowed where loggingConfig.logFormat is Text",
    ),
    (
        {"replacementSecurityGroupIds": ["sg-0123456789abcdef0"]},
        "replaceSecurityGroupsOnDestroy must be set",
    ),
    (
        {
            "packageType": "Zip",
            "handler": "a.b",
            "runtime": "python3.13",
            "imageConfig": {"commands": ["serve"]},
        },
        "imageConfig is not allowed where packageType is",
    ),
]


@pytest.mark.parametrize(("change", "says"), WRONG)
def test_invalid_functions_are_refused(account: Any, change: dict[str, Any], says: str):
    (reason,) = account.reasons(FUNCTION, inputs(**change))
    assert says in reason


@pytest.mark.parametrize(("length", "count"), [(4087, 0), (4088, 1)])
def test_the_variables_of_a_function_take_4096_bytes_as_json(account: Any, length: int, count: int):
    given = {"variables": {"AB": "x" * length}}  # {"AB":"…"} is nine characters more
    reasons = account.reasons(FUNCTION, inputs(environment=given))
    assert len(reasons) == count
    if reasons:
        assert reasons[0] == (
            f"{FUNCTION}: environment.variables takes 4097 bytes as JSON; at most 4096 are allowed"
        )


def test_variables_that_are_not_known_yet_are_not_measured(account: Any):
    given = {"variables": {"AB": UNKNOWN, "CD": "x"}}
    assert account.reasons(FUNCTION, inputs(environment=given)) == []


@pytest.mark.parametrize(("path", "fits"), [("/mnt/a", True), ("/mnt/a/b", False), ("/a", False)])
def test_files_are_mounted_right_below_mnt(account: Any, path: str, fits: bool):
    arn = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0"
    inside = {"subnetIds": [UNKNOWN], "securityGroupIds": [UNKNOWN]}
    reasons = account.reasons(
        FUNCTION,
        inputs(fileSystemConfig={"arn": arn, "localMountPath": path}, vpcConfig=inside),
    )
    assert [
        f"{FUNCTION}: fileSystemConfig.localMountPath '{path}' does not match the pattern" in reason
        for reason in reasons
    ] == ([] if fits else [True])


def test_files_are_refused_outside_of_a_vpc(account: Any):
    arn = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0"
    mount = {"arn": arn, "localMountPath": "/mnt/a"}
    (reason,) = account.reasons(FUNCTION, inputs(fileSystemConfig=mount))
    assert "a function that mounts files must be connected to a VPC" in reason


def test_the_name_of_a_function_has_at_most_64_characters(account: Any):
    assert account.reasons(FUNCTION, inputs(), name="f" * 56) == []
    reason = account.reasons(FUNCTION, inputs(), name="f" * 57)[0]
    assert "has 65 characters; at most 64 are allowed" in reason


def test_a_function_has_the_outputs_of_aws(account: Any):
    made = make_function(account).properties
    assert made["arn"] == ARN
    assert made["version"] == "1"
    assert made["qualifiedArn"] == f"{ARN}:1"
    lambda_ = "arn:aws:apigateway:us-east-1:lambda:path"
    assert made["invokeArn"] == f"{lambda_}/2015-03-31/functions/{ARN}/invocations"
    assert made["qualifiedInvokeArn"] == f"{lambda_}/2015-03-31/functions/{ARN}:1/invocations"
    assert made["responseStreamingInvokeArn"] == (
        f"{lambda_}/2021-11-15/functions/{ARN}/response-streaming-invocations"
    )
    assert made["loggingConfig"] == {"logFormat": "Text", "logGroup": "/aws/lambda/clock"}
    assert made["tracingConfig"] == {"mode": "PassThrough"}
    assert made["ephemeralStorage"] == {"size": 512}
    assert "vpcConfig" not in made


def test_a_function_that_publishes_nothing_stays_unversioned(account: Any):
    made = make_function(account, publish=False)
    assert made.properties["version"] == "$LATEST"
    assert made.properties["qualifiedArn"] == f"{ARN}:$LATEST"
    after = account.update(FUNCTION, made, **function_inputs(account, publish=False, timeout=9))
    assert after["version"] == "$LATEST"


VERSIONS: list[tuple[dict[str, Any], str]] = [
    ({"timeout": 9}, "2"),
    ({"imageUri": f"{REGISTRY}/app@sha256:{'1' * 64}"}, "2"),
    ({"environment": {"variables": {"PORT": "1"}}}, "2"),
    ({"tags": {"a": "b"}}, "1"),
    ({"reservedConcurrentExecutions": 1}, "1"),
    ({}, "1"),
]


@pytest.mark.parametrize(("change", "version"), VERSIONS)
def test_a_change_of_code_or_configuration_publishes_a_version_and_no_other_does(
    account: Any, change: dict[str, Any], version: str
):
    made = make_function(account)
    wanted = function_inputs(account, **change)
    foreseen = account.update(FUNCTION, made, preview=True, **wanted)
    assert foreseen["version"] == (UNKNOWN if version == "2" else "1")
    assert foreseen["qualifiedArn"] == (UNKNOWN if version == "2" else f"{ARN}:1")
    after = account.update(FUNCTION, made, **wanted)
    assert after["version"] == version
    assert after["qualifiedArn"] == f"{ARN}:{version}"


def test_older_versions_keep_using_the_group_and_the_subnet_of_a_function(
    account: Any,
):
    _, subnet, group = make_network(account)
    inside = {"subnetIds": [subnet.id], "securityGroupIds": [group.id]}
    made = make_function(account, vpcConfig=inside)
    account.update(FUNCTION, made, **function_inputs(account))
    for type_, stored in ((GROUP, group), (SUBNET, subnet)):
        with pytest.raises(RefusedError, match=r"^DependencyViolation: .*Function clock"):
            account.delete(type_, stored)
    account.delete(FUNCTION, made)
    for type_, stored in ((GROUP, group), (SUBNET, subnet)):
        account.delete(type_, stored)


def test_a_function_without_versions_uses_only_its_current_network(account: Any):
    _, subnet, group = make_network(account)
    inside = {"subnetIds": [subnet.id], "securityGroupIds": [group.id]}
    made = make_function(account, publish=False, vpcConfig=inside)
    account.update(FUNCTION, made, **function_inputs(account, publish=False))
    account.delete(GROUP, group)


@pytest.mark.parametrize("region", ["us-east-2", "eu-west-1"])
def test_an_image_of_another_region_is_refused(account: Any, region: str):
    uri = f"123456789012.dkr.ecr.{region}.amazonaws.com/app:1"
    says = rf"^InvalidParameterValueException: {FUNCTION} .*one of a repository in us-east-1$"
    with pytest.raises(RefusedError, match=says):
        make_function(account, imageUri=uri)


def test_an_image_needs_its_repository_unless_it_is_in_another_account(account: Any):
    with pytest.raises(RefusedError, match=r"Source image .*/other:1 does not exist"):
        make_function(account, imageUri=f"{REGISTRY}/other:1")
    make_function(account, imageUri="210987654321.dkr.ecr.us-east-1.amazonaws.com/other:1")


def test_a_function_with_a_taken_name_is_refused(account: Any):
    make_function(account)
    with pytest.raises(RefusedError, match="ResourceConflictException"):
        make_function(account)


DIFFS = [
    ({"name": "other"}, {("name",): Change.UPDATE_REPLACE}),
    ({"timeout": 9}, {("timeout",): Change.ADD}),
    ({"architectures": ["arm64"]}, {("architectures",): Change.ADD}),
    ({"publish": False}, {("publish",): Change.UPDATE}),
    ({"imageUri": f"{REGISTRY}/app:2"}, {("imageUri",): Change.UPDATE}),
]


@pytest.mark.parametrize(("change", "changes"), DIFFS)
def test_only_a_new_name_or_package_type_replaces_a_function(
    account: Any, change: dict[str, Any], changes: dict[Any, Change]
):
    made = make_function(account)
    assert account.diff(FUNCTION, made, **function_inputs(account)).changes == {}
    assert account.diff(FUNCTION, made, **function_inputs(account, **change)).changes == changes


def test_a_new_package_type_replaces_a_function(account: Any):
    made = make_function(account)
    wanted = {k: v for k, v in function_inputs(account).items() if k != "imageUri"}
    wanted |= {"packageType": "Zip", "handler": "a.b", "runtime": "python3.13"}
    difference = account.diff(FUNCTION, made, **wanted, s3Bucket="code", s3Key="a.zip")
    assert difference.changes[("packageType",)] == Change.UPDATE_REPLACE
    assert difference.delete_first is True


def test_an_untouched_function_reads_as_it_was_made(account: Any):
    made = make_function(account, loggingConfig={"logFormat": "JSON"})
    found = account.read(FUNCTION, made)
    assert found.properties == made.properties
    assert found.inputs == made.inputs


def test_a_function_in_a_vpc_holds_its_subnet_and_its_security_group(account: Any):
    vpc, subnet, group = make_network(account)
    inside = {"subnetIds": [subnet.id], "securityGroupIds": [group.id]}
    made = make_function(account, vpcConfig=inside, replaceSecurityGroupsOnDestroy=True)
    assert made.properties["vpcConfig"]["vpcId"] == vpc.id
    for type_, held in ((SUBNET, subnet), (GROUP, group)):
        with pytest.raises(RefusedError, match=f"DependencyViolation: .*{FUNCTION} clock"):
            account.delete(type_, held)
    account.delete(FUNCTION, made)
    account.delete(GROUP, group)
    account.delete(SUBNET, subnet)


def test_a_replacement_group_for_deletion_is_not_in_use(account: Any):
    _, subnet, group = make_network(account)
    spare = account.make(GROUP, "spare", vpcId=group.properties["vpcId"])
    make_function(
        account,
        vpcConfig={"subnetIds": [subnet.id], "securityGroupIds": [group.id]},
        replaceSecurityGroupsOnDestroy=True,
        replacementSecurityGroupIds=[spare.id],
    )
    account.delete(GROUP, spare)


def test_subnets_and_groups_of_two_vpcs_are_refused(account: Any):
    _, subnet, _ = make_network(account)
    _, _, group = make_network(account)
    with pytest.raises(RefusedError, match="subnets and security groups must belong to one VPC"):
        make_function(account, vpcConfig={"subnetIds": [subnet.id], "securityGroupIds": [group.id]})


def test_a_function_mounts_only_an_existing_access_point_and_keeps_it_in_use(account: Any):
    _, subnet, group = make_network(account)
    files = account.make(FILES)
    account.make(MOUNT_TARGET, fileSystemId=files.id, subnetId=subnet.id)
    point = account.make(ACCESS_POINT, fileSystemId=files.id)
    wanted = {
        "vpcConfig": {"subnetIds": [subnet.id], "securityGroupIds": [group.id]},
        "fileSystemConfig": {"arn": point.properties["arn"], "localMountPath": "/mnt/notes"},
    }
    account.delete(ACCESS_POINT, point)
    with pytest.raises(RefusedError, match=r"fileSystemConfig\.arn .* does not exist"):
        make_function(account, **wanted)
    point = account.make(ACCESS_POINT, fileSystemId=files.id)
    wanted["fileSystemConfig"]["arn"] = point.properties["arn"]
    made = make_function(account, **wanted)
    with pytest.raises(RefusedError, match="AccessPointInUse"):
        account.delete(ACCESS_POINT, point)
    account.delete(FUNCTION, made)
    account.delete(ACCESS_POINT, point)


def test_a_function_mounts_files_only_where_each_of_its_zones_has_a_mount_target(account: Any):
    vpc, subnet, group = make_network(account)
    other = account.make(
        SUBNET, "b", vpcId=vpc.id, cidrBlock="10.0.2.0/24", availabilityZone="us-east-1b"
    )
    files = account.make(FILES)
    point = account.make(ACCESS_POINT, fileSystemId=files.id)
    inside = {"subnetIds": [subnet.id, other.id], "securityGroupIds": [group.id]}
    mount = {"arn": point.properties["arn"], "localMountPath": "/mnt/notes"}
    account.make(MOUNT_TARGET, "a", fileSystemId=files.id, subnetId=subnet.id)
    with pytest.raises(RefusedError, match=f"EFS file system {files.id} must have a mount target"):
        make_function(account, vpcConfig=inside, fileSystemConfig=mount)
    account.make(MOUNT_TARGET, "b", fileSystemId=files.id, subnetId=other.id)
    make_function(account, vpcConfig=inside, fileSystemConfig=mount)


def test_an_alias_points_to_a_published_version_alone(account: Any):
    function = make_function(account)
    alias = make_alias(account, function)
    assert alias.id == alias.properties["arn"] == f"{ARN}:live"
    assert alias.properties["invokeArn"].endswith(f"/functions/{ARN}:live/invocations")
    wanted = {"name": "live", "functionName": "clock", "functionVersion": "2"}
    says = f"ResourceNotFoundException: {ALIAS} it: Function not found: {ARN}:2"
    with pytest.raises(RefusedError, match=says):
        account.update(ALIAS, alias, **wanted)
    account.update(FUNCTION, function, **function_inputs(account, timeout=9))
    assert account.update(ALIAS, alias, **wanted)["functionVersion"] == "2"
    for version in ("1", "$LATEST"):
        account.update(ALIAS, alias, **{**wanted, "functionVersion": version})


def test_an_alias_shares_its_traffic_with_a_published_version_alone(account: Any):
    function = make_function(account)
    with pytest.raises(RefusedError, match="a version of routingConfig"):
        make_alias(account, function, routingConfig={"additionalVersionWeights": {"7": 0.1}})
    make_alias(account, function, routingConfig={"additionalVersionWeights": {"1": 0.1}})


def test_alias_names_are_unique_within_a_function(account: Any):
    clock = make_function(account)
    notes = make_function(account, name="notes")
    first, second = make_alias(account, clock), make_alias(account, notes)
    assert first.id != second.id
    with pytest.raises(RefusedError, match="ResourceConflictException"):
        make_alias(account, clock)
    account.delete(ALIAS, first)
    assert account.read(ALIAS, second) is not None


def test_a_name_that_another_resource_also_has_refers_to_the_function(account: Any):
    account.make(LOG_GROUP, name="clock")
    alias = make_alias(account, make_function(account))
    assert alias.properties["arn"] == f"{ARN}:live"


def test_two_statements_of_one_id_are_refused_for_one_function_and_not_for_two(account: Any):
    make_function(account)
    make_function(account, name="notes")
    first = account.make(PERMISSION, statementId="api", function="clock", **INVOKE)
    second = account.make(PERMISSION, statementId="api", function="notes", **INVOKE)
    assert first.id == second.id == "api"
    with pytest.raises(RefusedError, match="ResourceConflictException"):
        account.make(PERMISSION, statementId="api", function=ARN, **INVOKE)
    account.delete(PERMISSION, first)
    account.cloud.delete("aws", FUNCTION, "notes")  # a refresh may find it gone
    found = account.read(PERMISSION, second)
    assert (found.id, found.inputs["function"]) == ("api", "notes")
    assert account.read(PERMISSION, first) is None


def test_a_permission_without_an_id_gets_a_generated_one(account: Any):
    make_function(account)
    made = [account.make(PERMISSION, name, function="clock", **INVOKE) for name in "ab"]
    assert all(one.id == one.properties["statementId"] for one in made)
    assert made[0].id != made[1].id


@pytest.mark.parametrize("type_", [PERMISSION, EVENTS, FUNCTION_URL, WARM])
def test_a_qualifier_must_be_an_alias_or_a_version(account: Any, type_: str):
    make_alias(account, make_function(account))
    more: dict[str, Any] = {
        PERMISSION: {"function": "clock", **INVOKE},
        EVENTS: {"functionName": "clock", "maximumRetryAttempts": 0},
        FUNCTION_URL: {"functionName": "clock", "authorizationType": "AWS_IAM"},
        WARM: {"functionName": "clock", "provisionedConcurrentExecutions": 1},
    }[type_]
    for absent in ("2", "dead"):
        with pytest.raises(RefusedError, match=f"ResourceNotFoundException: .*{absent}"):
            account.make(type_, qualifier=absent, **more)
    for there in ("1", "live"):
        account.make(type_, qualifier=there, **more)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"action": "lambda:InvokeFunction", "functionUrlAuthType": "NONE"},
            "allowed: lambda:InvokeFunctionUrl",
        ),
        (
            {"action": "lambda:InvokeFunctionUrl", "invokedViaFunctionUrl": True},
            "allowed: lambda:InvokeFunction",
        ),
        ({"action": "lambda:InvokeFunction", "statementId": "a b"}, "does not match the pattern"),
        ({"action": "lambda:InvokeFunction", "qualifier": "x", "sourceAccount": "1"}, "has 1 char"),
    ],
)
def test_a_permission_that_lambda_does_not_take_is_refused(
    account: Any, given: dict[str, Any], says: str
):
    (reason,) = account.reasons(PERMISSION, {"function": "clock", "principal": "*", **given})
    assert says in reason


def test_provisioned_concurrency_is_of_a_version_and_at_least_one(account: Any):
    given = {"functionName": "clock", "qualifier": "live"}
    assert account.reasons(WARM, {**given, "provisionedConcurrentExecutions": 1}) == []
    assert account.warnings == []
    (reason,) = account.reasons(WARM, {**given, "provisionedConcurrentExecutions": 0})
    assert "0 is below the minimum of 1" in reason
    latest = {**given, "qualifier": "$LATEST", "provisionedConcurrentExecutions": 1}
    (reason,) = account.reasons(WARM, latest)
    assert "cannot be applied to an unpublished version" in reason


def test_provisioned_concurrency_is_not_above_the_reserved(account: Any):
    make_alias(account, make_function(account, reservedConcurrentExecutions=2))
    given = {"functionName": "clock", "qualifier": "live"}
    with pytest.raises(RefusedError, match=r"\(3\) may not be above .* \(2\)"):
        account.make(WARM, **given, provisionedConcurrentExecutions=3)
    made = account.make(WARM, **given, provisionedConcurrentExecutions=2)
    assert made.id == "clock,live"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"maximumRetryAttempts": 3}, "3 is above the maximum of 2"),
        ({"maximumEventAgeInSeconds": 59}, "59 is below the minimum of 60"),
        ({"maximumEventAgeInSeconds": 21601}, "21601 is above the maximum of 21600"),
        ({"destinationConfig": {"onFailure": {"destination": "q"}}}, "'q' is not an ARN"),
        ({"maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60}, ""),
        ({"maximumRetryAttempts": 2, "maximumEventAgeInSeconds": 21600}, ""),
    ],
)
def test_asynchronous_invocations_have_limits(account: Any, change: dict[str, Any], says: str):
    reasons = account.reasons(EVENTS, {"functionName": "clock", **change})
    assert [says in reason for reason in reasons] == ([True] if says else [])
    assert account.warnings == []


def test_the_id_of_an_event_configuration_has_its_qualifier(account: Any):
    make_alias(account, make_function(account))
    assert account.make(EVENTS, functionName="clock").id == "clock"
    assert account.make(EVENTS, functionName="clock", qualifier="live").id == "clock:live"


def test_provisioned_concurrency_is_scaled_by_its_alias(account: Any):
    function = make_function(account)
    policy = {"policyType": "TargetTrackingScaling", **DIMENSION}
    policy["targetTrackingScalingPolicyConfiguration"] = tracking(0.7)
    with pytest.raises(RefusedError, match=r"resourceId 'function:clock:live' does not exist"):
        account.make(TARGET, minCapacity=1, maxCapacity=3, **DIMENSION)
    make_alias(account, function)
    with pytest.raises(RefusedError, match=r"resourceId 'function:clock:live' does not exist"):
        account.make(SCALING, **policy)
    target = account.make(TARGET, minCapacity=1, maxCapacity=3, **DIMENSION)
    assert target.id == "function:clock:live"
    account.make(SCALING, **policy)


@pytest.mark.parametrize(("value", "fits"), [(0.1, 1), (0.9, 1), (0.09, 0), (0.91, 0)])
def test_the_use_of_provisioned_concurrency_is_tracked_from_a_tenth_to_nine(
    account: Any, value: float, fits: int
):
    given = {"policyType": "TargetTrackingScaling", **DIMENSION}
    given["targetTrackingScalingPolicyConfiguration"] = tracking(value)
    assert len(account.reasons(SCALING, given)) == 1 - fits


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scalableDimension": "ecs:service:DesiredCount"}, "does not match the pattern ^lambda:"),
        ({"resourceId": "function:clock"}, "'function:clock' does not match the pattern"),
    ],
)
def test_a_target_of_another_service_is_refused(account: Any, change: dict[str, Any], says: str):
    given = {"minCapacity": 1, "maxCapacity": 2, **DIMENSION, **change}
    (reason,) = account.reasons(TARGET, given)
    assert says in reason


def test_two_dimensions_of_one_resource_are_two_targets(account: Any):
    table = "aws:dynamodb/table:Table"
    account.make(
        table,
        name="t",
        billingMode="PROVISIONED",
        hashKey="k",
        attributes=[{"name": "k", "type": "S"}],
    )
    given = {"minCapacity": 1, "maxCapacity": 2, "serviceNamespace": "dynamodb"}
    read, write = (
        account.make(
            TARGET,
            what,
            resourceId="table/t",
            scalableDimension=f"dynamodb:table:{what}CapacityUnits",
            **given,
        )
        for what in ("Read", "Write")
    )
    assert read.id == write.id == "table/t"
    account.delete(TARGET, read)
    assert account.read(TARGET, read) is None
    dimension = account.read(TARGET, write).inputs["scalableDimension"]
    assert dimension == "dynamodb:table:WriteCapacityUnits"
    policy: dict[str, Any] = {
        "policyType": "TargetTrackingScaling",
        "serviceNamespace": "dynamodb",
    }
    policy["targetTrackingScalingPolicyConfiguration"] = {
        "targetValue": 70,
        "predefinedMetricSpecification": {
            "predefinedMetricType": "DynamoDBReadCapacityUtilization"
        },
    }
    with pytest.raises(RefusedError, match=r"ObjectNotFoundException: .*ReadCapacityUnits"):
        account.make(
            SCALING,
            resourceId="table/t",
            scalableDimension="dynamodb:table:ReadCapacityUnits",
            **policy,
        )


def make_namespace(account: Any) -> Any:
    return account.make(NAMESPACE, "fleet", name="fleet")


def test_a_service_of_an_http_namespace_is_of_type_http_and_has_no_dns(account: Any):
    namespace = make_namespace(account)
    made = account.make(DISCOVERED, name="clock", namespaceId=namespace.id)
    assert made.properties["type"] == "HTTP"
    dns = {"namespaceId": namespace.id, "dnsRecords": [{"ttl": 10, "type": "A"}]}
    with pytest.raises(RefusedError, match=r"InvalidInput: .* is an HTTP namespace"):
        account.make(DISCOVERED, name="notes", dnsConfig=dns)


def test_services_have_instances_of_one_id(account: Any):
    namespace = make_namespace(account)
    services = [
        account.make(DISCOVERED, name, name=name, namespaceId=namespace.id) for name in "ab"
    ]
    given = {"instanceId": "only", "attributes": {"url": "https://a"}}
    first, second = (account.make(INSTANCE, serviceId=one.id, **given) for one in services)
    assert first.id == second.id == "only"
    assert account.warnings == []
    account.delete(INSTANCE, first)
    assert account.read(INSTANCE, second) is not None
    with pytest.raises(RefusedError, match="ResourceInUse"):
        account.delete(DISCOVERED, services[1])
    account.delete(DISCOVERED, services[0])
    changed = {**given, "attributes": {"url": "https://b"}, "serviceId": services[1].id}
    assert account.update(INSTANCE, second, **changed)["attributes"] == {"url": "https://b"}


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({f"k{number}": "v" for number in range(30)}, ""),
        ({f"k{number}": "v" for number in range(31)}, "has 31 keys; at most 30 are allowed"),
        ({"AWS_INSTANCE_IPV4": "10.0.0.1"}, ""),
        ({"AWS_LAMBDA": "x"}, "the name 'AWS_LAMBDA' does not match the pattern"),
    ],
)
def test_an_instance_has_thirty_attributes_and_none_of_awss_own(
    account: Any, attributes: dict[str, str], says: str
):
    given = {"serviceId": "srv-0123456789abcdef", "instanceId": "i", "attributes": attributes}
    reasons = account.reasons(INSTANCE, given)
    assert [says in reason for reason in reasons] == ([True] if says else [])


def seen(metric: str) -> dict[str, Any]:
    return {
        "cloudwatchMetricsEnabled": True,
        "metricName": metric,
        "sampledRequestsEnabled": False,
    }


def web_acl(**changes: Any) -> dict[str, Any]:
    rate = {"rateBasedStatement": {"limit": 100, "aggregateKeyType": "IP"}}
    rule: dict[str, Any] = {
        "name": "rate",
        "priority": 0,
        "action": {"block": {}},
        "statement": rate,
        "visibilityConfig": seen("rate"),
    }
    managed = {"vendorName": "AWS", "name": "AWSManagedRulesCommonRuleSet"}
    other: dict[str, Any] = {
        "name": "common",
        "priority": 1,
        "overrideAction": {"none": {}},
        "statement": {"managedRuleGroupStatement": managed},
        "visibilityConfig": seen("common"),
        **changes,
    }
    return {
        "name": "acl",
        "scope": "REGIONAL",
        "defaultAction": {"allow": {}},
        "visibilityConfig": seen("acl"),
        "rules": [rule, {key: value for key, value in other.items() if value is not None}],
    }


def test_a_web_acl_is_accepted_without_a_warning(account: Any):
    assert account.reasons(WEB_ACL, web_acl()) == []
    assert account.warnings == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"priority": 0}, "the priority 0 is used more than once"),
        ({"name": "rate"}, "the name 'rate' is used more than once"),
        ({"overrideAction": None}, "item 1 needs exactly one of action, overrideAction; got none"),
        (
            {"action": {"block": {}}},
            "item 1 needs exactly one of action, overrideAction; got action, overrideAction",
        ),
    ],
)
def test_rules_of_a_web_acl_have_each_a_priority_and_one_action(
    account: Any, change: dict[str, Any], says: str
):
    (reason,) = account.reasons(WEB_ACL, web_acl(**change))
    assert reason == f"{WEB_ACL}: rules {says}"


def test_a_web_acl_protects_a_stage_that_is_there_and_is_held_by_it(account: Any):
    acl = account.make(WEB_ACL, **web_acl())
    api, deployment = make_deployed(account)
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api.id}/stages/live"
    given = {"webAclArn": acl.properties["arn"], "resourceArn": arn}
    with pytest.raises(RefusedError, match=r"resourceArn .* does not exist"):
        account.make(ASSOCIATION, **given)
    account.make(STAGE, restApi=api.id, stageName="live", deployment=deployment.id)
    made = account.make(ASSOCIATION, **given)
    with pytest.raises(RefusedError, match="WAFAssociatedItemException"):
        account.delete(WEB_ACL, acl)
    account.delete(ASSOCIATION, made)
    account.delete(WEB_ACL, acl)


def test_a_web_acl_for_cloudfront_or_of_a_websocket_api_is_refused(account: Any):
    acl = account.make(WEB_ACL, **{**web_acl(), "scope": "CLOUDFRONT"})
    api, deployment = make_deployed(account)
    stage = account.make(STAGE, restApi=api.id, stageName="live", deployment=deployment.id)
    with pytest.raises(RefusedError, match="a REGIONAL web ACL is needed"):
        account.make(
            ASSOCIATION,
            webAclArn=acl.properties["arn"],
            resourceArn=stage.properties["arn"],
        )
    socket = f"arn:aws:apigateway:us-east-1::/apis/{api.id}/stages/live"
    given = {"webAclArn": acl.properties["arn"], "resourceArn": socket}
    (reason,) = account.reasons(ASSOCIATION, given)
    assert "is not the ARN of a resource that a web ACL can protect" in reason


@pytest.mark.parametrize("service", ["lambda", "apigateway", "states"])
def test_a_service_may_assume_a_role(account: Any, service: str):
    given = {"assumeRolePolicy": trust(f"{service}.amazonaws.com")}
    assert account.reasons("aws:iam/role:Role", given) == []


def test_a_repository_policy_may_allow_lambda(account: Any):
    account.make("aws:ecr/repository:Repository", name="app")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    type_ = "aws:ecr/repositoryPolicy:RepositoryPolicy"
    made = account.make(type_, repository="app", policy=document)
    assert (made.id, made.properties["registryId"]) == ("app", "123456789012")
    assert account.warnings == []


def test_existing_resources_are_looked_up(account: Any):
    function = make_function(account)
    alias = make_alias(account, function)
    api, _ = make_deployed(account)
    namespace = make_namespace(account)
    for token, arguments, wanted in (
        ("aws:lambda/getFunction:getFunction", {"functionName": "clock"}, function.id),
        ("aws:lambda/getAlias:getAlias", {"functionName": "clock", "name": "live"}, alias.id),
        ("aws:apigateway/getRestApi:getRestApi", {"name": "api"}, api.id),
        ("aws:servicediscovery/getHttpNamespace:getHttpNamespace", {"name": "fleet"}, namespace.id),
    ):
        assert account.invoke(token, **arguments)["id"] == wanted


def test_a_schedule_takes_a_role_that_trusts_it_alone(account: Any):
    make_function(account)
    mine, other = (
        make_role(account, f"{service}.amazonaws.com", name)
        for service, name in (("scheduler", "keeper"), ("events", "other"))
    )
    wanted: dict[str, Any] = {
        "scheduleExpression": "rate(7 days)",
        "flexibleTimeWindow": {"mode": "FLEXIBLE", "maximumWindowInMinutes": 60},
        "target": {"arn": ARN, "roleArn": mine, "input": "{}"},
    }
    assert account.reasons(SCHEDULE, wanted) == []
    made = account.make(SCHEDULE, "weekly", name="weekly", **wanted)
    assert made.id == "default/weekly"
    says = r"^ValidationException: .*must allow EventBridge Scheduler to assume the role"
    with pytest.raises(RefusedError, match=says):
        account.make(
            SCHEDULE, "x", name="x", **{**wanted, "target": {"arn": ARN, "roleArn": other}}
        )
