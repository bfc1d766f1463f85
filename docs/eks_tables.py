"""The parts of docs/eks.md that follow from the code; `make docs` writes them."""

from datetime import timedelta

from core.costs.prices import price_table
from core.costs.usage import table
from core.resolved import ResolvedFleet
from core.targets.eks.versions import (
    ADDON_VERSIONS,
    AS_OF,
    CHARTS,
    STANDARD_SUPPORT_ENDS,
    WARNING_DAYS,
)

_BY_RULE = "AWS's default for the version of Kubernetes"


def parts(example: ResolvedFleet) -> dict[str, str]:
    """The text of every marked part of the page, in Markdown, by the name that marks it.

    Args:
        example: The fleet whose costs are told.
    """
    return {
        "versions": _kubernetes(),
        "installed": _installed(),
        "costs": f"{table(example)}\n\nAt {price_table()}.",
    }


def _kubernetes() -> str:
    rows = [
        f"| {version} | {end:%Y-%m-%d} | {end - timedelta(days=WARNING_DAYS):%Y-%m-%d} |"
        for version, end in STANDARD_SUPPORT_ENDS.items()
    ]
    head = ["| Kubernetes | standard support until | previews warn from |", "|---|---|---|"]
    return "\n".join([*head, *rows, "", f"As of {AS_OF:%Y-%m-%d}."])


def _installed() -> str:
    addons = [
        f"| {name} | EKS add-on | {pin or _BY_RULE} |" for name, pin in ADDON_VERSIONS.items()
    ]
    charts = [f"| {name} | Helm chart | {chart.version} |" for name, chart in CHARTS.items()]
    return "\n".join(["| what | by | version |", "|---|---|---|", *addons, *charts])
