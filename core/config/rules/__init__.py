"""Rules that span several fields: references, exclusions and combinations of values.

Each rule is a function that returns the faults it finds. `check` runs all rules. The limits of one
target are in `core.targets.<target>.checks`.
"""

from collections.abc import Iterator

from core.config.errors import Fault
from core.config.rules import (
    cluster,
    duplicates,
    environment,
    gateway,
    images,
    models,
    network,
    observability,
    provider,
    references,
    secrets,
    tags,
    workloads,
)
from core.config.rules.facts import Facts
from core.targets import dispatch


def check(facts: Facts) -> list[Fault]:
    """All faults that the rules find, in the order of the configuration."""
    return [fault for rule in _RULES for fault in rule(facts)]


def _check_target(facts: Facts) -> Iterator[Fault]:
    yield from dispatch.check(facts.fleet, facts.region)


_RULES = (
    provider.check_region,
    provider.check_assumed_roles,
    workloads.check_not_empty,
    workloads.check_unique_names,
    images.check_sources,
    images.check_agents,
    images.check_builds,
    workloads.check_replicas,
    workloads.check_concurrency,
    references.check_references,
    duplicates.check_duplicates,
    models.check_models,
    environment.check_variables,
    secrets.check_secrets,
    network.check_network,
    gateway.check_gateway,
    cluster.check_public_access,
    cluster.check_teams,
    cluster.check_mesh,
    observability.check_retention,
    tags.check_tags,
    _check_target,
)
