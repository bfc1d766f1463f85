"""Rules about environment variables."""

from collections.abc import Iterator

from core.config.errors import Fault, rm_command
from core.config.rules.facts import Facts
from core.environment import RESERVED, variable


def check_variables(facts: Facts) -> Iterator[Fault]:
    """A workload must not set a variable that the platform or a secret sets."""
    for path, load in facts.fleet.paths():
        taken = {variable(secret): f"the secret {secret}" for secret in load.secrets}
        for secret in load.secrets:
            if variable(secret) in RESERVED:
                yield Fault(
                    path=(*path, "secrets"),
                    got=secret,
                    allowed="a secret with another name: the platform sets the variable "
                    f"{variable(secret)}",
                )
        for name in load.environment:
            owner = "the platform" if name in RESERVED else taken.get(name)
            if owner:
                yield Fault(
                    path=(*path, "environment", name),
                    got=f"a variable that {owner} sets",
                    allowed="variables that neither the platform nor a secret sets",
                    fix=rm_command((*path, "environment", name)),
                )
