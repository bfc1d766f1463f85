import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.targets.aws_lambda import limits


@pytest.mark.parametrize(
    ("cpu", "memory", "mib"),
    [
        (1, 1, 128),
        (74, 1, 128),
        (75, 1, 130),
        (256, 128, 443),
        (256, 442, 443),
        (256, 443, 443),
        (256, 512, 512),
        (1024, 512, 1769),
        (2048, 1024, 3538),
        (5927, 512, 10_240),
        (5928, 512, 10_241),
        (256, 10_240, 10_240),
        (256, 10_241, 10_241),
    ],
)
def test_a_function_has_the_memory_that_gives_what_its_workload_asks_for(
    cpu: int, memory: int, mib: int
):
    assert limits.memory_mib(cpu, memory) == mib


@given(st.integers(1, 100_000), st.integers(1, 1_000_000))
def test_a_function_has_no_less_memory_and_no_less_cpu_than_asked_for_and_no_mib_too_many(
    cpu: int, memory: int
):
    mib = limits.memory_mib(cpu, memory)
    assert mib >= max(memory, 128)
    assert mib * 1024 >= cpu * 1769
    assert mib in (memory, 128) or (mib - 1) * 1024 < cpu * 1769


@pytest.mark.parametrize(
    ("request_seconds", "function_seconds", "integration_milliseconds"),
    [
        (1, 6, 16_000),
        (60, 65, 75_000),
        (885, 890, 900_000),
        (886, 891, 900_000),
        (895, 900, 900_000),
        (896, 900, 900_000),
        (900, 900, 900_000),
    ],
)
def test_the_gateway_waits_longer_than_the_function_and_that_longer_than_its_request(
    request_seconds: int, function_seconds: int, integration_milliseconds: int
):
    assert limits.timeout_seconds(request_seconds) == function_seconds
    waits = limits.integration_timeout_milliseconds(request_seconds)
    assert waits == integration_milliseconds


@given(st.integers(1, 900))
def test_nothing_on_the_way_waits_shorter_than_what_is_behind_it(seconds: int):
    function = limits.timeout_seconds(seconds)
    assert seconds <= function <= 900
    assert function * 1000 <= limits.integration_timeout_milliseconds(seconds) <= 900_000


def test_names_and_values_of_variables_are_counted_in_bytes():
    assert limits.environment_bytes({}) == 0
    assert limits.environment_bytes({"A": "1", "BC": "é"}) == 6
