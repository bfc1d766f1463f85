"""The permissions of functions and state machines."""

from collections.abc import Sequence

import pulumi

from components.foundation import Foundation
from components.foundation.identity import invoke_models, mount_files, read_secrets, write_logs
from components.targets.aws_lambda.api import Api
from core.aws.iam import Statement
from core.config.model import Agent
from core.discovery import server_path
from core.resolved import Workload
from core.targets.aws_lambda.addresses import API_STAGE

# AWS Lambda Developer Guide, "Securing Lambda environment variables".
_FUNCTION_CONTEXT = "kms:EncryptionContext:aws:lambda:FunctionArn"


def workload_permissions(
    workload: Workload, foundation: Foundation, internal: Api
) -> list[Statement]:
    """The permissions of a workload's function: secrets, servers, models and files."""
    config, secrets = workload.config, foundation.vault.read_by(workload.container)
    statements = read_secrets(
        [secret.arn for secret in secrets.values()], foundation.key_arn, foundation.account
    )
    if isinstance(config, Agent):
        statements += invoke_models(config.models, foundation.account)
        statements += use_servers(config, internal)
    if config.storage and foundation.storage:
        statements += mount_files(
            foundation.storage.file_system_arn, foundation.storage.access_point_arns[workload.name]
        )
    return statements


def own_permissions(
    foundation: Foundation,
    function_arns: Sequence[pulumi.Output[str]],
    log_group_arn: pulumi.Output[str],
    *,
    inside: bool,
) -> list[Statement]:
    """The permissions of every function: log, send traces, read its variables, run in the VPC."""
    return [
        *write_logs(log_group_arn),
        trace(),
        Statement(
            sid="ReadOwnVariables",
            actions=("kms:Decrypt",),
            resources=(foundation.key_arn,),
            # With and without a version: AWS does not document which ARN Lambda sends.
            conditions={
                "StringLike": {
                    _FUNCTION_CONTEXT: [
                        arn
                        for function_arn in function_arns
                        for arn in (function_arn, pulumi.Output.concat(function_arn, ":*"))
                    ]
                }
            },
        ),
        *(_join_network(function_arns) if inside else ()),
    ]


def use_servers(agent: Agent, internal: Api) -> list[Statement]:
    """The permission to call the servers that an agent uses."""
    if not agent.uses:
        return []
    return [
        Statement(
            sid="UseOwnServers",
            actions=("execute-api:Invoke",),
            # All methods: a client of the earlier protocol may request a stream with GET. The
            # response must be 405 (no stream) and not 403 (forbidden).
            resources=tuple(internal.route_arn("*", server_path(server)) for server in agent.uses),
        )
    ]


def answer_chats(execution_arn: pulumi.Output[str]) -> list[Statement]:
    """The permission to send messages to the connections of a WebSocket API."""
    return [
        Statement(
            sid="AnswerOwnChats",
            actions=("execute-api:ManageConnections",),
            resources=(pulumi.Output.concat(execution_arn, f"/{API_STAGE}/POST/@connections/*"),),
        )
    ]


def trace(*more: str) -> Statement:
    """The permissions to send traces to X-Ray."""
    return Statement(
        sid="SendTraces",
        actions=("xray:PutTelemetryRecords", "xray:PutTraceSegments", *more),
        resources=("*",),
        why_star="X-Ray has no resource for what sends to it (Service Authorization Reference)",
    )


def start_machine(
    machine_arn: pulumi.Output[str], execution_arn: pulumi.Output[str], *, express: bool
) -> Sequence[Statement]:
    """The permissions to start a state machine and, if it is standard, to describe executions."""
    if express:
        return [
            Statement(
                sid="RunMachine", actions=("states:StartSyncExecution",), resources=(machine_arn,)
            )
        ]
    return [
        Statement(sid="StartMachine", actions=("states:StartExecution",), resources=(machine_arn,)),
        Statement(
            sid="LookAtExecutions",
            actions=("states:DescribeExecution",),
            resources=(pulumi.Output.concat(execution_arn, ":*"),),
        ),
    ]


def run_machine(
    agent: Agent, tools_alias_arn: pulumi.Output[str], foundation: Foundation
) -> list[Statement]:
    """The permissions of a state machine: its model, its tools, logs and traces."""
    return [
        *invoke_models(agent.models[:1], foundation.account),
        Statement(
            sid="CallOwnTools", actions=("lambda:InvokeFunction",), resources=(tools_alias_arn,)
        ),
        Statement(
            sid="DeliverLogs",
            actions=(
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ),
            resources=("*",),
            why_star="CloudWatch Logs has no resource for a delivery (Step Functions Developer "
            'Guide, "Using CloudWatch Logs to log execution history")',
        ),
        # AWS Step Functions Developer Guide, "IAM policies for AWS X-Ray".
        trace("xray:GetSamplingRules", "xray:GetSamplingTargets"),
    ]


def _join_network(function_arns: Sequence[pulumi.Output[str]]) -> list[Statement]:
    """The permissions with which Lambda connects the function to a VPC, in the function's role.

    They are denied to the function's own code, because only Lambda needs them (AWS Lambda Developer
    Guide, "Giving Lambda functions access to resources in an Amazon VPC").
    """
    actions = (
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    )
    return [
        Statement(
            sid="LambdaJoinsNetwork",
            actions=actions,
            resources=("*",),
            why_star="the interfaces do not exist yet, and describing them has no resource",
        ),
        Statement(
            sid="FunctionDoesNot",
            effect="Deny",
            actions=actions,
            resources=("*",),
            conditions={"ArnLike": {"lambda:SourceFunctionArn": list(function_arns)}},
        ),
    ]
