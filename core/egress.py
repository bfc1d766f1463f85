"""How workloads in private subnets get out: NAT gateways, or endpoints of single AWS services."""

from core.fleet import Agent, Fleet, Nat, Target


def inside(fleet: Fleet) -> list[str]:
    """The workloads that run in the network: on Lambda those that need it, elsewhere all."""
    return [
        name
        for name, load in fleet.workloads()
        if fleet.target is not Target.LAMBDA
        or ((load.storage is not None or load.private_network) and not fleet.is_state_machine(load))
    ]


def nat(fleet: Fleet) -> Nat:
    """The NAT gateways that are made: those that were asked for, but none for an empty network."""
    return fleet.network.nat if inside(fleet) else Nat.NONE


def endpoint_services(fleet: Fleet) -> list[str]:
    """The AWS services that the fleet reaches by interface endpoints, where there is no NAT.

    Images come from ECR (and S3, which has a gateway endpoint), secrets from Secrets Manager, logs
    go to CloudWatch; a shell and models only where a workload asks for them. Lambda fetches images
    and writes logs from outside of the network.
    """
    loads = dict(fleet.workloads())
    within = [loads[name] for name in inside(fleet)]
    if not within or nat(fleet) is not Nat.NONE:
        return []
    services = [] if fleet.target is Target.LAMBDA else ["ecr.api", "ecr.dkr", "logs"]
    services.append("secretsmanager")
    if any(load.exec for load in within):
        services.append("ssmmessages")
    if any(isinstance(load, Agent) and load.models for load in within):
        services.append("bedrock-runtime")
    return services
