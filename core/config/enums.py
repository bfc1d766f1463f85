"""The enums of the configuration model."""

from enum import StrEnum


class Target(StrEnum):
    """Where the fleet runs."""

    LAMBDA = "lambda"
    ECS = "ecs"
    EKS = "eks"


class Sessions(StrEnum):
    """Where a server keeps the state of a client between two requests."""

    STATELESS = "stateless"
    LEGACY_STATEFUL = "legacy-stateful"


class Nat(StrEnum):
    """How private subnets reach the internet."""

    NONE = "none"
    SINGLE = "single"
    PER_ZONE = "per-zone"


class Exposure(StrEnum):
    """Who can reach the gateway: callers in the VPC, or the internet."""

    PRIVATE = "private"
    PUBLIC = "public"


class RunsAs(StrEnum):
    """What an agent runs as on Lambda: a function from its image, or a state machine."""

    CONTAINER = "container"
    STATE_MACHINE = "state-machine"


class Chat(StrEnum):
    """Whether an agent has a chat interface over a connection that stays open."""

    NONE = "none"
    WEBSOCKET = "websocket"


class Nodes(StrEnum):
    """How the nodes of a cluster are managed: by EKS Auto Mode, or in managed node groups."""

    AUTO = "auto"
    MANAGED = "managed"


class AccessPolicy(StrEnum):
    """The permissions of a principal in a cluster, as EKS access policies."""

    CLUSTER_ADMIN = "cluster-admin"
    ADMIN = "admin"
    EDIT = "edit"
    VIEW = "view"


class AddOn(StrEnum):
    """The EKS add-ons that a fleet needs in a cluster, by their names in AWS."""

    METRICS_SERVER = "metrics-server"
    CLOUDWATCH = "amazon-cloudwatch-observability"
    EFS_CSI = "aws-efs-csi-driver"
    SECRETS_STORE_CSI = "aws-secrets-store-csi-driver-provider"


class GitOpsEngine(StrEnum):
    """The engine that applies manifests from a repository."""

    ARGOCD = "argocd"
    FLUX = "flux"


class Mesh(StrEnum):
    """A service mesh between the workloads of a cluster."""

    NONE = "none"
    ISTIO = "istio"
    APP_MESH = "app-mesh"


class SecretSource(StrEnum):
    """The source of a secret's value."""

    CONFIG = "config"
    GENERATED = "generated"
    EXTERNAL = "external"
