"""Autoscaling of a workload."""

import pulumi
import pulumi_aws as aws

from components.gateway.gateway import Gateway
from core.config.model import Replicas

_DIMENSION, _NAMESPACE = "ecs:service:DesiredCount", "ecs"

# Scale out fast and scale in slowly: a replica that is removed must drain its requests first.
_ADD_COOLDOWN_SECONDS, _REMOVE_COOLDOWN_SECONDS = 60, 300


def scale(
    name: str,
    *,
    parent: pulumi.Resource,
    workload: str,
    replicas: Replicas,
    cluster_name: pulumi.Output[str],
    service_name: pulumi.Output[str],
    gateway: Gateway,
) -> None:
    """Scales a service by its CPU utilization and, behind the gateway, by its requests."""
    child = pulumi.ResourceOptions(parent=parent)
    target = aws.appautoscaling.Target(
        f"{name}-scaling",
        min_capacity=replicas.min,
        max_capacity=replicas.max,
        resource_id=pulumi.Output.format("service/{0}/{1}", cluster_name, service_name),
        scalable_dimension=_DIMENSION,
        service_namespace=_NAMESPACE,
        opts=child,
    )
    _follow(
        f"{name}-scaling-cpu",
        child,
        target,
        replicas.cpu_percent,
        "ECSServiceAverageCPUUtilization",
    )
    route = gateway.routes.get(workload)
    if route:
        _follow(
            f"{name}-scaling-requests",
            child,
            target,
            replicas.requests_per_minute,
            "ALBRequestCountPerTarget",
            pulumi.Output.format("{0}/{1}", gateway.arn_suffix, route.target_group.arn_suffix),
        )


def _follow(
    name: str,
    opts: pulumi.ResourceOptions,
    target: aws.appautoscaling.Target,
    value: float,
    metric_type: str,
    resource_label: pulumi.Output[str] | None = None,
) -> None:
    aws.appautoscaling.Policy(
        name,
        policy_type="TargetTrackingScaling",
        resource_id=target.resource_id,
        scalable_dimension=target.scalable_dimension,
        service_namespace=target.service_namespace,
        target_tracking_scaling_policy_configuration={
            "target_value": value,
            "scale_out_cooldown": _ADD_COOLDOWN_SECONDS,
            "scale_in_cooldown": _REMOVE_COOLDOWN_SECONDS,
            "predefined_metric_specification": {
                "predefined_metric_type": metric_type,
                "resource_label": resource_label,
            },
        },
        opts=opts,
    )
