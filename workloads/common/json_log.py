"""Logs as JSON lines that hold nothing that a caller sent."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("workload")

# Only these loggers are known to put no caller's data into their lines, but for uvicorn's lines on
# WebSockets, which have the query string. The SDK logs a tool's error text, which may quote an
# argument, and sometimes without a template.
_FILLED_IN = frozenset({"workload", "uvicorn.error"})
_WITH_QUERY = '"WebSocket '

_FRAMES = 5


class _JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, and the record's `fields`.

    Of what may hold a caller's data, only the template is told, or only the place where there is
    none. An exception is told by the type of what caused it and the last places that went through,
    never by its text, which may quote what a caller sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = _text(record)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": text.partition("\n")[0],
            **record.__dict__.get("fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            error = _first_cause(record.exc_info[1])
            line["error"] = type(error).__name__
            line["frames"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)[-_FRAMES:]
            ]
        return json.dumps(line)


def _first_cause(error: BaseException) -> BaseException:
    """What an exception was raised from in the end. Causes form a cycle in `raise e from e`."""
    seen = set[int]()
    while error.__cause__ is not None and id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__
    return error


def _text(record: logging.LogRecord) -> str:
    template = str(record.msg)
    if record.name in _FILLED_IN and _WITH_QUERY not in template:
        return record.getMessage()
    return template if record.args else f"{record.module}:{record.lineno}"


def log_json_lines() -> None:
    """Send every logger of the process, from INFO up, to stdout as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def have_json_lines_logged() -> None:
    """Have the handlers that a platform has given to the process write these JSON lines."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_JsonLines())
