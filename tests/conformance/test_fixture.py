"""That the fixture starts, answers and asks; what it does in detail, the suite itself tests."""

from typing import Any

import httpx2
import pytest

from tests.conformance import fixture_server
from tests.workloads.support import call_body, call_headers, http_client, mcp_client, text

pytestmark = pytest.mark.anyio

ASKING = "test_input_required_result_elicitation"


async def called(client: httpx2.AsyncClient, tool: str, **params: Any) -> httpx2.Response:
    body = call_body(tool, {})
    body["params"] |= params
    return await client.post("/mcp", json=body, headers=call_headers(tool))


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_of_either_era_finds_the_tools_and_calls_one(mode: str) -> None:
    async with mcp_client(fixture_server.build({}), mode) as client:
        listed = await client.list_tools()
        answer = await client.call_tool("test_simple_text", {})
    names = [tool.name for tool in listed.tools]
    assert names == [tool.__name__ for tool in fixture_server.TOOLS]
    assert text(answer) == "This is a simple text response for testing."


async def test_a_tool_that_needs_an_answer_of_the_user_asks_and_then_has_it() -> None:
    reply = {"action": "accept", "content": {"name": "Alice"}}
    async with http_client(fixture_server.build({})) as client:
        asked = await called(client, ASKING)
        done = await called(client, ASKING, inputResponses={"user_name": reply})
    requests = asked.json()["result"]["inputRequests"]
    assert [(key, one["method"]) for key, one in requests.items()] == [
        ("user_name", "elicitation/create")
    ]
    assert done.json()["result"]["content"] == [{"type": "text", "text": "Hello, Alice!"}]


async def test_a_client_that_cannot_sample_is_refused_what_needs_it() -> None:
    async with http_client(fixture_server.build({})) as client:
        refused = await called(client, "test_missing_capability")
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == -32021
    assert refused.json()["error"]["data"] == {"requiredCapabilities": {"sampling": {}}}
