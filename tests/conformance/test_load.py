"""How the figures of the load are read and printed."""

import json
from typing import Any

import pytest

from tests.load import Load, LoadError, Row, median_load, read_load, table


def summary(**changes: Any) -> str:
    """As the Inspector prints it."""
    result: dict[str, Any] = {
        "tool": "now",
        "concurrency": 10,
        "requests": 819,
        "ok": 819,
        "toolErrors": 0,
        "errors": 0,
        "throughput": 271.84,
        "latencyMs": {"min": 11.35, "mean": 36.66, "p50": 32.47, "p90": 52.76, "p99": 100.88},
        "errorMessages": [],
    }
    return json.dumps({"result": {**result, **changes}})


def test_the_inspectors_summary_is_read() -> None:
    assert read_load(summary()) == Load(calls=819, per_second=271.84, p50=32.47, p99=100.88)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ok": 818, "errorMessages": ["socket hang up"]}, r"1 of 819 calls .*socket hang up"),
        ({"ok": 817, "toolErrors": 2}, "2 of 819 calls failed"),
        ({"requests": 0, "ok": 0}, "0 of 0 calls failed"),
    ],
)
def test_figures_of_a_load_with_one_failed_call_or_without_any_are_none(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(LoadError, match=told):
        read_load(summary(**changes))


@pytest.mark.parametrize("text", ["", "fetch failed", "[]", '{"error": {"code": "unreachable"}}'])
def test_an_output_without_a_summary_is_reported_unchanged(text: str) -> None:
    with pytest.raises(LoadError, match="printed no summary") as raised:
        read_load(text)
    assert text in str(raised.value)


def test_of_several_runs_the_medians_count_and_the_calls_add_up() -> None:
    loads = [
        Load(calls=1, per_second=10, p50=3, p99=9),
        Load(calls=2, per_second=30, p50=1, p99=7),
        Load(calls=4, per_second=20, p50=2, p99=8),
    ]
    assert median_load(loads) == Load(calls=7, per_second=20, p50=2, p99=8)


def test_the_table_has_a_row_for_each_server_and_era() -> None:
    load = Load(calls=819, per_second=271.84, p50=32.47, p99=100.88)
    row = Row(
        server="clock",
        era="modern",
        start_seconds=0.664,
        load=load,
        cpu_milliseconds=1.234,
        rest_bytes=71 * 1024 * 1024,
        loaded_bytes=73 * 1024 * 1024,
    )
    head, rule, only = table([row])
    assert only == "| clock | modern | 0.66 | 819 | 272 | 32.5 | 100.9 | 1.23 | 71 | 73 |"
    assert head.count("|") == rule.count("|") == only.count("|")
