"""The REST APIs of a fleet, as its workloads need them."""

from dataclasses import dataclass

import pulumi

from components.targets.aws_lambda.api import Api
from components.targets.aws_lambda.function import Function


@dataclass(frozen=True, kw_only=True)
class Apis:
    """The APIs of a fleet, and what checks tokens before them.

    Attributes:
        gateway: The API that callers use.
        internal: The API that agents use to reach servers; it may be the same.
        tokens: The function that checks tokens, where the gateway does.
        logged: What must be there before an API can log.
    """

    gateway: Api
    internal: Api
    tokens: Function | None
    logged: list[pulumi.Resource]
