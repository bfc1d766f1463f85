"""The log groups of the stack, and the topic of its alarms."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation.alarms import create_alarms
from components.foundation.logs import log_group
from core.alarms import log_alarm
from core.config.enums import RunsAs
from core.resolved import ResolvedFleet
from core.stack import Stack


class Observability(Component):
    """A log group and an alarm on error lines for every workload, and the topic of all alarms.

    Type token `mcp-platform:foundation:Observability`. Creates:

    - An encrypted SNS topic and, if an address is configured, its subscription.
    - For each workload, a log group, a metric filter that counts error lines, and an alarm.
    - A log group for requests to the gateway. Only REST APIs write to it, but it is created for
      every target, so that a switch of the target keeps the log.
    - A log group for the executions of each agent that can run as a state machine.
    - A log group for the web ACL, if the firewall is configured.
    - A log group for the shell sessions of operators in containers.

    Attributes:
        topic_arn: The ARN of the topic that alarms notify.
        log_group_names: The name of each workload's log group, by workload.
        log_group_arns: The ARN of each workload's log group, by workload.
        execution_log_group_arns: The ARN of each agent's log group of executions, by agent.
        gateway_log_group_name: The name of the gateway's log group.
        gateway_log_group_arn: The ARN of the gateway's log group.
        shell_log_group_name: The name of the log group of shell sessions.
        shell_log_group_arn: The ARN of the log group of shell sessions.
    """

    topic_arn: pulumi.Output[str]
    gateway_log_group_name: pulumi.Output[str]
    gateway_log_group_arn: pulumi.Output[str]
    shell_log_group_name: pulumi.Output[str]
    shell_log_group_arn: pulumi.Output[str]
    log_group_names: Mapping[str, pulumi.Output[str]]
    log_group_arns: Mapping[str, pulumi.Output[str]]
    execution_log_group_arns: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:foundation:Observability", name, opts)
        config, stack = fleet.config, fleet.stack
        topic = aws.sns.Topic(
            f"{name}-alarms",
            kms_master_key_id=key_arn,
            opts=self.child_opts,
        )
        if config.observability.alarm_email:
            aws.sns.TopicSubscription(
                f"{name}-alarms-email",
                topic=topic.arn,
                protocol="email",
                endpoint=config.observability.alarm_email,
                opts=self.child_opts,
            )
        self.topic_arn = topic.arn
        groups = {
            workload: log_group(
                f"{name}-{workload}-logs", workload, fleet, key_arn=key_arn, parent=self
            )
            for workload, _ in config.workloads()
        }
        for workload, group in groups.items():
            self._count_errors(f"{name}-{workload}", stack, workload, group)
        gateway = log_group(
            f"{name}-gateway-log",
            "gateway/requests",  # names of workloads contain no slash
            fleet,
            key_arn=key_arn,
            parent=self,
        )
        # In the foundation, so that a switch of the target keeps it. AWS WAF requires the prefix of
        # the name (AWS WAF Developer Guide, "Sending web ACL traffic logs to a CloudWatch Logs log
        # group").
        self.firewall_log_group = (
            log_group(
                f"{name}-firewall-log",
                "requests",
                fleet,
                key_arn=key_arn,
                parent=self,
                path=stack.firewall_logs,
            )
            if config.gateway.firewall
            else None
        )
        """The log group of the gateway's web ACL, if it has one."""
        # In every configuration, so that the log is kept when `exec` is turned off.
        shells = log_group(
            f"{name}-shell-log", "shells/sessions", fleet, key_arn=key_arn, parent=self
        )
        self.shell_log_group_name = shells.name
        self.shell_log_group_arn = shells.arn
        self.gateway_log_group_name = gateway.name
        self.gateway_log_group_arn = gateway.arn
        self.log_group_names = {workload: group.name for workload, group in groups.items()}
        self.log_group_arns = {workload: group.arn for workload, group in groups.items()}
        self.execution_log_group_arns = {
            agent: log_group(
                f"{name}-{agent}-executions-log",
                agent,
                fleet,
                key_arn=key_arn,
                parent=self,
                path=stack.executions_path,
            ).arn
            for agent, load in config.agents.items()
            if load.runs_as is RunsAs.STATE_MACHINE
        }
        self.register()

    def _count_errors(
        self, name: str, stack: Stack, workload: str, group: aws.cloudwatch.LogGroup
    ) -> None:
        alarm = log_alarm(stack, workload)
        aws.cloudwatch.LogMetricFilter(
            f"{name}-{alarm.suffix}",
            log_group_name=group.name,
            pattern='{ ($.level = "ERROR") || ($.level = "CRITICAL") }',
            metric_transformation={
                "namespace": alarm.metric.namespace,
                "name": alarm.metric.name,
                "value": "1",
                "default_value": "0",
            },
            opts=self.child_opts,
        )
        create_alarms(
            name,
            [alarm],
            subject=f"{workload} of {stack.label}",
            dimensions={},
            topic_arn=self.topic_arn,
            parent=self,
        )
