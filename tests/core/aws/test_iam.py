import json
import re
from dataclasses import FrozenInstanceError
from typing import Any

import parliament
import pytest

from core.aws.iam import (
    BARE_SERVICES,
    SOURCE_ACCOUNT_SERVICES,
    Statement,
    capability_trust,
    document,
    pod_trust,
    trust,
)

_ACCOUNT = "123456789012"
_SECRET = f"arn:aws:secretsmanager:us-east-1:{_ACCOUNT}:secret:notes-api-key-AbCdEf"
_LOGS = f"arn:aws:logs:us-east-1:{_ACCOUNT}:log-group:/mcp-platform/dev/notes:*"
_READ_SECRET = Statement(
    sid="ReadOwnSecrets", actions=("secretsmanager:GetSecretValue",), resources=(_SECRET,)
)
_WRITE_LOGS = Statement(
    sid="WriteOwnLogs", actions=("logs:PutLogEvents", "logs:CreateLogStream"), resources=(_LOGS,)
)
_GET_TOKEN = Statement(
    sid="GetRegistryToken",
    actions=("ecr:GetAuthorizationToken",),
    resources=("*",),
    why_star="the action knows no resources (Service Authorization Reference, Amazon ECR)",
)


def _findings(policy: dict[str, object]) -> list[str]:
    linter: Any = parliament  # it ships no types
    analyzed = linter.analyze_policy_string(json.dumps(policy))
    return [f"{finding.issue} {finding.detail}" for finding in analyzed.findings]


def test_a_document_has_its_statements_in_order_and_its_actions_sorted():
    assert document([_WRITE_LOGS, _READ_SECRET]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "WriteOwnLogs",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": [_LOGS],
            },
            {
                "Sid": "ReadOwnSecrets",
                "Effect": "Allow",
                "Action": ["secretsmanager:GetSecretValue"],
                "Resource": [_SECRET],
            },
        ],
    }


def test_the_same_statements_give_the_same_text_in_any_order_of_their_actions():
    turned = Statement(
        sid=_WRITE_LOGS.sid,
        actions=(*reversed(_WRITE_LOGS.actions), "logs:PutLogEvents"),
        resources=(_LOGS,),
    )
    assert json.dumps(document([turned])) == json.dumps(document([_WRITE_LOGS]))


def test_principals_and_conditions_are_rendered_where_there_are_any():
    statement = Statement(
        sid="LetLogsUseTheKey",
        actions=("kms:Decrypt",),
        resources=("*",),
        principals={"Service": ("logs.us-east-1.amazonaws.com",)},
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": _LOGS}},
        why_star="in a key's policy it means the key",
    )
    assert document([statement])["Statement"] == [
        {
            "Sid": "LetLogsUseTheKey",
            "Effect": "Allow",
            "Principal": {"Service": ["logs.us-east-1.amazonaws.com"]},
            "Action": ["kms:Decrypt"],
            "Resource": ["*"],
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": _LOGS}},
        }
    ]


def test_an_arn_that_is_not_known_yet_is_passed_on_as_it_is():
    class Later:
        pass

    arn, account = Later(), Later()
    statement = Statement(sid="Read", actions=("ssm:GetParameter",), resources=(arn, _SECRET))
    rendered: Any = document([statement])["Statement"]
    assert rendered[0]["Resource"] == [arn, _SECRET]
    trusted: Any = trust("ecs-tasks.amazonaws.com", account)["Statement"]
    assert trusted[0]["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}


def test_the_document_can_be_changed_without_changing_the_statement():
    conditions = {"StringEquals": {"aws:ResourceTag/project": "mcp-platform"}}
    statement = Statement(
        sid="Read", actions=("ssm:GetParameter",), resources=(_SECRET,), conditions=conditions
    )
    rendered: Any = document([statement])["Statement"]
    rendered[0]["Resource"].clear()
    rendered[0]["Condition"]["StringEquals"].clear()
    assert statement.resources == (_SECRET,)
    assert statement.conditions == {"StringEquals": {"aws:ResourceTag/project": "mcp-platform"}}


def test_a_statement_cannot_be_widened_afterwards():
    with pytest.raises(FrozenInstanceError):
        _READ_SECRET.resources = ("*",)  # pyright: ignore[reportAttributeAccessIssue]  # the point


def test_what_workloads_may_do_passes_the_linter():
    assert _findings(document([_READ_SECRET, _WRITE_LOGS, _GET_TOKEN])) == []


def test_the_linter_finds_an_action_that_does_not_exist():
    misspelt = Statement(
        sid="ReadOwnSecrets", actions=("secretsmanager:GetSecretValues",), resources=(_SECRET,)
    )
    assert _findings(document([misspelt])) == [
        "UNKNOWN_ACTION Unknown action secretsmanager:GetSecretValues"
    ]


def test_the_linter_finds_a_resource_of_the_wrong_service():
    misplaced = Statement(
        sid="ReadOwnSecrets", actions=("secretsmanager:GetSecretValue",), resources=(_LOGS,)
    )
    (finding,) = _findings(document([misplaced]))
    assert finding.startswith("RESOURCE_MISMATCH ")


@pytest.mark.parametrize(
    "action",
    ["*", "s3:*", "*:*", "kms:Encrypt*", "s3:Get?bject", "*:GetObject", "GetObject", "s3:", ""],
)
def test_an_action_with_a_wildcard_is_refused(action: str):
    message = (
        f"Read allows {action!r}: an action is a service and one of its actions, spelt out, "
        "without wildcards"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Statement(sid="Read", actions=("ssm:GetParameter", action), resources=(_SECRET,))


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_star_without_a_reason_is_refused(reason: str | None):
    message = r"^Read allows '\*' without saying in why_star why$"
    with pytest.raises(ValueError, match=message):
        Statement(
            sid="Read",
            actions=("ssm:GetParameter",),
            resources=(_SECRET, "*"),
            why_star=reason,
        )
    with pytest.raises(ValueError, match=message):
        Statement(
            sid="Read",
            actions=("sts:AssumeRole",),
            principals={"AWS": ("*",)},
            why_star=reason,
        )


def test_a_reason_without_a_star_is_refused():
    with pytest.raises(ValueError, match=r"^Read has a why_star but no '\*'$"):
        Statement(
            sid="Read", actions=("ssm:GetParameter",), resources=(_SECRET,), why_star="left over"
        )


def test_the_reason_for_a_star_is_not_rendered():
    assert document([_GET_TOKEN])["Statement"] == [
        {
            "Sid": "GetRegistryToken",
            "Effect": "Allow",
            "Action": ["ecr:GetAuthorizationToken"],
            "Resource": ["*"],
        }
    ]


def test_a_denial_may_be_as_wide_as_it_likes():
    denial = Statement(
        sid="OnlyEncrypted",
        effect="Deny",
        actions=("s3:*",),
        resources=("*",),
        principals={"AWS": ("*",)},
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
    assert document([denial])["Statement"] == [
        {
            "Sid": "OnlyEncrypted",
            "Effect": "Deny",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:*"],
            "Resource": ["*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


@pytest.mark.parametrize("resource", ["notes-api-key", "", "**", "arn"])
def test_a_resource_that_is_no_arn_is_refused(resource: str):
    message = f"Read names the resource {resource!r}, which is no ARN"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Statement(sid="Read", actions=("ssm:GetParameter",), resources=(_SECRET, resource))


def test_a_statement_about_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^Read has no actions$"):
        Statement(sid="Read", actions=(), resources=(_SECRET,))
    with pytest.raises(ValueError, match=r"^Read has neither resources nor principals$"):
        Statement(sid="Read", actions=("ssm:GetParameter",))


@pytest.mark.parametrize("sid", ["", "read-own", "Read Own", "Läs"])
def test_a_sid_that_aws_would_refuse_is_refused(sid: str):
    with pytest.raises(ValueError, match=f"^the sid '{sid}' is not letters and digits only$"):
        Statement(sid=sid, actions=("ssm:GetParameter",), resources=(_SECRET,))


def test_a_document_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^a policy document needs at least one statement$"):
        document([])


def test_a_sid_that_comes_twice_is_refused_and_named():
    with pytest.raises(ValueError, match=r"^sids must differ, but there are several of ReadOwnSec"):
        document([_READ_SECRET, _WRITE_LOGS, _READ_SECRET])


@pytest.mark.parametrize("service", sorted(SOURCE_ACCOUNT_SERVICES))
def test_a_service_takes_a_role_for_this_account_only(service: str):
    assert trust(service, _ACCOUNT) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TakeRole",
                "Effect": "Allow",
                "Principal": {"Service": [service]},
                "Action": ["sts:AssumeRole"],
                "Condition": {"StringEquals": {"aws:SourceAccount": _ACCOUNT}},
            }
        ],
    }


@pytest.mark.parametrize("service", sorted(SOURCE_ACCOUNT_SERVICES | BARE_SERVICES))
def test_a_trust_document_passes_the_linter(service: str):
    policy: Any = trust(service, _ACCOUNT)
    # The linter wants a resource, which a trust policy may not have: there it is the role itself.
    policy["Statement"][0]["Resource"] = [f"arn:aws:iam::{_ACCOUNT}:role/notes"]
    assert _findings(policy) == []


@pytest.mark.parametrize("service", sorted(BARE_SERVICES))
def test_a_service_that_does_not_send_the_account_is_asked_for_none(service: str):
    assert trust(service, _ACCOUNT) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TakeRole",
                "Effect": "Allow",
                "Action": ["sts:AssumeRole"],
                "Principal": {"Service": [service]},
            }
        ],
    }


def test_no_service_both_sends_the_account_and_does_not():
    assert set() == SOURCE_ACCOUNT_SERVICES & BARE_SERVICES


def test_a_service_of_which_it_is_not_known_is_refused():
    with pytest.raises(
        ValueError,
        match=r"^it is not known whether 'sqs\.amazonaws\.com' sends aws:SourceAccount; "
        r"known are apigateway\.amazonaws\.com, ec2\.amazonaws\.com, "
        r"ec2\.amazonaws\.com\.cn, ecs-tasks\.amazonaws\.com, lambda\.amazonaws\.com, "
        r"scheduler\.amazonaws\.com, states\.amazonaws\.com, vpc-flow-logs\.amazonaws\.com$",
    ):
        trust("sqs.amazonaws.com", _ACCOUNT)


def test_a_role_of_a_pod_is_taken_for_one_service_account_of_one_namespace():
    assert pod_trust("payments", "ledger") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TakeRoleForServiceAccount",
                "Effect": "Allow",
                "Principal": {"Service": ["pods.eks.amazonaws.com"]},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:RequestTag/kubernetes-namespace": "payments",
                        "aws:RequestTag/kubernetes-service-account": "ledger",
                    }
                },
            }
        ],
    }


def test_a_role_of_a_capability_is_taken_by_eks():
    assert capability_trust() == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TakeRoleForCapability",
                "Effect": "Allow",
                "Principal": {"Service": ["capabilities.eks.amazonaws.com"]},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }
