import re
from datetime import timedelta

import pytest

from core.config.enums import AddOn
from core.costs.prices import price
from core.targets.eks.versions import (
    ADDON_VERSIONS,
    AS_OF,
    CHARTS,
    NEWEST,
    STANDARD_SUPPORT_ENDS,
    support_warning,
    supported,
)


def test_the_table_has_the_versions_that_were_in_standard_support_on_its_day():
    assert all(end >= AS_OF for end in STANDARD_SUPPORT_ENDS.values())
    assert {version: str(end) for version, end in STANDARD_SUPPORT_ENDS.items()} == {
        "1.36": "2027-08-02",
        "1.35": "2027-03-27",
        "1.34": "2026-12-02",
    }


def test_the_table_leaves_no_version_out_and_begins_with_the_newest():
    minors = [int(version.removeprefix("1.")) for version in STANDARD_SUPPORT_ENDS]
    assert minors == list(range(minors[0], minors[0] - len(minors), -1))
    assert f"1.{minors[0]}" == NEWEST
    ends = list(STANDARD_SUPPORT_ENDS.values())
    assert ends == sorted(ends, reverse=True)


def test_what_is_in_the_table_is_supported_and_nothing_else():
    assert all(supported(version) for version in STANDARD_SUPPORT_ENDS)
    assert not any(supported(version) for version in ("1.33", "1.37", "1.3", "36", ""))


@pytest.mark.parametrize("version", ["1.36", "1.35", "1.34"])
def test_a_warning_begins_60_days_before_the_end_and_never_stops(version: str):
    end = STANDARD_SUPPORT_ENDS[version]
    assert support_warning(version, end - timedelta(days=61)) is None
    for days in (-60, -1, 0, 1, 1000):
        warning = support_warning(version, end + timedelta(days=days)) or ""
        assert warning.startswith(f"Standard support for Kubernetes {version} on EKS ")


def test_the_warning_says_what_happens_what_it_saves_and_what_to_do():
    assert support_warning("1.34", AS_OF) == (
        "Standard support for Kubernetes 1.34 on EKS ends on 2026-12-02. After this date, AWS "
        "upgrades the cluster automatically, because extended support ($0.60 per hour instead of "
        "$0.10) is disabled. Upgrade to 1.35 first: "
        "pulumi config set --path 'mcp-platform:cluster.version' 1.35"
    )


@pytest.mark.parametrize(("days", "word"), [(0, "ends"), (1, "ended")])
def test_support_ends_with_its_last_day(days: int, word: str):
    today = STANDARD_SUPPORT_ENDS["1.34"] + timedelta(days=days)
    assert f" {word} on 2026-12-02. " in (support_warning("1.34", today) or "")


def test_a_version_is_left_for_the_next_one_and_the_newest_with_the_next_release():
    end = STANDARD_SUPPORT_ENDS["1.35"]
    assert (support_warning("1.35", end) or "").endswith("cluster.version' 1.36")
    last = support_warning(NEWEST, STANDARD_SUPPORT_ENDS[NEWEST]) or ""
    assert last.endswith(". Update to a release of this program that supports a newer version.")


def test_of_a_version_that_is_not_in_the_table_nothing_can_be_said():
    with pytest.raises(KeyError, match=r"1\.33"):
        support_warning("1.33", AS_OF)


def test_every_addon_that_a_fleet_may_need_has_a_version_or_a_rule():
    assert {addon.value for addon in AddOn} <= ADDON_VERSIONS.keys()
    assert {"coredns", "eks-pod-identity-agent", "kube-proxy", "vpc-cni"} <= ADDON_VERSIONS.keys()
    pinned = [version for version in ADDON_VERSIONS.values() if version is not None]
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+-eksbuild\.\d+", version) for version in pinned)


def test_every_chart_is_pinned_to_one_version_of_a_repository():
    assert CHARTS.keys() == {
        "flux",
        "istio-base",
        "istiod",
        "istio-cni",
        "ztunnel",
        "aws-load-balancer-controller",
        "cluster-autoscaler",
    }
    for chart in CHARTS.values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", chart.version), chart
        assert chart.repository.startswith("https://"), chart
        assert chart.name


def test_the_charts_of_the_mesh_are_of_one_version():
    mesh = [CHARTS[key] for key in ("istio-base", "istiod", "istio-cni", "ztunnel")]
    assert [chart.name for chart in mesh] == ["base", "istiod", "cni", "ztunnel"]
    assert len({(chart.repository, chart.version) for chart in mesh}) == 1


def test_extended_support_is_six_times_as_dear():
    assert price("eks-cluster-extended").usd == 6 * price("eks-cluster").usd
