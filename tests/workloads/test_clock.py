from datetime import UTC, datetime
from typing import Any

import pytest

from tests.workloads.support import mcp_client, structured, text
from workloads.clock import server

pytestmark = pytest.mark.anyio


async def called(tool: str, **arguments: Any) -> dict[str, Any]:
    async with mcp_client(server.build({})) as client:
        result = await client.call_tool(tool, arguments)
    return structured(result)


async def refused(tool: str, **arguments: Any) -> str:
    async with mcp_client(server.build({})) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    return text(result)


@pytest.mark.parametrize("mode", ["2026-07-28", "auto", "legacy"])
async def test_clients_of_both_eras_find_the_three_tools(mode: str) -> None:
    async with mcp_client(server.build({}), mode=mode) as client:
        listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == ["now", "convert", "difference"]
    assert all(tool.description for tool in listed.tools)
    assert listed.tools[0].input_schema["properties"]["timezone"]["description"]


async def test_now_is_between_the_moments_before_and_after_the_call() -> None:
    before = int(datetime.now(UTC).timestamp())
    moment = await called("now", timezone="Asia/Tokyo")
    after = int(datetime.now(UTC).timestamp())
    assert before <= moment["unix_seconds"] <= after
    assert moment["timezone"] == "Asia/Tokyo"
    assert moment["time"].endswith("+09:00")


async def test_now_is_in_utc_unless_told_otherwise() -> None:
    moment = await called("now")
    assert moment["time"].endswith("+00:00")


async def test_convert_reads_a_wall_clock_in_the_given_zone() -> None:
    moment = await called(
        "convert",
        time="2026-07-01T12:00",
        from_timezone="Europe/Paris",
        to_timezone="America/New_York",
    )
    assert moment == {
        "time": "2026-07-01T06:00:00-04:00",
        "timezone": "America/New_York",
        "weekday": "Wednesday",
        "unix_seconds": 1782900000,
    }


async def test_convert_reads_a_time_without_offset_and_zone_in_utc() -> None:
    moment = await called("convert", time="2026-01-01T00:00", to_timezone="Asia/Kolkata")
    assert moment["time"] == "2026-01-01T05:30:00+05:30"


async def test_convert_takes_a_time_that_states_its_offset() -> None:
    moment = await called("convert", time="2026-01-01T00:00:00-08:00", to_timezone="UTC")
    assert moment["time"] == "2026-01-01T08:00:00+00:00"


async def test_convert_means_the_first_where_the_clocks_go_back() -> None:
    moment = await called(
        "convert", time="2026-10-25T02:30", from_timezone="Europe/Paris", to_timezone="UTC"
    )
    assert moment["time"] == "2026-10-25T00:30:00+00:00"


async def test_convert_refuses_a_time_that_the_clocks_skip() -> None:
    error = await refused(
        "convert", time="2026-03-29T02:30", from_timezone="Europe/Paris", to_timezone="UTC"
    )
    assert "no clock in Europe/Paris shows 2026-03-29T02:30" in error


async def test_convert_refuses_two_opinions_about_the_offset() -> None:
    error = await refused(
        "convert", time="2026-01-01T00:00Z", from_timezone="Europe/Paris", to_timezone="UTC"
    )
    assert "leave from_timezone out" in error


@pytest.mark.parametrize("name", ["Europe/Pariss", "../../etc/passwd", "Europe", ""])
async def test_an_unknown_zone_is_refused(name: str) -> None:
    assert f"there is no time zone {name!r}" in await refused("now", timezone=name)


async def test_a_misspelt_zone_gets_a_hint() -> None:
    assert "did you mean Europe/Paris" in await refused("now", timezone="Europe/Pariss")


@pytest.mark.parametrize("length", [64, 65])
async def test_a_zone_name_has_at_most_64_characters(length: int) -> None:
    error = await refused("now", timezone="x" * length)
    assert ("there is no time zone" in error) == (length == 64)


async def test_an_invalid_time_is_refused() -> None:
    error = await refused("convert", time="tomorrow", to_timezone="UTC")
    assert "'tomorrow' is not an ISO 8601 date and time" in error


@pytest.mark.parametrize(
    ("time", "zone"), [("0001-01-01T00:00", "America/New_York"), ("9999-12-31T23:59", "Asia/Tokyo")]
)
async def test_a_time_that_leaves_the_calendar_is_refused(time: str, zone: str) -> None:
    error = await refused("convert", time=time, to_timezone=zone)
    assert "outside of the years 1 to 9999" in error


async def test_difference_counts_seconds_across_offsets() -> None:
    distance = await called(
        "difference", start="2026-01-01T00:00:00+01:00", end="2026-01-02T00:00:00Z"
    )
    assert distance == {"seconds": 90000.0, "text": "1 day, 1:00:00"}


async def test_difference_is_negative_backwards() -> None:
    distance = await called("difference", start="2026-01-01T00:00:10", end="2026-01-01")
    assert distance == {"seconds": -10.0, "text": "-0:00:10"}
