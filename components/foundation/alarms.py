"""CloudWatch alarms."""

from collections.abc import Iterable, Mapping

import pulumi
import pulumi_aws as aws

from core.alarms import Alarm, Metric

_PERIOD_SECONDS = 60


def create_alarms(
    name: str,
    alarms: Iterable[Alarm],
    *,
    subject: str = "",
    dimensions: Mapping[str, pulumi.Input[str]],
    topic_arn: pulumi.Input[str],
    parent: pulumi.Resource,
) -> None:
    """Creates alarms that notify the topic when they go to ALARM and when they return to OK.

    Args:
        name: The prefix of the logical names.
        alarms: The definitions of the alarms.
        subject: The monitored resource, for the descriptions.
        dimensions: The dimensions of the metrics.
        topic_arn: The ARN of the topic.
        parent: The parent component.
    """
    for alarm in alarms:
        plain = None if alarm.minus else alarm.metric
        aws.cloudwatch.MetricAlarm(
            f"{name}-{alarm.suffix}-alarm",
            alarm_description=alarm.description.format(subject=subject, threshold=alarm.threshold),
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=alarm.threshold,
            evaluation_periods=alarm.minutes,
            treat_missing_data="notBreaching",
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
            namespace=plain and plain.namespace,
            metric_name=plain and plain.name,
            statistic=plain and plain.statistic,
            dimensions=plain and dimensions,
            period=plain and _PERIOD_SECONDS,
            metric_queries=alarm.minus
            and [
                {"id": "difference", "expression": "first - second", "return_data": True},
                _query("first", alarm.metric, dimensions),
                _query("second", alarm.minus, dimensions),
            ],
            opts=pulumi.ResourceOptions(parent=parent),
        )


def _query(
    id_: str, metric: Metric, dimensions: Mapping[str, pulumi.Input[str]]
) -> aws.cloudwatch.MetricAlarmMetricQueryArgsDict:
    return {
        "id": id_,
        "metric": {
            "namespace": metric.namespace,
            "metric_name": metric.name,
            "stat": metric.statistic,
            "dimensions": dimensions,
            "period": _PERIOD_SECONDS,
        },
    }
