"""State machines behind a REST API: the program's definition, templates and permissions."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.targets.aws_lambda import templates
from core.targets.aws_lambda.placeholders import fill
from core.targets.aws_lambda.state_machine import definition
from sandbox.cloud.store import Cloud
from sandbox.serve.functions.runtime_api import FunctionError
from sandbox.tests.clusters import put
from sandbox.tests.serve.apis import (
    API,
    HOST,
    Answer,
    Functions,
    Running,
    add_api,
    add_function,
    add_method,
    applications,
    ask,
    deploy,
    function_arn,
    signature,
)
from sandbox.tests.serve.deployed import ACCOUNT, REGION, allow, role

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:researcher"
EXECUTIONS = MACHINE.replace(":stateMachine:", ":execution:")
TOOLS = f"{function_arn('tools')}:live"
MODEL = "amazon.nova-lite-v1:0"
MODEL_ARN = f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}"
ASK, STATUS = "/live/agents/researcher/ask", "/live/agents/researcher/executions"
STARTS = allow("states:StartExecution", MACHINE)
RUNS_NOW = allow("states:StartSyncExecution", MACHINE)
LOOKS = allow("states:DescribeExecution", f"{EXECUTIONS}:*")
INVOKES = allow("lambda:InvokeFunction", TOOLS)
CONVERSES = allow("bedrock:InvokeModel", MODEL_ARN)
SCHEMA = {
    "type": "object",
    "required": ["question"],
    "properties": {"question": {"type": "string", "minLength": 1}},
}
LISTED = {
    "tools": [
        {
            "Name": "clock__now",
            "Server": "clock",
            "Tool": "now",
            "Description": "The time.",
            "InputSchema": {"type": "object", "properties": {"timezone": {"type": "string"}}},
        }
    ],
    "absent": [],
}
QUESTION = "now timezone=Asia/Tokyo"
Asking = Callable[..., Coroutine[Any, Any, Answer]]


def tools(event: Mapping[str, Any]) -> object:
    """The function of the tools: returns the time zone, and raises without one."""
    if event.get("list"):
        return LISTED
    if not event["arguments"]:
        raise FunctionError("ServerUnavailable", "clock: ConnectError")
    return {"text": f"noon in {event['arguments']['timezone']}", "error": False}


def fleet(
    folder: Path,
    *,
    express: bool = False,
    starter: tuple[Any, ...] = (STARTS, RUNS_NOW, LOOKS),
    may: tuple[Any, ...] = (INVOKES, CONVERSES),
    starter_service: str = "apigateway.amazonaws.com",
    machine_service: str = "states.amazonaws.com",
    **integration: Any,
) -> Cloud:
    """An agent that is a state machine, with the resources that the program creates for it."""
    cloud = Cloud(folder / "cloud.sqlite")
    add_api(cloud)
    add_function(cloud, "tools", variables={}, imageConfig={"commands": ["tools.handle"]})
    made = definition(
        model=MODEL, instructions="Be brief.", tools_function_arn=TOOLS, max_turns=4, max_seconds=20
    )
    put(
        cloud,
        "sfn/stateMachine:StateMachine",
        MACHINE,
        arn=MACHINE,
        name="researcher",
        type="EXPRESS" if express else "STANDARD",
        roleArn=role(cloud, "machine", *may, service=machine_service),
        # As deployed, but without the wait before a retry.
        definition=json.dumps(made).replace('"IntervalSeconds": 1', '"IntervalSeconds": 0'),
    )
    credentials = role(cloud, "starter", *starter, service=starter_service)

    def action(name: str, request: str) -> dict[str, Any]:
        return {
            "type": "AWS",
            "uri": f"arn:aws:apigateway:{REGION}:states:action/{name}",
            "credentials": credentials,
            "passthroughBehavior": "NEVER",
            "requestTemplates": {"application/json": request},
            **integration,
        }

    def reply(status: int, template: str, pattern: str | None = None) -> dict[str, Any]:
        written = {"responseTemplates": {"application/json": template}}
        return {"statusCode": str(status), "selectionPattern": pattern, **written}

    failed = reply(500, templates.error("it failed"))
    started = templates.started("/agents/researcher/executions")
    add_method(
        cloud,
        "/agents/researcher/ask",
        "POST",
        action(
            "StartSyncExecution" if express else "StartExecution",
            fill(templates.START, {"arn": MACHINE}),
        ),
        reply(200, templates.ANSWERED, "200") if express else reply(202, started, "200"),
        failed,
    )
    add_method(
        cloud,
        "/agents/researcher/executions/{id}",
        "GET",
        action("DescribeExecution", fill(templates.DESCRIBE, {"arn": EXECUTIONS})),
        reply(200, templates.DESCRIBED, "200"),
        reply(404, templates.REFUSED, r"4\d{2}"),
        failed,
    )
    put(
        cloud,
        "apigateway/model:Model",
        "model",
        restApi=API,
        name="Question",
        schema=json.dumps(SCHEMA),
    )
    put(
        cloud,
        "apigateway/requestValidator:RequestValidator",
        "validator",
        restApi=API,
        validateRequestBody=True,
    )
    checked = {"requestModels": {"application/json": "Question"}, "requestValidatorId": "validator"}
    cloud.edit("aws", "aws:apigateway/method:Method", "m/agents/researcher/askPOST", checked)
    deploy(cloud)
    return cloud


def served(
    cloud: Cloud, use: Callable[[Asking], Coroutine[Any, Any, Any]], functions: Functions | None
) -> Any:
    async def run() -> Any:
        made = functions or Functions(**{"tools/tools": tools})
        app = applications(cloud, Running(None), made)[HOST]

        async def asking(method: str, path: str, **more: Any) -> Answer:
            return await ask(app, method, path, **more)

        return await use(asking)

    return asyncio.run(run())


def body(question: object = QUESTION) -> bytes:
    return json.dumps({"question": question}).encode()


def asked(cloud: Cloud, question: object = QUESTION, functions: Functions | None = None) -> Answer:
    """The first response to a question."""

    async def use(asking: Asking) -> Answer:
        return await asking("POST", ASK, body=body(question))

    return served(cloud, use, functions)


def ended(cloud: Cloud, question: str = QUESTION, functions: Functions | None = None) -> Any:
    """The status of an execution after it has ended."""

    async def use(asking: Asking) -> Any:
        started = await asking("POST", ASK, body=body(question))
        assert started.status == 202, started.body
        assert started.json["status"] == f"/agents/researcher/executions/{started.json['id']}"
        assert started.json["id"] != started.headers["x-amzn-requestid"]
        while True:
            answer = await asking("GET", f"/live{started.json['status']}")
            assert answer.status == 200, answer.body
            if answer.json["status"] != "RUNNING":
                return answer.json
            assert answer.json == {"status": "RUNNING", "result": None, "error": None}
            await asyncio.sleep(0)

    return served(cloud, use, functions)


def test_a_question_starts_an_execution_whose_status_ends_with_the_answer(tmp_path: Path) -> None:
    functions = Functions(**{"tools/tools": tools})
    answer = ended(fleet(tmp_path), functions=functions)
    assert answer["status"] == "SUCCEEDED"
    assert answer["error"] is None
    assert answer["result"] == {
        "answer": "noon in Asia/Tokyo",
        "complete": True,
        "stopped": None,
        "turns": 2,
        "tool_calls": 1,
        "model": MODEL,
        "absent": [],
    }
    call = {"server": "clock", "tool": "now", "arguments": {"timezone": "Asia/Tokyo"}}
    assert functions.events == [{"list": True}, call]


def test_an_express_machine_answers_at_once(tmp_path: Path) -> None:
    answer = asked(fleet(tmp_path, express=True))
    assert answer.status == 200
    assert answer.json["answer"] == "noon in Asia/Tokyo"


@pytest.mark.parametrize(
    "question", ["it's 5 o'clock \"here\"", "a\\b\nc\t\N{OCTOPUS}", "$input.body #if($x)"]
)
def test_a_question_arrives_as_it_was(tmp_path: Path, question: str) -> None:
    answer = asked(fleet(tmp_path, express=True), question)
    clauses = [part.strip(" ,.?!") for part in question.split("\n")]
    assert answer.json["answer"] == "\n".join(f"{one}: no tool fits this" for one in clauses)


@pytest.mark.parametrize("question", ["", 7, None])
def test_a_body_that_does_not_fit_the_model_starts_nothing(
    tmp_path: Path, question: object
) -> None:
    functions = Functions(**{"tools/tools": tools})
    answer = asked(fleet(tmp_path), question, functions)
    assert (answer.status, answer.json) == (400, {"message": "Invalid request body"})
    assert functions.events == []


def test_a_body_that_is_no_json_starts_nothing(tmp_path: Path) -> None:
    async def use(asking: Asking) -> Answer:
        return await asking("POST", ASK, body=b"{")

    assert served(fleet(tmp_path), use, None).status == 400


def test_another_type_of_body_is_refused(tmp_path: Path) -> None:
    async def use(asking: Asking) -> Answer:
        return await asking("POST", ASK, body=body(), headers={"content-type": "text/plain"})

    assert served(fleet(tmp_path), use, None).status == 415


@pytest.mark.parametrize("id_", ["nobody", "a'b", "a%22b"])
def test_an_execution_that_is_not_there_is_not_found(tmp_path: Path, id_: str) -> None:
    async def use(asking: Asking) -> Answer:
        return await asking("GET", f"{STATUS}/{id_}")

    answer = served(fleet(tmp_path), use, None)
    assert (answer.status, answer.json) == (404, {"error": "there is no such execution"})


def test_a_tool_that_fails_is_reported_to_the_model(tmp_path: Path) -> None:
    answer = ended(fleet(tmp_path), "now")
    assert answer["status"] == "SUCCEEDED"
    assert answer["result"]["answer"] == (
        "now: the call failed: ServerUnavailable: clock: ConnectError"
    )


def test_tools_that_cannot_be_listed_are_named(tmp_path: Path) -> None:
    answer = ended(fleet(tmp_path), functions=Functions())
    (absent,) = answer["result"]["absent"]
    assert absent["server"] == "*"
    assert "ResourceNotFoundException" in absent["reason"]


def test_a_role_that_may_not_invoke_the_tools_has_none(tmp_path: Path) -> None:
    functions = Functions(**{"tools/tools": tools})
    answer = ended(fleet(tmp_path, may=(CONVERSES,)), functions=functions)
    (absent,) = answer["result"]["absent"]
    assert "is not authorized to perform: lambda:InvokeFunction" in absent["reason"]
    assert functions.events == []


def test_a_role_that_may_not_ask_the_model_fails_the_execution(tmp_path: Path) -> None:
    answer = ended(fleet(tmp_path, may=(INVOKES,)))
    assert answer == {
        "status": "FAILED",
        "result": None,
        "error": "BedrockRuntime.AccessDeniedException",
    }


def test_an_express_execution_that_fails_is_a_bad_gateway(tmp_path: Path) -> None:
    answer = asked(fleet(tmp_path, express=True, may=(INVOKES,)))
    assert (answer.status, answer.json) == (502, {"error": "BedrockRuntime.AccessDeniedException"})


@pytest.mark.parametrize("starter", [(), (LOOKS,), (RUNS_NOW, LOOKS)])
def test_a_gateway_without_the_right_starts_nothing(
    tmp_path: Path, starter: tuple[Any, ...]
) -> None:
    functions = Functions(**{"tools/tools": tools})
    answer = asked(fleet(tmp_path, starter=starter), functions=functions)
    assert (answer.status, answer.json) == (500, {"error": "it failed"})
    assert functions.events == []


def test_a_gateway_that_may_not_look_does_not_say_that_there_is_nothing(tmp_path: Path) -> None:
    async def use(asking: Asking) -> Answer:
        started = await asking("POST", ASK, body=body())
        return await asking("GET", f"/live{started.json['status']}")

    assert served(fleet(tmp_path, starter=(STARTS,)), use, None).status == 502


def test_a_role_that_the_gateway_may_not_take_is_a_fault_of_the_api(tmp_path: Path) -> None:
    answer = asked(fleet(tmp_path, starter_service="states.amazonaws.com"))
    assert (answer.status, answer.json) == (500, {"message": "Internal server error"})


def test_a_role_that_step_functions_may_not_take_starts_nothing(tmp_path: Path) -> None:
    assert asked(fleet(tmp_path, machine_service="lambda.amazonaws.com")).status == 500


def test_a_caller_waits_as_long_as_the_integration_says_and_the_execution_goes_on(
    tmp_path: Path,
) -> None:
    going = asyncio.Event()
    done: list[object] = []

    class Slow(Functions):
        async def invoke(self, name: str, event: Mapping[str, Any], timeout_seconds: float) -> Any:
            await going.wait()
            done.append(event)
            return LISTED

    async def use(asking: Asking) -> Answer:
        answer = await asking("POST", ASK, body=body("nothing"))
        going.set()
        while not done:
            await asyncio.sleep(0)
        return answer

    answer = served(fleet(tmp_path, express=True, timeoutMilliseconds=50), use, Slow())
    assert (answer.status, answer.json) == (504, {"message": "Endpoint request timed out"})


def test_a_caller_without_access_to_the_api_does_not_reach_the_machine(tmp_path: Path) -> None:
    async def use(asking: Asking) -> Answer:
        headers = {"authorization": signature("tools/tools")}
        return await asking("POST", ASK, body=body(), source="tools/tools", headers=headers)

    functions = Functions(**{"tools/tools": tools})
    assert served(fleet(tmp_path), use, functions).status == 403
    assert functions.events == []


def test_an_action_of_another_service_is_said_to_be_unknown(tmp_path: Path) -> None:
    answer = asked(fleet(tmp_path, uri=f"arn:aws:apigateway:{REGION}:sqs:action/SendMessage"))
    assert answer.status == 501
    assert "the sandbox supports Step Functions only" in answer.json["message"]
