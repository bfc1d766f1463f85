"""The environment of a workload's function."""

from collections.abc import Mapping

import pulumi

from components.foundation.vault import Stored
from components.targets.aws_lambda.api import Api
from core.config.model import Agent, Server
from core.contract import HEALTH_PATH, MCP_PATH
from core.discovery import agent_path, server_path
from core.environment import SECRET_REFERENCES
from core.resolved import Workload
from core.targets.aws_lambda import addresses

FAILED_EVENT = 599
"""The status of an agent's response to an event that it failed to handle. The invocation then fails
and is counted as an error. Responses to HTTP requests do not use it."""

EVENTS_PATH = "/events"
"""The path to which the web adapter sends events that are not HTTP requests: chat messages."""


def plain_variables(
    workload: Workload,
    *,
    gateway: Api,
    internal: Api,
    secrets: Mapping[str, Stored],
    chat_endpoint: pulumi.Output[str] | None,
) -> dict[str, pulumi.Input[str]]:
    """The variables of the contract, of the workload, and of Lambda Web Adapter.

    Args:
        workload: The workload.
        gateway: The API for callers.
        internal: The API for agents. It may be the same.
        secrets: The secrets, by variable. The variables contain references to them.
        chat_endpoint: The endpoint to which an agent with chat sends its answers.
    """
    config = workload.config
    hosts = [gateway.host] if gateway is internal else [gateway.host, internal.host]
    result: dict[str, pulumi.Input[str]] = {
        # Empty variables are omitted: they mean the same as unset ones, and the size of the
        # environment is limited.
        **{name: value for name, value in workload.container.environment.items() if value},
        "MCP_ALLOWED_HOSTS": pulumi.Output.all(*hosts).apply(",".join),
        "MCP_ALLOWED_ORIGINS": pulumi.Output.concat("https://", gateway.host),
        **_adapter(workload.name, config),
    }
    if isinstance(config, Agent):
        result |= servers(config, internal)
    if chat_endpoint is not None:
        result["CHAT_ENDPOINT"] = chat_endpoint
    if secrets:
        result[SECRET_REFERENCES] = references(secrets)
    return result


def servers(agent: Agent, internal: Api) -> dict[str, pulumi.Input[str]]:
    """The variables with the servers of an agent, at their addresses in the API for agents."""
    variables = internal.url.apply(
        lambda url: addresses.servers_environment(
            agent, {server: addresses.server_address(url, server) for server in agent.uses}
        )
    )
    return {name: variables[name] for name in addresses.SERVERS_VARIABLES}


def references(secrets: Mapping[str, Stored]) -> pulumi.Output[str]:
    """The reference to each secret, by variable. The entry point reads the values."""
    return pulumi.Output.json_dumps(
        {
            name: {"SecretId": secret.arn}
            | ({"VersionId": secret.version_id} if secret.version_id is not None else {})
            for name, secret in sorted(secrets.items())
        }
    )


def _adapter(workload: str, load: Server | Agent) -> dict[str, pulumi.Input[str]]:
    """The variables of Lambda Web Adapter 1.0: the path prefix and the response mode."""
    outer = agent_path(workload) if isinstance(load, Agent) else server_path(workload)
    return {
        **({"AWS_LWA_ERROR_STATUS_CODES": str(FAILED_EVENT)} if isinstance(load, Agent) else {}),
        "AWS_LWA_INVOKE_MODE": "response_stream",
        "AWS_LWA_PASS_THROUGH_PATH": EVENTS_PATH,
        "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS": "200",
        "AWS_LWA_READINESS_CHECK_PATH": HEALTH_PATH,
        "AWS_LWA_REMOVE_BASE_PATH": outer.removesuffix(MCP_PATH),
    }
