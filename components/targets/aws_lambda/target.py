"""The component of the Lambda target."""

import pulumi

from components.component import Component
from components.foundation import Foundation
from components.foundation.images import Built
from components.outputs import by_name
from components.targets.aws_lambda.api import Api
from components.targets.aws_lambda.apis import Apis
from components.targets.aws_lambda.discovery import register_servers
from components.targets.aws_lambda.function import Function
from components.targets.aws_lambda.images import let_lambda_pull
from components.targets.aws_lambda.keep_active import (
    HEALTH,
    LIST_TOOLS,
    NO_REQUEST,
    keep_active,
)
from components.targets.aws_lambda.log_role import log_role
from components.targets.aws_lambda.observability import (
    alarms,
    api_alarms,
    dashboard,
)
from components.targets.aws_lambda.platform_functions import (
    platform_image,
    token_function,
)
from components.targets.aws_lambda.routes import Routes
from components.targets.aws_lambda.state_machine import StateMachine
from components.targets.aws_lambda.workload import Workload
from core.config.enums import Chat
from core.config.model import Fleet
from core.resolved import ResolvedFleet
from core.targets.aws_lambda import addresses, limits, rest_api


class LambdaTarget(Component):
    """The fleet on Lambda.

    Type token `mcp-platform:lambda:Target`. Creates:

    - A REST API as the gateway, and a second REST API if agents cannot use the gateway.
    - A `Workload` for every server and agent, or a `StateMachine` for an agent that runs as one.
    - The `Routes` to them and, with authentication, the function that checks tokens.
    - Schedules that keep functions active.
    - An HTTP namespace with an instance for every server.
    - Alarms.

    Attributes:
        gateway_url: The URL of the gateway, without a slash at the end.
        dashboard: The body of the fleet's dashboard, in JSON.
        namespace: The HTTP namespace of the servers.
        server_addresses: The URL at which agents call each server, by name.
        chat: The chat URL of each agent with chat, by name.
    """

    gateway_url: pulumi.Output[str]
    dashboard: pulumi.Output[str]
    namespace: pulumi.Output[str]
    server_addresses: pulumi.Output[dict[str, str]]
    chat: pulumi.Output[dict[str, str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        foundation: Foundation,
        certificate_arn: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:lambda:Target", name, opts)
        self._name, self._foundation = name, foundation
        self._fleet, self._stack = fleet.config, fleet.stack
        self._image, self._pullable = self._images()
        apis = self._apis(certificate_arn)
        self._workloads = {
            workload: Workload(
                f"{name}-{workload}",
                workload=resolved,
                fleet=fleet,
                foundation=foundation,
                apis=apis,
                pullable=self._pullable,
                opts=self.child_opts,
            )
            for workload, resolved in fleet.workloads.items()
        }
        self._machines = {
            agent: StateMachine(
                f"{name}-{agent}",
                agent=agent,
                load=load,
                fleet=fleet.config,
                stack=fleet.stack,
                foundation=foundation,
                apis=apis,
                image=self._image,
                pullable=self._pullable,
                opts=self.child_opts,
            )
            for agent, load in fleet.config.agents.items()
            if self._image and agent not in fleet.workloads
        }
        if apis.internal is not apis.gateway:
            apis.internal.admit_roles(self._roles_of_agents(), foundation)
        routes = self._routes(apis)
        keep_active(name, self._kept_active(apis), foundation=foundation, parent=self)
        self._alarms(fleet, apis)
        self.gateway_url = apis.gateway.url
        self.parts: list[pulumi.Resource] = [self]
        """The components that serve requests."""
        self.endpoint = apis.gateway.endpoint
        """The endpoint for the DNS record of the domain."""
        self.dashboard = dashboard(
            region=fleet.stack.region,
            api_names=[api.name for api in _distinct(apis)],
            function_names={key: made.function_name for key, made in self._workloads.items()},
            machine_arns={key: made.arn for key, made in self._machines.items()},
        )
        self.server_addresses = apis.internal.url.apply(
            lambda url: addresses.server_addresses(fleet.config, url)
        )
        self.namespace = register_servers(
            name,
            {server: self._workloads[server] for server in fleet.config.servers},
            addresses=self.server_addresses,
            stack=fleet.stack,
            parent=self,
            needed=routes,
        )
        self.chat = by_name(
            {key: made.chat_url for key, made in self._workloads.items() if made.chat_url}
        )
        self.register()

    def _images(self) -> tuple[Built | None, list[pulumi.Resource]]:
        """Builds the image of the platform if it is used, and lets Lambda pull all images."""
        fleet, foundation = self._fleet, self._foundation
        used = fleet.gateway.auth is not None or any(
            fleet.is_state_machine(agent) for agent in fleet.agents.values()
        )
        image = platform_image(self._name, foundation=foundation, parent=self) if used else None
        images = foundation.images.built | ({"platform": image} if image else {})
        return image, let_lambda_pull(self._name, images, foundation=foundation, parent=self)

    def _apis(self, certificate_arn: pulumi.Input[str] | None) -> Apis:
        fleet, stack, foundation = self._fleet, self._stack, self._foundation
        gateway = Api(
            f"{self._name}-gateway",
            what="gateway",
            definition=rest_api.gateway(fleet),
            is_gateway=True,
            fleet=fleet,
            stack=stack,
            foundation=foundation,
            certificate_arn=certificate_arn,
            opts=self.child_opts,
        )
        for_agents = rest_api.internal(fleet)
        internal = (
            Api(
                f"{self._name}-internal",
                what="internal",
                definition=for_agents,
                is_gateway=False,
                fleet=fleet,
                stack=stack,
                foundation=foundation,
                opts=self.child_opts,
            )
            if for_agents
            else gateway
        )
        auth = fleet.gateway.auth
        tokens = (
            token_function(
                self._name,
                auth,
                fleet.gateway.allow_cidrs if _chats(fleet) else (),
                stack=stack,
                foundation=foundation,
                image=self._image,
                pullable=self._pullable,
                parent=self,
            )
            if auth and self._image
            else None
        )
        logged = log_role(self._name, fleet=fleet, foundation=foundation, parent=self)
        return Apis(gateway=gateway, internal=internal, tokens=tokens, logged=logged)

    def _roles_of_agents(self) -> list[pulumi.Output[str]]:
        """The roles that call servers: those of agents, or of their functions that call tools."""
        functions = {key: made.function for key, made in self._workloads.items()}
        functions |= {key: made.tools for key, made in self._machines.items()}
        return [functions[name].role_arn for name, one in self._fleet.agents.items() if one.uses]

    def _routes(self, apis: Apis) -> list[pulumi.Resource]:
        deployed = list[pulumi.Resource]()
        for api in _distinct(apis):
            made = Routes(
                f"{self._name}-{api.what}-routes",
                api=api,
                apis=apis,
                functions={key: made.function for key, made in self._workloads.items()},
                machines=self._machines,
                fleet=self._fleet,
                stack=self._stack,
                foundation=self._foundation,
                opts=self.child_opts,
            )
            deployed.append(made)
            api_alarms(
                f"{self._name}-{api.what}",
                parent=self,
                api_name=api.name,
                stage_name=made.stage_name,
                topic_arn=self._foundation.observability.topic_arn,
            )
        return deployed

    def _kept_active(self, apis: Apis) -> dict[str, tuple[Function, str]]:
        """The functions that a schedule invokes, each with its event."""
        wanted = [name for name, load in self._fleet.workloads() if load.concurrency.keep_active]
        kept = {
            name: (self._workloads[name].function, HEALTH)
            for name in wanted
            if name in self._workloads
        } | {
            name: (self._machines[name].tools, LIST_TOOLS)
            for name in wanted
            if name in self._machines
        }
        if kept and apis.tokens:
            kept[limits.TOKENS] = (apis.tokens, NO_REQUEST)
        return kept

    def _alarms(self, fleet: ResolvedFleet, apis: Apis) -> None:
        names = {key: made.function_name for key, made in self._workloads.items()}
        names |= {agent: machine.tools.name for agent, machine in self._machines.items()}
        alarms(
            self._name,
            fleet=fleet,
            function_names=names | ({limits.TOKENS: apis.tokens.name} if apis.tokens else {}),
            machine_arns={agent: machine.arn for agent, machine in self._machines.items()},
            topic_arn=self._foundation.observability.topic_arn,
            parent=self,
        )


def _chats(fleet: Fleet) -> bool:
    return any(agent.chat is Chat.WEBSOCKET for agent in fleet.agents.values())


def _distinct(apis: Apis) -> list[Api]:
    return [apis.gateway] if apis.internal is apis.gateway else [apis.gateway, apis.internal]
