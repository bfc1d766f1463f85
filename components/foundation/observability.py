"""Logs of the workloads, and whom alarms are told to."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation.alarms import create_alarms
from components.foundation.logs import log_group
from core.alarms import log_alarm
from core.config.model import RunsAs
from core.resolved import ResolvedFleet
from core.stack import Stack


class Observability(Component):
    """A log group and an alarm on error lines for every workload, and the topic of all alarms.

    Type token `mcp-platform:foundation:Observability`. Creates an encrypted SNS topic (with a
    subscription where an address is configured), per workload a log group, a metric filter that
    counts its error lines, and an alarm on that count, and a log group for the gateway (REST APIs
    log every request to it; a load balancer cannot, but a switch of target is to keep the log). An
    agent that can run as a state machine has another log group, for its executions, and the
    gateway's web ACL has one too. One more has the sessions of shells in containers.

    Attributes:
        topic_arn: The topic that alarms notify.
        log_group_names: Every workload's log group, by the workload's name.
        log_group_arns: Their ARNs.
        execution_log_group_arns: The log groups of executions, by the agent's name.
        gateway_log_group_name: The gateway's log group.
        gateway_log_group_arn: Its ARN.
        shell_log_group_name: What operators do in the shells that they open in containers.
        shell_log_group_arn: Its ARN.
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
            "gateway/requests",  # no workload can have that name
            fleet,
            key_arn=key_arn,
            parent=self,
        )
        # Here, so that a switch of target keeps it. Web ACLs log to groups of such names only (AWS
        # WAF Developer Guide, "Sending web ACL traffic logs to a CloudWatch Logs log group").
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
        """Where the gateway's web ACL logs, if it has one."""
        # There whether a workload has a shell or not: the record outlives the permission.
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
