"""CloudWatch alarms."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

_PERIOD_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A CloudWatch metric, looked at every minute.

    Attributes:
        namespace: The namespace, such as `AWS/ECS`.
        name: The metric's name.
        statistic: `Sum`, `Average`, `Minimum` or `Maximum`.
        dimensions: What it is measured of.
    """

    namespace: str
    name: str
    statistic: str
    dimensions: Mapping[str, pulumi.Input[str]] = field(
        default_factory=dict[str, pulumi.Input[str]]
    )


def alarm(
    name: str,
    *,
    parent: pulumi.Resource,
    topic_arn: pulumi.Input[str],
    description: str,
    threshold: float,
    minutes: int,
    metric: Metric,
    minus: Metric | None = None,
) -> aws.cloudwatch.MetricAlarm:
    """Makes an alarm that tells the topic when it goes off, and when it is over.

    Args:
        name: The logical name.
        parent: The component that it belongs to.
        topic_arn: The topic.
        description: What is wrong when it goes off.
        threshold: It goes off at this value or above.
        minutes: For how many minutes in a row.
        metric: What it looks at.
        minus: What is taken from that first, if anything.
    """
    plain = None if minus else metric
    return aws.cloudwatch.MetricAlarm(
        name,
        alarm_description=description,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=threshold,
        evaluation_periods=minutes,
        treat_missing_data="notBreaching",
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        namespace=plain and plain.namespace,
        metric_name=plain and plain.name,
        statistic=plain and plain.statistic,
        dimensions=plain and plain.dimensions,
        period=plain and _PERIOD_SECONDS,
        metric_queries=minus
        and [
            {"id": "difference", "expression": "first - second", "return_data": True},
            _query("first", metric),
            _query("second", minus),
        ],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _query(id_: str, metric: Metric) -> aws.cloudwatch.MetricAlarmMetricQueryArgsDict:
    return {
        "id": id_,
        "metric": {
            "namespace": metric.namespace,
            "metric_name": metric.name,
            "stat": metric.statistic,
            "dimensions": metric.dimensions,
            "period": _PERIOD_SECONDS,
        },
    }
