"""The clock: an MCP server that returns, converts and compares times."""

import difflib
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from starlette.applications import Starlette

from common.runtime import start
from common.serving import application, mcp_server

_MAX_BODY_BYTES = 64 * 1024

Zone = Annotated[
    str, Field(max_length=64, description="Name of an IANA time zone, such as Europe/Paris")
]
Time = Annotated[
    str,
    Field(
        max_length=64,
        description="ISO 8601 date and time, such as 2026-11-22T18:30 or 2026-11-22T18:30:00+01:00",
    ),
]


class Moment(BaseModel):
    """A date and time in one time zone."""

    time: str = Field(description="ISO 8601 with the offset from UTC")
    timezone: str
    weekday: str
    unix_seconds: int


class Distance(BaseModel):
    """The difference between two moments."""

    seconds: float = Field(description="Negative if the end is before the start")
    text: str


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> ZoneInfo:
    if name not in _zone_names():
        close = difflib.get_close_matches(name, sorted(_zone_names()), n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ToolError(f"there is no time zone {name!r}{hint}")
    return ZoneInfo(name)


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ToolError(f"{text!r} is not an ISO 8601 date and time") from error


def _moment(time: datetime, zone: str) -> Moment:
    try:
        local = time.astimezone(_zone(zone))
        return Moment(
            time=local.isoformat(timespec="seconds"),
            timezone=zone,
            weekday=f"{local:%A}",
            unix_seconds=int(local.timestamp()),
        )
    except OverflowError as error:
        raise ToolError("the time is outside of the years 1 to 9999") from error


def _at(text: str, zone: str | None) -> datetime:
    """Parse a time; without an offset, it is local time in `zone` (UTC if None)."""
    time = _parsed(text)
    if time.tzinfo is not None:
        if zone is not None:
            raise ToolError("the time states its own offset; leave from_timezone out")
        return time
    local = time.replace(tzinfo=_zone(zone or "UTC"))
    try:
        there_and_back = local.astimezone(UTC).astimezone(local.tzinfo)
    except OverflowError as error:
        raise ToolError("the time is outside of the years 1 to 9999") from error
    if there_and_back.replace(tzinfo=None) != time:
        raise ToolError(f"no clock in {zone} shows {text}: it is skipped by a change of the clocks")
    return local


def now(timezone: Zone = "UTC") -> Moment:
    """Tell the current date and time in a time zone."""
    return _moment(datetime.now(UTC), timezone)


def convert(time: Time, to_timezone: Zone, from_timezone: Zone | None = None) -> Moment:
    """Convert a date and time to another time zone.

    A time without an offset is read in from_timezone (UTC if left out); where the clocks go back
    and show it twice, the first is meant.
    """
    return _moment(_at(time, from_timezone), to_timezone)


def difference(start: Time, end: Time) -> Distance:
    """Tell how much time lies between two moments; a time without an offset is read in UTC."""
    distance: timedelta = _at(end, None) - _at(start, None)
    sign = "-" if distance < timedelta() else ""
    return Distance(seconds=distance.total_seconds(), text=f"{sign}{abs(distance)}")


def build(env: Mapping[str, str]) -> Starlette:
    """Make the clock's ASGI application.

    Args:
        env: The variables of the workload contract.

    Returns:
        The application, which serves `/mcp` and `/health`.

    Raises:
        SettingError: If the environment is invalid.
    """
    server = mcp_server("clock", "Tells, converts and compares dates and times.", env)
    for tool in (now, convert, difference):
        server.add_tool(tool)
    return application(server, env, _MAX_BODY_BYTES)


def main() -> int:
    """Serve the clock; see `runtime.start` for the exit status."""
    return start(build, "clock")


if __name__ == "__main__":
    sys.exit(main())
