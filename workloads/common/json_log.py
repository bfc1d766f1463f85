"""Logs as JSON lines that hold nothing that a caller sent."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("workload")

# Only these loggers are known to put no caller's data into their lines, so only theirs are
# filled in. The SDK logs a tool's error text, which may quote an argument: of any other logger
# only the template is kept.
_FILLED_IN = frozenset({"workload", "uvicorn.error"})

_FRAMES = 5


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
