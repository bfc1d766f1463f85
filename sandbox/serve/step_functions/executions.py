"""Simulates Step Functions: starts executions of deployed state machines and describes them.

Facts from the AWS Step Functions API reference (StartExecution, StartSyncExecution,
DescribeExecution) and Developer Guide ("Learning to use AWS service SDK integrations", "Invoke an
AWS Lambda function with Step Functions"). Executions end with the command. Not simulated: names of
executions, histories, quotas except that of payloads, and versions.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sandbox.cloud.store import Cloud
from sandbox.iam import roles
from sandbox.iam.evaluate import Context
from sandbox.serve.bedrock import models, planner
from sandbox.serve.bedrock.converse_requests import error, shapes
from sandbox.serve.functions.runtime_api import FunctionError, Runtime
from sandbox.serve.readers.aws_lambda import Function
from sandbox.serve.step_functions import interpreter
from sandbox.serve.step_functions.interpreter import Execution, StateError
from sandbox.serve.step_functions.sdk_names import api_names, sdk_names

_MACHINE = "aws:sfn/stateMachine:StateMachine"
_STATES, _API_GATEWAY = "states.amazonaws.com", "apigateway.amazonaws.com"
_OK, _BAD_REQUEST = 200, 400
_INVOKE = "arn:aws:states:::lambda:invoke"
_CONVERSE = "arn:aws:states:::aws-sdk:bedrockruntime:converse"

_log = logging.getLogger(__name__)

Answer = tuple[int, Mapping[str, Any]]
"""Status and body of a response."""


class RoleError(Exception):
    """A role that API Gateway may not assume."""


class _ApiError(Exception):
    """An error response of Step Functions."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, kw_only=True)
class _Started:
    """An execution, and the task that runs it."""

    arn: str
    name: str
    machine_arn: str
    given: str
    started: float
    execution: Execution
    task: "asyncio.Task[Execution]"

    def description(self) -> dict[str, Any]:
        """The response of DescribeExecution."""
        execution = self.execution
        ended = {
            "output": None if execution.status != "SUCCEEDED" else json.dumps(execution.output),
            "error": execution.error,
            "cause": execution.cause,
        }
        return {
            "executionArn": self.arn,
            "stateMachineArn": self.machine_arn,
            "name": self.name,
            "status": execution.status,
            "startDate": self.started,
            "input": self.given,
            **{key: value for key, value in ended.items() if value is not None},
        }


class StateMachines:
    """The state machines of the cloud and their executions."""

    def __init__(self, cloud: Cloud, functions: Mapping[str, Function], runtime: Runtime) -> None:
        """Prepares the state machines.

        Args:
            cloud: The cloud; state machines and roles are read on each request.
            functions: The functions by the ARN of their alias.
            runtime: Invokes them.
        """
        self._cloud = cloud
        self._functions = functions
        self._runtime = runtime
        self._started: dict[str, _Started] = {}

    async def call(self, action: str, role_arn: str, body: str) -> Answer:
        """Runs an action of Step Functions for API Gateway.

        Args:
            action: `StartExecution`, `StartSyncExecution` or `DescribeExecution`.
            role_arn: The role that API Gateway assumes.
            body: The request.

        Returns:
            The status and the body of the response.

        Raises:
            RoleError: API Gateway may not assume the role.
        """
        if not self._taken(role_arn, _API_GATEWAY):
            raise RoleError(role_arn)
        try:
            return _OK, await self._done(action, role_arn, _json(body, "SerializationException"))
        except _ApiError as error:
            return _BAD_REQUEST, {"__type": error.code, "message": error.message}

    async def _done(
        self, action: str, role_arn: str, request: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        match action:
            case "StartExecution":
                started = self._start(action, role_arn, request)
                return {"executionArn": started.arn, "startDate": started.started}
            case "StartSyncExecution":
                started = self._start(action, role_arn, request)
                await asyncio.shield(started.task)
                return started.description()
            case "DescribeExecution":
                arn = str(request.get("executionArn"))
                self._must_allow(role_arn, action, arn)
                if arn not in self._started:
                    raise _ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
                return self._started[arn].description()
            case _:
                raise _ApiError(
                    "UnknownOperationException", f"the sandbox does not support the action {action}"
                )

    def _start(self, action: str, role_arn: str, request: Mapping[str, Any]) -> _Started:
        arn = str(request.get("stateMachineArn"))
        self._must_allow(role_arn, action, arn)
        machine = self._cloud.get("aws", _MACHINE, arn)
        if machine is None:
            raise _ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        made = machine.properties
        if action == "StartSyncExecution" and made.get("type") != "EXPRESS":
            raise _ApiError(
                "StateMachineTypeNotSupported",
                "This operation is not supported by this type of state machine",
            )
        name = str(uuid.uuid4())
        execution_arn = f"{arn.replace(':stateMachine:', ':execution:')}:{name}"
        given = str(request.get("input") or "{}")
        execution = Execution()
        machine_role = str(made.get("roleArn"))
        if not self._taken(machine_role, _STATES):
            raise _ApiError(
                "AccessDeniedException", f"Step Functions may not assume the role {machine_role}"
            )
        run = self._run(made, machine_role, _any_json(given, "InvalidExecutionInput"), execution)
        started = _Started(
            arn=execution_arn,
            name=name,
            machine_arn=arn,
            given=given,
            started=time.time(),
            execution=execution,
            task=asyncio.create_task(run),
        )
        self._started[execution_arn] = started
        return started

    async def _run(
        self, made: Mapping[str, Any], role_arn: str, given: object, execution: Execution
    ) -> Execution:
        async def invoke(arguments: Mapping[str, Any]) -> object:
            return await self._invoke(role_arn, arguments)

        async def converse(arguments: Mapping[str, Any]) -> object:
            return self._converse(role_arn, region, arguments)

        definition, region = json.loads(str(made["definition"])), str(made["arn"]).split(":")[3]
        tasks = {_INVOKE: invoke, _CONVERSE: converse}
        try:
            await interpreter.run(definition, given, tasks, execution=execution)
        except Exception as error:
            # An error of the sandbox must fail the execution, or it would never end.
            _log.exception("the sandbox cannot run an execution of %s", made.get("name"))
            execution.status, execution.error = "FAILED", "States.Runtime"
            execution.cause = f"the sandbox cannot run it: {error!r}"
        if execution.error:
            told = (made.get("name"), execution.status, execution.error, execution.cause)
            _log.warning("an execution of %s: %s, %s: %s", *told)
        return execution

    async def _invoke(self, role_arn: str, arguments: Mapping[str, Any]) -> object:
        arn = str(arguments["FunctionName"])
        self._task_must_allow(role_arn, "lambda:InvokeFunction", arn, "Lambda.AWSLambdaException")
        function = self._functions.get(arn)
        if function is None:
            raise StateError("Lambda.ResourceNotFoundException", f"Function not found: {arn}")
        try:
            result = await self._runtime.invoke(
                function.process, arguments["Payload"], function.timeout_seconds
            )
        except FunctionError as error:
            told = {"errorMessage": error.message, "errorType": error.kind}
            raise StateError(error.kind, json.dumps(told)) from error
        return {"ExecutedVersion": function.version, "Payload": result, "StatusCode": _OK}

    def _converse(self, role_arn: str, region: str, arguments: Mapping[str, Any]) -> object:
        asked, told = shapes("Converse")
        request = api_names(arguments, asked)
        name = str(request.pop("modelId"))
        for invoked in models.invoked(self._cloud, region, name):
            self._task_must_allow(
                role_arn,
                "bedrock:InvokeModel",
                invoked.arn,
                "BedrockRuntime.AccessDeniedException",
                invoked.context,
            )
        reason = models.error(region, name) or error("Converse", name, request)
        if reason:
            raise StateError("BedrockRuntime.ValidationException", reason)
        return sdk_names(planner.converse(request), told)

    def _taken(self, role_arn: str, service: str) -> bool:
        account = role_arn.split(":")[4:5]
        context = {"aws:SourceAccount": account[0]} if account else {}
        return roles.trusts(self._cloud, role_arn, service, "sts:AssumeRole", context)

    def _must_allow(self, role_arn: str, action: str, arn: str) -> None:
        if not roles.allows(self._cloud, role_arn, f"states:{action}", arn):
            raise _ApiError(
                "AccessDeniedException", roles.denied(role_arn, f"states:{action}", arn)
            )

    def _task_must_allow(
        self,
        role_arn: str,
        action: str,
        arn: str,
        error: str,
        context: Context | None = None,
    ) -> None:
        if not roles.allows(self._cloud, role_arn, action, arn, context):
            raise StateError(error, roles.denied(role_arn, action, arn))


def _json(body: str, code: str) -> dict[str, Any]:
    read = _any_json(body, code)
    if not isinstance(read, dict):
        raise _ApiError(code, "the request is not a JSON object")
    return cast("dict[str, Any]", read)


def _any_json(text: str, code: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _ApiError(code, f"the request is not JSON: {error}") from error
