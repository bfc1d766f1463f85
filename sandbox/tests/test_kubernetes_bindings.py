"""The sandbox's kubernetes: pods that are registered in target groups of a load balancer."""

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.engine.provider import RefusedError
from sandbox.tests.clusters import NAME, Cluster, changed, put

AUTO, INSTALLED = (
    "eks.amazonaws.com/v1:TargetGroupBinding",
    "elbv2.k8s.aws/v1beta1:TargetGroupBinding",
)
ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/clock/1"
BINDING: Mapping[str, Any] = {
    "metadata": {"name": "clock"},
    "spec": {
        "targetGroupARN": ARN,
        "targetType": "ip",
        "serviceRef": {"name": "clock", "port": 8080},
    },
}
SERVICE: Mapping[str, Any] = {
    "metadata": {"name": "clock"},
    "spec": {"ports": [{"name": "http", "port": 8080}]},
}


def make_cluster(cloud: Cloud, **group: Any) -> Cluster:
    """A cluster with both controllers, a service and a target group."""
    cluster = Cluster(cloud, computeConfig={"enabled": True})
    cluster.make("helm.sh/v3:Release", {"chart": "aws-load-balancer-controller"})
    cluster.make("core/v1:Service", SERVICE)
    properties = {"arn": ARN, "targetType": "ip", "tagsAll": {"eks:eks-cluster-name": NAME}}
    put(cloud, "lb/targetGroup:TargetGroup", ARN, **(properties | group))
    return cluster


def says(cluster: Cluster, kind: str, binding: Mapping[str, Any]) -> str:
    with pytest.raises(RefusedError) as refusal:
        cluster.make(kind, binding)
    return str(refusal.value)


@pytest.mark.parametrize("kind", [AUTO, INSTALLED])
@pytest.mark.parametrize("port", [8080, "http"])
def test_a_service_is_bound_by_the_number_or_the_name_of_its_port(
    cloud: Cloud, kind: str, port: int | str
) -> None:
    binding = changed(BINDING, "spec.serviceRef.port", port)
    assert make_cluster(cloud).make(kind, binding).id == "default/clock"


@pytest.mark.parametrize("kind", [AUTO, INSTALLED])
def test_a_target_group_must_exist_and_have_the_type(cloud: Cloud, kind: str) -> None:
    cluster = make_cluster(cloud, targetType="instance")
    group = kind.partition("/")[0]
    denied = f'admission webhook "vtargetgroupbinding.{group}" denied the request:'
    assert says(cluster, kind, BINDING) == (
        f"{denied} invalid targetType ip: target group {ARN} is of type instance"
    )
    absent = changed(BINDING, "spec.targetGroupARN", f"{ARN}2")
    assert says(cluster, kind, absent) == f"{denied} target group {ARN}2 does not exist"


def test_auto_mode_registers_only_in_target_groups_tagged_with_the_cluster(cloud: Cloud) -> None:
    cluster = make_cluster(cloud, tagsAll={"eks:eks-cluster-name": "other"})
    assert (
        f"EKS Auto Mode may not register targets in {ARN}: its tag eks:eks-cluster-name is "
        f"'other', not '{NAME}'"
    ) in says(cluster, AUTO, BINDING)
    assert cluster.make(INSTALLED, BINDING).id == "default/clock"


def test_a_service_must_exist_and_have_the_port(cloud: Cloud) -> None:
    cluster = make_cluster(cloud)
    other = changed(BINDING, "spec.serviceRef.name", "notes")
    assert says(cluster, AUTO, other) == (
        "TargetGroupBinding clock binds nothing: backend not found: "
        'service "default/notes" not found'
    )
    closed = changed(BINDING, "spec.serviceRef.port", 80)
    assert says(cluster, AUTO, closed) == (
        "TargetGroupBinding clock binds nothing: unable to find port 80 on service default/clock; "
        "its ports: 8080"
    )


def test_a_target_group_is_bound_once(cloud: Cloud) -> None:
    cluster = make_cluster(cloud)
    cluster.make(AUTO, BINDING)
    second = changed(BINDING, "metadata.name", "again")
    for kind in (AUTO, INSTALLED):
        assert f"{ARN} is already bound to following TargetGroupBindings default/clock" in says(
            cluster, kind, second
        )


def test_bindings_in_multi_cluster_mode_share_a_target_group(cloud: Cloud) -> None:
    cluster = make_cluster(cloud)
    shared = changed(BINDING, "spec.multiClusterTargetGroup", True)
    cluster.make(AUTO, shared)
    second = changed(shared, "metadata.name", "again")
    assert cluster.make(AUTO, second).id == "default/again"
    third = changed(BINDING, "metadata.name", "alone")
    assert "Please enable MultiCluster mode" in says(cluster, AUTO, third)


def test_the_target_group_of_a_binding_is_immutable(cloud: Cloud) -> None:
    cluster = make_cluster(cloud)
    made = cluster.make(AUTO, BINDING)
    with pytest.raises(
        RefusedError,
        match=r"may not change these immutable fields: spec\.targetGroupARN \(replace_on_changes\)",
    ):
        cluster.change(AUTO, made, changed(BINDING, "spec.targetGroupARN", f"{ARN}2"))
    cluster.change(AUTO, made, changed(BINDING, "spec.serviceRef.port", "http"))


def test_a_target_group_by_name_is_not_looked_up(cloud: Cloud) -> None:
    named = changed(changed(BINDING, "spec.targetGroupARN", None), "spec.targetGroupName", "clock")
    assert make_cluster(cloud).make(INSTALLED, named).id == "default/clock"
