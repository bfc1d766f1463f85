"""Rules about logs."""

from collections.abc import Iterator

from core.config.errors import Fault, set_command, show
from core.config.rules.facts import Facts

# CloudWatch Logs API reference, PutRetentionPolicy, retentionInDays.
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip


def check_retention(facts: Facts) -> Iterator[Fault]:
    """CloudWatch Logs must support the retention of logs."""
    days = facts.fleet.observability.retention_days
    if days not in RETENTION_DAYS:
        nearest = min(RETENTION_DAYS, key=lambda allowed: abs(allowed - days))
        yield Fault(
            path=("observability", "retention_days"),
            got=show(days),
            allowed=f"one of {', '.join(map(str, RETENTION_DAYS))}",
            fix=set_command(("observability", "retention_days"), nearest),
        )
