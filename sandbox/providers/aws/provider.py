"""The `aws` provider of the sandbox, assembled."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from sandbox.engine.provider import Checked, Context, Failure, Provider, main
from sandbox.engine.shapes import configuration_errors
from sandbox.providers.aws import invokes, lifecycle, validation
from sandbox.providers.aws.resource_model import PACKAGE
from sandbox.providers.aws.tables import entry

VERSION = version("pulumi-aws")

# The regions of each partition, as the endpoints of AWS's SDKs describe them (`regionRegex`).
_REGION = re.compile(
    r"((us|eu|ap|sa|ca|me|af|il|mx)|cn|us-gov|us-iso|us-isob|eu-isoe|us-isof|eusc-de)-[a-z]+-\d+"
)


def check_config(_context: Context, config: Mapping[str, Any]) -> Checked:
    """Check the provider's configuration: only known properties, and a region."""
    failures = list(configuration_errors("aws", PACKAGE, config))
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
    check=validation.check,
    diff=lifecycle.diff,
    create=lifecycle.create,
    read=lifecycle.read,
    update=lifecycle.update,
    delete=lifecycle.delete,
    invoke=invokes.invoke,
    check_config=check_config,
    replacing_config=frozenset({"region"}),
    secret_outputs=secret_outputs,
)


def run() -> None:
    """Run the provider's process."""
    main(PROVIDER)
