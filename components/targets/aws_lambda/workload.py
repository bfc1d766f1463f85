"""A workload as a Lambda function."""

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.foundation import Foundation
from components.foundation.storage import NFS_PORT
from components.targets.aws_lambda import chat
from components.targets.aws_lambda.apis import Apis
from components.targets.aws_lambda.function import Inside, Settings, create_function
from components.targets.aws_lambda.permissions import answer_chats, workload_permissions
from components.targets.aws_lambda.scaling import keep_warm
from components.targets.aws_lambda.variables import plain_variables
from components.traffic import allow, let_out
from core.network import egress
from core.resolved import ResolvedFleet
from core.resolved import Workload as ResolvedWorkload
from core.targets.aws_lambda import limits


class Workload(Component):
    """A server or an agent on Lambda.

    Type token `mcp-platform:lambda:Workload`. Creates a role with its policy, a function from the
    workload's image and its alias. If configured, it also creates provisioned concurrency with
    its scaling, a security group with its rules for a workload in the VPC, and a WebSocket API
    for an agent with chat.

    Attributes:
        function_name: The function's name.
        alias_arn: The ARN of the alias that callers invoke.
    """

    function_name: pulumi.Output[str]
    alias_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        workload: ResolvedWorkload,
        fleet: ResolvedFleet,
        foundation: Foundation,
        apis: Apis,
        pullable: list[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Creates the workload.

        Args:
            name: The component's name.
            workload: The workload.
            fleet: The fleet.
            foundation: The foundation.
            apis: The fleet's APIs.
            pullable: The resources that must exist before Lambda can pull the image.
            opts: The component's options.
        """
        super().__init__("mcp-platform:lambda:Workload", name, opts)
        self._name, self._workload = name, workload
        self._fleet, self._foundation = fleet, foundation
        chat_api = (
            chat.create_chat_api(name, workload=workload.name, stack=fleet.stack, parent=self)
            if workload.name in fleet.chats
            else None
        )
        self.function = create_function(
            name,
            self._settings(apis, chat_api),
            foundation=foundation,
            needed=pullable,
            parent=self,
        )
        """The function."""
        keep_warm(name, self.function, workload.config.concurrency, parent=self)
        self.chat_url = (
            chat.deploy_chat_api(
                name,
                chat_api,
                self.function,
                fleet=fleet.config,
                stack=fleet.stack,
                foundation=foundation,
                tokens=apis.tokens,
                logged=apis.logged,
                parent=self,
            )
            if chat_api
            else None
        )
        """The URL of its chat, if it has one."""
        self.function_name = self.function.name
        self.alias_arn = self.function.alias_arn
        self.register()

    def _settings(self, apis: Apis, chat_api: chat.ChatApi | None) -> Settings:
        workload, foundation = self._workload, self._foundation
        name, config, label = workload.name, workload.config, self._fleet.stack.label
        inside = workload.is_in_network
        statements = workload_permissions(workload, foundation, apis.internal)
        if chat_api:
            statements += answer_chats(chat_api.execution_arn)
        return Settings(
            name=limits.function_name(
                label, name, egress.network_mark(self._fleet.config) if inside else None
            ),
            known_as=limits.function_name_patterns(label, name, inside=inside),
            description=f"{name} of {label}",
            image_uri=foundation.images.uris[name],
            memory_mib=workload.memory_mib,
            timeout_seconds=limits.timeout_seconds(config.max_request_seconds),
            variables=plain_variables(
                workload,
                gateway=apis.gateway,
                internal=apis.internal,
                secrets=foundation.vault.read_by(workload.container),
                chat_endpoint=chat.endpoint(chat_api, self._fleet.stack) if chat_api else None,
            ),
            statements=statements,
            log_group_name=foundation.observability.log_group_names[name],
            log_group_arn=foundation.observability.log_group_arns[name],
            reserved=config.concurrency.reserved,
            inside=self._inside() if inside else None,
        )

    def _inside(self) -> Inside:
        """Creates the security group of a workload in the VPC, and its rules."""
        name, foundation, storage = self._name, self._foundation, self._foundation.storage
        workload = self._workload
        group = aws.ec2.SecurityGroup(
            f"{name}-group",
            description=f"Functions of {workload.name}",
            vpc_id=foundation.vpc_id,
            tags={"Name": f"{self._fleet.stack.label}-{workload.name}"},
            opts=self.child_opts,
        )
        rules = let_out(
            f"{name}-to",
            parent=self,
            group=group,
            destinations=foundation.network.https_destinations,
        )
        mounted = storage if workload.files_path else None
        if mounted:
            rules += allow(
                f"{name}-files",
                parent=self,
                source=group.id,
                destination=mounted.security_group_id,
                port=NFS_PORT,
                description=f"{workload.name} mounts its files",
            )
        return Inside(
            subnet_ids=foundation.network.private_subnet_ids,
            security_group_id=group.id,
            access_point_arn=mounted.access_point_arns[workload.name] if mounted else None,
            mount_path=workload.files_path or "",
            needed=[*rules, *(mounted.mount_targets if mounted else [])],
        )
