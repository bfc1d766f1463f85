"""What every workload does alike: read its environment, log JSON lines, serve, stop in time."""

import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from starlette.applications import Starlette

log = logging.getLogger("workload")

# Only these loggers are known to put no caller's data into their lines, so only theirs are
# filled in. The SDK logs a tool's error text, which may quote an argument: of any other logger
# only the template is kept.
_FILLED_IN = frozenset({"workload", "uvicorn.error"})

# The time that uvicorn needs besides the wait for open requests, so that the end comes before
# the platform's SIGKILL.
_STOP_MARGIN_SECONDS = 2

_FRAMES = 5


class SettingError(ValueError):
    """The environment asks for something that this workload cannot do; the text says what."""


class _JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, and the record's `fields`.

    An exception is told by the type of what caused it and the last places that went through,
    never by its text, which may quote what a caller sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage() if record.name in _FILLED_IN else str(record.msg)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": text.partition("\n")[0],
            **record.__dict__.get("fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            while error.__cause__ is not None:
                error = error.__cause__
            line["error"] = type(error).__name__
            line["frames"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)[-_FRAMES:]
            ]
        return json.dumps(line)


def log_json_lines() -> None:
    """Send every logger of the process, from INFO up, to stdout as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def whole_number(env: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    """Read a whole number from the environment.

    Args:
        env: The environment.
        name: The variable's name; empty counts as unset.
        default: What an unset variable means.
        lowest: The least that is allowed.
        highest: The most that is allowed.

    Returns:
        The number.

    Raises:
        SettingError: If the value is no whole number from `lowest` to `highest`.
    """
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise SettingError(
            f"{name} is {text!r}; it must be a whole number from {lowest} to {highest}"
        )
    return int(text)


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
        app = build(os.environ)
    except SettingError as error:
        log.critical("cannot start: %s", error)
        return 2
    # uvicorn drains on SIGTERM and then raises the signal again for whoever handled it before.
    signal.signal(signal.SIGTERM, _leave)
    uvicorn.run(app, **options)
    return 0
