"""The Lambda Runtime API, called by Lambda's runtime client and with plain requests."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sandbox.serve.fleet import Process
from sandbox.serve.functions import runtime_api
from sandbox.serve.functions.runtime_api import (
    FunctionError,
    Runtime,
    listening,
    platform_environment,
)
from sandbox.serve.readers.aws_lambda import Function

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fleet_tokens:live"
ROOT = "/2018-06-01/runtime"
HANDLER = """
import os, time
def handle(event, context):
    if event.get("raise"):
        raise Exception(event["raise"])
    if event.get("die"):
        os._exit(1)
    if event.get("sleep"):
        time.sleep(event["sleep"])
    return {
        "event": event,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
        "id": context.aws_request_id,
    }
"""


def function(**changes: Any) -> Function:
    values: dict[str, Any] = {
        "process": "authorizer",
        "name": "fleet_tokens",
        "alias_arn": ARN,
        "version": "1",
        "role_arn": "arn:aws:iam::123456789012:role/tokens",
        "timeout_seconds": 10,
        "memory_mib": 512,
        "log_group": "/fleet/dev/gateway/requests",
        "environment": {},
    }
    return Function(**(values | changes))


def process(name: str) -> Process:
    return Process(name=name, image="x", port=None, kind="function")


def with_handler(
    folder: Path, use: Callable[[Runtime], Awaitable[Any]], source: str = HANDLER
) -> Any:
    """Runs a block with a function in Lambda's runtime client."""
    (folder / "handler.py").write_text(source)

    async def run() -> Any:
        with ExitStack() as stack:
            async with listening([function()]) as runtime:
                variables = platform_environment(process("authorizer"), runtime.addresses)
                started = stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-m", "awslambdaric", "handler.handle"],
                        cwd=folder,
                        env={**variables, "HTTP_PROXY": "http://127.0.0.1:1"},
                    )
                )
                stack.callback(started.kill)
                return await use(runtime)

    return asyncio.run(run())


def by_hand(use: Callable[[Runtime, httpx2.AsyncClient], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with listening([function()]) as runtime:
            base = f"http://{runtime.addresses['authorizer']}{ROOT}"
            async with httpx2.AsyncClient(base_url=base, trust_env=False) as client:
                return await use(runtime, client)

    return asyncio.run(run())


def test_a_handler_in_lambdas_runtime_gets_the_event_and_its_result_comes_back(
    tmp_path: Path,
) -> None:
    async def use(runtime: Runtime) -> tuple[Any, Any]:
        return (
            await runtime.invoke("authorizer", {"text": "añ\n"}, 10),
            await runtime.invoke("authorizer", {"again": True}, 10),
        )

    first, second = with_handler(tmp_path, use)
    assert first["event"] == {"text": "añ\n"}
    assert first["arn"] == ARN
    assert 0 < first["left"] <= 10_000
    assert second["event"] == {"again": True}
    assert first["id"] != second["id"]


def test_what_a_handler_raises_has_its_type_and_text(tmp_path: Path) -> None:
    async def use(runtime: Runtime) -> Any:
        with pytest.raises(FunctionError) as raised:
            await runtime.invoke("authorizer", {"raise": "Unauthorized"}, 10)
        return raised.value, await runtime.invoke("authorizer", {"after": 1}, 10)

    error, after = with_handler(tmp_path, use)
    assert (error.kind, error.message) == ("Exception", "Unauthorized")
    assert after["event"] == {"after": 1}


def test_a_handler_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    async def use(runtime: Runtime) -> None:
        await runtime.invoke("authorizer", {}, 10)
        await runtime.invoke("authorizer", {"sleep": 60}, 0.2)

    with pytest.raises(FunctionError, match=r"Task timed out after 0\.20 seconds") as raised:
        with_handler(tmp_path, use)
    assert raised.value.kind == "Sandbox.Timedout"


def test_a_handler_that_cannot_be_imported_fails_what_waits_for_it(tmp_path: Path) -> None:
    async def use(runtime: Runtime) -> None:
        await runtime.invoke("authorizer", {}, 10)

    with pytest.raises(FunctionError, match="No module named 'nowhere'") as raised:
        with_handler(tmp_path, use, "import nowhere")
    assert raised.value.kind == "Runtime.ImportModuleError"


def test_a_process_that_dies_fails_the_invocation_that_it_had_once_another_is_there() -> None:
    async def use(runtime: Runtime, client: httpx2.AsyncClient) -> Any:
        lost = asyncio.create_task(runtime.invoke("authorizer", {"n": 1}, 10))
        first = await client.get("/invocation/next")
        kept = asyncio.create_task(runtime.invoke("authorizer", {"n": 2}, 10))
        second = await client.get("/invocation/next")
        id_ = second.headers["lambda-runtime-aws-request-id"]
        await client.post(f"/invocation/{id_}/response", json="done")
        late = await client.post(
            f"/invocation/{first.headers['lambda-runtime-aws-request-id']}/response", json=1
        )
        with pytest.raises(FunctionError) as raised:
            await lost
        return raised.value.kind, second.json(), await kept, late

    kind, event, result, late = by_hand(use)
    assert kind == "Runtime.ExitError"
    assert (event, result) == ({"n": 2}, "done")
    assert (late.status_code, late.json()["errorType"]) == (400, "InvalidRequestID")


def test_an_invocation_says_when_it_must_be_done_and_which_function_it_is_for() -> None:
    async def use(runtime: Runtime, client: httpx2.AsyncClient) -> Any:
        invoked = asyncio.create_task(runtime.invoke("authorizer", {"a": [1]}, 7))
        before = time.time()
        got = await client.get("/invocation/next")
        id_ = got.headers["lambda-runtime-aws-request-id"]
        done = await client.post(f"/invocation/{id_}/response", content=json.dumps({"b": 2}))
        return before, got, done, await invoked

    before, got, done, result = by_hand(use)
    deadline = int(got.headers["lambda-runtime-deadline-ms"]) / 1000
    assert before + 6.9 < deadline <= time.time() + 7
    assert got.headers["lambda-runtime-invoked-function-arn"] == ARN
    assert got.headers["content-type"] == "application/json"
    assert got.json() == {"a": [1]}
    assert (done.status_code, done.json()) == (202, {"status": "OK"})
    assert result == {"b": 2}


def test_a_client_that_goes_away_takes_no_invocation_with_it() -> None:
    async def use(runtime: Runtime, client: httpx2.AsyncClient) -> Any:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get("/invocation/next", timeout=0.2)
        invoked = asyncio.create_task(runtime.invoke("authorizer", {"n": 1}, 10))
        got = await client.get("/invocation/next")
        id_ = got.headers["lambda-runtime-aws-request-id"]
        await client.post(f"/invocation/{id_}/response", json="kept")
        return await invoked

    assert by_hand(use) == "kept"


def test_a_result_that_is_no_json_is_an_error() -> None:
    async def use(runtime: Runtime, client: httpx2.AsyncClient) -> Any:
        invoked = asyncio.create_task(runtime.invoke("authorizer", {}, 10))
        got = await client.get("/invocation/next")
        id_ = got.headers["lambda-runtime-aws-request-id"]
        await client.post(f"/invocation/{id_}/response", content="{")
        await invoked

    with pytest.raises(FunctionError, match=r"Runtime\.MarshalError"):
        by_hand(use)


def test_nobody_who_takes_an_invocation_is_waited_for_as_long_as_lambda_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime_api, "INIT_SECONDS", 0.1)

    async def use(runtime: Runtime, client: httpx2.AsyncClient) -> None:
        await runtime.invoke("authorizer", {}, 60)

    with pytest.raises(FunctionError, match=r"timed out after 0\.10 seconds"):
        by_hand(use)


def test_whoever_waits_behind_a_busy_process_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(runtime: Runtime) -> list[Any]:
        # Only after it has started.
        await runtime.invoke("authorizer", {}, 10)
        monkeypatch.setattr(runtime_api, "INIT_SECONDS", 0.5)
        events = [{"sleep": 0.7, "number": number} for number in range(3)]
        return await asyncio.gather(*(runtime.invoke("authorizer", one, 10) for one in events))

    assert [one["event"]["number"] for one in with_handler(tmp_path, use)] == [0, 1, 2]


def test_a_process_whose_invocation_takes_too_long_is_told_of_to_be_ended(tmp_path: Path) -> None:
    told: list[str] = []

    async def use(runtime: Runtime) -> None:
        runtime.on_timeout = told.append
        await runtime.invoke("authorizer", {}, 10)
        with pytest.raises(FunctionError, match="Task timed out"):
            await runtime.invoke("authorizer", {"sleep": 600}, 0.05)

    with_handler(tmp_path, use)
    assert told == ["authorizer"]


def test_a_function_that_is_not_there_cannot_be_invoked() -> None:
    with pytest.raises(FunctionError, match="ResourceNotFoundException: Function not found: other"):
        asyncio.run(Runtime([function()]).invoke("other", {}, 1))


def test_only_functions_without_a_web_server_get_an_address() -> None:
    async def run() -> dict[str, str]:
        web = function(process="clock", environment={"PORT": "8080"})
        async with listening([function(), web]) as runtime:
            return dict(runtime.addresses)

    addresses = asyncio.run(run())
    assert set(addresses) == {"authorizer"}
    assert platform_environment(process("authorizer"), addresses) == {
        "AWS_LAMBDA_RUNTIME_API": addresses["authorizer"]
    }
    assert platform_environment(process("clock"), addresses) == {}
