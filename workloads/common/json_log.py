"""Logs as JSON lines that contain no data of callers."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("workload")

# Only these loggers are known to log no caller's data, except for uvicorn's lines on WebSockets,
# which contain the query string. The SDK logs the error text of a tool, which may quote an
# argument, in some places without a template.
_FILLED_IN = frozenset({"workload", "uvicorn.error"})
_WITH_QUERY = '"WebSocket '

_FRAMES = 5


class _JsonLines(logging.Formatter):
    """One JSON object per record: time, level, logger, message, and the record's `fields`.

    A record that may contain a caller's data is logged as its template, or as its source location
    if it has none. An exception is logged as the type of its root cause and the last frames of the
    traceback, never with its text, which may quote a caller.
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
    """The root cause of an exception. Causes form a cycle in `raise e from e`."""
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
    """Write the records of all loggers, from INFO up, to stdout as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def have_json_lines_logged() -> None:
    """Set this formatter on the handlers that the platform has installed."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_JsonLines())
