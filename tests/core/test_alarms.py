from collections.abc import Callable, Sequence

import pytest

from core import alarms
from core.alarms import Alarm, metric_count
from core.load_balancer.alarms import EXPOSED_WORKLOAD
from core.stack import Stack
from core.targets.aws_lambda.alarms import REST_API, STATE_MACHINE, chat_function, function
from core.targets.ecs.alarms import SERVICE
from core.targets.eks.alarms import DEPLOYMENT

_STACK = Stack(project="mcp-platform", name="dev", region="us-east-1", production=False)
_TABLES = {
    "log": [alarms.log_alarm(_STACK, "clock")],
    "exposed workload": EXPOSED_WORKLOAD,
    "service": SERVICE,
    "deployment": DEPLOYMENT,
    "function": function(60),
    "chat function": chat_function(60),
    "state machine": STATE_MACHINE,
    "api": REST_API,
}
tables = pytest.mark.parametrize("table", _TABLES.values(), ids=_TABLES)


def test_an_alarm_is_billed_for_each_of_its_metrics():
    assert {name: metric_count(table) for name, table in _TABLES.items()} == {
        "log": 1,
        "exposed workload": 2,
        "service": 4,
        "deployment": 4,
        "function": 3,
        "chat function": 4,
        "state machine": 2,
        "api": 1,
    }


@tables
def test_the_alarms_of_a_table_have_different_names(table: Sequence[Alarm]):
    suffixes = [alarm.suffix for alarm in table]
    assert len(set(suffixes)) == len(suffixes)


@tables
def test_every_description_can_be_filled(table: Sequence[Alarm]):
    for alarm in table:
        text = alarm.description.format(subject="clock", threshold=alarm.threshold)
        assert "{" not in text


@pytest.mark.parametrize("of_function", [function, chat_function])
def test_a_function_is_slow_from_nine_tenths_of_its_timeout(
    of_function: Callable[[int], Sequence[Alarm]],
):
    thresholds = {alarm.suffix: alarm.threshold for alarm in of_function(65)}
    assert thresholds["duration"] == 58_500


def test_one_error_of_a_chat_is_enough_and_others_must_last():
    assert {alarm.suffix: alarm.minutes for alarm in function(60)} == {
        "errors": 3,
        "throttles": 3,
        "duration": 1,
    }
    assert {alarm.suffix: alarm.minutes for alarm in chat_function(60)} == {
        "errors": 1,
        "throttles": 3,
        "duration": 1,
        "dropped": 1,
    }
