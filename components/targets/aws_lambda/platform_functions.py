"""The functions of the platform: one image from `workloads/functions`, one command for each."""

from collections.abc import Sequence

import pulumi

from components.foundation import Foundation
from components.foundation.images import Built, build
from components.targets.aws_lambda.api import Api
from components.targets.aws_lambda.function import Function, Settings, create_function
from components.targets.aws_lambda.permissions import use_servers
from components.targets.aws_lambda.variables import servers
from core.aws import names
from core.config.model import Agent, Authentication, Fleet, Image
from core.stack import Stack
from core.targets.aws_lambda import limits

_IMAGE = Image(context="workloads/functions", additional_contexts={"common": "workloads/common"})
_MEMORY_MIB = 512


def platform_image(name: str, *, foundation: Foundation, parent: pulumi.Resource) -> Built:
    """Builds the image. Its repository is deleted with the target."""
    return build(f"{name}-platform", _IMAGE, parent=parent, key_arn=foundation.key_arn, kept=False)


def token_function(
    name: str,
    auth: Authentication,
    allow_cidrs: Sequence[str],
    *,
    stack: Stack,
    foundation: Foundation,
    image: Built,
    pullable: list[pulumi.Resource],
    parent: pulumi.Resource,
) -> Function:
    """Creates the function that checks the tokens of callers; it is not in the VPC.

    For chat connections, it also checks the caller's address against `allow_cidrs`.
    """
    return create_function(
        f"{name}-{limits.TOKENS}",
        Settings(
            name=names.fit(f"{stack.label}_tokens", names.LAMBDA_FUNCTION),
            description=f"Checks tokens for {stack.label}",
            image_uri=image.uri,
            command=("authorizer.handle",),
            memory_mib=_MEMORY_MIB,
            timeout_seconds=limits.TOKENS_TIMEOUT_SECONDS,
            variables={
                "AUTH_ISSUER": auth.issuer,
                "AUTH_AUDIENCE": auth.audience,
                "AUTH_JWKS_URI": auth.jwks_uri,
                **({"ALLOW_CIDRS": " ".join(allow_cidrs)} if allow_cidrs else {}),
            },
            statements=(),
            log_group_name=foundation.observability.gateway_log_group_name,
            log_group_arn=foundation.observability.gateway_log_group_arn,
        ),
        foundation=foundation,
        needed=pullable,
        parent=parent,
    )


def tools_function(
    name: str,
    agent: str,
    load: Agent,
    *,
    fleet: Fleet,
    stack: Stack,
    foundation: Foundation,
    internal: Api,
    image: Built,
    pullable: list[pulumi.Resource],
    parent: pulumi.Resource,
) -> Function:
    """Creates the function with which a state machine lists and calls the tools of its servers."""
    return create_function(
        f"{name}-tools",
        Settings(
            name=names.fit(f"{stack.label}-{agent}_tools", names.LAMBDA_FUNCTION),
            description=f"Calls tools for {agent} of {stack.label}",
            image_uri=image.uri,
            command=("tools.handle",),
            memory_mib=_MEMORY_MIB,
            timeout_seconds=limits.tools_timeout_seconds(fleet, load),
            variables=servers(load, internal),
            statements=use_servers(load, internal),
            log_group_name=foundation.observability.log_group_names[agent],
            log_group_arn=foundation.observability.log_group_arns[agent],
        ),
        foundation=foundation,
        needed=pullable,
        parent=parent,
    )
