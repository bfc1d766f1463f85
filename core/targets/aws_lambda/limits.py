"""What a Lambda function can be, and what the REST API before it can.

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
"""The size of an image, uncompressed, all layers together."""

MAX_TIMEOUT_SECONDS: Final = 900
"""The longest run of a function, and the longest wait of a REST API that streams."""

MAX_EXECUTION_SECONDS: Final = 365 * 24 * 3600
"""The longest run of a state machine (AWS Step Functions Developer Guide, "Quotas")."""

MAX_REQUEST_MIB: Final = 4
"""The largest request: an invocation takes 6 MB, a third of it for base64 and what is around."""

MAX_RESPONSE_MIB: Final = 200
"""The largest streamed answer; from 6 MB on it goes at 2 MB a second."""

MAX_ENVIRONMENT_BYTES: Final = 4096
"""Names and values of all variables together."""

MIN_VARIABLE_NAME: Final = 2
"""Characters of a variable's name (AWS Lambda API reference, Environment, Variables)."""

MAX_MOUNT_CHARACTERS: Final = 160
"""FileSystemConfig, LocalMountPath."""

MAX_API_RESOURCES: Final = 300
"""Resources (parts of paths) of one REST API; the quota can be raised, this program cannot know."""

MAX_INTEGRATION_SECONDS: Final = 29
"""What an integration that does not stream may take unless the account's quota was raised."""

MAX_EXPRESS_SECONDS: Final = MAX_INTEGRATION_SECONDS - 1
"""The longest execution that a caller waits for: less than the integration, which would answer 504
at the moment at which the execution says why it ends."""

MAX_CHAT_IDLE_SECONDS: Final = 600
"""How long a connection of a WebSocket API may be silent (API Gateway quotas, idle connection
timeout)."""

CHAT_EVENT_SECONDS: Final = 60
"""How long a chat message waits for its function at most; then it is dropped."""

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
"""The types of request bodies that API Gateway hands to an agent as they are; it takes all others
for text in UTF-8 (API Gateway Developer Guide, "Binary media types for REST APIs"). Not `*/*`: that
would also hold for JSON, of which templates and models could read nothing then."""

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
"""Variables that Lambda sets; it refuses a function that brings its own (Developer Guide, "Defined
runtime environment variables")."""

ADAPTER_PREFIX: Final = "AWS_LWA_"
"""What the variables of Lambda Web Adapter begin with; the platform sets them."""

MIB_A_VCPU: Final = 1769
"""The memory at which a function has one vCPU; it has more or less in proportion."""

_MARK_LENGTH = 7
_LAST_WORDS_SECONDS = 5  # what a workload may need to say that its time is up
_INIT_SECONDS = 10  # the longest start of an environment, which the caller waits for too

TOKENS: Final = "gateway_tokens"
"""The name of the function that checks tokens. No workload has it: theirs have no underscore."""

TOKENS_TIMEOUT_SECONDS: Final = 10
"""The timeout for the check of a token, including the first request for the issuer's keys."""

MAX_CHAT_SECONDS: Final = MAX_CHAT_IDLE_SECONDS - CHAT_EVENT_SECONDS - _LAST_WORDS_SECONDS
"""The longest request of an agent that people chat with: its answer comes before the connection,
silent meanwhile, is closed."""


def memory_mib(cpu: int, memory: int) -> int:
    """The memory that gives a function what a workload asks for: Lambda sells CPU by the memory.

    Args:
        cpu: CPU units, 1024 a vCPU.
        memory: MiB.
    """
    return max(memory, ceil(cpu * MIB_A_VCPU / CPU_UNITS_A_VCPU), MIN_MEMORY_MIB)


def timeout_seconds(max_request_seconds: int) -> int:
    """How long a function may run: its longest request, and a little to say that time is up."""
    return min(max_request_seconds + _LAST_WORDS_SECONDS, MAX_TIMEOUT_SECONDS)


def tools_timeout_seconds(fleet: Fleet, agent: Agent) -> int:
    """The timeout for a call of a tool: the longest timeout of the agent's servers."""
    longest = max((fleet.servers[server].max_request_seconds for server in agent.uses), default=1)
    return timeout_seconds(longest)


def integration_timeout_milliseconds(max_request_seconds: int) -> int:
    """How long the REST API waits for a function: its time-out, and the start before it."""
    waits = timeout_seconds(max_request_seconds) + _INIT_SECONDS
    return min(waits, MAX_TIMEOUT_SECONDS) * MILLISECONDS_A_SECOND


def function_name(label: str, workload: str, network_mark: str | None) -> str:
    """The name of a workload's function; in the network, it ends with the network's mark.

    No workload's name has an underscore.

    Args:
        label: The stack's label.
        workload: The workload's name.
        network_mark: Seven characters that tell networks apart; None for a function in none.
    """
    wanted = f"{label}-{workload}"
    if network_mark is None:
        return names.fit(wanted, names.LAMBDA_FUNCTION)
    return f"{names.fit(wanted, names.LAMBDA_FUNCTION - _MARK_LENGTH - 1)}_{network_mark}"


def function_name_patterns(label: str, workload: str, *, inside: bool) -> list[str]:
    """The names that a workload's function has while its role is in use, for policies.

    A function that joins the network keeps the role, and its old name is in use until the new one
    is; so is that of another network. One outside has a role of its own.
    """
    marks = (None, "?" * _MARK_LENGTH) if inside else (None,)
    return [function_name(label, workload, mark) for mark in marks]


def environment_bytes(variables: Mapping[str, str]) -> int:
    """How much of the quota of a function's environment these variables take."""
    return sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
