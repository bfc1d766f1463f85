"""The REST APIs of a fleet."""

from dataclasses import dataclass

import pulumi

from components.targets.aws_lambda.api import Api
from components.targets.aws_lambda.function import Function


@dataclass(frozen=True, kw_only=True)
class Apis:
    """The APIs of a fleet, and the function that checks tokens.

    Attributes:
        gateway: The API that external callers use.
        internal: The API through which agents call servers; it may be the same.
        tokens: The function that checks tokens, if the gateway does.
        logged: The resources that must exist before an API can write logs.
    """

    gateway: Api
    internal: Api
    tokens: Function | None
    logged: list[pulumi.Resource]
