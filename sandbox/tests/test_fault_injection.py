"""Injected faults: the calls that they affect, how often, and their effect."""

from pathlib import Path

import pytest

from sandbox.cloud.fault_injection import MAX_ATTEMPTS, Fault, FaultError, inject, load
from sandbox.cloud.store import Cloud

SERVICE = "aws:ecs/service:Service"


def test_no_file_means_no_faults():
    assert load(None) == ()
    assert load("") == ()


def test_rules_are_read_as_written(tmp_path: Path):
    file = tmp_path / "faults.yaml"
    file.write_text("- {type: 'aws:ecs/*', operation: create, fail: no, count: 1}\n- latency: 2\n")
    first, second = load(file)
    assert first == Fault(type="aws:ecs/*", operation="create", fail=first.fail, count=1)
    assert second == Fault(latency=2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("type: x", "expected a list of rules"),
        ("- x", "expected a list of rules"),
        ("- {kind: x}", "rule 0 has unknown key 'kind'; known: "),
        ("- {after: lost}", r"rule 0: after 'lost'; known: \('kept', 'undone'\)"),
    ],
)
def test_a_file_that_is_no_list_of_rules_is_refused(tmp_path: Path, text: str, says: str):
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=says):
        load(file)


def test_a_failure_is_counted_across_processes(cloud: Cloud):
    rules = [Fault(type="aws:ecs/*", operation="create", fail="no capacity", skip=1, count=2)]
    results: list[str] = []
    for _ in range(5):
        other = Cloud(cloud.path)
        try:
            inject(rules, other, SERVICE, "create")
            results.append("")
        except FaultError as fault:
            results.append(str(fault))
        other.close()
    failed = f"create {SERVICE}: no capacity"
    assert results == ["", failed, failed, "", ""]


@pytest.mark.parametrize(("type_", "operation"), [(SERVICE, "read"), ("aws:ec2/vpc:Vpc", "create")])
def test_other_types_and_operations_are_left_alone(cloud: Cloud, type_: str, operation: str):
    inject([Fault(type="aws:ecs/*", operation="create", fail="no")], cloud, type_, operation)


def test_latency_is_slept(cloud: Cloud):
    slept: list[float] = []
    inject([Fault(latency=1.5)], cloud, SERVICE, "create", slept.append)
    assert slept == [1.5]


def test_throttling_is_retried_with_backoff_up_to_the_maximum_attempts(cloud: Cloud):
    slept: list[float] = []
    inject([Fault(throttle=3)], cloud, SERVICE, "create", slept.append)
    assert slept == [0.05, 0.1, 0.2]
    inject([Fault(throttle=MAX_ATTEMPTS - 1)], cloud, SERVICE, "create", slept.append)
    assert max(slept) == 2.0
    with pytest.raises(FaultError, match="ThrottlingException: Rate exceeded"):
        inject([Fault(throttle=MAX_ATTEMPTS)], cloud, SERVICE, "create", slept.append)
