"""A Lambda function from a container image, with an alias for its callers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.foundation.identity import role
from components.targets.aws_lambda.permissions import own_permissions
from core.aws.iam import Statement, trust

LIVE = "live"
"""The alias that all callers invoke: it points to the newest version."""

_SERVICE = "lambda.amazonaws.com"


@dataclass(frozen=True, kw_only=True)
class Inside:
    """The VPC configuration of a function.

    Attributes:
        subnet_ids: The private subnets.
        security_group_id: The security group.
        access_point_arn: The EFS access point, if the function mounts files.
        mount_path: The mount path of the files.
        needed: The resources that must exist before the function starts, in addition to the egress
            of the network: the rules of its security group, and the mount targets.
    """

    subnet_ids: pulumi.Output[Sequence[str]]
    security_group_id: pulumi.Output[str]
    access_point_arn: pulumi.Output[str] | None
    mount_path: str
    needed: Sequence[pulumi.Resource]


@dataclass(frozen=True, kw_only=True)
class Function:
    """A Lambda function with its alias.

    Attributes:
        name: The function's name.
        alias_arn: The ARN of the alias `live`.
        alias: The alias `live`.
        role_arn: The ARN of the execution role.
    """

    name: pulumi.Output[str]
    alias_arn: pulumi.Output[str]
    alias: aws.lambda_.Alias
    role_arn: pulumi.Output[str]

    def invoke_uri(self, region: str, *, streams: bool) -> pulumi.Output[str]:
        """The invocation URI for API Gateway, with a streamed or a buffered response.

        API Gateway Developer Guide, "Set up a Lambda proxy integration with payload response
        streaming".
        """
        version, action = (
            ("2021-11-15", "response-streaming-invocations")
            if streams
            else ("2015-03-31", "invocations")
        )
        return pulumi.Output.format(
            "arn:{0}:apigateway:{1}:lambda:path/{2}/functions/{3}/{4}",
            self.alias_arn.apply(lambda arn: arn.split(":")[1]),
            region,
            version,
            self.alias_arn,
            action,
        )

    def admit_api(
        self, name: str, source_arn: pulumi.Input[str], parent: pulumi.Resource
    ) -> aws.lambda_.Permission:
        """Allows the API methods in `source_arn` to invoke the function."""
        return aws.lambda_.Permission(
            name,
            function=self.name,
            qualifier=self.alias.name,
            action="lambda:InvokeFunction",
            principal="apigateway.amazonaws.com",
            source_arn=source_arn,
            opts=pulumi.ResourceOptions(parent=parent),
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a function.

    Attributes:
        name: The function's name.
        known_as: The names of the function in policies, in which `?` matches any character. The
            default is its own name.
        description: The description.
        image_uri: The image, with a digest.
        command: The command. The default is that of the image.
        memory_mib: The memory in MiB. Lambda allocates CPU in proportion to it.
        timeout_seconds: The timeout in seconds.
        variables: The environment variables. They contain no secrets.
        statements: The permissions in addition to logging and tracing.
        log_group_name: The name of the log group.
        log_group_arn: The ARN of the log group.
        reserved: The reserved concurrency, if it is limited.
        inside: The VPC configuration, if the function runs in the VPC.
    """

    name: str
    known_as: Sequence[str] = ()
    description: str
    image_uri: pulumi.Input[str]
    command: Sequence[str] = ()
    memory_mib: int
    timeout_seconds: int
    variables: Mapping[str, pulumi.Input[str]]
    statements: Sequence[Statement]
    log_group_name: pulumi.Input[str]
    log_group_arn: pulumi.Output[str]
    reserved: int | None = None
    inside: Inside | None = None


def create_function(
    name: str,
    settings: Settings,
    *,
    foundation: Foundation,
    needed: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> Function:
    """Creates a role, a function that publishes a version at each change, and its alias `live`.

    The function runs on arm64, writes JSON logs and is traced. Its variables are encrypted with the
    stack's key. By default, it is not in the VPC.

    Older versions keep their network interfaces, and with them the security group and the subnets,
    until the function is deleted (AWS Lambda Developer Guide, "Understanding Hyperplane Elastic
    Network Interfaces"). A function that enters or leaves a VPC therefore needs another name, so
    that the new function is created before the old one is deleted with all its versions.

    Args:
        name: The prefix of the logical names.
        settings: The settings of the function.
        foundation: The foundation.
        needed: The resources that must exist before Lambda can pull the image.
        parent: The parent component.
    """
    inside = settings.inside
    function_arns = [
        foundation.account.arn("lambda", f"function:{known}")
        for known in settings.known_as or [settings.name]
    ]
    # Lambda needs the role of a function in a VPC until it has deleted the network interfaces. So a
    # function that leaves the VPC gets another role, and the old role is deleted after the old
    # function.
    execution_role, ready = role(
        f"{name}-inside-role" if inside else f"{name}-role",
        parent=parent,
        trust=trust(_SERVICE, foundation.account.id),
        description=settings.description,
        statements=[
            *own_permissions(
                foundation, function_arns, settings.log_group_arn, inside=inside is not None
            ),
            *settings.statements,
        ],
        was=f"{name}-role" if inside else None,
    )
    made = aws.lambda_.Function(
        f"{name}-function",
        name=settings.name,
        description=settings.description,
        package_type="Image",
        image_uri=settings.image_uri,
        image_config={"commands": settings.command} if settings.command else None,
        architectures=["arm64"],
        memory_size=settings.memory_mib,
        timeout=settings.timeout_seconds,
        role=execution_role.arn,
        publish=True,
        environment={"variables": settings.variables},
        kms_key_arn=foundation.key_arn,
        logging_config={"log_format": "JSON", "log_group": settings.log_group_name},
        tracing_config={"mode": "Active"},
        reserved_concurrent_executions=settings.reserved,
        vpc_config={
            "subnet_ids": inside.subnet_ids,
            "security_group_ids": [inside.security_group_id],
        }
        if inside
        else None,
        file_system_config={
            "arn": inside.access_point_arn,
            "local_mount_path": inside.mount_path,
        }
        if inside and inside.access_point_arn
        else None,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[
                *ready,
                *needed,
                *([*inside.needed, *foundation.network.egress] if inside else []),
            ],
        ),
    )
    alias = aws.lambda_.Alias(
        f"{name}-live",
        name=LIVE,
        function_name=made.name,
        function_version=made.version,
        # The alias of a new function does not conflict with the old alias. If Pulumi deleted the
        # old alias first, it would also delete its dependents, up to the deployment of the API,
        # which the stage still uses.
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=False),
    )
    return Function(name=made.name, alias_arn=alias.arn, alias=alias, role_arn=execution_role.arn)
