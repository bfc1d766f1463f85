"""Rules about secrets and the keys that hold their values."""

from collections.abc import Iterator

from core.config.enums import SecretSource
from core.config.errors import Fault, rm_command, show
from core.config.model import SECRET_PREFIX
from core.config.rules.facts import Facts


def check_secrets(facts: Facts) -> Iterator[Fault]:
    """The value of a secret must be only where its `source` requires it."""
    for name, secret in facts.fleet.secrets.items():
        if secret.arn and secret.source is not SecretSource.EXTERNAL:
            yield Fault(
                path=("secrets", name, "arn"),
                got=show(secret.arn),
                allowed=f"no arn with source: {secret.source.value}",
                fix=rm_command(("secrets", name, "arn")),
            )
        key = f"{SECRET_PREFIX}{name}"
        if secret.source is SecretSource.CONFIG and key not in facts.encrypted:
            yield Fault(
                path=(key,),
                got="a value in plain text" if key in facts.secret_keys else "no value",
                allowed=f"the encrypted value of the secret {name}",
                fix=f"pulumi config set --secret {key}",
            )
        if secret.source is not SecretSource.CONFIG and key in facts.secret_keys:
            yield Fault(
                path=(key,),
                got="a value",
                allowed=f"no value: the secret {name} has source: {secret.source.value}",
                fix=rm_command((key,)),
            )
    declared = facts.names.get("secrets")
    for key in sorted(facts.secret_keys):
        if declared is not None and key.removeprefix(SECRET_PREFIX) not in declared:
            yield Fault(
                path=(key,),
                got="a value",
                allowed=f"{SECRET_PREFIX}<name> only for names declared in secrets",
                fix=rm_command((key,)),
            )
