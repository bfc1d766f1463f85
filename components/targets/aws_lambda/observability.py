"""Alarms and dashboard of the functions, state machines and APIs."""

from collections.abc import Mapping, Sequence

import pulumi

from components.foundation.alarms import Metric, alarm
from components.foundation.dashboards import Chart, dashboard_body

_ERRORS_A_MINUTE = 5
_SLOW_SHARE = 0.9

_NAMESPACE = "AWS/Lambda"


def function_alarms(
    name: str,
    *,
    parent: pulumi.Resource,
    what: str,
    function_name: pulumi.Output[str],
    timeout_seconds: int,
    topic_arn: pulumi.Output[str],
    chats: bool = False,
) -> None:
    """Makes the alarms of a function: its errors, its refusals, its time.

    People who chat get nothing for a message that fails, so one is enough for an alarm, and so is
    one that was dropped before the function had it: it came too late, or too many did.
    """
    function = {"FunctionName": function_name}
    slow = round(timeout_seconds * 1000 * _SLOW_SHARE)
    for suffix, metric, statistic, threshold, minutes, description in (
        (
            "errors",
            "Errors",
            "Sum",
            1,
            1 if chats else 3,
            f"{what} ends with an error or is stopped",
        ),
        ("throttles", "Throttles", "Sum", 1, 3, f"{what} is called more often than it may run"),
        ("duration", "Duration", "Maximum", slow, 1, f"{what} takes nearly all the time it has"),
        *(
            [("dropped", "AsyncEventsDropped", "Sum", 1, 1, f"{what} loses a message of a chat")]
            if chats
            else []
        ),
    ):
        alarm(
            f"{name}-{suffix}-alarm",
            parent=parent,
            topic_arn=topic_arn,
            description=description,
            threshold=threshold,
            minutes=minutes,
            metric=Metric(
                namespace=_NAMESPACE, name=metric, statistic=statistic, dimensions=function
            ),
        )


def machine_alarms(
    name: str,
    *,
    parent: pulumi.Resource,
    agent: str,
    machine_arn: pulumi.Output[str],
    topic_arn: pulumi.Output[str],
) -> None:
    """Makes the alarms of a state machine: what failed, and what took too long."""
    for suffix, metric, what in (
        ("failed", "ExecutionsFailed", "fails"),
        ("timed-out", "ExecutionsTimedOut", "takes longer than it may"),
    ):
        alarm(
            f"{name}-{suffix}-alarm",
            parent=parent,
            topic_arn=topic_arn,
            description=f"{agent} {what}",
            threshold=1,
            minutes=1,
            metric=Metric(
                namespace="AWS/States",
                name=metric,
                statistic="Sum",
                dimensions={"StateMachineArn": machine_arn},
            ),
        )


def api_alarm(
    name: str,
    *,
    parent: pulumi.Resource,
    api_name: pulumi.Input[str],
    stage_name: pulumi.Output[str],
    topic_arn: pulumi.Output[str],
) -> None:
    """Makes the alarm of a REST API: its server errors."""
    alarm(
        f"{name}-5xx-alarm",
        parent=parent,
        topic_arn=topic_arn,
        description=f"An API answers with {_ERRORS_A_MINUTE} server errors a minute or more",
        threshold=_ERRORS_A_MINUTE,
        minutes=3,
        metric=Metric(
            namespace="AWS/ApiGateway",
            name="5XXError",
            statistic="Sum",
            dimensions={"ApiName": api_name, "Stage": stage_name},
        ),
    )


def dashboard(
    *,
    region: str,
    api_names: Sequence[str],
    function_names: Mapping[str, pulumi.Output[str]],
    machine_arns: Mapping[str, pulumi.Output[str]],
) -> pulumi.Output[str]:
    """The dashboard's body: the APIs' traffic, then the functions', then the state machines'."""
    apis = [
        Chart(
            title=title,
            stat=stat,
            metrics=[
                ["AWS/ApiGateway", metric, "ApiName", api]
                for api in api_names
                for metric in metrics
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
                [_NAMESPACE, metric, "FunctionName", function]
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
                ["AWS/States", metric, "StateMachineArn", machine]
                for _, machine in sorted(machine_arns.items())
            ],
        )
        for title, metric in (
            ("State machines begun", "ExecutionsStarted"),
            ("State machines that failed", "ExecutionsFailed"),
        )
    ]
    return dashboard_body(region, [*apis, *functions, *machines])
