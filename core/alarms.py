"""What an alarm is. The components create the alarms of the tables, and the costs count them.

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
        statistic: How the values of a minute become one.
    """

    namespace: str
    name: str
    statistic: Literal["Sum", "Average", "Minimum", "Maximum"]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm on a metric, or on the difference of two.

    Attributes:
        suffix: The end of its logical name, before `-alarm`.
        description: What is wrong when it fires. `{subject}` is what is measured, `{threshold}` the
            threshold.
        threshold: It fires at this value or above.
        minutes: For how many minutes in a row.
        metric: The metric.
        minus: A metric that is subtracted from it first, if any.
    """

    suffix: str
    description: str
    threshold: float
    minutes: int
    metric: Metric
    minus: Metric | None = None


def metric_count(alarms: Iterable[Alarm]) -> int:
    """How many metrics alarms have together: AWS bills an alarm for each of its metrics."""
    return sum(2 if alarm.minus else 1 for alarm in alarms)


def log_alarm(stack: Stack, workload: str) -> Alarm:
    """The alarm on the error lines of a workload's log, which a metric filter counts."""
    return Alarm(
        suffix="errors",
        description="{subject} logs errors",
        threshold=1,
        minutes=1,
        # Each stack has its own namespace, so that the workloads of two stacks are counted apart.
        metric=Metric(
            namespace=f"{stack.project}/{stack.name}", name=f"{workload}-errors", statistic="Sum"
        ),
    )
