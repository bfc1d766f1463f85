"""The runtime of every workload: settings, JSON logs, serving, and the stop on SIGTERM."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

import anyio
import uvicorn
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette

from . import telemetry
from .ending import ending
from .json_log import log, log_json_lines
from .secret_files import with_files
from .settings import SettingError, whole_number

# The time that uvicorn needs in addition to the wait for open requests, so that the process exits
# before the platform's SIGKILL.
_STOP_MARGIN_SECONDS = 2

MAX_WEBSOCKET_BYTES = 128 * 1024
"""The longest WebSocket message either way: as much as API Gateway lets through (Developer Guide,
"Quotas for configuring and running a WebSocket API"), so that every target has the same bound."""

# The secrets that every workload may have.
_SECRETS = ("REQUEST_STATE_KEY", "OTEL_EXPORTER_OTLP_HEADERS")


def server_options(env: Mapping[str, str], end_seconds: int = 0) -> dict[str, Any]:
    """Derive uvicorn's options from the environment.

    Args:
        env: `PORT` (8080 if unset), `KEEP_ALIVE_SECONDS` (65: five more than the load balancer's
            default idle timeout, so that the load balancer never uses a connection that was
            just closed; at most 4005, because the idle timeout of an ALB is at most 4000 s: ELB API
            reference, `idle_timeout.timeout_seconds`) and `STOP_TIMEOUT_SECONDS` (30, the ECS
            default; the time from SIGTERM to SIGKILL).
        end_seconds: The time that the application needs after its last request.

    Returns:
        Keyword arguments of `uvicorn.run`.

    Raises:
        SettingError: If a value is not a number in its range.
    """
    stop = whole_number(env, "STOP_TIMEOUT_SECONDS", 30, 2, 3600)
    return {
        "host": "0.0.0.0",  # noqa: S104 - the platform's network limits access to the port
        "port": whole_number(env, "PORT", 8080, 1, 65535),
        "timeout_keep_alive": whole_number(env, "KEEP_ALIVE_SECONDS", 65, 1, 4005),
        "timeout_graceful_shutdown": max(1, stop - _STOP_MARGIN_SECONDS - end_seconds),
        "ws_max_size": MAX_WEBSOCKET_BYTES,
        "log_config": None,
        "access_log": False,  # its lines contain query strings
        "server_header": False,
    }


def environment(env: Mapping[str, str], secrets: Collection[str] = ()) -> Mapping[str, str]:
    """Add the secrets that the environment does not contain, from files and Secrets Manager.

    A secret is read from its variable, from a file (`secret_files.with_files`), or from Secrets
    Manager (`secret_values.with_secrets`, by `SECRET_REFERENCES`), in this order. The first source
    that has it is used.

    Args:
        env: The environment of the process; it is not changed, so that no child gets a secret.
        secrets: The variables whose value is a secret, in addition to `REQUEST_STATE_KEY` and
            `OTEL_EXPORTER_OTLP_HEADERS`: `<NAME>_FILE` is supported for these.

    Returns:
        The environment for building the application.

    Raises:
        SettingError: If a secret that the environment names cannot be read.
    """
    complete = with_files(env, {*_SECRETS, *secrets})
    if not complete.get("SECRET_REFERENCES"):
        return complete
    from .secret_values import with_secrets  # noqa: PLC0415 - botocore would slow every other start

    return with_secrets(complete)


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


class _Server(uvicorn.Server):
    """Notifies the application of SIGTERM immediately, also while it is starting."""

    def __init__(self, config: uvicorn.Config, told: anyio.Event) -> None:
        super().__init__(config)
        self._told = told
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        if self.should_exit:  # the signal came before the event loop existed
            self._told.set()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)


def start(
    build: Callable[[Mapping[str, str]], Starlette],
    name: str = "workload",
    *,
    secrets: Collection[str] = (),
    end_seconds: int = 0,
    websockets: type[asyncio.Protocol] | None = None,
) -> int:
    """Build the application from the environment and serve it until SIGTERM.

    After SIGTERM, no connection is accepted. Open requests and streams continue for
    `STOP_TIMEOUT_SECONDS` less a margin, and are then interrupted. `ending.ending` is the event for
    the application.

    Args:
        build: Makes the application; raises `SettingError` for an invalid environment.
        name: The service name in traces and metrics; see `telemetry.set_up`.
        secrets: The variables whose value is a secret; see `environment`.
        end_seconds: The time that the application needs after its last request.
        websockets: The protocol class of WebSockets; None for a workload that serves none.

    Returns:
        2, after one log line, if the environment is invalid. On SIGTERM the process drains, sends
        pending traces and metrics, and exits with status 0.
    """
    # From here on, telemetry may be pending, so the handler of `run` is replaced. uvicorn drains on
    # SIGTERM and then raises it again for the previous handler.
    signal.signal(signal.SIGTERM, _leave)
    log_json_lines()
    try:
        options = server_options(os.environ, end_seconds)
        env = environment(os.environ, secrets)
        app = build(env)
        end = telemetry.set_up(env, name)
    except SettingError as error:
        log.critical("cannot start: %s", error)
        return 2
    # It would end every stream of server-sent events at SIGTERM, and so each call of a client of
    # 2025-11-25 or earlier. Streams have the same time as other requests.
    AppStatus.disable_automatic_graceful_drain()
    config = uvicorn.Config(app, ws=websockets or "none", **options)
    try:
        with suppress(KeyboardInterrupt):
            _Server(config, ending(app)).run()
    finally:
        end()
    return 0
