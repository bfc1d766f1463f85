"""Checks of a fleet against the limits of AWS Lambda and of its REST APIs."""

import json
import re
from collections.abc import Iterator, Mapping

from core import mounts
from core.aws import bedrock_models
from core.config.enums import Chat, Exposure, Nat, Sessions
from core.config.errors import Fault, rm_command, set_command, show
from core.config.model import Agent, Fleet, Server
from core.environment import (
    REQUEST_STATE_KEY,
    SECRET_REFERENCES,
    environment,
    variable,
)
from core.graph import Graph, graph
from core.images import ecr_repository
from core.network.cidrs import is_private
from core.resolved import authentication
from core.targets.aws_lambda import addresses, limits, network, paths, rest_api
from core.timeouts import chain

_ELSEWHERE = "the ecs and eks targets"
_FITTING_CPU = 4096
# Amazon Bedrock API reference, ToolResultBlock, status.
_SUPPORTS_TOOL_ERRORS = re.compile(r"(^|\.)(anthropic\.|amazon\.nova-)")


def check(fleet: Fleet, region: str) -> Iterator[Fault]:
    """All faults of the fleet on Lambda in a region."""
    yield from mounts.check(fleet, used=paths.used, files_path=paths.files_path)
    calls = graph(fleet)
    for path, load in fleet.paths():
        if isinstance(load, Agent) and fleet.is_state_machine(load):
            yield from _state_machine(path, load, region)
            yield from _environment(path, _expected_servers(fleet, region, load))
        else:
            yield from _size(path, load)
            yield from _time(path, load)
            yield from _chat_time(path, load)
            yield from _payloads(path, load)
            yield from _files(path, load)
            yield from _variables(fleet, calls, region, path, load)
    for name, server in fleet.servers.items():
        yield from _state(("servers", name), server)
    for name, agent in fleet.agents.items():
        yield from _sidecars(("agents", name), agent)
    yield from _images(fleet, region)
    yield from _routes(fleet)
    yield from _callers(fleet)
    yield from _reach(fleet, calls)
    yield from _api_resources(fleet)


def _state_machine(path: tuple[str, str], load: Agent, region: str) -> Iterator[Fault]:
    proposed = bedrock_models.proposals(bedrock_models.EXAMPLE, region)
    fix = set_command((*path, "models", 0), proposed[0]) if proposed else None
    if not load.models:
        yield Fault(
            path=(*path, "models"),
            got="no value",
            allowed="at least one model: an agent with runs_as: state-machine uses the first",
            fix=fix,
        )
    if load.models and not _SUPPORTS_TOOL_ERRORS.search(load.models[0]):
        yield Fault(
            path=(*path, "models", 0),
            got=show(load.models[0]),
            allowed=(
                "an Anthropic or Amazon Nova model with runs_as: state-machine: only these accept "
                "the status of a failed tool. runs_as: container supports all models"
            ),
            fix=fix,
        )
    if load.chat is Chat.WEBSOCKET:
        yield Fault(
            path=(*path, "chat"),
            got=load.chat.value,
            allowed=f"{Chat.NONE.value} with runs_as: state-machine, or runs_as: container",
            fix=rm_command((*path, "chat")),
        )
    most = limits.MAX_EXECUTION_SECONDS
    if load.max_request_seconds > most:
        yield Fault(
            path=(*path, "max_request_seconds"),
            got=show(load.max_request_seconds),
            allowed=f"at most {most} (one year), the limit of an execution in Step Functions",
            fix=set_command((*path, "max_request_seconds"), most),
        )
    for field in ("storage", "secrets", "environment"):
        declared = getattr(load, field)
        if declared and load.image is None:
            yield Fault(
                path=(*path, field),
                got="a value",
                allowed="no value with runs_as: state-machine, which has no container",
                fix=rm_command((*path, field)),
            )
    for field in ("max_request_mib", "max_response_mib"):
        declared = getattr(load, field)
        if declared is not None:
            yield Fault(
                path=(*path, field),
                got=show(declared),
                allowed="no value with runs_as: state-machine: Step Functions limits payloads to "
                "256 KiB. For larger payloads, use runs_as: container",
                fix=rm_command((*path, field)),
            )


def _size(path: tuple[str, str], load: Server | Agent) -> Iterator[Fault]:
    most = limits.MAX_MEMORY_MIB
    needs = limits.memory_mib(load.cpu, load.memory)
    if needs > most:
        fitting = {"memory": most} if load.memory > most else {}
        if limits.memory_mib(load.cpu, 0) > most:
            fitting["cpu"] = _FITTING_CPU
        yield Fault(
            path=(*path, next(iter(fitting))),
            got=f"cpu {load.cpu} with memory {load.memory}, which needs a function with {needs} "
            "MiB",
            allowed=f"at most {most} MiB, with which a function has almost 6 vCPU; {_ELSEWHERE} "
            "support more",
            fix=" && ".join(set_command((*path, key), value) for key, value in fitting.items()),
        )
    if load.image and (load.image.size_mib or 0) > limits.MAX_IMAGE_MIB:
        yield Fault(
            path=(*path, "image", "size_mib"),
            got=show(load.image.size_mib),
            allowed=f"at most {limits.MAX_IMAGE_MIB}; {_ELSEWHERE} support larger images",
        )


def _time(path: tuple[str, str], load: Server | Agent) -> Iterator[Fault]:
    most = limits.MAX_TIMEOUT_SECONDS
    if load.max_request_seconds > most:
        yield Fault(
            path=(*path, "max_request_seconds"),
            got=show(load.max_request_seconds),
            allowed=f"at most {most}, the maximum timeout of a function; {_ELSEWHERE} support "
            "longer requests",
            fix=set_command((*path, "max_request_seconds"), most),
        )


def _chat_time(path: tuple[str, str], load: Server | Agent) -> Iterator[Fault]:
    most = limits.MAX_CHAT_SECONDS
    if not (isinstance(load, Agent) and load.chat is Chat.WEBSOCKET and load.expose):
        return
    if most < load.max_request_seconds <= limits.MAX_TIMEOUT_SECONDS:
        yield Fault(
            path=(*path, "max_request_seconds"),
            got=f"{load.max_request_seconds}, with chat: {load.chat.value}",
            allowed=(
                f"at most {most}: API Gateway closes a WebSocket connection after "
                f"{limits.MAX_CHAT_IDLE_SECONDS} s without data; {_ELSEWHERE} support longer "
                "requests"
            ),
            fix=set_command((*path, "max_request_seconds"), most),
        )


def _payloads(path: tuple[str, str], load: Server | Agent) -> Iterator[Fault]:
    for field, most in (
        ("max_request_mib", limits.MAX_REQUEST_MIB),
        ("max_response_mib", limits.MAX_RESPONSE_MIB),
    ):
        declared = getattr(load, field)
        if declared is not None and declared > most:
            yield Fault(
                path=(*path, field),
                got=show(declared),
                allowed=f"at most {most}, the payload limit of an invocation; {_ELSEWHERE} "
                "support more",
                fix=set_command((*path, field), most),
            )


def _files(path: tuple[str, str], load: Server | Agent) -> Iterator[Fault]:
    if load.writable_root:
        yield Fault(
            path=(*path, "writable_root"),
            got="true",
            allowed=(
                "false: a function can write only to /tmp and to its storage; "
                f"{_ELSEWHERE} support a writable root file system"
            ),
            fix=rm_command((*path, "writable_root")),
        )
    if load.exec:
        yield Fault(
            path=(*path, "exec"),
            got="true",
            allowed=f"false: Lambda has no shell access to functions; {_ELSEWHERE} support it",
            fix=rm_command((*path, "exec")),
        )
    most = limits.MAX_MOUNT_CHARACTERS
    if load.storage and len(paths.files_path(load.storage)) > most:
        yield Fault(
            path=(*path, "storage", "mount"),
            got=f"a path of {len(load.storage.mount)} characters",
            allowed=f"a path that has at most {most} characters below /mnt; {_ELSEWHERE} support "
            "longer paths",
            fix=set_command((*path, "storage", "mount"), "/data"),
        )


def _variables(
    fleet: Fleet, calls: Graph, region: str, path: tuple[str, str], load: Server | Agent
) -> Iterator[Fault]:
    for name in load.environment:
        if len(name) < limits.MIN_VARIABLE_NAME:
            yield Fault(
                path=(*path, "environment", name),
                got=show(name),
                allowed=f"names of at least {limits.MIN_VARIABLE_NAME} characters; {_ELSEWHERE} "
                "support shorter names",
                fix=rm_command((*path, "environment", name)),
            )
        if name in limits.RESERVED_VARIABLES or name.startswith(limits.ADAPTER_PREFIX):
            yield Fault(
                path=(*path, "environment", name),
                got="a variable that Lambda or the Lambda Web Adapter reserves",
                allowed=f"variables that are not reserved; {_ELSEWHERE} support this variable",
                fix=rm_command((*path, "environment", name)),
            )
    yield from _environment(path, expected_variables(fleet, calls, region, path[1], load))


def _environment(path: tuple[str, str], variables: Mapping[str, str]) -> Iterator[Fault]:
    takes = limits.environment_bytes(variables)
    most = limits.MAX_ENVIRONMENT_BYTES
    if takes > most:
        yield Fault(
            path=path,
            got=f"environment variables of {takes} bytes, including those of the platform",
            allowed=(
                f"at most {most} bytes. Use fewer uses, secrets or variables, or shorter "
                f"instructions; {_ELSEWHERE} support more"
            ),
        )


# The maximum length of a secret's ARN without the secret's name in the configuration.
_AROUND_SECRET_NAME = 120

# AWS Secrets Manager API reference, CreateSecret, VersionId: a UUID.
_VERSION_ID = "0" * 36

# The variables of the Lambda Web Adapter, with the longest name of a workload, and the address of
# an agent's chat API.
_FURTHER_BYTES = 300


def expected_variables(
    fleet: Fleet, calls: Graph, region: str, workload: str, load: Server | Agent
) -> dict[str, str]:
    """The variables of a function, with placeholders of full length for values that AWS chooses."""
    given = {secret: declared.arn for secret, declared in fleet.secrets.items()}
    references = {variable(name): _reference(name, given.get(name)) for name in load.secrets}
    if isinstance(load, Server):
        references[REQUEST_STATE_KEY] = _reference(workload)
    host = fleet.gateway.domain or addresses.expected_host(region)
    seconds = min(load.max_request_seconds, limits.MAX_TIMEOUT_SECONDS)
    contract = environment(
        load,
        timeouts=chain(seconds),
        auth=authentication(fleet, calls, workload),
        files_path=paths.files_path(load.storage) if load.storage else None,
    )
    return {
        **contract,
        **_expected_servers(fleet, region, load),
        "MCP_ALLOWED_HOSTS": f"{host},{addresses.expected_host(region)}",
        "MCP_ALLOWED_ORIGINS": f"https://{host}",
        SECRET_REFERENCES: json.dumps(references),
        "FURTHER": "0" * _FURTHER_BYTES,
    }


def _reference(name: str, arn: str | None = None) -> dict[str, str]:
    return {
        "SecretId": arn or "0" * (_AROUND_SECRET_NAME + len(name)),
        "VersionId": _VERSION_ID,
    }


def _expected_servers(fleet: Fleet, region: str, load: Server | Agent) -> dict[str, str]:
    url = addresses.expected_url(fleet, region)
    # A configuration with faults may use a server that is not declared.
    used = {
        name: addresses.server_address(url, name) if name in fleet.servers else ""
        for name in _uses(load)
    }
    return addresses.servers_environment(load, used)


def _uses(load: Server | Agent) -> tuple[str, ...]:
    return load.uses if isinstance(load, Agent) else ()


def _state(path: tuple[str, str], server: Server) -> Iterator[Fault]:
    if server.sessions is Sessions.LEGACY_STATEFUL:
        yield Fault(
            path=(*path, "sessions"),
            got=server.sessions.value,
            allowed=(
                f"{Sessions.STATELESS.value}: Lambda may run the requests of a client in different "
                f"execution environments; {_ELSEWHERE} support sessions"
            ),
            fix=rm_command((*path, "sessions")),
        )
    if server.subscriptions:
        yield Fault(
            path=(*path, "subscriptions"),
            got="true",
            allowed=(
                "false: Lambda charges for an open stream per second and closes it after "
                f"{limits.MAX_TIMEOUT_SECONDS} s; {_ELSEWHERE} support subscriptions"
            ),
            fix=rm_command((*path, "subscriptions")),
        )


def _sidecars(path: tuple[str, str], agent: Agent) -> Iterator[Fault]:
    if agent.sidecars:
        yield Fault(
            path=(*path, "sidecars"),
            got=show(list(agent.sidecars)),
            allowed="no sidecars on lambda: a function has one container. The ecs target supports "
            "sidecars",
            fix=rm_command((*path, "sidecars")),
        )


def _images(fleet: Fleet, region: str) -> Iterator[Fault]:
    for path, image in fleet.images():
        repository = ecr_repository(image.uri or "")
        if image.uri and not (repository and repository.region == region):
            yield Fault(
                path=(*path, "image", "uri"),
                got=show(image.uri),
                allowed=f"an image in a private ECR repository in {region or 'the region'}, as "
                f"Lambda requires; {_ELSEWHERE} support other registries",
            )


def _routes(fleet: Fleet) -> Iterator[Fault]:
    """An API without methods cannot be deployed (API Gateway API reference, CreateDeployment)."""
    hidden = [path for path, load in fleet.paths() if not load.expose]
    if not hidden or rest_api.gateway(fleet).routes:
        return
    yield Fault(
        path=(*hidden[0], "expose"),
        got="false, as for all other workloads",
        allowed=(
            "true for at least one workload: a REST API without routes cannot be deployed; "
            f"{_ELSEWHERE} support fleets without exposed workloads"
        ),
        fix=set_command((*hidden[0], "expose"), value=True),
    )


def _callers(fleet: Fleet) -> Iterator[Fault]:
    gateway = fleet.gateway
    if gateway.auth and gateway.exposure is Exposure.PRIVATE and not gateway.allow_cidrs:
        yield Fault(
            path=("gateway", "allow_cidrs"),
            got="no value",
            allowed=(
                "the public CIDR blocks of the clients: a REST API is not in the VPC, so with "
                "exposure: private and auth, only allow_cidrs restricts the clients; "
                f"{_ELSEWHERE} have gateways in the VPC"
            ),
            fix=set_command(("gateway", "allow_cidrs", 0), "203.0.113.0/24"),
        )
    for name, agent in fleet.agents.items():
        if gateway.allow_cidrs and not gateway.auth and agent.chat is Chat.WEBSOCKET:
            yield Fault(
                path=("agents", name, "chat"),
                got=f"{agent.chat.value}, with gateway.allow_cidrs and without auth",
                allowed=(
                    f"{Chat.NONE.value}, or gateway.auth: a WebSocket API has no resource policy, "
                    "so only the authorizer can check the addresses of clients"
                ),
                fix=rm_command(("agents", name, "chat")),
            )
    for position, block in enumerate(gateway.allow_cidrs):
        if is_private(block):
            here = ("gateway", "allow_cidrs", position)
            yield Fault(
                path=here,
                got=block,
                allowed="CIDR blocks of public addresses: a REST API does not see private "
                f"addresses; {_ELSEWHERE} support private blocks",
                fix=rm_command(here),
            )


def _reach(fleet: Fleet, calls: Graph) -> Iterator[Fault]:
    """Refuse functions in a network without NAT that need an address on the internet."""
    if fleet.network.vpc or fleet.network.nat is not Nat.NONE:
        return
    loads = dict(fleet.workloads())
    for name in network.egress(fleet).inside:
        load = loads[name]
        section = "agents" if isinstance(load, Agent) else "servers"
        if _uses(load):
            yield Fault(
                path=(section, name, "uses"),
                got=f"{', '.join(_uses(load))}, from a network without NAT gateways",
                allowed="network.nat: single or per-zone, because functions in the network reach "
                "servers through the internet",
                fix=set_command(("network", "nat"), Nat.SINGLE.value),
            )
        elif isinstance(load, Agent) and load.chat is Chat.WEBSOCKET:
            yield Fault(
                path=(section, name, "chat"),
                got=f"{load.chat.value}, from a network without NAT gateways",
                allowed="network.nat: single or per-zone, because functions in the network answer "
                "a chat through the internet",
                fix=set_command(("network", "nat"), Nat.SINGLE.value),
            )
        elif fleet.gateway.auth and name not in calls.callers:
            yield Fault(
                path=("gateway", "auth"),
                got=f"a value, but {name} validates tokens in a network without NAT gateways",
                allowed="network.nat: single or per-zone, because functions in the network fetch "
                "the issuer's keys through the internet",
                fix=set_command(("network", "nat"), Nat.SINGLE.value),
            )


def _api_resources(fleet: Fleet) -> Iterator[Fault]:
    most = limits.MAX_API_RESOURCES
    for api in (rest_api.gateway(fleet), rest_api.internal(fleet)):
        count = len(rest_api.resources(api.routes)) if api else 0
        if count > most:
            yield Fault(
                path=("servers",),
                got=f"{count} resources in one REST API",
                allowed=(
                    f"at most {most}, the quota of resources per REST API; a workload needs two. "
                    "Split the fleet into several stacks"
                ),
            )
