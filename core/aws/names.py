"""Physical names, where AWS wants one from us.

Most resources keep Pulumi's automatic names. The few that are found by their name (log groups,
repositories, discovery services, the parameter) get one from here: the wanted name as it is when
AWS would take it, and otherwise a shortened one whose hash keeps different names different.

The limits are in characters. Their sources are the API references, read 2026-11-22.
"""

import hashlib
import re
from typing import Final

TARGET_GROUP: Final = 32
"""Elastic Load Balancing API 2015-12-01, CreateTargetGroup, Name."""

LOAD_BALANCER: Final = 32
"""Elastic Load Balancing API 2015-12-01, CreateLoadBalancer, Name."""

CLOUD_MAP_SERVICE: Final = 63
"""A DNS label, RFC 1035 section 2.3.4; Cloud Map's CreateService itself would take 127."""

ECS_NAME: Final = 255
"""Amazon ECS API: CreateCluster clusterName, CreateService serviceName, task definition family."""

LAMBDA_FUNCTION: Final = 64
"""AWS Lambda API, CreateFunction, FunctionName."""

STATE_MACHINE: Final = 80
"""AWS Step Functions API, CreateStateMachine, name."""

DASHBOARD: Final = 255
"""CloudWatch API, PutDashboard, DashboardName."""

ALARM: Final = 255
"""CloudWatch API, PutMetricAlarm, AlarmName."""

AUTONAME_SUFFIX: Final = 8
"""What Pulumi's automatic naming adds: ``-`` and seven hexadecimal digits."""

_HASH_LENGTH = 7
_SHORTEST_LIMIT = _HASH_LENGTH + 2  # one character of the name, a hyphen, the hash


def fit(name: str, limit: int) -> str:
    """Make a name that AWS accepts out of the wanted one.

    A name that fits comes back as it is. One that is too long, that begins or ends with a hyphen,
    or that has two hyphens in a row (target groups and load balancers forbid the first, the ECR
    API's pattern both) comes back shortened, with a hyphen and seven hexadecimal digits
    of the SHA-256 of the wanted name at its end. Two wanted names that begin alike therefore stay
    different, and one wanted name gives the same result everywhere. No character is added but
    hyphens and the digits ``0-9a-f``.

    Args:
        name: the wanted name, in characters that the resource allows.
        limit: the most characters that the resource allows; one of this module's constants.

    Returns:
        A name of at most ``limit`` characters.

    Raises:
        ValueError: when the limit leaves no room for a hash, or the name has nothing but hyphens.
    """
    if limit < _SHORTEST_LIMIT:
        raise ValueError(
            f"a limit of {limit} characters leaves no room for a name and its hash: "
            f"at least {_SHORTEST_LIMIT} are needed"
        )
    tidy = re.sub(r"-{2,}", "-", name).strip("-")
    if not tidy:
        raise ValueError(f"the name {name!r} has no character other than hyphens")
    if tidy == name and len(name) <= limit:
        return name
    digest = short_hash(name)
    # A repository's part may not end with a separator, so the cut must not leave one there.
    head = tidy[: limit - _HASH_LENGTH - 1].rstrip("-._/")
    return f"{head}-{digest}" if head else digest


def short_hash(text: str) -> str:
    """Tell texts apart where a name cannot: the first seven hexadecimal digits of the SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]


def autoname_prefix(name: str, limit: int) -> str:
    """Make a logical name that is still within the limit once Pulumi has added its suffix.

    Pulumi refuses to shorten: a logical name of more than ``limit - 8`` characters fails the
    creation of a resource with a physical name limit, such as a target group.

    Args:
        name: the wanted logical name.
        limit: the most characters that the physical name may have.

    Returns:
        A name of at most ``limit - 8`` characters, made by :func:`fit`.

    Raises:
        ValueError: as :func:`fit` does.
    """
    return fit(name, limit - AUTONAME_SUFFIX)
