import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.targets.ecs.limits import Size, explain, is_size, sizes, smallest

# AWS's table, written down apart from the module: cpu, least MiB, most MiB, step, sizes.
_ROWS = [
    (512, 1024, 4096, 1024, 4),
    (1024, 2048, 8192, 1024, 7),
    (2048, 4096, 16384, 1024, 13),
    (4096, 8192, 30720, 1024, 23),
    (8192, 16384, 61440, 4096, 12),
    (16384, 32768, 122880, 8192, 12),
]


@pytest.mark.parametrize(("cpu", "least", "most", "step", "count"), _ROWS)
def test_a_row_has_every_step_between_its_edges_and_nothing_beyond(
    cpu: int, least: int, most: int, step: int, count: int
):
    row = [size.memory_mib for size in sizes() if size.cpu == cpu]
    assert row == list(range(least, most + 1, step))
    assert len(row) == count
    assert is_size(cpu, least)
    assert is_size(cpu, most)
    assert not is_size(cpu, least - step)
    assert not is_size(cpu, most + step)
    assert not is_size(cpu, least - 1)
    assert not is_size(cpu, least + 1)
    assert not is_size(cpu, most - 1)
    assert not is_size(cpu, most + 1)
    assert not is_size(cpu, least + step // 2)


def test_a_quarter_vcpu_goes_with_half_a_gib_one_and_two():
    assert [size.memory_mib for size in sizes() if size.cpu == 256] == [512, 1024, 2048]
    assert [memory for memory in range(4097) if is_size(256, memory)] == [512, 1024, 2048]


def test_there_are_74_sizes_and_no_other_cpu():
    assert len(sizes()) == len(set(sizes())) == 74
    assert {size.cpu for size in sizes()} == {256, 512, 1024, 2048, 4096, 8192, 16384}


@pytest.mark.parametrize("cpu", [0, 128, 255, 257, 768, 32768, -256])
def test_another_cpu_goes_with_no_memory(cpu: int):
    assert not any(is_size(cpu, size.memory_mib) for size in sizes())


@given(cpu=st.integers(0, 17000), memory=st.integers(0, 130_000))
def test_the_smallest_size_is_enough_and_nothing_smaller_is(cpu: int, memory: int):
    enough = [size for size in sizes() if size.cpu >= cpu and size.memory_mib >= memory]
    found = smallest(cpu, memory)
    assert (found in enough) if enough else (found is None)
    if found:
        assert is_size(found.cpu, found.memory_mib)
        assert found.cpu == min(size.cpu for size in enough)
        assert found.memory_mib == min(s.memory_mib for s in enough if s.cpu == found.cpu)


@pytest.mark.parametrize("size", sizes(), ids=str)
def test_the_smallest_size_for_a_size_is_that_size(size: Size):
    assert smallest(size.cpu, size.memory_mib) == size


def test_an_unspecified_amount_is_the_smallest():
    assert smallest() == Size(cpu=256, memory_mib=512)
    assert smallest(cpu=300) == Size(cpu=512, memory_mib=1024)
    assert smallest(memory_mib=2049) == Size(cpu=512, memory_mib=3072)


def test_nothing_is_larger_than_the_largest():
    assert smallest(16384, 122_880) == Size(cpu=16384, memory_mib=122_880)
    assert smallest(16385) is None
    assert smallest(memory_mib=122_881) is None


@pytest.mark.parametrize(
    ("cpu", "memory", "sentence"),
    [
        (512, 1024, "Fargate supports cpu 512 with memory 1024"),
        (
            256,
            4096,
            (
                "a size that Fargate supports: with cpu 256, memory must be 512, 1024 or "
                "2048. The nearest size is cpu 512 with memory 4096"
            ),
        ),
        (
            512,
            1500,
            (
                "a size that Fargate supports: with cpu 512, memory must be 1024 to 4096 in "
                "steps of 1024. The nearest size is cpu 512 with memory 2048"
            ),
        ),
        (
            8192,
            1024,
            (
                "a size that Fargate supports: with cpu 8192, memory must be 16384 to 61440 "
                "in steps of 4096. The nearest size is cpu 8192 with memory 16384"
            ),
        ),
        (
            300,
            512,
            (
                "a size that Fargate supports: cpu must be one of 256, 512, 1024, 2048, 4096, "
                "8192, 16384. The nearest size is cpu 512 with memory 1024"
            ),
        ),
        (
            32768,
            512,
            (
                "a size that Fargate supports: cpu must be one of 256, 512, 1024, 2048, 4096, "
                "8192, 16384. The nearest size is cpu 16384 with memory 122880"
            ),
        ),
    ],
)
def test_an_explanation_says_what_is_allowed_and_what_is_nearest(
    cpu: int, memory: int, sentence: str
):
    assert explain(cpu, memory) == sentence
