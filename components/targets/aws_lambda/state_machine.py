"""An agent as a state machine of AWS Step Functions."""

import json

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.foundation.identity import role
from components.foundation.images import Built
from components.targets.aws_lambda.apis import Apis
from components.targets.aws_lambda.function import Function
from components.targets.aws_lambda.permissions import run_machine, start_machine
from components.targets.aws_lambda.platform_functions import tools_function
from core.aws import names
from core.aws.iam import trust
from core.config.model import Agent, Fleet
from core.stack import Stack
from core.targets.aws_lambda.rest_api import answers_at_once
from core.targets.aws_lambda.state_machine import definition


class StateMachine(Component):
    """An agent without an image: a loop that asks a model and runs the tools that it requests.

    Type token `mcp-platform:lambda:StateMachine`. Creates a function that lists and calls the tools
    of the agent's servers, with its role, and the state machine with its role: an express workflow
    if it responds while its caller waits, else a standard workflow. If the agent is exposed, it
    also creates a role with which the gateway starts it.

    Attributes:
        arn: The state machine's ARN.
        execution_arn: The prefix of its executions' ARNs.
        starter_role_arn: The role that may start it and read its executions, if the agent is
            exposed.
    """

    arn: pulumi.Output[str]
    execution_arn: pulumi.Output[str]
    starter_role_arn: pulumi.Output[str] | None

    def __init__(
        self,
        name: str,
        *,
        agent: str,
        load: Agent,
        fleet: Fleet,
        stack: Stack,
        foundation: Foundation,
        apis: Apis,
        image: Built,
        pullable: list[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the state machine.

        Args:
            name: The component's name.
            agent: The agent's name.
            load: The agent.
            fleet: The fleet.
            stack: The stack.
            foundation: The foundation.
            apis: The fleet's APIs.
            image: The image of the function that calls tools.
            pullable: The resources that must exist before Lambda can pull the image.
            opts: The component's options.
        """
        super().__init__("mcp-platform:lambda:StateMachine", name, opts)
        self.express = answers_at_once(load)
        """Whether callers wait for its response."""
        self._region = stack.region
        account, observability = foundation.account, foundation.observability
        self.tools: Function = tools_function(
            name,
            agent,
            load,
            fleet=fleet,
            stack=stack,
            foundation=foundation,
            internal=apis.internal,
            image=image,
            pullable=pullable,
            parent=self,
        )
        """The function that calls the agent's servers."""
        machine_role, ready = role(
            f"{name}-role",
            parent=self,
            trust=trust("states.amazonaws.com", account.id),
            description=f"What {agent} of {stack.label} may do",
            statements=run_machine(load, self.tools.alias_arn, foundation),
        )
        # The type of a state machine cannot change. With another name, the new one can be created
        # before the old one is deleted. No agent's name contains an underscore.
        kind = "_express" if self.express else ""
        machine = aws.sfn.StateMachine(
            f"{name}-machine",
            name=names.fit(f"{stack.label}-{agent}{kind}", names.STATE_MACHINE),
            type="EXPRESS" if self.express else "STANDARD",
            role_arn=machine_role.arn,
            definition=self.tools.alias_arn.apply(lambda arn: _definition(load, arn)),
            logging_configuration={
                "level": "ERROR",
                # Logs must not contain questions and answers.
                "include_execution_data": False,
                "log_destination": pulumi.Output.concat(
                    observability.execution_log_group_arns[agent], ":*"
                ),
            },
            tracing_configuration={"enabled": True},
            opts=pulumi.ResourceOptions(parent=self, depends_on=ready),
        )
        self.arn = machine.arn
        self.execution_arn = machine.arn.apply(
            lambda arn: arn.replace(":stateMachine:", ":execution:")
        )
        self.starter_role_arn = None
        self.startable: list[pulumi.Resource] = []
        """The resources that must exist before the gateway can start it."""
        # A route that a change removes is still part of the old deployment. Without the role, it
        # starts nothing.
        if load.expose:
            starter, self.startable = role(
                f"{name}-starter",
                parent=self,
                trust=trust("apigateway.amazonaws.com", account.id),
                description=f"The gateway of {stack.label} starts {agent}",
                statements=start_machine(self.arn, self.execution_arn, express=self.express),
            )
            self.starter_role_arn = starter.arn
        self.register()

    def action_uri(self, action: str) -> pulumi.Output[str]:
        """The URI of an action of Step Functions in an integration."""
        return pulumi.Output.format(
            "arn:{0}:apigateway:{1}:states:action/{2}",
            self.arn.apply(lambda arn: arn.split(":")[1]),
            self._region,
            action,
        )


def _definition(load: Agent, tools_function_arn: str) -> str:
    return json.dumps(
        definition(
            model=load.models[0],
            instructions=load.instructions,
            tools_function_arn=tools_function_arn,
            max_turns=load.max_turns,
            max_seconds=load.max_request_seconds,
        )
    )
