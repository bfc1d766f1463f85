"""The table of the targets. Only this module selects the functions of a target."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from core.config.enums import Target
from core.config.errors import Fault
from core.config.model import Fleet
from core.costs.bill import Usage
from core.network.egress import Egress
from core.resolved import ResolvedFleet
from core.stack import Stack
from core.targets.aws_lambda import checks as lambda_checks
from core.targets.aws_lambda import network as lambda_network
from core.targets.aws_lambda import resolve as lambda_resolve
from core.targets.aws_lambda import usage as lambda_usage
from core.targets.ecs import checks as ecs_checks
from core.targets.ecs import network as ecs_network
from core.targets.ecs import resolve as ecs_resolve
from core.targets.ecs import usage as ecs_usage
from core.targets.eks import checks as eks_checks
from core.targets.eks import network as eks_network
from core.targets.eks import resolve as eks_resolve
from core.targets.eks import usage as eks_usage


@dataclass(frozen=True, kw_only=True)
class _Functions:
    """The functions of a target."""

    check: Callable[[Fleet, str], Iterator[Fault]]
    egress: Callable[[Fleet], Egress]
    resolve: Callable[[Fleet, Stack], ResolvedFleet]
    usage: Callable[[ResolvedFleet, Usage], Usage]


_TARGETS: Mapping[Target, _Functions] = {
    Target.LAMBDA: _Functions(
        check=lambda_checks.check,
        egress=lambda_network.egress,
        resolve=lambda_resolve.resolve,
        usage=lambda_usage.usage,
    ),
    Target.ECS: _Functions(
        check=ecs_checks.check,
        egress=ecs_network.egress,
        resolve=ecs_resolve.resolve,
        usage=ecs_usage.usage,
    ),
    Target.EKS: _Functions(
        check=eks_checks.check,
        egress=eks_network.egress,
        resolve=eks_resolve.resolve,
        usage=eks_usage.usage,
    ),
}


def check(fleet: Fleet, region: str) -> Iterator[Fault]:
    """All faults of a fleet on its target in a region."""
    yield from _TARGETS[fleet.target].check(fleet, region)


def egress(fleet: Fleet) -> Egress:
    """The egress of the workloads of a fleet."""
    return _TARGETS[fleet.target].egress(fleet)


def resolve(fleet: Fleet, stack: Stack) -> ResolvedFleet:
    """Resolves a valid fleet for a stack."""
    return _TARGETS[fleet.target].resolve(fleet, stack)


def usage(fleet: ResolvedFleet, shared: Usage) -> Usage:
    """Adds the usage of the target without traffic to the usage of every target."""
    return _TARGETS[fleet.config.target].usage(fleet, shared)
