"""Rules about the configuration of the AWS provider: `aws:region` and `aws:assumeRoles`."""

from collections.abc import Iterator
from difflib import get_close_matches

from core.config.errors import Fault, show
from core.config.patterns import is_region
from core.config.rules.facts import Facts

# Regions that an error message may suggest. Other regions are valid too.
_COMMON_REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-central-1",
    "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "ap-northeast-1",
    "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "us-gov-west-1",
)  # fmt: skip


def check_region(facts: Facts) -> Iterator[Fault]:
    """`aws:region` must be the name of an AWS Region."""
    if not is_region(facts.region):
        near = get_close_matches(facts.region.strip().lower(), _COMMON_REGIONS, n=1)
        yield Fault(
            path=("aws:region",),
            got=show(facts.region) if facts.region else "no value",
            allowed="the name of an AWS Region, for example us-east-1",
            fix=f"pulumi config set aws:region {near[0] if near else _COMMON_REGIONS[0]}",
        )


def check_assumed_roles(facts: Facts) -> Iterator[Fault]:
    """On EKS, `aws eks get-token` assumes at most one role, without an external ID."""
    roles = facts.assumed_roles
    if not facts.fleet.has_cluster:
        return
    if len(roles) > 1 or any("externalId" in role for role in roles):
        yield Fault(
            path=("aws:assumeRoles",),
            got=f"{len(roles)} roles" if len(roles) > 1 else "a role with an externalId",
            allowed=(
                "at most one role without an externalId. Kubernetes credentials come from aws eks "
                "get-token, which supports only one. For a chain of roles or an external ID, "
                "define a profile in the AWS CLI configuration and set aws:profile"
            ),
            fix="pulumi config rm aws:assumeRoles",
        )
