"""Resolves a fleet: works out once what follows from its configuration on its target."""

from collections.abc import Callable, Mapping

from core.config.model import Fleet, Target
from core.resolved import Graph, ResolvedFleet, Workload, graph
from core.stack import Stack
from core.targets.aws_lambda import resolve as aws_lambda
from core.targets.ecs import resolve as ecs
from core.targets.eks import resolve as eks

_TARGETS: Mapping[Target, Callable[[Fleet, Stack, Graph], dict[str, Workload]]] = {
    Target.LAMBDA: aws_lambda.resolve,
    Target.ECS: ecs.resolve,
    Target.EKS: eks.resolve,
}


def resolve(fleet: Fleet, stack: Stack) -> ResolvedFleet:
    """Resolve a fleet without faults, as it is deployed in a stack."""
    edges = graph(fleet)
    return ResolvedFleet(
        config=fleet,
        stack=stack,
        workloads=_TARGETS[fleet.target](fleet, stack, edges),
        graph=edges,
    )
