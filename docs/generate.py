"""Writes the generated documents: `make docs`. A test holds them against the code.

- docs/configuration.md, from the models of the configuration;
- the cost table of README.md, of the example fleet.
"""

import re
from pathlib import Path

import yaml

from core.costs import table
from core.faults import NAMESPACE
from core.fleet import SECRET_PREFIX, Fleet
from core.prices import AS_OF, NOT_COUNTED
from docs import reference

ROOT = Path(__file__).resolve().parents[1]
_COSTS = re.compile(r"(?<=<!-- costs: made by `make docs` -->\n).*(?=<!-- /costs -->)", re.DOTALL)


def documents() -> dict[Path, str]:
    """The text of every generated document, by its path from the project's root."""
    readme = Path("README.md")
    return {
        Path("docs/configuration.md"): reference.render(),
        readme: _COSTS.sub(lambda _: _costs(), (ROOT / readme).read_text()),
    }


def _costs() -> str:
    config = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    fleet = Fleet.model_validate(
        {
            key.removeprefix(f"{NAMESPACE}:"): value
            for key, value in config.items()
            if key.startswith(f"{NAMESPACE}:")
            and not key.startswith(f"{NAMESPACE}:{SECRET_PREFIX}")
        }
    )
    return "\n".join(
        [
            f"At list prices of us-east-1 as of {AS_OF:%Y-%m-%d}, before any traffic:",
            "",
            table(fleet),
            "",
            "Not counted:",
            *(f"- {item}" for item in NOT_COUNTED),
            "",
        ]
    )


if __name__ == "__main__":
    for path, text in documents().items():
        (ROOT / path).write_text(text)
