import pytest

from core.eks_nodes import LARGEST_OF_AUTO_MODE, Room, Size, is_graviton, room, size


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
