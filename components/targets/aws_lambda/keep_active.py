"""Scheduled calls that keep unused functions active."""

import json
from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation
from components.foundation.identity import role
from components.targets.aws_lambda.function import Function
from core.aws.iam import Statement, trust
from core.contract import HEALTH_PATH

# AWS Lambda Developer Guide, "Invoking functions defined as container images": a function that is
# not invoked for multiple weeks becomes inactive, and its next call is rejected.
_EVERY = "rate(7 days)"
_WINDOW_MINUTES = 60  # the minute of the call does not matter

LIST_TOOLS: Final = json.dumps({"list": True})
"""An event that has no effect on the function that calls tools."""

NO_REQUEST: Final = json.dumps({"keep_active": True})
"""An event to which the function that checks tokens responds without a token."""

HEALTH: Final = json.dumps(
    {
        "resource": HEALTH_PATH,
        "path": HEALTH_PATH,
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": HEALTH_PATH,
            "path": HEALTH_PATH,
            "httpMethod": "GET",
            "requestId": "keep-active",
            "identity": {},
        },
        "body": None,
        "isBase64Encoded": False,
    }
)
"""An event that the web adapter handles as a request from API Gateway: `GET /health`."""


def keep_active(
    name: str,
    events: Mapping[str, tuple[Function, str]],
    *,
    foundation: Foundation,
    parent: pulumi.Resource,
) -> None:
    """Creates a schedule for each function, and the role that invokes the functions.

    Args:
        name: The prefix of the logical names.
        events: The functions and their events, by name.
        foundation: The foundation.
        parent: The parent component.
    """
    if not events:
        return
    keeper, ready = role(
        f"{name}-keeper",
        parent=parent,
        trust=trust("scheduler.amazonaws.com", foundation.account.id),
        description="Invokes functions once a week, so that they stay active",
        statements=[
            Statement(
                sid="CallFunctions",
                actions=("lambda:InvokeFunction",),
                resources=tuple(function.alias_arn for function, _ in events.values()),
            )
        ],
    )
    for what, (function, event) in events.items():
        aws.scheduler.Schedule(
            f"{name}-{what}-active",
            description=f"Keeps {what} active",
            schedule_expression=_EVERY,
            flexible_time_window={
                "mode": "FLEXIBLE",
                "maximum_window_in_minutes": _WINDOW_MINUTES,
            },
            target={"arn": function.alias_arn, "role_arn": keeper.arn, "input": event},
            opts=pulumi.ResourceOptions(parent=parent, depends_on=ready),
        )
