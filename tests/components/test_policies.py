"""The policy documents of the program, checked against AWS's lists and the rules of the project."""

import json
from collections.abc import Iterator
from typing import Any

import parliament
import pytest

from tests.components.fleets import (
    EKS_FLEETS,
    EKS_FULL,
    EVERY_FLEET,
    EXISTING_SECRET,
    FULL,
    LAMBDA_FULL,
    MODEL,
    PUBLIC_IMAGE,
    with_server,
)
from tests.components.recording import CLUSTER_NAME, Recording, run

linter: Any = parliament  # it ships no types
fleets = pytest.mark.parametrize("fleet", EVERY_FLEET.values(), ids=EVERY_FLEET)

REGION_AND_ACCOUNT = "us-east-1:123456789012"


def _documents(recording: Recording) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The kind, logical name and document of each policy."""
    for made in recording.resources.values():
        for key in ("policy", "assumeRolePolicy"):
            if key in made.inputs and made.kind != "ecr.LifecyclePolicy":
                yield made.kind, made.name, made.json(key)


def _statements(recording: Recording) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for kind, name, document in _documents(recording):
        for statement in document["Statement"]:
            yield kind, name, statement


def _is_known_to_be_false(kind: str, finding: Any, document: dict[str, Any]) -> bool:
    """Whether a finding of the linter is a known false positive."""
    sids = {statement["Sid"] for statement in document["Statement"]}
    match finding.issue:
        case "MALFORMED":  # trust policies and policies of repositories have no resource
            without = ("iam.Role", "ecr.RepositoryPolicy")
            return kind in without and "neither Resource" in finding.detail
        case (
            "RESOURCE_STAR"
        ):  # in the policy of a key, * is that key; the network actions of Lambda require *
            return kind == "kms.Key" or "LambdaJoinsNetwork" in sids
        case "UNKNOWN_CONDITION_FOR_ACTION":  # a global condition key that the linter lacks
            return "lambda:SourceFunctionArn" in finding.detail and "FunctionDoesNot" in sids
        case "MISMATCHED_TYPE":  # an encryption context can contain an ARN
            return kind == "kms.Key" and "ArnLike" in finding.detail
        case "RESOURCE_MISMATCH":
            # The linter requires all resource types of Bedrock at once. AWS evaluates
            # DescribeLogGroups for arn:…:log-group::log-stream:, which log-group:* matches.
            about = {each["action"] for each in finding.detail}
            return (
                about <= {"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"}
                and not sids.isdisjoint({"InvokeOwnModels", "InvokeOwnProfiles"})
            ) or (
                # The linter has only executions of express machines, which cannot be described.
                (about == {"logs:DescribeLogGroups"} and "FindLogGroup" in sids)
                or (about == {"states:DescribeExecution"} and "LookAtExecutions" in sids)
            )
        case _:
            return False


@fleets
def test_the_linter_finds_nothing_in_any_policy(fleet: Any):
    documents = list(_documents(run(fleet)))
    found = [
        f"{name}: {finding.issue} {finding.detail}"
        for kind, name, document in documents
        for finding in linter.analyze_policy_string(json.dumps(document)).findings
        if not _is_known_to_be_false(kind, finding, document)
    ]
    assert found == []
    assert len(documents) > 3


@fleets
def test_no_policy_allows_an_action_with_a_wildcard(fleet: Any):
    allowed = [
        action
        for _, _, statement in _statements(run(fleet))
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    ]
    assert [action for action in allowed if "*" in action] == []
    assert len(allowed) > 30


@fleets
def test_the_statements_on_every_resource_are_those_that_aws_offers_nothing_narrower_for(
    fleet: Any,
):
    wide = {
        (kind, statement["Sid"])
        for kind, _, statement in _statements(run(fleet))
        if "*" in statement.get("Resource", [])
    }
    assert wide <= {
        ("kms.Key", "AccountAdministers"),
        ("kms.Key", "LogsEncrypt"),
        ("kms.Key", "AlarmsNotify"),
        ("iam.RolePolicy", "LogInToRegistry"),
        ("iam.RolePolicy", "OpenShell"),
        ("iam.RolePolicy", "FindShellLog"),
        ("iam.RolePolicy", "SendTraces"),
        ("iam.RolePolicy", "LambdaJoinsNetwork"),
        ("iam.RolePolicy", "FunctionDoesNot"),
        ("iam.RolePolicy", "DeliverLogs"),
        ("iam.RolePolicy", "FindTargets"),
        ("iam.RolePolicy", "SeeNodeGroups"),
    }


@fleets
def test_no_policy_allows_principals_outside_of_the_account_and_its_services(fleet: Any):
    for _, _, statement in _statements(run(fleet)):
        if statement["Effect"] == "Allow" and "Principal" in statement:
            for kind, who in statement["Principal"].items():
                # Except for the gateway, which validates tokens on every route.
                if statement["Sid"] == "CallersWithTokens":
                    assert (kind, who) == ("AWS", ["*"])
                elif kind == "AWS":
                    assert who == ["arn:aws:iam::123456789012:root"]
                else:
                    assert kind == "Service"
                    assert all(service.endswith(".amazonaws.com") for service in who)


@fleets
def test_every_role_is_taken_by_one_service_for_this_account_where_it_says_whose_it_acts_for(
    fleet: Any,
):
    recording = run(fleet)
    machines = {made.inputs["roleArn"] for made in recording.of("sfn.StateMachine")}
    functions = {made.inputs["role"] for made in recording.of("lambda.Function")}
    nodes = {made.inputs["nodeRoleArn"] for made in recording.of("eks.ManagedNodeGroup")}
    engines = {made.inputs["roleArn"] for made in recording.of("eks.Capability")}
    pods = _pods(recording)
    for role in recording.of("iam.Role"):
        arn = role.state["arn"]
        (statement,) = role.json("assumeRolePolicy")["Statement"]
        actions = ["sts:AssumeRole"]
        condition: dict[str, Any] | None = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
        if role.name.endswith("flow-logs-role"):
            service = "vpc-flow-logs"
        elif role.name.startswith("ecs-"):
            service = "ecs-tasks"
        elif arn in machines:
            service = "states"
        elif arn in engines:
            service, actions = "capabilities.eks", ["sts:AssumeRole", "sts:TagSession"]
            condition = None
        elif arn in pods:
            service, actions = "pods.eks", ["sts:AssumeRole", "sts:TagSession"]
            namespace, account = pods[arn]
            condition = {
                "StringEquals": {
                    "aws:RequestTag/kubernetes-namespace": namespace,
                    "aws:RequestTag/kubernetes-service-account": account,
                }
            }
        else:
            service = "ec2" if arn in nodes else "lambda" if arn in functions else "apigateway"
            condition = None
        assert statement["Principal"] == {"Service": [f"{service}.amazonaws.com"]}
        assert statement["Action"] == actions
        assert statement.get("Condition") == condition


def _pods(recording: Recording) -> dict[str, tuple[str, str]]:
    """The namespace and service account that EKS Pod Identity gives each role, by its ARN."""
    found = [
        (made.inputs["roleArn"], made.inputs["namespace"], made.inputs["serviceAccount"])
        for made in recording.of("eks.PodIdentityAssociation")
    ]
    for addon in recording.of("eks.Addon"):
        watches = addon.inputs["addonName"] == "amazon-cloudwatch-observability"
        namespace = "amazon-cloudwatch" if watches else "kube-system"
        found += [
            (association["roleArn"], namespace, association["serviceAccount"])
            for association in addon.inputs.get("podIdentityAssociations", [])
        ]
    roles = {arn: (namespace, account) for arn, namespace, account in found}
    # Each role has one service account, and each service account has one role.
    assert len(roles) == len(set(roles.values())) == len(found)
    return roles


@pytest.mark.parametrize("fleet", EKS_FLEETS.values(), ids=EKS_FLEETS)
def test_every_role_of_a_pod_is_given_in_the_cluster_of_the_fleet(fleet: Any):
    recording = run(fleet)
    existing = fleet.get("cluster", {}).get("existing")
    name = existing["name"] if existing else CLUSTER_NAME
    taken = [*recording.of("eks.PodIdentityAssociation"), *recording.of("eks.Addon")]
    assert {made.inputs["clusterName"] for made in taken} == {name}


def test_every_workload_has_two_roles_of_its_own():
    workloads = [*FULL["servers"], *FULL["agents"]]
    assert run(FULL).names("iam.Role") == sorted(
        [
            "fleet-network-flow-logs-role",
            *(f"ecs-{name}-{kind}" for name in workloads for kind in ("execution", "task")),
        ]
    )


def _permissions(role: str, fleet: dict[str, Any] = FULL) -> dict[str, tuple[list[str], list[str]]]:
    """The actions and resources of a role's policy, by sid."""
    statements = run(fleet).one("iam.RolePolicy", f"ecs-{role}-policy").json("policy")["Statement"]
    return {each["Sid"]: (each["Action"], each["Resource"]) for each in statements}


def _arn(kind: str, name: str) -> str:
    return run(FULL).one(kind, name).state["arn"]


def test_a_workload_is_started_with_its_own_image_secrets_and_log_group_only():
    assert _permissions("notes-execution") == {
        "LogInToRegistry": (["ecr:GetAuthorizationToken"], ["*"]),
        "PullOwnImage": (
            [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            [_arn("ecr.Repository", "fleet-images-workloads-notes-repository")],
        ),
        "ReadOwnSecrets": (
            ["secretsmanager:GetSecretValue"],
            [
                _arn("secretsmanager.Secret", "fleet-vault-secret-notes-api-key"),
                _arn("secretsmanager.Secret", "fleet-vault-secret-made-up"),
                _arn("secretsmanager.Secret", "fleet-vault-request-state-notes"),
            ],
        ),
        "DecryptSecrets": (["kms:Decrypt"], [run(FULL).one("kms.Key").state["arn"]]),
        "WriteOwnLogs": (
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"arn:aws:logs:{REGION_AND_ACCOUNT}:log-group:/mcp-platform/dev/notes:*"],
        ),
    }


def test_an_agent_without_secrets_may_read_none():
    assert _permissions("assistant-execution").keys() == {
        "LogInToRegistry",
        "PullOwnImage",
        "WriteOwnLogs",
    }


def test_an_image_of_another_account_is_pulled_from_there_and_one_from_elsewhere_needs_nothing():
    assert _permissions("quiet-execution")["PullOwnImage"][1] == [
        "arn:aws:ecr:us-east-1:210987654321:repository/team/quiet"
    ]
    elsewhere = with_server(image={"uri": PUBLIC_IMAGE})
    assert _permissions("clock-execution", elsewhere).keys() == {
        "ReadOwnSecrets",
        "DecryptSecrets",
        "WriteOwnLogs",
    }


def test_a_workload_may_read_a_secret_that_is_there_already():
    assert EXISTING_SECRET in _permissions("old-execution")["ReadOwnSecrets"][1]


def test_a_workload_mounts_its_own_files_and_opens_a_shell_only_where_asked():
    recording = run(FULL)
    files = recording.one("efs.FileSystem").state["arn"]
    assert _permissions("notes-task") == {
        "MountOwnFiles": (
            ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
            [files],
        ),
    }
    log = recording.one("cloudwatch.LogGroup", "fleet-observability-shell-log").state["arn"]
    assert _permissions("quiet-task") == {
        "LogShell": (
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [f"{log}:*"],
        ),
        "FindShellLog": (["logs:DescribeLogGroups"], ["*"]),
        "OpenShell": (
            [
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            ["*"],
        ),
    }
    assert _permissions("auditor-task").keys() == {"MountOwnFiles"}
    for name in ("notes", "auditor"):
        policy = recording.one("iam.RolePolicy", f"ecs-{name}-task-policy").json("policy")
        point = recording.one("efs.AccessPoint", f"fleet-storage-{name}").state["arn"]
        assert policy["Statement"][0]["Condition"] == {
            "ArnEquals": {"elasticfilesystem:AccessPointArn": point}
        }


def _invoking(resources: list[str]) -> tuple[list[str], list[str]]:
    return ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"], resources


def _models(*regions: str) -> list[str]:
    return [f"arn:aws:bedrock:{region}::foundation-model/{MODEL}" for region in regions]


def _statement(fleet: dict[str, Any], role: str, sid: str) -> dict[str, Any]:
    policy = run(fleet).one("iam.RolePolicy", f"{role}-policy").json("policy")
    return next(each for each in policy["Statement"] if each["Sid"] == sid)


def test_an_agent_invokes_its_own_models_here_and_those_of_a_profile_where_that_sends_them():
    assert _permissions("assistant-task") == {
        "InvokeOwnModels": _invoking(_models("us-east-1")),
        "InvokeOwnProfiles": _invoking(
            [f"arn:aws:bedrock:{REGION_AND_ACCOUNT}:inference-profile/us.{MODEL}"]
        ),
        "InvokeModelsOfProfiles": _invoking(
            _models("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1")
        ),
    }


_ROLES = [
    (FULL, "ecs-assistant-task"),
    (EKS_FULL, "eks-assistant-pod"),
    (LAMBDA_FULL, "lambda-assistant-role"),
    (LAMBDA_FULL, "lambda-quick-role"),
]


@pytest.mark.parametrize(("fleet", "role"), _ROLES, ids=[role for _, role in _ROLES])
def test_a_model_of_a_profile_is_invoked_through_that_profile_only(
    fleet: dict[str, Any], role: str
):
    arn = f"arn:aws:bedrock:{REGION_AND_ACCOUNT}:inference-profile/us.{MODEL}"
    assert _statement(fleet, role, "InvokeOwnProfiles")["Resource"] == [arn]
    through = _statement(fleet, role, "InvokeModelsOfProfiles")
    assert through["Condition"] == {"ArnEquals": {"bedrock:InferenceProfileArn": [arn]}}
    assert not any(":*:" in resource for resource in through["Resource"])


def test_the_model_of_a_global_profile_has_the_arn_without_a_region():
    model = f"global.{MODEL}"
    fleet = FULL | {"agents": {"assistant": FULL["agents"]["assistant"] | {"models": [model]}}}
    fleet["servers"] = {name: FULL["servers"][name] for name in ("clock", "notes")}
    fleet["secrets"] = {name: FULL["secrets"][name] for name in ("notes-api-key", "made-up")}
    through = _statement(fleet, "ecs-assistant-task", "InvokeModelsOfProfiles")
    assert through["Resource"] == _models("us-east-1", "")
    assert through["Condition"]["ArnEquals"]["bedrock:InferenceProfileArn"] == [
        f"arn:aws:bedrock:{REGION_AND_ACCOUNT}:inference-profile/{model}"
    ]


def test_a_server_without_needs_may_do_nothing():
    policies = run(FULL).names("iam.RolePolicy")
    for name in ("clock", "old"):
        assert f"ecs-{name}-task-policy" not in policies


def _pod_permissions(workload: str) -> dict[str, tuple[list[str], list[str]]]:
    """The actions and resources of the role of a workload's pods on EKS, by sid."""
    policy = run(EKS_FULL).one("iam.RolePolicy", f"eks-{workload}-pod-policy").json("policy")
    return {each["Sid"]: (each["Action"], each["Resource"]) for each in policy["Statement"]}


def test_on_eks_a_pod_may_invoke_its_own_models_and_read_its_own_secrets():
    recording = run(EKS_FULL)
    assert _pod_permissions("assistant") == _permissions("assistant-task")
    assert _pod_permissions("notes") == {
        "ReadOwnSecrets": (
            ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
            [
                recording.one("secretsmanager.Secret", f"fleet-vault-{name}").state["arn"]
                for name in (
                    "secret-notes-api-key",
                    "secret-made-up",
                    "request-state-notes",
                )
            ],
        ),
        "DecryptSecrets": (["kms:Decrypt"], [recording.one("kms.Key").state["arn"]]),
    }


def test_on_eks_a_workload_without_aws_access_has_no_role():
    workloads = [*EKS_FULL["servers"], *EKS_FULL["agents"]]
    roles = {name for name in run(EKS_FULL).names("iam.Role") if name.endswith("-pod")}
    assert roles == {f"eks-{name}-pod" for name in workloads if name != "auditor"}
    associations = set(run(EKS_FULL).names("eks.PodIdentityAssociation"))
    assert associations == {
        "eks-base-aws-efs-csi-driver-identity",
        *(f"eks-{name}-identity" for name in workloads if name != "auditor"),
    }
