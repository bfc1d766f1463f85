"""The interface endpoints of a fleet that has no way to the internet."""

from core.fleet import Fleet


def endpoint_services(fleet: Fleet) -> list[str]:
    """The AWS services that the fleet reaches by endpoints.

    Images come from ECR (and S3, which has a gateway endpoint), secrets from Secrets Manager, logs
    go to CloudWatch; a shell and models only where a workload asks for them.
    """
    services = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]
    if any(load.exec for _, load in fleet.workloads()):
        services.append("ssmmessages")
    if any(agent.models for agent in fleet.agents.values()):
        services.append("bedrock-runtime")
    return services
