"""The body of a CloudWatch dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

# A dashboard is 24 units wide (CloudWatch User Guide, "Dashboard body structure and syntax").
_CHART_WIDTH, _CHART_HEIGHT = 12, 6

# CloudWatch User Guide, "Dashboards" quotas: 500 metrics a graph.
_MOST_METRICS = 500


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart of metrics, minute by minute.

    Attributes:
        title: What it shows, with the unit if it is none that is counted.
        stat: The statistic: `Sum`, `Average`, `Maximum`, `p90`.
        metrics: Each as a dashboard names it: namespace, metric, then names and values of
            dimensions.
    """

    title: str
    stat: str
    metrics: Sequence[Sequence[object]]


def dashboard_body(region: str, charts: Sequence[Chart]) -> pulumi.Output[str]:
    """The body of a dashboard, in JSON; charts without a metric are left out."""
    return pulumi.Output.json_dumps(
        {
            "widgets": [
                {
                    "type": "metric",
                    "width": _CHART_WIDTH,
                    "height": _CHART_HEIGHT,
                    "properties": {
                        "title": chart.title,
                        "region": region,
                        "metrics": [list(metric) for metric in chart.metrics[:_MOST_METRICS]],
                        "period": 60,
                        "stat": chart.stat,
                    },
                }
                for chart in charts
                if chart.metrics
            ]
        }
    )
