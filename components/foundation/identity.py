"""IAM roles, and the permissions that workloads need."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.account import Account
from core.aws.bedrock_models import profile
from core.aws.iam import Statement, document
from core.aws.partitions import service_host
from core.images import ecr_repository


def role(
    name: str,
    *,
    parent: pulumi.Resource,
    trust: Mapping[str, object],
    description: str,
    statements: Sequence[Statement],
    was: str | None = None,
) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
    """Creates a role with the permissions.

    Args:
        name: The logical name.
        parent: The parent component.
        trust: The trust policy, from `core.aws.iam`.
        description: The description.
        statements: The permissions. The list may be empty.
        was: The earlier logical name, if there was another one.

    Returns:
        The role, and the resources that grant its permissions.
    """
    made = aws.iam.Role(
        name,
        description=description,
        assume_role_policy=pulumi.Output.json_dumps(trust),
        opts=pulumi.ResourceOptions(
            parent=parent, aliases=[pulumi.Alias(name=was)] if was else None
        ),
    )
    if not statements:
        return made, [made]
    policy = aws.iam.RolePolicy(
        f"{name}-policy",
        role=made.name,
        policy=pulumi.Output.json_dumps(document(statements)),
        opts=pulumi.ResourceOptions(
            parent=parent, aliases=[pulumi.Alias(name=f"{was}-policy")] if was else None
        ),
    )
    return made, [policy]


def write_logs(*log_group_arns: pulumi.Output[str]) -> list[Statement]:
    """The permission to write to the log groups."""
    return [
        Statement(
            sid="WriteOwnLogs",
            actions=("logs:CreateLogStream", "logs:PutLogEvents"),
            resources=tuple(pulumi.Output.concat(arn, ":*") for arn in log_group_arns),
        )
    ]


def read_secrets(
    arns: Sequence[pulumi.Input[str]],
    key_arn: pulumi.Input[str],
    account: Account,
    *,
    described: bool = False,
) -> list[Statement]:
    """The permissions to read the secrets, and to decrypt them with the stack's key.

    Args:
        arns: The ARNs of the secrets.
        key_arn: The ARN of the stack's key.
        account: The account.
        described: Whether to allow `secretsmanager:DescribeSecret`.
    """
    if not arns:
        return []
    return [
        Statement(
            sid="ReadOwnSecrets",
            actions=(
                "secretsmanager:GetSecretValue",
                *(("secretsmanager:DescribeSecret",) if described else ()),
            ),
            resources=tuple(arns),
        ),
        Statement(
            sid="DecryptSecrets",
            actions=("kms:Decrypt",),
            resources=(key_arn,),
            conditions={
                "StringEquals": {"kms:ViaService": service_host("secretsmanager", account.region)}
            },
        ),
    ]


def pull_images(
    uris: Sequence[str], repository_arns: Sequence[pulumi.Output[str]], account: Account
) -> list[Statement]:
    """The permissions to pull images from ECR. Other registries need none.

    Args:
        uris: The images that the configuration specifies.
        repository_arns: The ARNs of the repositories of the images that the stack builds.
        account: The account.
    """
    given = [
        pulumi.Output.format(
            "arn:{0}:ecr:{1}:{2}:repository/{3}",
            account.partition,
            repository.region,
            repository.account,
            repository.name,
        )
        for repository in dict.fromkeys(filter(None, map(ecr_repository, uris)))
    ]
    arns = (*given, *repository_arns)
    if not arns:
        return []
    return [
        Statement(
            sid="LogInToRegistry",
            actions=("ecr:GetAuthorizationToken",),
            resources=("*",),
            why_star="the token is for a registry, and AWS offers no resource for that action",
        ),
        Statement(
            sid="PullOwnImage",
            actions=(
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ),
            resources=arns,
        ),
    ]


def mount_files(
    file_system_arn: pulumi.Output[str],
    access_point_arn: pulumi.Output[str],
    *further_arns: pulumi.Output[str],
) -> list[Statement]:
    """The permission to mount a file system through one of the access points."""
    points = [access_point_arn, *further_arns] if further_arns else access_point_arn
    return [
        Statement(
            sid="MountOwnFiles",
            actions=("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"),
            resources=(file_system_arn,),
            conditions={"ArnEquals": {"elasticfilesystem:AccessPointArn": points}},
        )
    ]


def invoke_models(models: Sequence[str], account: Account) -> list[Statement]:
    """The permissions to invoke the Bedrock models, directly or through an inference profile.

    The model of a profile can be invoked in the profile's regions through that profile only, as in
    the policies of the Amazon Bedrock User Guide ("Geographic cross-Region inference", "Global
    cross-Region inference"). For a global profile, the guide also has a condition on the requested
    region. It is left out: the ARN has no region, and the guide does not document whether Bedrock
    sends the condition key.
    """
    direct = [_model_arn(account, account.region, name) for name in models if not profile(name)]
    profiles = [(name, found) for name in models if (found := profile(name))]
    own = [account.arn("bedrock", f"inference-profile/{name}") for name, _ in profiles]
    routed = [
        _model_arn(account, region, found.model)
        for _, found in profiles
        for region in (*found.regions(account.region), *([""] if found.is_global else []))
    ]
    conditions = {"ArnEquals": {"bedrock:InferenceProfileArn": own}}
    return [
        *_invoke("InvokeOwnModels", direct),
        *_invoke("InvokeOwnProfiles", own),
        *_invoke("InvokeModelsOfProfiles", routed, conditions),
    ]


def _invoke(
    sid: str,
    arns: Sequence[pulumi.Output[str]],
    conditions: Mapping[str, Mapping[str, object]] | None = None,
) -> list[Statement]:
    if not arns:
        return []
    return [
        Statement(
            sid=sid,
            actions=("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"),
            resources=tuple(arns),
            conditions=conditions or {},
        )
    ]


def open_shell(log_group_arn: pulumi.Output[str]) -> list[Statement]:
    """The permissions for a shell in the container (ECS Exec), with logged sessions."""
    return [
        Statement(
            sid="LogShell",
            actions=("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
            resources=(pulumi.Output.concat(log_group_arn, ":*"),),
        ),
        Statement(
            sid="FindShellLog",
            actions=("logs:DescribeLogGroups",),
            resources=("*",),
            why_star="DescribeLogGroups lists all of an account (ECS Exec guide)",
        ),
        Statement(
            sid="OpenShell",
            actions=(
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ),
            resources=("*",),
            why_star="Session Manager's channels have no resource to name (ECS Exec guide)",
        ),
    ]


def _model_arn(account: Account, region: str, model: str) -> pulumi.Output[str]:
    return pulumi.Output.format(
        "arn:{0}:bedrock:{1}::foundation-model/{2}", account.partition, region, model
    )
