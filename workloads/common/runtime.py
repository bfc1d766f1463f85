"""What every workload does alike: read its environment, log JSON lines, serve, stop in time."""

import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from starlette.applications import Starlette

from .json_log import log, log_json_lines
from .settings import SettingError, whole_number

# The time that uvicorn needs besides the wait for open requests, so that the end comes before
# the platform's SIGKILL.
_STOP_MARGIN_SECONDS = 2


def server_options(env: Mapping[str, str]) -> dict[str, Any]:
    """Derive uvicorn's options from the environment.

    Args:
        env: `PORT` (8080 if unset), `KEEP_ALIVE_SECONDS` (65: five more than the load balancer's
            default idle time, so that the load balancer never meets a connection that was just
            closed; at most 4005, as an ALB's idle time ends at 4000 s: ELB API reference,
            `idle_timeout.timeout_seconds`) and `STOP_TIMEOUT_SECONDS` (30, the ECS default; the
            time from SIGTERM to SIGKILL).

    Returns:
        Keyword arguments of `uvicorn.run`.

    Raises:
        SettingError: If one of them is no number in its range.
    """
    stop = whole_number(env, "STOP_TIMEOUT_SECONDS", 30, 2, 3600)
    return {
        "host": "0.0.0.0",  # noqa: S104 - the platform's network decides who reaches the port
        "port": whole_number(env, "PORT", 8080, 1, 65535),
        "timeout_keep_alive": whole_number(env, "KEEP_ALIVE_SECONDS", 65, 1, 4005),
        "timeout_graceful_shutdown": max(1, stop - _STOP_MARGIN_SECONDS),
        "log_config": None,
        "access_log": False,  # its lines hold query strings
        "server_header": False,
    }


def environment(env: Mapping[str, str]) -> Mapping[str, str]:
    """Complete the environment with the secrets that it only names.

    Args:
        env: What the process was given; it stays as it is, so that no child gets a secret.

    Returns:
        The environment to build the application from.

    Raises:
        SettingError: See `secret_values.with_secrets`.
    """
    if not env.get("SECRET_REFERENCES"):
        return env
    from .secret_values import with_secrets  # noqa: PLC0415 - botocore would slow every other start

    return with_secrets(env)


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def start(build: Callable[[Mapping[str, str]], Starlette]) -> int:
    """Build the application from the environment and serve it until SIGTERM.

    Args:
        build: Makes the application; raises `SettingError` for an environment that is not right.

    Returns:
        2, after one log line, if the environment is not right. On SIGTERM the process drains and
        ends with status 0.
    """
    log_json_lines()
    try:
        options = server_options(os.environ)
        app = build(environment(os.environ))
    except SettingError as error:
        log.critical("cannot start: %s", error)
        return 2
    # uvicorn drains on SIGTERM and then raises the signal again for whoever handled it before.
    signal.signal(signal.SIGTERM, _leave)
    uvicorn.run(app, **options)
    return 0
