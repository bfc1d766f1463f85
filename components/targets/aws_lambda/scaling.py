"""Provisioned concurrency, and its scaling."""

import pulumi
import pulumi_aws as aws

from components.targets.aws_lambda.function import Function
from core.config.model import Concurrency

_DIMENSION, _NAMESPACE = "lambda:function:ProvisionedConcurrency", "lambda"


def keep_warm(
    name: str, function: Function, concurrency: Concurrency, *, parent: pulumi.Resource
) -> None:
    """Creates the provisioned concurrency of a function: a fixed number, or by utilization."""
    if not concurrency.provisioned:
        return
    most = concurrency.provisioned_max
    scales = most is not None and most > concurrency.provisioned
    warm = aws.lambda_.ProvisionedConcurrencyConfig(
        f"{name}-warm",
        function_name=function.name,
        qualifier=function.alias.name,
        provisioned_concurrent_executions=concurrency.provisioned,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[function.alias],
            ignore_changes=["provisionedConcurrentExecutions"] if scales else None,
            # The state does not have the number that autoscaling set, so an update would not set a
            # fixed number. It also does not show that an allocation failed (docs/adr/0018).
            replacement_trigger="autoscaled" if scales else "fixed",
            replace_on_changes=["#initerror"],
            # An alias has only one configuration. If the old one were deleted last, its deletion
            # would also remove the new one.
            delete_before_replace=True,
        ),
    )
    if not scales:
        return
    target = aws.appautoscaling.Target(
        f"{name}-scaling",
        min_capacity=concurrency.provisioned,
        max_capacity=most,
        resource_id=pulumi.Output.format("function:{0}:{1}", warm.function_name, warm.qualifier),
        scalable_dimension=_DIMENSION,
        service_namespace=_NAMESPACE,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[warm]),
    )
    aws.appautoscaling.Policy(
        f"{name}-scaling-use",
        policy_type="TargetTrackingScaling",
        resource_id=target.resource_id,
        scalable_dimension=target.scalable_dimension,
        service_namespace=target.service_namespace,
        target_tracking_scaling_policy_configuration={
            "target_value": concurrency.utilization_percent / 100,
            "predefined_metric_specification": {
                "predefined_metric_type": "LambdaProvisionedConcurrencyUtilization"
            },
        },
        opts=pulumi.ResourceOptions(parent=parent),
    )
