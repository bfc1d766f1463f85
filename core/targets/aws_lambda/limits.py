"""Limits of Lambda functions, of state machines and of API Gateway.

Sources: AWS Lambda Developer Guide, "Lambda quotas" and "Configure Lambda function memory"; Lambda
API reference, CreateFunction; Amazon API Gateway Developer Guide, "Quotas" and "Response transfer
mode" (all read 2026-11-22).
"""

from collections.abc import Mapping
from math import ceil
from typing import Final

from core.aws import names
from core.config.model import Agent, Fleet
from core.units import CPU_UNITS_A_VCPU, MIB_A_GIB, MILLISECONDS_A_SECOND

MIN_MEMORY_MIB: Final = 128
MAX_MEMORY_MIB: Final = 10_240

MAX_IMAGE_MIB: Final = 10 * MIB_A_GIB
"""The maximum uncompressed size of an image, with all layers."""

MAX_TIMEOUT_SECONDS: Final = 900
"""The maximum timeout of a function, and of a REST API integration that streams."""

MAX_EXECUTION_SECONDS: Final = 365 * 24 * 3600
"""The maximum duration of an execution (AWS Step Functions Developer Guide, "Quotas")."""

MAX_REQUEST_MIB: Final = 4
"""The largest request. An invocation accepts 6 MB; base64 and the event take a third of it."""

MAX_RESPONSE_MIB: Final = 200
"""The largest streamed response. After 6 MB, the rate is 2 MB per second."""

MAX_ENVIRONMENT_BYTES: Final = 4096
"""The maximum size of the names and values of all variables."""

MIN_VARIABLE_NAME: Final = 2
"""The minimum length of a variable's name (AWS Lambda API reference, Environment, Variables)."""

MAX_MOUNT_CHARACTERS: Final = 160
"""The maximum length of a mount path (AWS Lambda API reference, FileSystemConfig)."""

MAX_API_RESOURCES: Final = 300
"""Resources (parts of paths) of one REST API: the default quota, which an account can increase."""

MAX_INTEGRATION_SECONDS: Final = 29
"""The maximum timeout of an integration that does not stream, with the default quota."""

MAX_EXPRESS_SECONDS: Final = MAX_INTEGRATION_SECONDS - 1
"""The longest execution that a caller waits for. It is shorter than the timeout of the integration,
so that the caller gets the error of the execution instead of status 504."""

MAX_CHAT_IDLE_SECONDS: Final = 600
"""The idle connection timeout of a WebSocket API (API Gateway quotas)."""

CHAT_EVENT_SECONDS: Final = 60
"""The maximum age of a chat message that waits for its function. Older messages are dropped."""

BINARY_MEDIA_TYPES: Final = (
    "application/gzip",
    "application/octet-stream",
    "application/pdf",
    "application/zip",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "multipart/form-data",
    "video/mp4",
    "video/webm",
)
"""The types of request bodies that API Gateway passes to an agent unchanged. It decodes all other
types as UTF-8 text (API Gateway Developer Guide, "Binary media types for REST APIs"). `*/*` is not
possible: it includes JSON, and templates and models cannot read a binary body."""

RESERVED_VARIABLES: Final = frozenset(
    {
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
    }
)
"""Variables that Lambda sets. It refuses a function that sets them (AWS Lambda Developer Guide,
"Defined runtime environment variables")."""

ADAPTER_PREFIX: Final = "AWS_LWA_"
"""The prefix of the variables of Lambda Web Adapter, which the platform sets."""

MIB_A_VCPU: Final = 1769
"""The memory at which a function has one vCPU. CPU is proportional to memory."""

_MARK_LENGTH = 7
_LAST_WORDS_SECONDS = 5  # for the response of a workload after its own timeout
_INIT_SECONDS = 10  # the maximum time of a cold start, which callers wait for

TOKENS: Final = "gateway_tokens"
"""The name of the function that checks tokens. No workload has it: theirs have no underscore."""

TOKENS_TIMEOUT_SECONDS: Final = 10
"""The timeout for the check of a token, including the first request for the issuer's keys."""

MAX_CHAT_SECONDS: Final = MAX_CHAT_IDLE_SECONDS - CHAT_EVENT_SECONDS - _LAST_WORDS_SECONDS
"""The longest request of an agent with chat. Its answer arrives before API Gateway closes the idle
connection."""


def memory_mib(cpu: int, memory: int) -> int:
    """The memory of a function with at least this CPU and memory.

    Args:
        cpu: CPU units; 1024 are one vCPU.
        memory: Memory in MiB.
    """
    return max(memory, ceil(cpu * MIB_A_VCPU / CPU_UNITS_A_VCPU), MIN_MEMORY_MIB)


def timeout_seconds(max_request_seconds: int) -> int:
    """The timeout of a function: its longest request, and the time for a response after it."""
    return min(max_request_seconds + _LAST_WORDS_SECONDS, MAX_TIMEOUT_SECONDS)


def tools_timeout_seconds(fleet: Fleet, agent: Agent) -> int:
    """The timeout for a call of a tool: the longest timeout of the agent's servers."""
    longest = max((fleet.servers[server].max_request_seconds for server in agent.uses), default=1)
    return timeout_seconds(longest)


def integration_timeout_milliseconds(max_request_seconds: int) -> int:
    """The timeout of the integration: the timeout of the function, and its cold start."""
    waits = timeout_seconds(max_request_seconds) + _INIT_SECONDS
    return min(waits, MAX_TIMEOUT_SECONDS) * MILLISECONDS_A_SECOND


def function_name(label: str, workload: str, network_mark: str | None) -> str:
    """The name of a workload's function. In the VPC, it ends with the mark of the network.

    Names of workloads have no underscore, so the mark cannot be part of one.

    Args:
        label: The stack's label.
        workload: The workload's name.
        network_mark: Seven characters that identify the network; None outside of the VPC.
    """
    wanted = f"{label}-{workload}"
    if network_mark is None:
        return names.fit(wanted, names.LAMBDA_FUNCTION)
    return f"{names.fit(wanted, names.LAMBDA_FUNCTION - _MARK_LENGTH - 1)}_{network_mark}"


def function_name_patterns(label: str, workload: str, *, inside: bool) -> list[str]:
    """The names of a workload's function during the lifetime of its role, for policies.

    A function that moves to the VPC, or to another one, keeps its role. Its previous name is in use
    until the new function is. A function outside of the VPC has a different role.
    """
    marks = (None, "?" * _MARK_LENGTH) if inside else (None,)
    return [function_name(label, workload, mark) for mark in marks]


def environment_bytes(variables: Mapping[str, str]) -> int:
    """The size of variables, as the quota of a function's environment counts it."""
    return sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
