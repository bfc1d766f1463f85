"""The body of a CloudWatch dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

# A dashboard is 24 units wide (CloudWatch User Guide, "Dashboard body structure and syntax").
_CHART_WIDTH, _CHART_HEIGHT = 12, 6

# CloudWatch User Guide, quotas of dashboards: 500 metrics in a graph.
_MOST_METRICS = 500


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart of metrics with a period of one minute.

    Attributes:
        title: The title, with the unit if the values are not counts.
        stat: The statistic: `Sum`, `Average`, `Maximum`, `p90`.
        metrics: The metrics in the format of dashboards: namespace, metric, then the names and
            values of the dimensions.
    """

    title: str
    stat: str
    metrics: Sequence[Sequence[object]]


def dashboard_body(region: str, charts: Sequence[Chart]) -> pulumi.Output[str]:
    """The body of a dashboard, in JSON. Charts without metrics are omitted."""
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
