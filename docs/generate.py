"""Writes the generated documents: `make docs`. A test holds them against the code.

- docs/configuration.md, from the models of the configuration;
- the cost tables of README.md, docs/lambda.md and docs/eks.md, of the example fleets and of the
  least one; and the versions in the last.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from core.config.errors import NAMESPACE
from core.config.model import SECRET_PREFIX, Fleet
from core.costs.bill import NOT_COUNTED, Usage
from core.costs.prices import price_table
from core.costs.usage import bill_table, table
from core.resolved import ResolvedFleet
from core.stack import Stack
from core.targets.dispatch import resolve
from docs import eks_tables, reference

ROOT = Path(__file__).resolve().parents[1]

_LEAST = {
    "target": "lambda",
    "servers": {
        "search": {
            "image": {
                "uri": f"123456789012.dkr.ecr.us-east-1.amazonaws.com/search@sha256:{'0' * 64}"
            }
        }
    },
}

# A million requests of a second each to a function of 512 MiB.
_MILLION = Usage(
    function_gb_seconds=Decimal(500_000),
    function_million_requests=Decimal(1),
    rest_million_requests=Decimal(1),
)


def documents() -> dict[Path, str]:
    """The text of every generated document, by its path from the project's root."""
    not_counted = "\n".join(["Not counted:", *(f"- {item}" for item in NOT_COUNTED)])
    before = f"At {price_table()}, before any traffic:"
    costs = {
        "README.md": {
            "costs": f"{before}\n\n{table(_example('Pulumi.dev.yaml'))}\n\n{not_counted}",
        },
        "docs/lambda.md": {
            "costs of the least": table(_resolved(_LEAST)),
            "costs of the example": table(_example("examples/lambda/Pulumi.lambda.yaml")),
            "costs of a million": bill_table(_MILLION),
            "date": f"At {price_table()}, before free tiers.",
        },
        "docs/eks.md": eks_tables.parts(_example("examples/eks/Pulumi.eks.yaml")),
    }
    return {Path("docs/configuration.md"): reference.render()} | {
        Path(path): _filled((ROOT / path).read_text(), parts) for path, parts in costs.items()
    }


def _filled(text: str, parts: dict[str, str]) -> str:
    """A text with what is made for each of its marked parts.

    Raises:
        ValueError: If a part is not marked, once.
    """
    for name, made in parts.items():
        marked = re.compile(
            rf"(?<=<!-- {name}: made by `make docs` -->\n).*(?=<!-- /{name} -->)", re.DOTALL
        )
        text, count = marked.subn(lambda _, made=made: f"{made}\n", text)
        if count != 1:
            raise ValueError(f"{count} parts are marked {name!r}; there must be one")
    return text


def _example(stack_file: str) -> ResolvedFleet:
    """The fleet of a stack file, by its path from the root of the checkout."""
    config = yaml.safe_load((ROOT / stack_file).read_text())["config"]
    return _resolved(
        {
            key.removeprefix(f"{NAMESPACE}:"): value
            for key, value in config.items()
            if key.startswith(f"{NAMESPACE}:")
            and not key.startswith(f"{NAMESPACE}:{SECRET_PREFIX}")
        }
    )


def _resolved(configuration: dict[str, Any]) -> ResolvedFleet:
    stack = Stack(project=NAMESPACE, name="example", region=price_table().region, production=False)
    return resolve(Fleet.model_validate(configuration), stack)


if __name__ == "__main__":
    for path, text in documents().items():
        (ROOT / path).write_text(text)
