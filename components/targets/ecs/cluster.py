"""The ECS cluster."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.foundation import Foundation


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An ECS cluster on Fargate capacity.

    Attributes:
        arn: The cluster's ARN.
        name: The cluster's name.
    """

    arn: pulumi.Output[str]
    name: pulumi.Output[str]


def create_cluster(name: str, *, foundation: Foundation, parent: pulumi.Resource) -> Cluster:
    """Creates the cluster with enhanced Container Insights, and its capacity providers."""
    child = pulumi.ResourceOptions(parent=parent)
    cluster = aws.ecs.Cluster(
        f"{name}-cluster",
        settings=[{"name": "containerInsights", "value": "enhanced"}],
        # Shell sessions are logged to a separate log group.
        configuration={
            "execute_command_configuration": {
                "logging": "OVERRIDE",
                "log_configuration": {
                    "cloud_watch_log_group_name": foundation.observability.shell_log_group_name,
                    "cloud_watch_encryption_enabled": True,
                },
            }
        },
        opts=child,
    )
    providers = aws.ecs.ClusterCapacityProviders(
        f"{name}-capacity",
        cluster_name=cluster.name,
        capacity_providers=["FARGATE", "FARGATE_SPOT"],
        opts=child,
    )
    return Cluster(
        # Both depend on the capacity providers, so that no service starts before they exist.
        arn=pulumi.Output.all(cluster.arn, providers.id).apply(lambda made: made[0]),
        name=providers.cluster_name,
    )
