"""How workloads in private subnets get out: NAT gateways, or endpoints of single AWS services."""

from core.aws.names import short_hash
from core.config.model import Agent, Exposure, Fleet, Nat, Target
from core.network import cidrs

# Amazon EKS User Guide, "Deploy private clusters with limited internet access": nodes find
# themselves and their cluster by EC2 and EKS, pods get credentials by EKS Auth and STS. CloudWatch
# User Guide, "Amazon CloudWatch Observability EKS add-on": its agent sends metrics and traces. The
# controllers of EKS Auto Mode run outside of the network; managed nodes need NAT anyway
# (core.targets.eks.checks).
_CLUSTER_SERVICES = ("ec2", "eks", "eks-auth", "sts", "monitoring", "xray")


def inside(fleet: Fleet) -> list[str]:
    """The workloads that run in the network: on Lambda those that need it, elsewhere all."""
    return [
        name
        for name, load in fleet.workloads()
        if fleet.target is not Target.LAMBDA
        or ((load.storage is not None or load.private_network) and not fleet.is_state_machine(load))
    ]


def network_mark(fleet: Fleet) -> str:
    """A hash of the values that determine the private subnets.

    Published versions of a function keep their network interfaces as long as the function exists. A
    function in other subnets must therefore be another function.
    """
    network = fleet.network
    if network.vpc:
        return short_hash(" ".join([network.vpc.id, *sorted(network.vpc.private_subnets)]))
    zones = " ".join(network.zone_names) or network.zones
    return short_hash(f"{network.cidr} {zones}")


def nat(fleet: Fleet) -> Nat:
    """The NAT gateways to create: those of the configuration, but none without workloads inside."""
    return fleet.network.nat if inside(fleet) else Nat.NONE


def block(fleet: Fleet) -> str:
    """The IPv4 block of the network of workloads and load balancers."""
    return fleet.network.vpc.cidr if fleet.network.vpc else fleet.network.cidr


def callers(fleet: Fleet) -> tuple[str, ...]:
    """The IPv4 blocks that may call the load balancer."""
    public = fleet.gateway.exposure is Exposure.PUBLIC
    return fleet.gateway.allow_cidrs or (cidrs.EVERYWHERE if public else block(fleet),)


def meets_gateway(fleet: Fleet) -> bool:
    """Whether workloads could call the gateway, and so every workload behind it, without a token.

    A gateway with a domain answers on port 443, by which workloads leave the network. The REST API
    of Lambda wants every request signed, and each role may sign for its own servers only.
    """
    return (
        fleet.target is not Target.LAMBDA
        and fleet.gateway.domain is not None
        and fleet.gateway.auth is None
        and cidrs.overlap(block(fleet), callers(fleet))
    )


def endpoint_services(fleet: Fleet) -> list[str]:
    """The AWS services that the fleet reaches by interface endpoints, where there is no NAT.

    Images come from ECR (and S3, which has a gateway endpoint), secrets from Secrets Manager, logs
    go to CloudWatch; a shell, models and files only where a workload asks for them. Lambda fetches
    images and writes logs from outside of the network.
    """
    loads = dict(fleet.workloads())
    within = [loads[name] for name in inside(fleet)]
    if not within or nat(fleet) is not Nat.NONE:
        return []
    services = [] if fleet.target is Target.LAMBDA else ["ecr.api", "ecr.dkr", "logs"]
    services.append("secretsmanager")
    if fleet.target is Target.EKS:
        services += _CLUSTER_SERVICES
        services += ["elasticfilesystem"] if fleet.with_storage() else []
    elif any(load.exec for load in within):
        services.append("ssmmessages")
    if any(isinstance(load, Agent) and load.models for load in within):
        services.append("bedrock-runtime")
    return services
