"""Whether a fleet fits its target: what the target cannot do is refused before any resource."""

from collections.abc import Callable, Iterator, Mapping

from core import ecs_fitness, eks_fitness, lambda_fitness, mounts
from core.faults import Fault
from core.fleet import Fleet, Target


def check(fleet: Fleet, region: str) -> Iterator[Fault]:
    """Every reason why the fleet does not fit its target in a region."""
    yield from mounts.check(fleet)
    yield from _FITS[fleet.target](fleet, region)


_FITS: Mapping[Target, Callable[[Fleet, str], Iterator[Fault]]] = {
    Target.LAMBDA: lambda_fitness.check,
    Target.ECS: ecs_fitness.check,
    Target.EKS: eks_fitness.check,
}
