"""Every timeout of a request, derived from the longest request.

A tool call may send no data until its result. A component that closes an idle connection before the
server does breaks the call, so the timeouts must grow from the inside out::

    longest request < load balancer's idle timeout < server's keep-alive
    longest request < deregistration delay (up to AWS's limit)

All times are whole seconds. Each limit of AWS has its source where it is declared.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MARGIN_SECONDS: Final = 30
"""What a request may take beyond its own time: the queue, TLS, a slow client reading the result."""

MAX_ALB_IDLE_SECONDS: Final = 4000
"""Load balancer attribute idle_timeout.timeout_seconds, 1 to 4000 (Elastic Load Balancing API)."""

MAX_DEREGISTRATION_SECONDS: Final = 3600
"""Target group attribute deregistration_delay.timeout_seconds, 0 to 3600 (same reference)."""

MAX_STOP_SECONDS: Final = 120
"""Container definition stopTimeout on Fargate (Amazon ECS API reference)."""

MAX_REQUEST_SECONDS: Final = MAX_ALB_IDLE_SECONDS - MARGIN_SECONDS
"""The longest request that an Application Load Balancer can wait for in silence: 3970 s."""

_SHORTEST_ALB_IDLE = 300  # a streaming client that pauses: 60, AWS's default, cuts it off
_ALB_CLIENT_KEEP_ALIVE = 3600  # AWS's default; client_keep_alive.seconds is 60 to 604800
_SHORTEST_STOP = 30  # AWS's default
_KEEP_ALIVE_LEAD = 5  # how much later than the load balancer the server closes
_LAST_WORDS = 5  # what a server keeps of its stop time, to close files after the last request


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """When a workload counts as up; the same for the target group and for the container.

    Sources: target group interval 5-300, timeout 2-120, thresholds 2-10 (Elastic Load Balancing
    API reference, CreateTargetGroup); container interval 5-300, timeout 2-60, retries 1-10,
    startPeriod 0-300 (Amazon ECS API reference, HealthCheck).

    Attributes:
        interval_seconds: from one check to the next.
        timeout_seconds: how long a check may take.
        failures: checks in a row that must fail.
        successes: checks in a row that must succeed before the load balancer sends requests.
        start_seconds: after the start, how long failures do not count.
    """

    interval_seconds: int = 10
    timeout_seconds: int = 5
    failures: int = 3
    successes: int = 2
    start_seconds: int = 60


HEALTH: Final = Health()
"""Independent of the longest request: ``/health`` answers immediately, also while tools run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """The timeouts of one workload and of the load balancer before it, in seconds.

    Attributes:
        max_request_seconds: the longest request of this workload.
        alb_idle_seconds: how long the load balancer lets a connection be silent. It must outlast
            every request of the fleet and is at least 300, for streams that pause.
        alb_client_keep_alive_seconds: how long a client may use one connection. AWS's default of
            3600, or the idle time where that is longer, so that it never ends a request.
        server_keep_alive_seconds: how long the server keeps a connection that is not used:
            5 more than the load balancer, which would otherwise send a request into a connection
            that the server has just closed, and answer 502.
        deregistration_seconds: how long requests through the load balancer may take to end when a
            task is replaced; ECS sends SIGTERM only afterwards (Amazon ECS Developer Guide,
            load balancer connection draining). AWS waits 3600 at most.
        stop_seconds: from SIGTERM to SIGKILL. Calls that come straight from an agent are not
            drained by any load balancer: they have this long to end. Fargate waits 120 at most,
            Kubernetes as long as it is told.
        server_grace_seconds: what the server gives its running requests after SIGTERM, so that 5
            of the stop time are left to end in good order.
    """

    max_request_seconds: int
    alb_idle_seconds: int
    alb_client_keep_alive_seconds: int
    server_keep_alive_seconds: int
    deregistration_seconds: int
    stop_seconds: int
    server_grace_seconds: int


def alb_idle_seconds(max_request_seconds: Iterable[int]) -> int:
    """Work out the idle time of a load balancer from the longest request of each workload behind.

    Args:
        max_request_seconds: the longest requests, in seconds, each 1 to 3970.

    Returns:
        The idle time in seconds, 300 to 4000; 300 when there is no workload.

    Raises:
        ValueError: when a request is out of range.
    """
    needed = [_checked(seconds) + MARGIN_SECONDS for seconds in max_request_seconds]
    return max([_SHORTEST_ALB_IDLE, *needed])


def chain(
    max_request_seconds: int,
    *,
    alb_idle: int | None = None,
    longest_stop: int | None = MAX_STOP_SECONDS,
) -> Chain:
    """Work out the timeouts of one workload.

    Args:
        max_request_seconds: its longest request, in seconds, 1 to 3970.
        alb_idle: the idle time of the load balancer before it, in seconds, as
            :func:`alb_idle_seconds` makes it of all the workloads behind; left out, the workload
            is the only one.
        longest_stop: how long the target waits from SIGTERM to SIGKILL at most, in seconds; None
            for as long as it is told.

    Returns:
        The timeouts.

    Raises:
        ValueError: when the request is out of range, or the idle time too short for it or over
            AWS's 4000 s.
    """
    own_idle = alb_idle_seconds([max_request_seconds])
    idle = own_idle if alb_idle is None else alb_idle
    if not own_idle <= idle <= MAX_ALB_IDLE_SECONDS:
        raise ValueError(
            f"an idle time of {idle} s does not suit requests of {max_request_seconds} s: "
            f"{own_idle} to {MAX_ALB_IDLE_SECONDS} s do"
        )
    stop = max(max_request_seconds + _LAST_WORDS, _SHORTEST_STOP)
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
        server_grace_seconds=stop - _LAST_WORDS,
    )


def _checked(max_request_seconds: int) -> int:
    """Give the seconds back, or say why no load balancer can wait that long."""
    if not 1 <= max_request_seconds <= MAX_REQUEST_SECONDS:
        raise ValueError(
            f"a request of {max_request_seconds} s is not possible: 1 to {MAX_REQUEST_SECONDS} s "
            f"are, because an Application Load Balancer waits {MAX_ALB_IDLE_SECONDS} s at most and "
            f"{MARGIN_SECONDS} of them are kept as a margin"
        )
    return max_request_seconds
