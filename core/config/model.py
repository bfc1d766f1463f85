"""The fleet: what a platform team writes in its stack's configuration, as frozen models.

Each field carries its description and an example: the error messages, `docs/configuration.md` and
the declaration in `Pulumi.yaml` are made of them or held against them by tests. `core.config.parse`
makes a `Fleet` of the raw configuration; `core.config.rules` holds what one field alone cannot say.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PORT = 8080
"""The port every workload listens on, given to it as `PORT`."""

SECRET_PREFIX = "secret-"
"""What the encrypted keys that hold secrets' values begin with."""


class Target(StrEnum):
    """Where the fleet runs."""

    LAMBDA = "lambda"
    ECS = "ecs"
    EKS = "eks"


class Sessions(StrEnum):
    """How a server keeps the state of a client between two requests."""

    STATELESS = "stateless"
    LEGACY_STATEFUL = "legacy-stateful"


class Nat(StrEnum):
    """How private subnets reach the internet."""

    NONE = "none"
    SINGLE = "single"
    PER_ZONE = "per-zone"


class Exposure(StrEnum):
    """Who can reach the gateway: the network it stands in, or the internet."""

    PRIVATE = "private"
    PUBLIC = "public"


class RunsAs(StrEnum):
    """What an agent is on Lambda: a function of its image, or a state machine without an image."""

    CONTAINER = "container"
    STATE_MACHINE = "state-machine"


class Chat(StrEnum):
    """Whether people talk to an agent over a connection that stays open."""

    NONE = "none"
    WEBSOCKET = "websocket"


class Nodes(StrEnum):
    """Who looks after the nodes of a cluster: EKS Auto Mode, or managed node groups."""

    AUTO = "auto"
    MANAGED = "managed"


class AccessPolicy(StrEnum):
    """What somebody may do in a cluster, by EKS's access policies."""

    CLUSTER_ADMIN = "cluster-admin"
    ADMIN = "admin"
    EDIT = "edit"
    VIEW = "view"


class AddOn(StrEnum):
    """The EKS add-ons that a fleet needs of a cluster, by AWS's names."""

    METRICS_SERVER = "metrics-server"
    CLOUDWATCH = "amazon-cloudwatch-observability"
    EFS_CSI = "aws-efs-csi-driver"
    SECRETS_STORE_CSI = "aws-secrets-store-csi-driver-provider"


class GitOpsEngine(StrEnum):
    """What applies manifests out of a repository."""

    ARGOCD = "argocd"
    FLUX = "flux"


class Mesh(StrEnum):
    """A service mesh between the workloads of a cluster."""

    NONE = "none"
    ISTIO = "istio"
    APP_MESH = "app-mesh"


class SecretSource(StrEnum):
    """Where a secret's value comes from."""

    CONFIG = "config"
    GENERATED = "generated"
    EXTERNAL = "external"


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


# A workload's name is a DNS label (Cloud Map: 63 characters), part of a path, and the stem of AWS
# names; 32 leaves room for our prefixes and suffixes in the narrowest of them, an IAM role's 64.
_NAME = r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"
_SECRET_NAME = r"^[a-z]([a-z0-9-]{0,62}[a-z0-9])?$"
_VARIABLE = r"^[A-Z][A-Z0-9_]*$"
_DIGEST_URI = r"^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$"
_ABSOLUTE_PATH = r"^(/[a-z0-9][a-z0-9_.-]*)+$"
_MODEL_ID = r"^[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?$"
_SECRET_ARN = (
    r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$"
)
_VPC_ID = r"^vpc-[0-9a-f]{8,17}$"
_SUBNET_ID = r"^subnet-[0-9a-f]{8,17}$"
_HTTPS_URL = r"^https://\S+$"
_DOMAIN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
_ZONE_ID = r"^Z[A-Z0-9]{1,31}$"
# AWS Certificate Manager API reference, DescribeCertificate, CertificateArn.
_CERTIFICATE_ARN = r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]{1,64}$"
_KUBERNETES_VERSION = r"^1\.[0-9]{2}$"
_CLUSTER_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
_PRINCIPAL_ARN = r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+$"
_IDENTITY_CENTER_ARN = r"^arn:aws[a-z-]*:sso:::instance/(sso)?ins-[0-9a-zA-Z.-]{16}$"
_IDENTITY_CENTER_GROUP = r"^([0-9a-f]{10}-)?[0-9A-Fa-f-]{36}$"
# The regions of every partition; a test holds this against the regions that AWS's SDK knows.
_REGION = (
    r"^(af|ap|ca|cn|eu|eu-isoe|eusc-de|il|me|mx|sa|us|us-gov|us-iso[bf]?)"
    r"-(central|((north|south)?(east|west)|north|south))-[1-9][0-9]?$"
)
_INSTANCE_TYPE = r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$"
_REPOSITORY_URL = r"^(https|ssh)://[^\s@]+(@[^\s@]+)?$"
_RELATIVE_PATH = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
_BRANCH = r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$"
_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"

PHRASES: Mapping[str, str] = {
    _NAME: "a lower-case letter, then letters, digits, inner dashes; 32 characters at most",
    _SECRET_NAME: "a lower-case letter, then letters, digits, inner dashes; 64 characters at most",
    _VARIABLE: "an upper-case letter, then upper-case letters, digits and underscores",
    _DIGEST_URI: "an image by its digest: repository@sha256:<64 hex digits>",
    _ABSOLUTE_PATH: "an absolute path in lower case, such as /data",
    _MODEL_ID: "the id of a Bedrock model, such as amazon.nova-lite-v1:0, or of an inference "
    "profile, such as us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    _SECRET_ARN: "the whole ARN of a Secrets Manager secret, with its six last characters",
    _VPC_ID: "a VPC id, such as vpc-0a1b2c3d4e5f60718",
    _SUBNET_ID: "a subnet id, such as subnet-0a1b2c3d4e5f60718",
    _HTTPS_URL: "an https:// address",
    _DOMAIN: "a host name in lower case, such as mcp.example.com",
    _ZONE_ID: "the id of a Route 53 zone, such as Z0123456789ABCDEFGHIJ",
    _CERTIFICATE_ARN: "the ARN of a certificate of AWS Certificate Manager",
    _KUBERNETES_VERSION: 'a version of Kubernetes, such as "1.36"',
    _CLUSTER_NAME: "the name of an EKS cluster: letters, digits, inner dashes and underscores",
    _PRINCIPAL_ARN: "the ARN of an IAM role or user",
    _IDENTITY_CENTER_ARN: "the ARN of an IAM Identity Center instance",
    _IDENTITY_CENTER_GROUP: "the id of a group of IAM Identity Center",
    _REGION: "an AWS region, such as us-east-1",
    _INSTANCE_TYPE: "an EC2 instance type, such as m7g.large",
    _REPOSITORY_URL: "the https:// or ssh:// address of a Git repository, without credentials",
    _RELATIVE_PATH: "a path inside the repository, such as clusters/production",
    _BRANCH: "the name of a branch",
    _EMAIL: "an e-mail address",
}
"""What each pattern of the models asks for, in words."""

Name = Annotated[str, Field(pattern=_NAME)]
SecretName = Annotated[str, Field(pattern=_SECRET_NAME)]
SubnetId = Annotated[str, Field(pattern=_SUBNET_ID)]
ModelId = Annotated[str, Field(pattern=_MODEL_ID)]
InstanceType = Annotated[str, Field(pattern=_INSTANCE_TYPE)]
IdentityCenterGroup = Annotated[str, Field(pattern=_IDENTITY_CENTER_GROUP)]
Variable = Annotated[str, Field(pattern=_VARIABLE)]


def is_region(name: str) -> bool:
    """Whether it is the name of an AWS region."""
    return re.fullmatch(_REGION, name) is not None


class Image(_Model):
    """A container image: one that is built here, or one that somebody else built."""

    context: str | None = Field(default=None, min_length=1, examples=["workloads/clock"])
    """The folder to build, from the project's root; pushed to a repository of the stack's own."""

    dockerfile: str = Field(default="Dockerfile", min_length=1, examples=["Dockerfile"])
    """The Dockerfile, from that folder."""

    additional_contexts: dict[Name, str] = Field(
        default={}, examples=[{"common": "workloads/common"}]
    )
    """Further folders that the Dockerfile copies from by name: `COPY --from=common`."""

    uri: str | None = Field(
        default=None,
        pattern=_DIGEST_URI,
        examples=["public.ecr.aws/example/clock@sha256:" + "0" * 64],
    )
    """An image with its digest instead, so that what runs is what was reviewed."""

    size_mib: int | None = Field(default=None, ge=1, examples=[900])
    """Its uncompressed size, where that is large: a target that takes none so large is refused."""


class Replicas(_Model):
    """How many copies of a workload run, and what makes them more."""

    min: int = Field(default=1, ge=1, le=1000, examples=[1])
    """The fewest copies."""

    max: int = Field(default=4, ge=1, le=1000, examples=[4])
    """The most copies; equal to `min`, nothing scales."""

    cpu_percent: int = Field(default=60, ge=10, le=90, examples=[60])
    """The average CPU use to hold by adding and removing copies."""

    requests_per_minute: int = Field(default=1000, ge=1, le=1_000_000, examples=[1000])
    """The requests per copy and minute to hold, as the gateway counts them."""


class Concurrency(_Model):
    """How many requests a function answers at once; only Lambda knows these numbers."""

    reserved: int | None = Field(default=None, ge=1, examples=[50])
    """The most at once, kept free for it; without it, it shares what the account has left."""

    provisioned: int = Field(default=0, ge=0, examples=[2])
    """How many are kept warm, so that they have no cold start; paid by the hour."""

    provisioned_max: int | None = Field(default=None, ge=1, examples=[10])
    """The most that are kept warm: more than `provisioned`, they follow the use."""

    utilization_percent: int = Field(default=70, ge=10, le=90, examples=[70])
    """The share of the warm ones in use to hold by warming more or fewer."""

    keep_active: bool = Field(default=False, examples=[True])
    """Whether it is invoked once a week: Lambda makes a function inactive that nobody has called
    for weeks, and the next call fails."""


class Storage(_Model):
    """A durable file system for one workload."""

    mount: str = Field(pattern=_ABSOLUTE_PATH, examples=["/data"])
    """Where the workload sees it, told to it as `FILES_DIR`; on Lambda, which mounts nowhere else,
    below `/mnt`."""


class Workload(_Model):
    """What servers and agents have in common: the needs of one container image."""

    cpu: int = Field(default=256, ge=1, examples=[256])
    """CPU units; 1024 are one vCPU."""

    memory: int = Field(default=512, ge=1, examples=[512])
    """Memory in MiB."""

    replicas: Replicas = Field(default=Replicas(), examples=[{"min": 1, "max": 4}])
    """How many copies run, and what makes them more; Lambda makes them by itself."""

    concurrency: Concurrency = Field(default=Concurrency(), examples=[{"provisioned": 2}])
    """On Lambda, how many requests are answered at once."""

    storage: Storage | None = Field(default=None, examples=[{"mount": "/data"}])
    """A durable file system, encrypted and its own; none unless asked for."""

    secrets: tuple[SecretName, ...] = Field(default=(), examples=[["notes-api-key"]], strict=False)
    """The declared secrets it may read, each in a variable of its name: `NOTES_API_KEY`."""

    environment: dict[Variable, str] = Field(default={}, examples=[{"LOG_LEVEL": "info"}])
    """Further environment variables, in plain text; what is secret belongs in `secrets`."""

    max_request_seconds: int = Field(default=60, ge=1, examples=[60])
    """The longest request it answers; every timeout on the way follows from it."""

    max_request_mib: int | None = Field(default=None, ge=1, examples=[4])
    """The largest request it takes, if that is large: a target that cannot carry it is refused."""

    max_response_mib: int | None = Field(default=None, ge=1, examples=[100])
    """The largest answer it gives, likewise."""

    private_network: bool = Field(default=False, examples=[True])
    """Whether it calls private addresses of the network. On Lambda it then runs inside of it, as it
    does where it has files; on the other targets it always does."""

    health_command: tuple[str, ...] = Field(
        default=(), examples=[["python", "/app/common/healthcheck.py"]], strict=False
    )
    """A command inside the image that ends with 0 while the workload is healthy; besides it, the
    gateway asks `/health`."""

    expose: bool = Field(default=True, examples=[True])
    """Whether the gateway routes to it; otherwise only agents that use it reach it."""

    spot: bool = Field(default=False, examples=[False])
    """Whether copies beyond the first run on spare capacity: cheaper, stopped at short notice."""

    team: Name | None = Field(default=None, examples=["payments"])
    """Whose it is: on EKS, every team has a namespace of its name, with a quota of its own. Without
    it, the namespace is the cluster's `namespace`."""

    writable_root: bool = Field(default=False, examples=[False])
    """Whether the image needs to write to its own root file system."""

    exec: bool = Field(default=False, examples=[False])
    """Whether operators may open a shell in it (ECS Exec)."""


class Server(Workload):
    """An MCP server: an image that speaks streamable HTTP at `/mcp`."""

    image: Image = Field(examples=[{"context": "workloads/clock"}])
    """The container image: `context` to build one, or `uri` with a digest to use one."""

    sessions: Sessions = Field(default=Sessions.STATELESS, examples=["stateless"], strict=False)
    """How it keeps a client's state: `legacy-stateful` holds it in memory, so in one copy."""

    subscriptions: bool = Field(default=False, examples=[True])
    """Whether clients hold streams of `subscriptions/listen` open; a target that would cut them, or
    charge for the silence, is refused."""


class Agent(Workload):
    """An HTTP service that uses servers."""

    image: Image | None = Field(default=None, examples=[{"context": "workloads/assistant"}])
    """The container image, as a server's; on Lambda, an agent with `runs_as: state-machine` needs
    none."""

    runs_as: RunsAs = Field(default=RunsAs.CONTAINER, examples=["container"], strict=False)
    """What it is on Lambda: `container`, a function of its image; or `state-machine`, a loop of
    AWS Step Functions that asks its first model and runs the tools that it wants. The other targets
    always run its image."""

    uses: tuple[Name, ...] = Field(default=(), examples=[["clock"]], strict=False)
    """The servers it calls; it reaches no others."""

    sidecars: tuple[Name, ...] = Field(default=(), examples=[["clock"]], strict=False)
    """Those of its servers that run beside it, as containers of its own task, and that it calls
    there and not over the network. How many copies run, on which capacity and whether a shell can
    be opened in them follows the agent. Such a server runs by itself too where the gateway routes
    to it or an agent calls it over the network, and only there."""

    models: tuple[ModelId, ...] = Field(
        default=(), examples=[["us.anthropic.claude-sonnet-4-5-20250929-v1:0"]], strict=False
    )
    """The Bedrock models it may invoke. A model that Bedrock does not serve on demand is named by
    an inference profile: its id with the prefix of a geography that serves the stack's region, such
    as `us.`, `eu.` or `global.`."""

    instructions: str = Field(default="", max_length=16_000, examples=["Answer in one sentence."])
    """What its model is told before every question."""

    max_turns: int = Field(default=8, ge=1, le=100, examples=[8])
    """How often it may ask its model, or run tools, for one question."""

    chat: Chat = Field(default=Chat.NONE, examples=["websocket"], strict=False)
    """`websocket`: people talk to it over a WebSocket too."""


class Secret(_Model):
    """A secret that workloads read."""

    source: SecretSource = Field(examples=["generated"], strict=False)
    """`config`: the encrypted key `secret-<name>`; `generated`: made once, at random; `external`:
    set by somebody else and left alone (until it is set, what reads it does not start)."""

    arn: str | None = Field(
        default=None,
        pattern=_SECRET_ARN,
        examples=["arn:aws:secretsmanager:us-east-1:123456789012:secret:notes-api-key-a1B2c3"],
    )
    """An `external` secret that exists already; without it an empty one is made."""


class Vpc(_Model):
    """A VPC that exists already; its routes, NAT and endpoints are its owner's."""

    id: str = Field(pattern=_VPC_ID, examples=["vpc-0a1b2c3d4e5f60718"])
    """The VPC's id."""

    cidr: str = Field(examples=["10.1.0.0/16"])
    """Its IPv4 block: a private gateway admits callers from there."""

    private_subnets: tuple[SubnetId, ...] = Field(
        min_length=2,
        examples=[["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"]],
        strict=False,
    )
    """Private subnets in two zones or more (a load balancer needs two), one in each."""

    public_subnets: tuple[SubnetId, ...] = Field(
        default=(),
        examples=[["subnet-0a1b2c3d4e5f60720", "subnet-0a1b2c3d4e5f60721"]],
        strict=False,
    )
    """Public subnets, for a public gateway, one in each zone."""


class Network(_Model):
    """The network: one of the stack's own, or `vpc` for one that exists."""

    cidr: str = Field(default="10.0.0.0/16", examples=["10.0.0.0/16"])
    """The IPv4 block of the stack's own VPC."""

    zones: int = Field(default=2, ge=2, le=6, examples=[2])
    """Over how many availability zones it spreads (a load balancer needs two)."""

    zone_names: tuple[str, ...] = Field(
        default=(), examples=[["us-east-1a", "us-east-1b"]], strict=False
    )
    """The availability zones, by name, instead of `zones`. Without it, the stack takes the first
    zones of the account in which every target can run, and keeps them."""

    nat: Nat = Field(default=Nat.SINGLE, examples=["single"], strict=False)
    """How private subnets reach the internet: one NAT gateway, one per zone, or none (then AWS's
    services are reached through interface endpoints, and nothing else is)."""

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
    """A VPC that exists already, instead of all the above."""

    @property
    def zone_count(self) -> int:
        """Over how many availability zones the stack's own network spreads."""
        return len(self.zone_names) or self.zones


class Authentication(_Model):
    """Who may call: holders of a token of this issuer, made for this audience."""

    issuer: str = Field(pattern=_HTTPS_URL, max_length=256, examples=["https://login.example.com"])
    """The issuer, as in the token's `iss`."""

    jwks_uri: str = Field(
        pattern=_HTTPS_URL,
        max_length=256,
        examples=["https://login.example.com/.well-known/jwks.json"],
    )
    """Where the issuer publishes its keys."""

    # Elastic Load Balancing API reference, JwtValidationActionAdditionalClaim, Values.
    audience: str = Field(min_length=1, max_length=256, examples=["https://mcp.example.com"])
    """The audience, as in the token's `aud`."""

    scopes: tuple[str, ...] = Field(default=(), examples=[["mcp"]], strict=False)
    """The scopes that clients are told to ask for."""


class Throttle(_Model):
    """How many requests the gateway lets through; only the REST API of Lambda can say no."""

    requests_per_second: int = Field(default=100, ge=1, le=10_000, examples=[100])
    """How many a second in the long run."""

    burst: int = Field(default=200, ge=1, le=5_000, examples=[200])
    """How many at once."""


class Firewall(_Model):
    """A web ACL before the gateway: bad addresses, known attacks, too many requests."""

    requests_per_five_minutes: int = Field(default=2000, ge=10, le=2_000_000_000, examples=[2000])
    """How many requests one address may send in five minutes."""


class Gateway(_Model):
    """The way in: TLS, authentication, routing."""

    exposure: Exposure = Field(default=Exposure.PRIVATE, examples=["private"], strict=False)
    """`private`: reached from the network it stands in; `public`: from the internet, with domain,
    zone and auth."""

    # ACM API reference, RequestCertificate, DomainName: RFC 5280 allows no longer common name.
    domain: str | None = Field(
        default=None,
        pattern=_DOMAIN,
        max_length=64,
        examples=["mcp.example.com"],
    )
    """The host name it answers to; with it comes TLS."""

    zone: str | None = Field(default=None, pattern=_ZONE_ID, examples=["Z0123456789ABCDEFGHIJ"])
    """The id of the Route 53 zone that holds the domain; a private one needs `certificate_arn`."""

    certificate_arn: str | None = Field(
        default=None,
        pattern=_CERTIFICATE_ARN,
        examples=[
            "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
        ],
    )
    """A certificate that exists, in the stack's region, for the domain. Without it one is requested
    and proven by a record in the zone, which AWS sees in public zones only."""

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
    """Who may call; without it, whoever reaches it."""

    allow_cidrs: tuple[str, ...] = Field(default=(), examples=[["203.0.113.0/24"]], strict=False)
    """The IPv4 blocks that reach it; by default the VPC's own, or everybody when it is public. The
    REST API of Lambda stands in no network: it sees public addresses, and without `auth` it wants
    requests that are signed with AWS credentials, wherever they come from."""

    throttle: Throttle = Field(default=Throttle(), examples=[{"requests_per_second": 100}])
    """How many requests it lets through; on Lambda."""

    firewall: Firewall | None = Field(default=None, examples=[{"requests_per_five_minutes": 2000}])
    """A web ACL (AWS WAF) before it; none unless asked for. It logs every request to a log group of
    its own, without tokens, cookies and queries; CloudWatch charges for what is logged."""

    sets_log_role: bool = Field(default=True, examples=[True])
    """Whether this stack sets the role that API Gateway writes its logs with; on Lambda. An account
    has one in a region: where several stacks are, all but one say `false`."""

    deletion_protection: bool = Field(default=False, examples=[True])
    """Whether AWS and Pulumi refuse to delete the load balancer; on ECS and EKS. Off by default,
    also in production: a switch to Lambda, and another `exposure`, delete it. Set it to `false` and
    run `pulumi up` before them."""


class Observability(_Model):
    """Logs and alarms."""

    retention_days: int = Field(default=30, examples=[30])
    """How long logs are kept."""

    alarm_email: str | None = Field(default=None, pattern=_EMAIL, examples=["ops@example.com"])
    """Who is written to when an alarm goes off."""


class ManagedNodes(_Model):
    """The nodes of managed node groups; all Graviton, since that is what images are built for."""

    instance_types: tuple[InstanceType, ...] = Field(
        default=("m7g.large",), min_length=1, examples=[["m7g.large", "m6g.large"]], strict=False
    )
    """What a node may be, the most wanted first; all of one size, for the sake of the scheduler."""

    min: int = Field(default=2, ge=1, le=450, examples=[2])
    """The fewest nodes."""

    max: int = Field(default=6, ge=1, le=450, examples=[6])
    """The most nodes."""

    disk_gib: int = Field(default=50, ge=20, le=16_384, examples=[50])
    """The encrypted disk of a node."""


class Access(_Model):
    """Somebody who may use the cluster."""

    principal_arn: str = Field(
        pattern=_PRINCIPAL_ARN, examples=["arn:aws:iam::123456789012:role/platform"]
    )
    """The IAM role or user."""

    policy: AccessPolicy = Field(default=AccessPolicy.VIEW, examples=["view"], strict=False)
    """What it may do: `view`, `edit`, `admin`, or `cluster-admin`."""

    namespaces: tuple[Name, ...] = Field(default=(), examples=[["payments"]], strict=False)
    """Where; without it, in the whole cluster."""


class ExistingCluster(_Model):
    """An EKS cluster that exists already; version, nodes, access and add-ons are its owner's."""

    name: str = Field(pattern=_CLUSTER_NAME, examples=["shared"])
    """Its name, in this account and region, in the VPC of `network.vpc`."""

    addons: tuple[Annotated[AddOn, Field(strict=False)], ...] = Field(
        default=(), examples=[["metrics-server", "aws-efs-csi-driver"]], strict=False
    )
    """Those of the add-ons that a fleet may need which it has."""


def _version_text(value: object) -> object:
    """In YAML, a version without quotes is a number; of EKS, all have two digits behind the dot."""
    if isinstance(value, float) and round(value, 2) == value:
        return f"{value:.2f}"
    return value


class Cluster(_Model):
    """The EKS cluster: one of the stack's own, or `existing` for one that exists."""

    version: Annotated[str | None, BeforeValidator(_version_text)] = Field(
        default=None, pattern=_KUBERNETES_VERSION, examples=["1.36"]
    )
    """The version of Kubernetes; by default the newest that EKS supports."""

    nodes: Nodes = Field(default=Nodes.AUTO, examples=["auto"], strict=False)
    """`auto`: EKS Auto Mode makes, sizes and patches nodes; `managed`: managed node groups. Of an
    existing cluster, what it has."""

    managed_nodes: ManagedNodes = Field(
        default=ManagedNodes(), examples=[{"instance_types": ["m7g.large"]}]
    )
    """The nodes, where they are managed node groups."""

    namespace: Name = Field(default="mcp", examples=["mcp"])
    """The namespace of the workloads that belong to no team."""

    public_access_cidrs: tuple[str, ...] = Field(
        default=(), examples=[["203.0.113.0/24"]], strict=False
    )
    """The IPv4 blocks that reach the cluster's API from the internet; without them, it is reached
    from the VPC only, and `pulumi up` must run there."""

    access: dict[Name, Access] = Field(
        default={},
        examples=[{"platform": {"principal_arn": "arn:aws:iam::123456789012:role/platform"}}],
    )
    """Who may use the cluster beside whoever creates it, by a name of your own."""

    deletion_protection: bool | None = Field(default=None, examples=[False])
    """Whether AWS refuses to delete the cluster; by default, in production. To destroy such a stack
    or to move it to another target, set it to `false` first."""

    existing: ExistingCluster | None = Field(default=None, examples=[{"name": "shared"}])
    """A cluster that exists already, instead of one of the stack's own."""


class Team(_Model):
    """What all workloads of a team may use together: the quota of its namespace."""

    cpu: int | None = Field(default=None, ge=1, examples=[8192])
    """CPU units; 1024 are one vCPU. By default, what the team's workloads need at their most."""

    memory: int | None = Field(default=None, ge=1, examples=[16384])
    """Memory in MiB; by default likewise."""

    pods: int | None = Field(default=None, ge=1, examples=[50])
    """Copies of all workloads; by default likewise."""


class IdentityCenter(_Model):
    """Who signs in to Argo CD, which knows users through AWS IAM Identity Center alone."""

    instance_arn: str = Field(
        pattern=_IDENTITY_CENTER_ARN,
        examples=["arn:aws:sso:::instance/ssoins-1234567890abcdef"],
    )
    """The instance of IAM Identity Center."""

    region: str | None = Field(default=None, pattern=_REGION, examples=["us-east-1"])
    """The region that it is in; by default the stack's."""

    admin_groups: tuple[IdentityCenterGroup, ...] = Field(
        default=(), examples=[["12345678-90ab-cdef-1234-567890abcdef"]], strict=False
    )
    """The ids of the groups whose members administer Argo CD."""


class GitOps(_Model):
    """Manifests in a repository, applied by an engine in the cluster, instead of by Pulumi."""

    engine: GitOpsEngine = Field(examples=["flux"], strict=False)
    """`argocd`: AWS's managed Argo CD (an EKS Capability); `flux`: Flux in the cluster."""

    repository: str = Field(
        pattern=_REPOSITORY_URL, examples=["https://github.com/example/fleet.git"]
    )
    """The repository that the engine reads."""

    path: str = Field(pattern=_RELATIVE_PATH, examples=["rendered/production"])
    """Where in the repository the manifests are; they are rendered to this path of the project."""

    branch: str = Field(default="main", pattern=_BRANCH, examples=["main"])
    """The branch that the engine follows."""

    identity_center: IdentityCenter | None = Field(
        default=None,
        examples=[{"instance_arn": "arn:aws:sso:::instance/ssoins-1234567890abcdef"}],
    )
    """Who signs in to Argo CD; Flux has nobody to sign in."""


def _or_none(value: object) -> object:
    """Pulumi wants a default of every declared key, and for an object there is no emptier one."""
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
    """The network: one of the stack's own, or one that exists."""

    gateway: Gateway = Field(default=Gateway(), examples=[{"exposure": "private"}])
    """The way in: who reaches it, its domain, its authentication."""

    cluster: Cluster = Field(default=Cluster(), examples=[{"nodes": "auto"}])
    """The EKS cluster: its version, its nodes, who may use it, or one that exists; on EKS."""

    teams: dict[Name, Team] = Field(default={}, examples=[{"payments": {"cpu": 8192}}])
    """The teams that workloads belong to, by name; on EKS each has a namespace with a quota."""

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
    """Manifests for a repository, instead of being applied by Pulumi; on EKS."""

    mesh: Mesh = Field(default=Mesh.NONE, examples=["istio"], strict=False)
    """`istio`: mutual TLS between all workloads, in Istio's ambient mode; on EKS."""

    observability: Observability = Field(default=Observability(), examples=[{"retention_days": 30}])
    """Logs and alarms."""

    production: bool = Field(default=False, examples=[True])
    """Marks a production stack: what holds data is protected and deletes slowly."""

    tags: dict[str, str] = Field(default={}, examples=[{"team": "platform"}])
    """Further tags for everything that takes tags."""

    def workloads(self) -> Iterator[tuple[str, Server | Agent]]:
        """Every server, then every agent, by name and in the order of the configuration."""
        for (_, name), load in self.paths():
            yield name, load

    def paths(self) -> Iterator[tuple[tuple[str, str], Server | Agent]]:
        """Every workload with its path in the configuration, in the same order."""
        for section in ("servers", "agents"):
            for name, load in getattr(self, section).items():
                yield (section, name), load

    def edges(self) -> Iterator[tuple[str, str]]:
        """Every (agent, server) pair that may talk: the only traffic between workloads."""
        for name, agent in self.agents.items():
            for server in agent.uses:
                yield name, server

    def images(self) -> Iterator[tuple[tuple[str, str], Image]]:
        """The image of every workload that has one, with the workload's path."""
        for path, load in self.paths():
            if load.image:
                yield path, load.image

    def is_state_machine(self, load: Server | Agent) -> bool:
        """Whether a workload runs as a state machine, which only Lambda makes of an agent."""
        return (
            self.target is Target.LAMBDA
            and isinstance(load, Agent)
            and load.runs_as is RunsAs.STATE_MACHINE
        )

    def with_storage(self) -> dict[str, Storage]:
        """The workloads that ask for a file system, by name."""
        return {name: load.storage for name, load in self.workloads() if load.storage}
