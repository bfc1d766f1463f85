"""Alarms and dashboard of the functions, state machines and APIs."""

from collections.abc import Mapping, Sequence

import pulumi

from components.foundation.alarms import create_alarms
from components.foundation.dashboards import Chart, dashboard_body
from core.resolved import ResolvedFleet
from core.targets.aws_lambda.alarms import (
    API_NAMESPACE,
    FUNCTION_NAMESPACE,
    REST_API,
    STATE_MACHINE,
    STATES_NAMESPACE,
    functions,
)


def alarms(
    name: str,
    *,
    fleet: ResolvedFleet,
    function_names: Mapping[str, pulumi.Input[str]],
    machine_arns: Mapping[str, pulumi.Output[str]],
    topic_arn: pulumi.Output[str],
    parent: pulumi.Resource,
) -> None:
    """Creates the alarms of the functions and state machines.

    Args:
        name: The prefix of the logical names.
        fleet: The fleet.
        function_names: The name of each function, by its key in `functions`.
        machine_arns: The ARN of each state machine, by agent.
        topic_arn: The ARN of the topic.
        parent: The parent component.
    """
    for subject, table in functions(fleet).items():
        create_alarms(
            f"{name}-{subject}",
            table,
            subject=subject,
            dimensions={"FunctionName": function_names[subject]},
            topic_arn=topic_arn,
            parent=parent,
        )
    for agent, arn in machine_arns.items():
        create_alarms(
            f"{name}-{agent}",
            STATE_MACHINE,
            subject=agent,
            dimensions={"StateMachineArn": arn},
            topic_arn=topic_arn,
            parent=parent,
        )


def api_alarms(
    name: str,
    *,
    api_name: pulumi.Input[str],
    stage_name: pulumi.Output[str],
    topic_arn: pulumi.Output[str],
    parent: pulumi.Resource,
) -> None:
    """Creates the alarms of a REST API."""
    create_alarms(
        name,
        REST_API,
        dimensions={"ApiName": api_name, "Stage": stage_name},
        topic_arn=topic_arn,
        parent=parent,
    )


def dashboard(
    *,
    region: str,
    api_names: Sequence[str],
    function_names: Mapping[str, pulumi.Output[str]],
    machine_arns: Mapping[str, pulumi.Output[str]],
) -> pulumi.Output[str]:
    """The body of the dashboard: the metrics of the APIs, the functions and the state machines."""
    apis = [
        Chart(
            title=title,
            stat=stat,
            metrics=[
                [API_NAMESPACE, metric, "ApiName", api] for api in api_names for metric in metrics
            ],
        )
        for title, stat, metrics in (
            ("Requests a minute", "Sum", ["Count"]),
            ("Requests that failed", "Sum", ["5XXError", "4XXError"]),
            ("Time to answer, milliseconds", "p90", ["Latency"]),
        )
    ]
    functions = [
        Chart(
            title=title,
            stat=stat,
            metrics=[
                [FUNCTION_NAMESPACE, metric, "FunctionName", function]
                for _, function in sorted(function_names.items())
            ],
        )
        for title, stat, metric in (
            ("Calls a minute", "Sum", "Invocations"),
            ("Calls that failed", "Sum", "Errors"),
            ("Duration, milliseconds", "p90", "Duration"),
            ("Calls at once", "Maximum", "ConcurrentExecutions"),
        )
    ]
    machines = [
        Chart(
            title=title,
            stat="Sum",
            metrics=[
                [STATES_NAMESPACE, metric, "StateMachineArn", machine]
                for _, machine in sorted(machine_arns.items())
            ],
        )
        for title, metric in (
            ("State machines begun", "ExecutionsStarted"),
            ("State machines that failed", "ExecutionsFailed"),
        )
    ]
    return dashboard_body(region, [*apis, *functions, *machines])
