"""The versions of Kubernetes, add-ons and Helm charts, each with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

from core.config.errors import set_command
from core.costs.prices import price

AS_OF: Final = date(2026, 11, 23)
"""The date of the table."""

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
"""A warning starts this many days before the end of a version's standard support."""


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
        # Amazon EKS API reference, DescribeAddonVersions: lists the default version of an add-on
        # for each version of Kubernetes. No list for 1.36 was found.
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
"""The EKS add-ons and their versions. None is AWS's default for the cluster's version of
Kubernetes, which every deployment looks up."""

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
"""The Helm charts for a cluster that the stack creates."""


def supported(version: str) -> bool:
    """Whether the table has a version of Kubernetes, such as "1.36"."""
    return version in STANDARD_SUPPORT_ENDS


def support_warning(version: str, today: date) -> str | None:
    """The warning about a version whose standard support ends soon or has ended.

    Args:
        version: A version of Kubernetes in the table.
        today: The current date.

    Returns:
        The warning, or None if standard support ends in more than 60 days.

    Raises:
        KeyError: If the table does not have the version.
    """
    end = STANDARD_SUPPORT_ENDS[version]
    if end - today > timedelta(days=WARNING_DAYS):
        return None
    newer = list(STANDARD_SUPPORT_ENDS)[: list(STANDARD_SUPPORT_ENDS).index(version)]
    # A control plane is upgraded by one version at a time.
    fix = (
        f"Upgrade to {newer[-1]} first: {set_command(('cluster', 'version'), newer[-1])}"
        if newer
        else "Update to a release of this program that supports a newer version."
    )
    return (
        f"Standard support for Kubernetes {version} on EKS {'ended' if today > end else 'ends'} on "
        f"{end}. After this date, AWS upgrades the cluster automatically, because extended support "
        f"(${price('eks-cluster-extended').usd} per hour instead of "
        f"${price('eks-cluster').usd}) is disabled. {fix}"
    )
