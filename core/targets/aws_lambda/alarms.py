"""The alarms of a fleet on Lambda."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from core.alarms import Alarm, Metric
from core.resolved import ResolvedFleet
from core.targets.aws_lambda import limits
from core.units import MILLISECONDS_A_SECOND

API_NAMESPACE: Final = "AWS/ApiGateway"
FUNCTION_NAMESPACE: Final = "AWS/Lambda"
STATES_NAMESPACE: Final = "AWS/States"

# The duration alarm of a function fires at this share of its timeout.
_SLOW_SHARE = 0.9

_ERRORS = Alarm(
    suffix="errors",
    description="{subject} ends with an error or is stopped",
    threshold=1,
    minutes=3,
    metric=Metric(namespace=FUNCTION_NAMESPACE, name="Errors", statistic="Sum"),
)
_THROTTLES = Alarm(
    suffix="throttles",
    description="{subject} is called more often than it may run",
    threshold=1,
    minutes=3,
    metric=Metric(namespace=FUNCTION_NAMESPACE, name="Throttles", statistic="Sum"),
)
# Lambda drops a message that is too old, or that arrives while too many others are queued.
_DROPPED = Alarm(
    suffix="dropped",
    description="{subject} loses a message of a chat",
    threshold=1,
    minutes=1,
    metric=Metric(namespace=FUNCTION_NAMESPACE, name="AsyncEventsDropped", statistic="Sum"),
)

STATE_MACHINE: Final = (
    Alarm(
        suffix="failed",
        description="{subject} fails",
        threshold=1,
        minutes=1,
        metric=Metric(namespace=STATES_NAMESPACE, name="ExecutionsFailed", statistic="Sum"),
    ),
    Alarm(
        suffix="timed-out",
        description="{subject} takes longer than it may",
        threshold=1,
        minutes=1,
        metric=Metric(namespace=STATES_NAMESPACE, name="ExecutionsTimedOut", statistic="Sum"),
    ),
)
"""The alarms of each state machine."""

REST_API: Final = (
    Alarm(
        suffix="5xx",
        description="An API answers with {threshold} server errors a minute or more",
        threshold=5,
        minutes=3,
        metric=Metric(namespace=API_NAMESPACE, name="5XXError", statistic="Sum"),
    ),
)
"""The alarms of each REST API."""


def function(timeout_seconds: int) -> tuple[Alarm, ...]:
    """The alarms of a function.

    Args:
        timeout_seconds: The timeout of the function.
    """
    return (_ERRORS, _THROTTLES, _duration(timeout_seconds))


def chat_function(timeout_seconds: int) -> tuple[Alarm, ...]:
    """The alarms of a function with chat.

    People get no answer to a message that fails or is dropped, so the first one fires an alarm.

    Args:
        timeout_seconds: The timeout of the function.
    """
    errors = replace(_ERRORS, minutes=1)
    return (errors, _THROTTLES, _duration(timeout_seconds), _DROPPED)


def _duration(timeout_seconds: int) -> Alarm:
    return Alarm(
        suffix="duration",
        description="{subject} takes nearly all the time it has",
        threshold=round(timeout_seconds * MILLISECONDS_A_SECOND * _SLOW_SHARE),
        minutes=1,
        metric=Metric(namespace=FUNCTION_NAMESPACE, name="Duration", statistic="Maximum"),
    )


def functions(fleet: ResolvedFleet) -> Mapping[str, tuple[Alarm, ...]]:
    """The alarms of every function, by the name of its workload.

    The function of a state machine is the one that calls its tools. The name of the function that
    checks tokens is that of no workload.
    """
    config = fleet.config
    return {
        **{
            name: (chat_function if name in fleet.chats else function)(
                limits.timeout_seconds(workload.config.max_request_seconds)
            )
            for name, workload in fleet.workloads.items()
        },
        **{
            name: function(limits.tools_timeout_seconds(config, agent))
            for name, agent in config.agents.items()
            if config.is_state_machine(agent)
        },
        **({limits.TOKENS: function(limits.TOKENS_TIMEOUT_SECONDS)} if config.gateway.auth else {}),
    }
