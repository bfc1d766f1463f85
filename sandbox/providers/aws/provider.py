"""The `aws` provider of the sandbox, put together."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from sandbox.engine.provider import Checked, Context, Failure, Provider, main
from sandbox.engine.shapes import configuration_faults
from sandbox.providers.aws import check, functions, state
from sandbox.providers.aws.nodes import PACKAGE
from sandbox.providers.aws.tables import entry

VERSION = version("pulumi-aws")

# The regions of each partition, as the endpoints of AWS's SDKs describe them (`regionRegex`).
_REGION = re.compile(
    r"((us|eu|ap|sa|ca|me|af|il|mx)|cn|us-gov|us-iso|us-isob|eu-isoe|us-isof|eusc-de)-[a-z]+-\d+"
)


def check_config(_context: Context, config: Mapping[str, Any]) -> Checked:
    """Check the provider's configuration: only known properties, and a region."""
    failures = list(configuration_faults("aws", PACKAGE, config))
    region = config.get("region")
    if not region:
        failures.append(
            Failure(path=("region",), reason="aws: region is missing; pulumi config set aws:region")
        )
    elif isinstance(region, str) and not _REGION.fullmatch(region):
        failures.append(Failure(path=("region",), reason=f"aws: invalid AWS Region: {region}"))
    return Checked(inputs=config, failures=failures)


def secret_outputs(type_: str) -> frozenset[str]:
    """Properties of a type that are always secret."""
    return frozenset(entry(type_).secret)


PROVIDER = Provider(
    name="aws",
    version=VERSION,
    check=check.check,
    diff=state.diff,
    create=state.create,
    read=state.read,
    update=state.update,
    delete=state.delete,
    invoke=functions.invoke,
    check_config=check_config,
    replacing_config=frozenset({"region"}),
    secret_outputs=secret_outputs,
)


def run() -> None:
    """Be the provider's process."""
    main(PROVIDER)
