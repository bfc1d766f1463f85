"""A Lambda function of a container image, at the name that its callers use."""

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
    """What puts a function into the network.

    Attributes:
        subnet_ids: The private subnets.
        security_group_id: What it carries there.
        access_point_arn: The files that it mounts, if any.
        mount_path: Where it sees them.
        needed: What must exist before it starts, besides the network's routes or endpoints: the
            rules of its security group, its mount targets.
    """

    subnet_ids: pulumi.Output[Sequence[str]]
    security_group_id: pulumi.Output[str]
    access_point_arn: pulumi.Output[str] | None
    mount_path: str
    needed: Sequence[pulumi.Resource]


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function, as what is around it needs it.

    Attributes:
        name: The function's name.
        alias_arn: The ARN of its alias `live`.
        alias: That alias.
        role_arn: The role that it runs as.
    """

    name: pulumi.Output[str]
    alias_arn: pulumi.Output[str]
    alias: aws.lambda_.Alias
    role_arn: pulumi.Output[str]

    def invoke_uri(self, region: str, *, streams: bool) -> pulumi.Output[str]:
        """What API Gateway calls it by, with its answer as a stream or whole.

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
        """Lets one place of an API call it."""
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
    """What a function is.

    Attributes:
        name: The function's name.
        known_as: The names that policies know it by, with `?` for any character; its own name, if
            there is no other.
        description: What it is.
        image_uri: The image with its digest.
        command: What the image runs, if not its own command.
        memory_mib: Its memory; its CPU follows from it.
        timeout_seconds: When it is stopped.
        variables: Its environment; no secret is in there.
        statements: What it may do besides logging and tracing.
        log_group_name: Where it logs.
        log_group_arn: The same, for its role.
        reserved: How many requests are answered at once at most, if that is limited.
        inside: What puts it into the network, if it belongs there.
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
    """Makes a role, a function that publishes a version at each change, and its alias `live`.

    It runs on arm64, writes JSON to its log group, is traced, and keeps its variables under the
    stack's key. By default it is not in the VPC.

    Older versions keep their network interfaces, and with them the security group and the subnets,
    until the function is deleted (AWS Lambda Developer Guide, "Understanding Hyperplane Elastic
    Network Interfaces"). A function that enters or leaves a VPC therefore needs another name, so
    that the new function is created before the old one is deleted with all its versions.

    Args:
        name: The stem of the logical names.
        settings: What it is.
        foundation: The foundation.
        needed: What must be there before Lambda can pull its image.
        parent: The component that it belongs to.
    """
    inside = settings.inside
    function_arns = [
        foundation.account.arn("lambda", f"function:{known}")
        for known in settings.known_as or [settings.name]
    ]
    # What connects a function to the network is needed until the last of its interfaces is gone. So
    # a function that leaves takes another role, and the old one goes after the old function.
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
        # Of another function, the same name is free. Pulumi would delete it first, and with it all
        # that goes by its ARN, up to the deployment of the API, which its stage still needs.
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=False),
    )
    return Function(name=made.name, alias_arn=alias.arn, alias=alias, role_arn=execution_role.arn)
