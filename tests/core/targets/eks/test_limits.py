from typing import Any

import pytest

from core.config.model import Fleet
from core.costs.usage import usage
from core.targets.eks.checks import check
from core.targets.eks.kubernetes import AUTO_MODE_MAX_MEMORY_GIB, AUTO_MODE_MAX_VCPUS
from core.targets.eks.limits import (
    LARGEST_OF_AUTO_MODE,
    PoolLimit,
    Room,
    Size,
    auto_mode_types,
    is_graviton,
    pool_limit,
    room,
    size,
    smallest_node,
)
from tests.core.configurations import resolved


@pytest.mark.parametrize(
    ("instance_type", "vcpus", "gib"),
    [
        ("m6g.medium", 1, 4),
        ("m7g.large", 2, 8),
        ("m8g.16xlarge", 64, 256),
        ("c6g.medium", 1, 2),
        ("c7g.2xlarge", 8, 16),
        ("c8g.12xlarge", 48, 96),
        ("r6g.xlarge", 4, 32),
        ("r7g.4xlarge", 16, 128),
        ("r8g.8xlarge", 32, 256),
    ],
)
def test_the_family_says_how_much_memory_goes_with_a_vcpu(instance_type: str, vcpus: int, gib: int):
    found = size(instance_type)
    assert found == Size(vcpus=vcpus, memory_mib=gib * 1024)
    assert str(found) == f"{vcpus} vCPU with {gib} GiB"


@pytest.mark.parametrize(
    "instance_type", ["m5.large", "m7i.large", "m7gd.large", "t4g.large", "m7g.metal", "m9g.large"]
)
def test_of_other_types_no_size_is_known(instance_type: str):
    assert size(instance_type) is None


@pytest.mark.parametrize(
    "instance_type",
    [
        "m7g.large",
        "c7gn.16xlarge",
        "m7gd.metal",
        "r8gb.large",
        "t4g.nano",
        "x2gd.large",
        "g5g.metal",
    ],
)
def test_a_g_behind_the_generation_is_graviton(instance_type: str):
    assert is_graviton(instance_type)


@pytest.mark.parametrize(
    "instance_type",
    ["m7i.large", "m7i-flex.large", "m7a.large", "m5.large", "g4dn.xlarge", "a1.large", "t3.large"],
)
def test_other_processors_are_not(instance_type: str):
    assert not is_graviton(instance_type)


def test_a_node_has_what_its_system_its_kubelet_and_its_addons_leave():
    # 2 vCPU less 70 thousandths and 570; 8192 MiB less 7.5 %, 255 and 11 for each of 29 pods, 100
    # before pods are evicted, and 393.
    assert room(Size(vcpus=2, memory_mib=8192)) == Room(
        cpu=(2000 - 70 - 570) * 1024 // 1000,
        memory_mib=8192 * 925 // 1000 - 255 - 29 * 11 - 100 - 393,
    )
    assert room(LARGEST_OF_AUTO_MODE) == Room(
        cpu=(32_000 - 80 - 70 - 570) * 1024 // 1000,
        memory_mib=262_144 * 925 // 1000 - 255 - 234 * 11 - 100 - 393,
    )


@pytest.mark.parametrize("family", "cmr")
def test_a_larger_node_has_more_room_and_the_smallest_has_some(family: str):
    names = ("medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
    rooms = [room(known) for name in names if (known := size(f"{family}7g.{name}"))]
    assert len(rooms) == len(names)
    assert rooms[0].cpu > 0
    assert rooms[0].memory_mib > 0
    assert [each.cpu for each in rooms] == sorted({each.cpu for each in rooms})
    assert [each.memory_mib for each in rooms] == sorted({each.memory_mib for each in rooms})


def test_the_largest_node_of_auto_mode_is_an_r8g_8xlarge():
    assert size("r8g.8xlarge") == LARGEST_OF_AUTO_MODE


def test_auto_mode_chooses_from_what_its_node_pools_admit_the_cheapest_first():
    types = list(auto_mode_types())
    assert [name for name, _ in types[:4]] == ["m7g.large", "r7g.large", "m7g.xlarge", "r7g.xlarge"]
    for _, node in types:
        assert node.vcpus <= AUTO_MODE_MAX_VCPUS
        assert node.memory_mib <= AUTO_MODE_MAX_MEMORY_GIB * 1024
    assert types[-1] == ("r7g.8xlarge", LARGEST_OF_AUTO_MODE)


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        (256, 512, "m7g.large"),
        (256, 8192, "r7g.large"),
        (4096, 16_384, "m7g.2xlarge"),
        (256, 150 * 1024, "r7g.8xlarge"),
        (32_768, 512, None),
        (256, 256 * 1024, None),
    ],
)
def test_a_pod_is_on_the_cheapest_node_that_takes_it(cpu: int, memory: int, expected: str | None):
    found = smallest_node(cpu, memory)
    assert (found and found[0]) == expected


def _fleet(server: dict[str, Any], **keys: Any) -> Fleet:
    image = {"uri": f"public.ecr.aws/docker/library/clock@sha256:{'0' * 64}"}
    return Fleet.model_validate(
        {"target": "eks", "servers": {"clock": {"image": image} | server}} | keys
    )


@pytest.mark.parametrize("memory", [512, 8192, 150 * 1024, room(LARGEST_OF_AUTO_MODE).memory_mib])
def test_what_passes_the_checks_is_paid_on_nodes_that_the_pools_admit(memory: int):
    fleet = _fleet({"memory": memory})
    assert list(check(fleet, "us-east-1")) == []
    has = usage(resolved(fleet))
    limit = pool_limit(fleet)
    assert 0 < has.node_vcpus + has.memory_node_vcpus <= min(limit.vcpus, AUTO_MODE_MAX_VCPUS)


def test_a_pool_has_room_for_every_pod_alone_on_a_node_and_for_one_more_node():
    fleet = _fleet({"replicas": {"min": 2, "max": 3}})
    # 6 pods while new replicas start beside the old ones, on nodes of 2 vCPU and 8 GiB.
    assert pool_limit(fleet) == PoolLimit(vcpus=32 + 6 * 2, memory_gib=256 + 6 * 8)


def test_a_pool_follows_the_quota_of_a_team_that_is_larger():
    teams = {"tools": {"cpu": 40_960, "memory": 102_400}}
    fleet = _fleet({"team": "tools"}, teams=teams)
    assert pool_limit(fleet) == PoolLimit(vcpus=32 + 2 * 40, memory_gib=256 + 2 * 100)


@pytest.mark.parametrize(
    ("server", "nodes", "faults"),
    [
        # A node of m7g.large has room for 1392 CPU units and 6510 MiB.
        ({"cpu": 1392, "replicas": {"min": 6}}, {}, []),
        ({"cpu": 1392, "replicas": {"min": 7}}, {}, ["at least 7, or larger"]),
        ({"memory": 6510, "replicas": {"min": 7}}, {}, ["at least 7, or larger"]),
        ({"cpu": 1392, "replicas": {"min": 7}}, {"max": 7}, []),
        ({"cpu": 1392, "replicas": {"min": 13}, "spot": True}, {}, ["at least 7 for each of two"]),
        ({"cpu": 1392, "replicas": {"min": 12}, "spot": True}, {}, []),
    ],
)
def test_managed_nodes_are_enough_for_the_fewest_replicas(
    server: dict[str, Any], nodes: dict[str, Any], faults: list[str]
):
    cluster = {"nodes": "managed", "managed_nodes": nodes}
    replicas = server.get("replicas", {"min": 1})
    server = server | {"replicas": replicas | {"max": replicas["min"]}}
    found = list(check(_fleet(server, cluster=cluster), "us-east-1"))
    assert [each.path for each in found] == [("cluster", "managed_nodes", "max")] * len(faults)
    for fault, words in zip(found, faults, strict=True):
        assert fault.allowed.startswith(words)
