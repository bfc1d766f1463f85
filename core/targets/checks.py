"""Whether a fleet fits its target: what the target cannot do is refused before any resource."""

from collections.abc import Callable, Iterator, Mapping

from core import mounts
from core.config.errors import Fault
from core.config.model import Fleet, Target
from core.targets.aws_lambda import checks as lambda_checks
from core.targets.ecs import checks as ecs_checks
from core.targets.eks import checks as eks_checks


def check(fleet: Fleet, region: str) -> Iterator[Fault]:
    """Every reason why the fleet does not fit its target in a region."""
    yield from mounts.check(fleet)
    yield from _FITS[fleet.target](fleet, region)


_FITS: Mapping[Target, Callable[[Fleet, str], Iterator[Fault]]] = {
    Target.LAMBDA: lambda_checks.check,
    Target.ECS: ecs_checks.check,
    Target.EKS: eks_checks.check,
}
