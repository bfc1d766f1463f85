"""The versions that EKS has, and those of what the program installs in a cluster: one dated table.

Each entry stands with its source. What is not in it is not installed, and what is in it is changed
here and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

from core.config.errors import set_command
from core.costs.prices import price

AS_OF: Final = date(2026, 11, 23)
"""The day the table was put together."""

STANDARD_SUPPORT_ENDS: Final[Mapping[str, date]] = MappingProxyType(
    {
        # endoflife.date, "Amazon EKS", as of 2026-08-22; Amazon EKS User Guide, "Understand the
        # Kubernetes version lifecycle on EKS".
        "1.36": date(2027, 8, 2),
        "1.35": date(2027, 3, 27),
        "1.34": date(2026, 12, 2),
    }
)
"""When the standard support of each version of Kubernetes ends, the newest first."""

NEWEST: Final = next(iter(STANDARD_SUPPORT_ENDS))
"""The newest version of Kubernetes in EKS."""

WARNING_DAYS: Final = 60
"""From how many days before its end on the end of a version's support is warned of."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A Helm chart.

    Attributes:
        name: Its name in the repository.
        repository: The repository's address.
        version: Its version.
    """

    name: str
    repository: str
    version: str


ADDON_VERSIONS: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        # Amazon EKS API reference, DescribeAddonVersions: each version of an add-on says of which
        # versions of Kubernetes it is the default. No list of them for 1.36 was found.
        "amazon-cloudwatch-observability": None,
        "aws-efs-csi-driver": None,
        "aws-secrets-store-csi-driver-provider": None,
        "coredns": None,
        "eks-pod-identity-agent": None,
        "kube-proxy": None,
        "metrics-server": None,
        "vpc-cni": None,
    }
)
"""The EKS add-ons and their versions; None is the version that AWS takes by default for the
cluster's version of Kubernetes, which is asked for at every deployment."""

_ISTIO_CHARTS = "https://istio-release.storage.googleapis.com/charts"
_ISTIO = "1.30.4"  # its index of charts, 2026-08-27

CHARTS: Final[Mapping[str, Chart]] = MappingProxyType(
    {
        "flux": Chart(
            name="flux2",
            repository="https://fluxcd-community.github.io/helm-charts",
            version="2.18.4",  # github.com/fluxcd-community/helm-charts: Flux 2.8
        ),
        "istio-base": Chart(name="base", repository=_ISTIO_CHARTS, version=_ISTIO),
        "istiod": Chart(name="istiod", repository=_ISTIO_CHARTS, version=_ISTIO),
        "istio-cni": Chart(name="cni", repository=_ISTIO_CHARTS, version=_ISTIO),
        "ztunnel": Chart(name="ztunnel", repository=_ISTIO_CHARTS, version=_ISTIO),
        "aws-load-balancer-controller": Chart(
            name="aws-load-balancer-controller",
            repository="https://aws.github.io/eks-charts",
            version="3.6.0",  # github.com/aws/eks-charts, release v0.0.246, 2026-10-05
        ),
        "cluster-autoscaler": Chart(
            name="cluster-autoscaler",
            repository="https://kubernetes.github.io/autoscaler",
            version="9.56.0",  # github.com/kubernetes/autoscaler, releases, 2026-03-02
        ),
    }
)
"""The Helm charts that are installed in the stack's own cluster, by what they are here."""


def supported(version: str) -> bool:
    """Tell whether the table has a version of Kubernetes, such as "1.36"."""
    return version in STANDARD_SUPPORT_ENDS


def support_warning(version: str, today: date) -> str | None:
    """Say what is to be done about a version whose standard support ends, or has ended.

    Args:
        version: a version of Kubernetes that the table has.
        today: the day that the days left are counted from.

    Returns:
        One sentence; None while more than 60 days are left.

    Raises:
        KeyError: when the table does not have the version.
    """
    end = STANDARD_SUPPORT_ENDS[version]
    if end - today > timedelta(days=WARNING_DAYS):
        return None
    newer = list(STANDARD_SUPPORT_ENDS)[: list(STANDARD_SUPPORT_ENDS).index(version)]
    # A control plane goes up one version at a time.
    way_out = (
        f"go to {newer[-1]} before: {set_command(('cluster', 'version'), newer[-1])}"
        if newer
        else "go to a release of this program that knows a newer one"
    )
    return (
        f"the standard support of Kubernetes {version} in EKS {'ended' if today > end else 'ends'} "
        f"on {end}: AWS then upgrades the cluster by itself, at an hour of its own, since extended "
        f"support costs ${price('eks-cluster-extended').usd} an hour instead of "
        f"${price('eks-cluster').usd}; "
        f"{way_out}"
    )
