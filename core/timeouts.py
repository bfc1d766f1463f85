"""Every timeout of a request, derived from the longest request.

A tool call may send no data until its result. If a component closes an idle connection before the
server, the call fails. Each outer timeout must therefore be longer than the inner ones::

    longest request < load balancer's idle timeout < server's keep-alive
    longest request < deregistration delay (up to AWS's limit)

All times are in seconds. Each limit of AWS has its source at its declaration.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MARGIN_SECONDS: Final = 30
"""Time of a request besides its processing: queue, TLS, transfer of the result."""

MAX_ALB_IDLE_SECONDS: Final = 4000
"""Load balancer attribute idle_timeout.timeout_seconds, 1 to 4000 (Elastic Load Balancing API)."""

MAX_DEREGISTRATION_SECONDS: Final = 3600
"""Target group attribute deregistration_delay.timeout_seconds, 0 to 3600 (same reference)."""

MAX_STOP_SECONDS: Final = 120
"""Container definition stopTimeout on Fargate (Amazon ECS API reference)."""

MAX_REQUEST_SECONDS: Final = MAX_ALB_IDLE_SECONDS - MARGIN_SECONDS
"""The longest request without data that an Application Load Balancer supports: 3970 s."""

_SHORTEST_ALB_IDLE = 300  # for streams that pause; AWS's default of 60 would close them
_ALB_CLIENT_KEEP_ALIVE = 3600  # AWS's default; client_keep_alive.seconds is 60 to 604800
_SHORTEST_STOP = 30  # AWS's default
_KEEP_ALIVE_LEAD = 5  # the server closes an idle connection this much later than the load balancer
_CLEANUP = 5  # the part of the stop time for cleanup after the last request


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The health check of a workload; the same for the target group and for the container.

    Sources: target group interval 5-300, timeout 2-120, thresholds 2-10 (Elastic Load Balancing
    API reference, CreateTargetGroup); container interval 5-300, timeout 2-60, retries 1-10,
    startPeriod 0-300 (Amazon ECS API reference, HealthCheck).

    Attributes:
        interval_seconds: The time between two checks.
        timeout_seconds: The timeout of a check.
        failures: The number of consecutive failures after which the workload is unhealthy.
        successes: The number of consecutive successes after which the workload is healthy.
        start_seconds: The time after the start in which failures are ignored.
    """

    interval_seconds: int = 10
    timeout_seconds: int = 5
    failures: int = 3
    successes: int = 2
    start_seconds: int = 60


HEALTH: Final = Health()
"""It does not depend on the longest request: ``/health`` responds while tools run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """The timeouts of one workload and of its load balancer, in seconds.

    Attributes:
        max_request_seconds: The longest request of this workload.
        alb_idle_seconds: The idle timeout of the load balancer. It is longer than every request of
            the fleet, and at least 300 for streams that pause.
        alb_client_keep_alive_seconds: The maximum lifetime of a client connection: AWS's default of
            3600, or the idle timeout if that is longer, so that it never ends a request.
        server_keep_alive_seconds: The keep-alive timeout of the server: 5 seconds more than the
            idle timeout of the load balancer. Otherwise, the load balancer might send a request on
            a connection that the server has closed, and return 502.
        deregistration_seconds: The time for open requests through the load balancer when a task is
            replaced. ECS sends SIGTERM afterwards (Amazon ECS Developer Guide, load balancer
            connection draining). The limit of AWS is 3600.
        stop_seconds: The time from SIGTERM to SIGKILL. Direct calls from agents must end in this
            time, because no load balancer drains them. The limit of Fargate is 120; Kubernetes has
            none.
        server_grace_seconds: The time for open requests after SIGTERM: 5 seconds less than
            `stop_seconds`, for cleanup.
    """

    max_request_seconds: int
    alb_idle_seconds: int
    alb_client_keep_alive_seconds: int
    server_keep_alive_seconds: int
    deregistration_seconds: int
    stop_seconds: int
    server_grace_seconds: int


def alb_idle_seconds(max_request_seconds: Iterable[int]) -> int:
    """The idle timeout of a load balancer for the longest request of each workload.

    Args:
        max_request_seconds: The longest requests, in seconds, each 1 to 3970.

    Returns:
        The idle timeout in seconds, 300 to 4000. It is 300 without workloads.

    Raises:
        ValueError: If a request is out of range.
    """
    needed = [_checked(seconds) + MARGIN_SECONDS for seconds in max_request_seconds]
    return max([_SHORTEST_ALB_IDLE, *needed])


def chain(
    max_request_seconds: int,
    *,
    alb_idle: int | None = None,
    longest_stop: int | None = MAX_STOP_SECONDS,
) -> Chain:
    """The timeouts of one workload.

    Args:
        max_request_seconds: Its longest request, in seconds, 1 to 3970.
        alb_idle: The idle timeout of its load balancer, in seconds, from :func:`alb_idle_seconds`
            for all workloads. Default: the timeout for this workload alone.
        longest_stop: The target's limit of the time from SIGTERM to SIGKILL, in seconds, or None
            for no limit.

    Returns:
        The timeouts.

    Raises:
        ValueError: If the request is out of range, or the idle timeout is too short for it or
            longer than AWS's limit of 4000 s.
    """
    own_idle = alb_idle_seconds([max_request_seconds])
    idle = own_idle if alb_idle is None else alb_idle
    if not own_idle <= idle <= MAX_ALB_IDLE_SECONDS:
        raise ValueError(
            f"an idle timeout of {idle} s is invalid for requests of {max_request_seconds} s; it "
            f"must be {own_idle} to {MAX_ALB_IDLE_SECONDS} s"
        )
    stop = max(max_request_seconds + _CLEANUP, _SHORTEST_STOP)
    if longest_stop is not None:
        stop = min(stop, longest_stop)
    return Chain(
        max_request_seconds=max_request_seconds,
        alb_idle_seconds=idle,
        alb_client_keep_alive_seconds=max(_ALB_CLIENT_KEEP_ALIVE, idle),
        server_keep_alive_seconds=idle + _KEEP_ALIVE_LEAD,
        deregistration_seconds=min(
            max_request_seconds + MARGIN_SECONDS, MAX_DEREGISTRATION_SECONDS
        ),
        stop_seconds=stop,
        server_grace_seconds=stop - _CLEANUP,
    )


def _checked(max_request_seconds: int) -> int:
    if not 1 <= max_request_seconds <= MAX_REQUEST_SECONDS:
        raise ValueError(
            f"1 to {MAX_REQUEST_SECONDS}: the idle timeout of an Application Load Balancer is at "
            f"most {MAX_ALB_IDLE_SECONDS} s, with a margin of {MARGIN_SECONDS} s"
        )
    return max_request_seconds
