"""Physical names of the resources that need one.

Most resources have names that Pulumi generates. Resources that are looked up by their name (log
groups, repositories, discovery services, the parameter) have names from this module. A name that
AWS accepts is used unchanged. Any other name is shortened and ends with a hash, so that different
names stay different.

The limits are in characters. Their sources are the API references (read 2026-11-22).
"""

import hashlib
import re
from typing import Final

TARGET_GROUP: Final = 32
"""Elastic Load Balancing API 2015-12-01, CreateTargetGroup, Name."""

LOAD_BALANCER: Final = 32
"""Elastic Load Balancing API 2015-12-01, CreateLoadBalancer, Name."""

CLOUD_MAP_SERVICE: Final = 63
"""A DNS label (RFC 1035 section 2.3.4). CreateService of Cloud Map accepts 127."""

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
"""The suffix that Pulumi adds to automatic names: ``-`` and seven hexadecimal digits."""

_HASH_LENGTH = 7
_SHORTEST_LIMIT = _HASH_LENGTH + 2  # one character of the name, a hyphen, the hash


def fit(name: str, limit: int) -> str:
    """Converts a name to one that AWS accepts.

    A valid name is returned unchanged. A name is invalid if it is too long, begins or ends with a
    hyphen, or has two hyphens in a row. Target groups and load balancers refuse hyphens at the
    ends; ECR refuses both. An invalid name is shortened and ends with a hyphen and the first seven
    hexadecimal digits of its SHA-256. Two long names with the same beginning therefore stay
    different, and the result for a name is always the same.

    Args:
        name: The name, in characters that the resource allows.
        limit: The maximum number of characters; one of the constants of this module.

    Returns:
        A name of at most ``limit`` characters.

    Raises:
        ValueError: If the limit is too short for a hash, or if the name has only hyphens.
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
    # A part of a repository name must not end with a separator.
    head = tidy[: limit - _HASH_LENGTH - 1].rstrip("-._/")
    return f"{head}-{digest}" if head else digest


def short_hash(text: str) -> str:
    """The first seven hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]


def autoname_prefix(name: str, limit: int) -> str:
    """A logical name that is within the limit after Pulumi has added its suffix.

    Pulumi does not shorten names. If the logical name has more than ``limit - 8`` characters, the
    creation of a resource with a name limit fails, such as a target group.

    Args:
        name: The logical name.
        limit: The maximum number of characters of the physical name.

    Returns:
        A name of at most ``limit - 8`` characters, made by :func:`fit`.

    Raises:
        ValueError: See :func:`fit`.
    """
    return fit(name, limit - AUTONAME_SUFFIX)
