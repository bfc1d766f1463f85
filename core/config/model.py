"""The models of the configuration of a stack.

Each field has a description and an example. Error messages and `docs/configuration.md` use them. A
test compares them with the declaration in `Pulumi.yaml`. `core.config.parse` converts the raw
configuration to a `Fleet`. `core.config.enums` has the enums. `core.config.rules` has
the rules that span several fields.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from core.config import patterns
from core.config.enums import (
    AccessPolicy,
    AddOn,
    Chat,
    Exposure,
    GitOpsEngine,
    Mesh,
    Nat,
    Nodes,
    RunsAs,
    SecretSource,
    Sessions,
    Target,
)
from core.config.patterns import (
    IdentityCenterGroup,
    InstanceType,
    ModelId,
    Name,
    SecretName,
    SubnetId,
    Variable,
)

SECRET_PREFIX = "secret-"
"""The prefix of the encrypted keys that hold the values of secrets."""


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class Image(_Model):
    """A container image: built by the stack, or an existing one."""

    context: str | None = Field(default=None, min_length=1, examples=["workloads/clock"])
    """The folder to build, relative to the project's root. The image is pushed to a repository that
    the stack creates."""

    dockerfile: str = Field(default="Dockerfile", min_length=1, examples=["Dockerfile"])
    """The Dockerfile, relative to that folder."""

    additional_contexts: dict[Name, str] = Field(
        default={}, examples=[{"common": "workloads/common"}]
    )
    """Additional build contexts, by name: `COPY --from=common`."""

    uri: str | None = Field(
        default=None,
        pattern=patterns.DIGEST_URI,
        examples=["public.ecr.aws/example/clock@sha256:" + "0" * 64],
    )
    """An existing image with its digest, instead of `context`. The digest ensures that the reviewed
    image runs."""

    size_mib: int | None = Field(default=None, ge=1, examples=[900])
    """The uncompressed size of a large image. A target that does not support this size is
    refused."""


class Replicas(_Model):
    """The number of replicas of a workload, and the metrics that scale it."""

    min: int = Field(default=1, ge=1, le=1000, examples=[1])
    """The minimum number of replicas."""

    max: int = Field(default=4, ge=1, le=1000, examples=[4])
    """The maximum number of replicas. If it equals `min`, there is no autoscaling."""

    cpu_percent: int = Field(default=60, ge=10, le=90, examples=[60])
    """The target for average CPU utilization; autoscaling adds and removes replicas to meet it."""

    requests_per_minute: int = Field(default=1000, ge=1, le=1_000_000, examples=[1000])
    """The target for requests per replica and minute, as the gateway counts them."""


class Concurrency(_Model):
    """The concurrency of a function; only Lambda uses these settings."""

    reserved: int | None = Field(default=None, ge=1, examples=[50])
    """The reserved concurrency, which is also the maximum. Without it, the function shares the
    unreserved concurrency of the account."""

    provisioned: int = Field(default=0, ge=0, examples=[2])
    """The provisioned concurrency: environments that are kept initialized and have no cold start,
    billed by the hour."""

    provisioned_max: int | None = Field(default=None, ge=1, examples=[10])
    """The maximum provisioned concurrency. If it is greater than `provisioned`, autoscaling follows
    the utilization."""

    utilization_percent: int = Field(default=70, ge=10, le=90, examples=[70])
    """The target for utilization of provisioned concurrency; autoscaling adds and removes
    environments to meet it."""

    keep_active: bool = Field(default=False, examples=[True])
    """Whether a schedule invokes the function once a week. Lambda makes a function inactive after
    weeks without calls, and the next call then fails."""


class Storage(_Model):
    """A durable file system for one workload."""

    mount: str = Field(pattern=patterns.ABSOLUTE_PATH, examples=["/data"])
    """The mount path in the workload, which gets it as `FILES_DIR`. On Lambda, the path is below
    `/mnt`, because Lambda supports no other place."""


class Workload(_Model):
    """The settings that servers and agents have in common."""

    cpu: int = Field(default=256, ge=1, examples=[256])
    """CPU units; 1024 are one vCPU."""

    memory: int = Field(default=512, ge=1, examples=[512])
    """Memory in MiB."""

    replicas: Replicas = Field(default=Replicas(), examples=[{"min": 1, "max": 4}])
    """The number of replicas and the metrics that scale it; Lambda scales automatically."""

    concurrency: Concurrency = Field(default=Concurrency(), examples=[{"provisioned": 2}])
    """On Lambda, the concurrency."""

    storage: Storage | None = Field(default=None, examples=[{"mount": "/data"}])
    """A durable, encrypted file system for this workload; none by default."""

    secrets: tuple[SecretName, ...] = Field(default=(), examples=[["notes-api-key"]], strict=False)
    """The declared secrets that the workload may read, each in a variable of its name:
    `NOTES_API_KEY`."""

    environment: dict[Variable, str] = Field(default={}, examples=[{"LOG_LEVEL": "info"}])
    """Additional environment variables, in plain text; put secret values in `secrets`."""

    max_request_seconds: int = Field(default=60, ge=1, examples=[60])
    """The longest request that the workload answers; every timeout of a request follows from it."""

    max_request_mib: int | None = Field(default=None, ge=1, examples=[4])
    """The largest request that the workload accepts, if it is large. A target that does not support
    this size is refused."""

    max_response_mib: int | None = Field(default=None, ge=1, examples=[100])
    """The largest response that the workload returns, if it is large. A target that does not
    support this size is refused."""

    private_network: bool = Field(default=False, examples=[True])
    """Whether the workload calls private addresses. On Lambda it then runs in the VPC, as it does
    with `storage`. On the other targets it always runs in the VPC."""

    health_command: tuple[str, ...] = Field(
        default=(), examples=[["python", "/app/common/healthcheck.py"]], strict=False
    )
    """A command in the image that exits with 0 while the workload is healthy. In addition, the
    gateway checks `/health`."""

    expose: bool = Field(default=True, examples=[True])
    """Whether the gateway routes to the workload. Otherwise only the agents that use it reach
    it."""

    spot: bool = Field(default=False, examples=[False])
    """Whether replicas after the first run on Spot capacity, which is cheaper and can be stopped at
    short notice."""

    team: Name | None = Field(default=None, examples=["payments"])
    """The team that owns the workload. On EKS, every team has a namespace with its name and a
    quota. Without a team, the namespace is the cluster's `namespace`."""

    writable_root: bool = Field(default=False, examples=[False])
    """Whether the workload needs to write to its root file system."""

    exec: bool = Field(default=False, examples=[False])
    """Whether operators may open a shell in the container (ECS Exec)."""


class Server(Workload):
    """An MCP server: an image that serves streamable HTTP at `/mcp`."""

    image: Image = Field(examples=[{"context": "workloads/clock"}])
    """The container image: `context` builds one, `uri` uses an existing one by its digest."""

    sessions: Sessions = Field(default=Sessions.STATELESS, examples=["stateless"], strict=False)
    """Where the server keeps the state of a client. `legacy-stateful` keeps it in memory and
    therefore allows one replica."""

    subscriptions: bool = Field(default=False, examples=[True])
    """Whether clients hold streams of `subscriptions/listen` open. A target that closes such
    streams, or charges for their idle time, is refused."""


class Agent(Workload):
    """An HTTP service that uses servers."""

    image: Image | None = Field(default=None, examples=[{"context": "workloads/assistant"}])
    """The container image, as for a server. On Lambda, an agent with `runs_as: state-machine` needs
    no image."""

    runs_as: RunsAs = Field(default=RunsAs.CONTAINER, examples=["container"], strict=False)
    """What the agent runs as on Lambda: `container`, a function from its image; or `state-machine`,
    an AWS Step Functions loop that calls its first model and runs the tools that the model
    requests. The other targets always run its image."""

    uses: tuple[Name, ...] = Field(default=(), examples=[["clock"]], strict=False)
    """The servers that the agent calls; it reaches no other servers."""

    sidecars: tuple[Name, ...] = Field(default=(), examples=[["clock"]], strict=False)
    """The servers of `uses` that run as containers in the agent's task. The agent calls them on
    localhost. The number of replicas, Spot capacity and `exec` are those of the agent. Such a
    server also runs as a service if the gateway routes to it or an agent calls it over the
    network."""

    models: tuple[ModelId, ...] = Field(
        default=(), examples=[["us.anthropic.claude-sonnet-4-5-20250929-v1:0"]], strict=False
    )
    """The Bedrock models that the agent may invoke. For a model that Bedrock does not serve on
    demand, use an inference profile: the model id with the prefix of a geography that serves the
    stack's region, such as `us.`, `eu.` or `global.`."""

    instructions: str = Field(default="", max_length=16_000, examples=["Answer in one sentence."])
    """The system prompt of the model."""

    max_turns: int = Field(default=8, ge=1, le=100, examples=[8])
    """The maximum number of model calls, or of tool calls, for one question."""

    chat: Chat = Field(default=Chat.NONE, examples=["websocket"], strict=False)
    """`websocket`: people can also chat with the agent over a WebSocket."""


class Secret(_Model):
    """A secret that workloads read."""

    source: SecretSource = Field(examples=["generated"], strict=False)
    """`config`: the encrypted key `secret-<name>`; `generated`: a random value, created once;
    `external`: set outside of Pulumi and never changed by it (workloads that read it do not start
    until it is set)."""

    arn: str | None = Field(
        default=None,
        pattern=patterns.SECRET_ARN,
        examples=["arn:aws:secretsmanager:us-east-1:123456789012:secret:notes-api-key-a1B2c3"],
    )
    """The ARN of an existing `external` secret. Without it, the stack creates an empty secret."""


class Vpc(_Model):
    """An existing VPC. Its owner manages routes, NAT and endpoints."""

    id: str = Field(pattern=patterns.VPC_ID, examples=["vpc-0a1b2c3d4e5f60718"])
    """The id of the VPC."""

    cidr: str = Field(examples=["10.1.0.0/16"])
    """Its IPv4 block. A private gateway allows callers from this block."""

    private_subnets: tuple[SubnetId, ...] = Field(
        min_length=2,
        examples=[["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"]],
        strict=False,
    )
    """Private subnets, one per zone, in at least two zones (a load balancer needs two)."""

    public_subnets: tuple[SubnetId, ...] = Field(
        default=(),
        examples=[["subnet-0a1b2c3d4e5f60720", "subnet-0a1b2c3d4e5f60721"]],
        strict=False,
    )
    """Public subnets for a public gateway, one per zone."""


class Network(_Model):
    """The network: a VPC that the stack creates, or an existing one (`vpc`)."""

    cidr: str = Field(default="10.0.0.0/16", examples=["10.0.0.0/16"])
    """The IPv4 block of the VPC that the stack creates."""

    zones: int = Field(default=2, ge=2, le=6, examples=[2])
    """The number of Availability Zones (a load balancer needs two)."""

    zone_names: tuple[str, ...] = Field(
        default=(), examples=[["us-east-1a", "us-east-1b"]], strict=False
    )
    """The Availability Zones, by name, instead of `zones`. Without it, the stack uses the first
    zones of the account that support every target, and keeps them."""

    nat: Nat = Field(default=Nat.SINGLE, examples=["single"], strict=False)
    """How private subnets reach the internet: one NAT gateway, one per zone, or none. Without NAT,
    workloads reach only AWS services, through interface endpoints."""

    vpc: Vpc | None = Field(
        default=None,
        examples=[
            {
                "id": "vpc-0a1b2c3d4e5f60718",
                "cidr": "10.1.0.0/16",
                "private_subnets": ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"],
            }
        ],
    )
    """An existing VPC, instead of the other keys."""

    @property
    def zone_count(self) -> int:
        """The number of Availability Zones of the VPC that the stack creates."""
        return len(self.zone_names) or self.zones


class Authentication(_Model):
    """Authentication of callers: they need a token of this issuer for this audience."""

    issuer: str = Field(
        pattern=patterns.HTTPS_URL, max_length=256, examples=["https://login.example.com"]
    )
    """The issuer, as in the token's `iss`."""

    jwks_uri: str = Field(
        pattern=patterns.HTTPS_URL,
        max_length=256,
        examples=["https://login.example.com/.well-known/jwks.json"],
    )
    """The URL of the issuer's keys."""

    # Elastic Load Balancing API reference, JwtValidationActionAdditionalClaim, Values.
    audience: str = Field(min_length=1, max_length=256, examples=["https://mcp.example.com"])
    """The audience, as in the token's `aud`."""

    scopes: tuple[str, ...] = Field(default=(), examples=[["mcp"]], strict=False)
    """The scopes that clients should request."""


class Throttle(_Model):
    """Throttling of the gateway; only the REST API of the Lambda target supports it."""

    requests_per_second: int = Field(default=100, ge=1, le=10_000, examples=[100])
    """The steady-state rate, in requests per second."""

    burst: int = Field(default=200, ge=1, le=5_000, examples=[200])
    """The burst of requests above that rate."""


class Firewall(_Model):
    """A web ACL for the gateway: it blocks bad addresses, known attacks and too many requests."""

    requests_per_five_minutes: int = Field(default=2000, ge=10, le=2_000_000_000, examples=[2000])
    """The maximum number of requests from one address in five minutes."""


class Gateway(_Model):
    """Ingress to the fleet: TLS, authentication, routing."""

    exposure: Exposure = Field(default=Exposure.PRIVATE, examples=["private"], strict=False)
    """`private`: reachable from the VPC; `public`: reachable from the internet, which requires
    `domain`, `zone` and `auth`."""

    # ACM API reference, RequestCertificate, DomainName: RFC 5280 allows no longer common name.
    domain: str | None = Field(
        default=None,
        pattern=patterns.DOMAIN,
        max_length=64,
        examples=["mcp.example.com"],
    )
    """The host name of the gateway. With a domain, the gateway uses TLS."""

    zone: str | None = Field(
        default=None, pattern=patterns.ZONE_ID, examples=["Z0123456789ABCDEFGHIJ"]
    )
    """The id of the Route 53 zone that contains the domain. A private zone also needs
    `certificate_arn`."""

    certificate_arn: str | None = Field(
        default=None,
        pattern=patterns.CERTIFICATE_ARN,
        examples=[
            "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
        ],
    )
    """An existing certificate for the domain, in the stack's region. Without it, the stack requests
    one and validates it with a DNS record, which works only in a public zone."""

    auth: Authentication | None = Field(
        default=None,
        examples=[
            {
                "issuer": "https://login.example.com",
                "jwks_uri": "https://login.example.com/.well-known/jwks.json",
                "audience": "https://mcp.example.com",
            }
        ],
    )
    """Authentication of callers. Without it, everyone who reaches the gateway may call it."""

    allow_cidrs: tuple[str, ...] = Field(default=(), examples=[["203.0.113.0/24"]], strict=False)
    """The IPv4 blocks that may reach the gateway. Default: the block of the VPC, or all addresses
    if the gateway is public. The REST API of the Lambda target is not in the VPC: it sees public
    addresses, and without `auth` it requires requests that are signed with AWS credentials, from
    every address."""

    throttle: Throttle = Field(default=Throttle(), examples=[{"requests_per_second": 100}])
    """Throttling of the gateway; on Lambda."""

    firewall: Firewall | None = Field(default=None, examples=[{"requests_per_five_minutes": 2000}])
    """A web ACL (AWS WAF) in front of the gateway; none by default. It logs every request to a
    separate log group, with tokens, cookies and query strings redacted. CloudWatch charges for
    these logs."""

    sets_log_role: bool = Field(default=True, examples=[True])
    """Whether this stack sets the logging role of API Gateway; on Lambda. There is one role per
    account and region. If there are several stacks, set this to `false` in all except one."""

    deletion_protection: bool = Field(default=False, examples=[True])
    """Whether AWS and Pulumi refuse to delete the load balancer; on ECS and EKS. Off by default,
    also in production, because a switch to Lambda and a change of `exposure` delete it. Set it to
    `false` and run `pulumi up` before such a change."""


class Observability(_Model):
    """Logs and alarms."""

    retention_days: int = Field(default=30, examples=[30])
    """The retention of logs, in days."""

    alarm_email: str | None = Field(
        default=None, pattern=patterns.EMAIL, examples=["ops@example.com"]
    )
    """The e-mail address that receives alarms."""


class ManagedNodes(_Model):
    """The nodes of managed node groups. They use Graviton, because images are built for arm64."""

    instance_types: tuple[InstanceType, ...] = Field(
        default=("m7g.large",), min_length=1, examples=[["m7g.large", "m6g.large"]], strict=False
    )
    """The instance types, in order of preference. All have the same size, as the cluster autoscaler
    requires."""

    min: int = Field(default=2, ge=1, le=450, examples=[2])
    """The minimum number of nodes."""

    max: int = Field(default=6, ge=1, le=450, examples=[6])
    """The maximum number of nodes."""

    disk_gib: int = Field(default=50, ge=20, le=16_384, examples=[50])
    """The size of the encrypted disk of a node."""


class Access(_Model):
    """A principal with access to the cluster."""

    principal_arn: str = Field(
        pattern=patterns.PRINCIPAL_ARN, examples=["arn:aws:iam::123456789012:role/platform"]
    )
    """The IAM role or user."""

    policy: AccessPolicy = Field(default=AccessPolicy.VIEW, examples=["view"], strict=False)
    """Its permissions: `view`, `edit`, `admin`, or `cluster-admin`."""

    namespaces: tuple[Name, ...] = Field(default=(), examples=[["payments"]], strict=False)
    """The namespaces of these permissions. Without it, they apply to the whole cluster."""


class ExistingCluster(_Model):
    """An existing EKS cluster. Its owner manages version, nodes, access and add-ons."""

    name: str = Field(pattern=patterns.CLUSTER_NAME, examples=["shared"])
    """The name of the cluster, in this account and region and in the VPC of `network.vpc`."""

    addons: tuple[Annotated[AddOn, Field(strict=False)], ...] = Field(
        default=(), examples=[["metrics-server", "aws-efs-csi-driver"]], strict=False
    )
    """The installed add-ons, out of those that a fleet may need."""


def _version_text(value: object) -> object:
    """A version as text, with two decimals as in EKS: YAML reads it as a number without quotes."""
    if isinstance(value, float) and round(value, 2) == value:
        return f"{value:.2f}"
    return value


class Cluster(_Model):
    """The EKS cluster: created by the stack, or an existing one (`existing`)."""

    version: Annotated[str | None, BeforeValidator(_version_text)] = Field(
        default=None, pattern=patterns.KUBERNETES_VERSION, examples=["1.36"]
    )
    """The version of Kubernetes. Default: the newest version that EKS supports."""

    nodes: Nodes = Field(default=Nodes.AUTO, examples=["auto"], strict=False)
    """`auto`: EKS Auto Mode creates, sizes and patches nodes; `managed`: managed node groups. For
    an existing cluster, set what it uses."""

    managed_nodes: ManagedNodes = Field(
        default=ManagedNodes(), examples=[{"instance_types": ["m7g.large"]}]
    )
    """The nodes, with `nodes: managed`."""

    namespace: Name = Field(default="mcp", examples=["mcp"])
    """The namespace of workloads without a team."""

    public_access_cidrs: tuple[str, ...] = Field(
        default=(), examples=[["203.0.113.0/24"]], strict=False
    )
    """The IPv4 blocks that may reach the cluster's API from the internet. Without them, the API is
    reachable only from the VPC, and `pulumi up` must run there."""

    access: dict[Name, Access] = Field(
        default={},
        examples=[{"platform": {"principal_arn": "arn:aws:iam::123456789012:role/platform"}}],
    )
    """The principals with access to the cluster, by a name that you choose. The creator always has
    access."""

    deletion_protection: bool | None = Field(default=None, examples=[False])
    """Whether AWS refuses to delete the cluster. Default: `true` in production. Before you destroy
    such a stack or switch its target, set it to `false`."""

    existing: ExistingCluster | None = Field(default=None, examples=[{"name": "shared"}])
    """An existing cluster, instead of one that the stack creates."""


class Team(_Model):
    """The quota of a team's namespace, for all of its workloads together."""

    cpu: int | None = Field(default=None, ge=1, examples=[8192])
    """CPU units; 1024 are one vCPU. Default: the maximum that the team's workloads need."""

    memory: int | None = Field(default=None, ge=1, examples=[16384])
    """Memory in MiB. Default: the maximum that the team's workloads need."""

    pods: int | None = Field(default=None, ge=1, examples=[50])
    """The number of pods. Default: the maximum that the team's workloads need."""


class IdentityCenter(_Model):
    """The users of Argo CD. They sign in only through AWS IAM Identity Center."""

    instance_arn: str = Field(
        pattern=patterns.IDENTITY_CENTER_ARN,
        examples=["arn:aws:sso:::instance/ssoins-1234567890abcdef"],
    )
    """The instance of IAM Identity Center."""

    region: str | None = Field(default=None, pattern=patterns.REGION, examples=["us-east-1"])
    """The region of the instance. Default: the region of the stack."""

    admin_groups: tuple[IdentityCenterGroup, ...] = Field(
        default=(), examples=[["12345678-90ab-cdef-1234-567890abcdef"]], strict=False
    )
    """The ids of the groups whose members administer Argo CD."""


class GitOps(_Model):
    """Manifests in a Git repository that an engine in the cluster applies, instead of Pulumi."""

    engine: GitOpsEngine = Field(examples=["flux"], strict=False)
    """`argocd`: AWS's managed Argo CD (an EKS Capability); `flux`: Flux in the cluster."""

    repository: str = Field(
        pattern=patterns.REPOSITORY_URL, examples=["https://github.com/example/fleet.git"]
    )
    """The repository that the engine reads."""

    path: str = Field(pattern=patterns.RELATIVE_PATH, examples=["rendered/production"])
    """The path of the manifests in the repository. They are rendered to the same path in the
    project."""

    branch: str = Field(default="main", pattern=patterns.BRANCH, examples=["main"])
    """The branch that the engine watches."""

    identity_center: IdentityCenter | None = Field(
        default=None,
        examples=[{"instance_arn": "arn:aws:sso:::instance/ssoins-1234567890abcdef"}],
    )
    """The users of Argo CD; Flux has no users."""


def _or_none(value: object) -> object:
    """Treats an empty object as unset: Pulumi requires a default for every declared key."""
    return None if value == {} else value


class Fleet(_Model):
    """The whole configuration of a stack."""

    target: Target = Field(default=Target.ECS, examples=["ecs"], strict=False)
    """Where the fleet runs: lambda, ecs or eks."""

    servers: dict[Name, Server] = Field(
        default={}, examples=[{"clock": {"image": {"context": "workloads/clock"}}}]
    )
    """The MCP servers, by name."""

    agents: dict[Name, Agent] = Field(
        default={}, examples=[{"assistant": {"image": {"context": "workloads/assistant"}}}]
    )
    """The agents, by name."""

    secrets: dict[SecretName, Secret] = Field(
        default={}, examples=[{"notes-api-key": {"source": "generated"}}]
    )
    """The secrets that workloads read, by name."""

    network: Network = Field(default=Network(), examples=[{"cidr": "10.0.0.0/16"}])
    """The network: a VPC that the stack creates, or an existing one."""

    gateway: Gateway = Field(default=Gateway(), examples=[{"exposure": "private"}])
    """Ingress to the fleet: exposure, domain and authentication."""

    cluster: Cluster = Field(default=Cluster(), examples=[{"nodes": "auto"}])
    """The EKS cluster: its version, nodes and access, or an existing cluster; on EKS."""

    teams: dict[Name, Team] = Field(default={}, examples=[{"payments": {"cpu": 8192}}])
    """The teams that own workloads, by name; on EKS, each has a namespace with a quota."""

    gitops: Annotated[GitOps | None, BeforeValidator(_or_none)] = Field(
        default=None,
        examples=[
            {
                "engine": "flux",
                "repository": "https://github.com/example/fleet.git",
                "path": "rendered/production",
            }
        ],
    )
    """Manifests for a GitOps repository, instead of objects that Pulumi applies; on EKS."""

    mesh: Mesh = Field(default=Mesh.NONE, examples=["istio"], strict=False)
    """`istio`: mutual TLS between all workloads, with Istio in ambient mode; on EKS."""

    observability: Observability = Field(default=Observability(), examples=[{"retention_days": 30}])
    """Logs and alarms."""

    production: bool = Field(default=False, examples=[True])
    """Marks a production stack: resources that hold data are protected, with longer deletion
    periods."""

    tags: dict[str, str] = Field(default={}, examples=[{"team": "platform"}])
    """Additional tags for all resources that support tags."""

    def workloads(self) -> Iterator[tuple[str, Server | Agent]]:
        """Every server, then every agent, by name and in the order of the configuration."""
        for (_, name), load in self.paths():
            yield name, load

    def paths(self) -> Iterator[tuple[tuple[str, str], Server | Agent]]:
        """Every workload with its path in the configuration, in the same order."""
        for section in ("servers", "agents"):
            for name, load in getattr(self, section).items():
                yield (section, name), load

    def images(self) -> Iterator[tuple[tuple[str, str], Image]]:
        """The images of workloads that have one, with the workload's path."""
        for path, load in self.paths():
            if load.image:
                yield path, load.image

    @property
    def has_cluster(self) -> bool:
        """Whether the fleet runs in a Kubernetes cluster."""
        return self.target is Target.EKS

    def is_state_machine(self, load: Server | Agent) -> bool:
        """Whether a workload runs as a state machine; only agents on Lambda do."""
        return (
            self.target is Target.LAMBDA
            and isinstance(load, Agent)
            and load.runs_as is RunsAs.STATE_MACHINE
        )

    def with_storage(self) -> dict[str, Storage]:
        """The storage of each workload that has a file system, by name."""
        return {name: load.storage for name, load in self.workloads() if load.storage}
