"""The permissions of roles, and the secrets that they can read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.iam.roles import allows, trusts
from sandbox.serve.aws_apis import secrets
from sandbox.serve.fleet import DeployedError
from sandbox.tests.clusters import put
from sandbox.tests.serve.deployed import (
    ACCOUNT,
    DECRYPT,
    FILES,
    READ,
    SECRET,
    allow,
    role,
    role_arn,
    secret,
)

GET, BUCKET = "s3:GetObject", "arn:aws:s3:::notes/a"
TASKS = "ecs-tasks.amazonaws.com"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path / "cloud.sqlite")


def _may(cloud: Cloud, *statements: Mapping[str, Any], **context: str) -> bool:
    """Whether a role with these statements can read the object."""
    known = {key.replace("_", ":", 1): value for key, value in context.items()}
    return allows(cloud, role(cloud, "r", *statements), GET, BUCKET, known)


def _conditioned(operator: str, key: str, value: object) -> Mapping[str, Any]:
    return allow(GET, BUCKET, Condition={operator: {key: value}})


def test_nothing_is_allowed_by_itself(cloud: Cloud) -> None:
    assert not _may(cloud)
    assert not allows(cloud, role_arn("nobody"), GET, BUCKET)


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("s3:GetObject", BUCKET, True),
        ("S3:getobject", BUCKET, True),
        ("s3:Get*", BUCKET, True),
        ("s3:Ge?Object", BUCKET, True),
        ("*", "*", True),
        ("s3:GetObjectAcl", BUCKET, False),
        ("s3:GetObjec", BUCKET, False),
        ("s3:Get?", BUCKET, False),
        (GET, "arn:aws:s3:::notes/*", True),
        (GET, "arn:aws:s3:::note?/a", True),
        (GET, "arn:aws:s3:::Notes/a", False),
        (GET, "arn:aws:s3:::notes", False),
        (GET, "arn:aws:s3:::notes.a", False),
        (GET, "arn:*:s3:::notes/a", True),
        # A wildcard does not match a colon between two parts.
        (GET, "arn:*:::notes/a", False),
        ([GET, "s3:PutObject"], ["arn:aws:s3:::other", BUCKET], True),
    ],
)
def test_an_action_and_a_resource_are_matched_as_iam_matches_them(
    cloud: Cloud, action: str, resource: str, allowed: bool
) -> None:
    assert _may(cloud, allow(action, resource)) is allowed


def test_a_denial_wins_over_every_allowance(cloud: Cloud) -> None:
    denial = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    assert not _may(cloud, allow("*", "*"), denial)
    assert _may(cloud, allow("*", "*"), {**denial, "Action": "s3:Put*"})


def test_what_is_excepted_is_not_meant(cloud: Cloud) -> None:
    assert not _may(cloud, {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})
    assert _may(cloud, {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})
    assert not _may(
        cloud, {"Effect": "Allow", "Action": GET, "NotResource": "arn:aws:s3:::notes/*"}
    )
    assert _may(cloud, {"Effect": "Allow", "Action": GET, "NotResource": "arn:aws:s3:::other/*"})


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "holds"),
    [
        ("StringEquals", "blue", "blue", True),
        ("StringEquals", "blue", "Blue", False),
        ("StringEquals", ["red", "blue"], "blue", True),
        ("StringEqualsIgnoreCase", "blue", "BLUE", True),
        ("StringNotEquals", "blue", "red", True),
        ("StringNotEquals", ["red", "blue"], "red", False),
        ("StringLike", "bl*", "blue", True),
        ("StringLike", "bl?", "blue", False),
        ("StringNotLike", "bl*", "blue", False),
        ("ArnEquals", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a", True),
        ("ArnLike", "arn:aws:iam::*:role/a", "arn:aws:iam::1:role/a", True),
        ("ArnLike", "arn:*:role/a", "arn:aws:iam::1:role/a", False),
        ("ArnNotLike", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a", False),
        ("Bool", "true", "true", True),
        ("Bool", True, "true", True),
        ("Bool", "true", "false", False),
        ("Null", "false", "blue", True),
        ("Null", "true", "blue", False),
        ("StringEqualsIfExists", "blue", "red", False),
        # An unknown operator allows nothing.
        ("DateGreaterThan", "2020-01-01", "2026-01-01", False),
    ],
)
def test_a_condition_is_held_to_what_is_known_of_the_request(
    cloud: Cloud, operator: str, wanted: object, given: str, holds: bool
) -> None:
    assert _may(cloud, _conditioned(operator, "my:Key", wanted), my_key=given) is holds


@pytest.mark.parametrize(
    ("operator", "wanted", "holds"),
    [
        ("StringEquals", "blue", False),
        ("StringLike", "*", False),
        ("ArnEquals", "*", False),
        ("Bool", "false", False),
        ("StringEqualsIfExists", "blue", True),
        ("BoolIfExists", "true", True),
        ("StringNotEquals", "blue", True),
        ("Null", "true", True),
        ("Null", "false", False),
        ("ForAllValues:StringEquals", "blue", True),
        ("ForAnyValue:StringEquals", "blue", False),
    ],
)
def test_a_condition_on_what_is_not_known_holds_only_where_iam_says_so(
    cloud: Cloud, operator: str, wanted: str, holds: bool
) -> None:
    assert _may(cloud, _conditioned(operator, "my:key", wanted)) is holds


@pytest.mark.parametrize(
    ("operator", "given", "holds"),
    [
        ("ForAllValues:StringEquals", ["red", "blue"], True),
        ("ForAllValues:StringEquals", ["red", "green"], False),
        ("ForAnyValue:StringEquals", ["green", "blue"], True),
        ("ForAnyValue:StringEquals", ["green"], False),
    ],
)
def test_of_several_values_all_or_any_are_wanted(
    cloud: Cloud, operator: str, given: list[str], holds: bool
) -> None:
    arn = role(cloud, "r", _conditioned(operator, "my:key", ["red", "blue"]))
    assert allows(cloud, arn, GET, BUCKET, {"my:key": given}) is holds


def test_every_key_of_a_condition_must_hold(cloud: Cloud) -> None:
    both = allow(GET, BUCKET, Condition={"StringEquals": {"a:x": "1"}, "Bool": {"a:y": "true"}})
    assert _may(cloud, both, a_x="1", a_y="true")
    assert not _may(cloud, both, a_x="1", a_y="false")


def test_a_denial_whose_condition_is_not_known_here_denies(cloud: Cloud) -> None:
    condition = {"DateGreaterThan": {"a:x": "2020-01-01"}}
    denial = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    assert not _may(cloud, allow("*", "*"), denial, a_x="2026-01-01")


def test_a_policy_variable_stands_for_what_is_known(cloud: Cloud) -> None:
    statement = allow(GET, "arn:aws:s3:::notes/${aws:PrincipalTag/team}")
    assert _may(cloud, statement, **{"aws_PrincipalTag/team": "a"})
    assert not _may(cloud, statement, **{"aws_PrincipalTag/team": "b"})
    assert not _may(cloud, statement)


def test_policies_of_the_account_that_are_attached_count_and_those_of_aws_are_not_known(
    cloud: Cloud,
) -> None:
    own = f"arn:aws:iam::{ACCOUNT}:policy/own"
    arn = role(cloud, "r")
    document = json.dumps({"Statement": allow(GET, BUCKET)})
    put(cloud, "iam/policy:Policy", own, arn=own, policy=document)
    kind = "iam/rolePolicyAttachment:RolePolicyAttachment"
    put(cloud, kind, "1", role="r", policyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert not allows(cloud, arn, GET, BUCKET)
    put(cloud, kind, "2", role="other", policyArn=own)
    assert not allows(cloud, arn, GET, BUCKET)
    put(cloud, kind, "3", role="r", policyArn=own)
    assert allows(cloud, arn, GET, BUCKET)


@pytest.mark.parametrize("field", ["managedPolicyArns", "inlinePolicies", "attachment"])
def test_a_policy_is_found_wherever_it_is_written(cloud: Cloud, field: str) -> None:
    own = f"arn:aws:iam::{ACCOUNT}:policy/own"
    document = json.dumps({"Statement": [allow(GET, BUCKET)]})
    put(cloud, "iam/policy:Policy", own, arn=own, policy=document)
    put(cloud, "iam/policyAttachment:PolicyAttachment", "1", roles=["attachment"], policyArn=own)
    given: dict[str, Any] = {"managedPolicyArns": [own], "inlinePolicies": [{"policy": document}]}
    properties = {key: value for key, value in given.items() if key == field}
    assert allows(cloud, role(cloud, field, **properties), GET, BUCKET)


def test_a_boundary_holds_a_role_back(cloud: Cloud) -> None:
    bounds = f"arn:aws:iam::{ACCOUNT}:policy/bounds"
    arn = role(cloud, "r", allow("*", "*"), permissionsBoundary=bounds)
    assert not allows(cloud, arn, GET, BUCKET)
    document = json.dumps({"Statement": [allow("s3:Get*", "*")]})
    put(cloud, "iam/policy:Policy", bounds, arn=bounds, policy=document)
    assert allows(cloud, arn, GET, BUCKET)
    assert not allows(cloud, arn, "s3:PutObject", BUCKET)


def _resource_policy(cloud: Cloud, effect: str, principal: object) -> None:
    statement = {
        "Effect": effect,
        "Principal": principal,
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
    }
    policy = json.dumps({"Statement": [statement]})
    put(cloud, "secretsmanager/secretPolicy:SecretPolicy", "1", secretArn=SECRET, policy=policy)


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ({"AWS": role_arn("r")}, True),
        ({"AWS": "*"}, True),
        ({"AWS": role_arn("other")}, False),
        # This statement delegates the decision to the policies of the account's roles.
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, False),
    ],
)
def test_the_policy_of_a_secret_allows_a_role_that_it_names(
    cloud: Cloud, principal: object, allowed: bool
) -> None:
    _resource_policy(cloud, "Allow", principal)
    assert allows(cloud, role(cloud, "r"), "secretsmanager:GetSecretValue", SECRET) is allowed


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ("*", False),
        ({"AWS": "*"}, False),
        ({"AWS": ACCOUNT}, False),
        ({"AWS": [role_arn("other"), role_arn("r")]}, False),
        ({"AWS": role_arn("other")}, True),
        ({"Service": TASKS}, True),
    ],
)
def test_the_policy_of_a_secret_denies_whom_it_means(
    cloud: Cloud, principal: object, allowed: bool
) -> None:
    _resource_policy(cloud, "Deny", principal)
    arn = role(cloud, "r", READ)
    assert allows(cloud, arn, "secretsmanager:GetSecretValue", SECRET) is allowed


def test_the_policy_of_a_file_system_denies_what_is_not_encrypted(cloud: Cloud) -> None:
    action = "elasticfilesystem:ClientMount"
    denial = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "*",
        "Resource": FILES,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Statement": [denial]})
    kind = "efs/fileSystemPolicy:FileSystemPolicy"
    put(cloud, kind, "fs-1", fileSystemId="fs-1", policy=policy)
    arn = role(cloud, "r", allow(action, FILES))
    assert allows(cloud, arn, action, FILES, {"aws:SecureTransport": "true"})
    assert not allows(cloud, arn, action, FILES, {"aws:SecureTransport": "false"})


def test_a_service_takes_a_role_that_trusts_it_and_no_other(cloud: Cloud) -> None:
    arn = role(cloud, "r", service=TASKS)
    assert trusts(cloud, arn, TASKS, "sts:AssumeRole")
    assert not trusts(cloud, arn, "lambda.amazonaws.com", "sts:AssumeRole")
    assert not trusts(cloud, arn, TASKS, "sts:AssumeRoleWithSAML")
    assert not trusts(cloud, role_arn("nobody"), TASKS, "sts:AssumeRole")


def test_a_secret_is_read_by_its_version_its_stage_or_as_it_is_now(cloud: Cloud) -> None:
    secret(cloud, "old", version="v1", stages=["AWSPREVIOUS"])
    secret(cloud, "new", version="v2")
    arn = role(cloud, "r", READ, DECRYPT)

    def read(**which: Any) -> str:
        return secrets.read(cloud, SECRET, role_arn=arn, **which)

    assert read() == "new"
    assert read(version_id="v1") == "old"
    assert read(stage="AWSPREVIOUS") == "old"
    assert read(version_id="v2", stage="AWSCURRENT") == "new"
    with pytest.raises(
        DeployedError, match="can't find the specified secret value for VersionId: v1"
    ):
        read(version_id="v1", stage="AWSCURRENT")
    with pytest.raises(DeployedError, match="secret value for staging label: AWSPENDING"):
        read(stage="AWSPENDING")


def test_a_secret_without_a_value_is_not_there(cloud: Cloud) -> None:
    put(cloud, "secretsmanager/secret:Secret", SECRET, arn=SECRET)
    arn = role(cloud, "r", READ)
    with pytest.raises(DeployedError, match=r"staging label: AWSCURRENT of .*Set a value"):
        secrets.read(cloud, SECRET, role_arn=arn)


def test_a_secret_that_is_not_there_is_said_so_to_whom_may_read_it(cloud: Cloud) -> None:
    arn = role(cloud, "r", READ)
    with pytest.raises(DeployedError, match=r"^ResourceNotFoundException: .* secret: " + SECRET):
        secrets.read(cloud, SECRET, role_arn=arn)


@pytest.mark.parametrize(
    ("statement", "action"),
    [(DECRYPT, "secretsmanager:GetSecretValue"), (READ, "kms:Decrypt")],
)
def test_a_secret_is_refused_to_a_role_without_it_or_without_its_key(
    cloud: Cloud, statement: Mapping[str, Any], action: str
) -> None:
    secret(cloud, "value")
    arn = role(cloud, "r", statement)
    with pytest.raises(DeployedError, match=f"^AccessDeniedException: {arn} .* {action} ") as error:
        secrets.read(cloud, SECRET, role_arn=arn)
    assert "value" not in str(error.value)


def test_a_member_of_a_secret_is_read_by_its_key() -> None:
    assert secrets.member('{"a": "1", "b": 2}', "a", SECRET) == "1"
    assert secrets.member('{"a": "1", "b": 2}', "b", SECRET) == "2"
    for value in ('{"a": "1"}', "a phrase", "[1]"):
        with pytest.raises(DeployedError, match="not a JSON object with the key c") as error:
            secrets.member(value, "c", SECRET)
        assert value not in str(error.value)


def test_a_secret_of_bytes_is_said_to_be_none_of_text(cloud: Cloud) -> None:
    secret(cloud, "value")
    kind = "aws:secretsmanager/secretVersion:SecretVersion"
    cloud.edit("aws", kind, f"{SECRET}|v1", {"secretString": None, "secretBinary": "AA=="})
    with pytest.raises(DeployedError, match="has no text in version v1; the sandbox supports"):
        secrets.read(cloud, SECRET, role_arn=role(cloud, "r", READ, DECRYPT))
