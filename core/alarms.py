"""The model of an alarm. Components create the alarms of the tables, and `core.costs` counts them.

`core.targets.<target>.alarms` and `core.load_balancer.alarms` have the tables; this module has the
alarm that every workload has on every target.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A CloudWatch metric without its dimensions.

    Attributes:
        namespace: The namespace, such as `AWS/ECS`.
        name: The metric's name.
        statistic: The statistic over one minute.
    """

    namespace: str
    name: str
    statistic: Literal["Sum", "Average", "Minimum", "Maximum"]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm on a metric, or on the difference of two.

    Attributes:
        suffix: The end of its logical name, before `-alarm`.
        description: The cause of the alarm. `{subject}` is the monitored workload or resource,
            `{threshold}` the threshold.
        threshold: The alarm fires at this value or above.
        minutes: The number of consecutive minutes at the threshold before the alarm fires.
        metric: The metric.
        minus: A metric that is subtracted from `metric`, if any.
    """

    suffix: str
    description: str
    threshold: float
    minutes: int
    metric: Metric
    minus: Metric | None = None


def metric_count(alarms: Iterable[Alarm]) -> int:
    """The number of metrics of all alarms. AWS bills each alarm per metric."""
    return sum(2 if alarm.minus else 1 for alarm in alarms)


def log_alarm(stack: Stack, workload: str) -> Alarm:
    """The alarm on the error lines of a workload's log, which a metric filter counts."""
    return Alarm(
        suffix="errors",
        description="{subject} logs errors",
        threshold=1,
        minutes=1,
        # Each stack has its own namespace, so that stacks do not share metrics.
        metric=Metric(
            namespace=f"{stack.project}/{stack.name}", name=f"{workload}-errors", statistic="Sum"
        ),
    )
