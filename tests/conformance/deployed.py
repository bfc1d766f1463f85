"""`make conformance`, its second half: the same through the deployed gateway, on each target.

    python -m tests.conformance.deployed [TARGET…]

The servers are those of `workloads`, in a private fleet of a sandbox of its own.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.conformance import run
from tests.engine.sandbox_run import create
from tests.serve.conftest import TARGETS, image
from tests.serve.served import serving
from tests.workloads.support import SERVERS


def main(targets: Sequence[str]) -> int:
    """Runs the suite and the Inspector against the fleet on each target.

    Args:
        targets: The targets, or none for all.

    Returns:
        1 if anything failed that applies, else 0.
    """
    return max([_on(target) for target in targets or TARGETS])


def _on(target: str) -> int:
    print(f"\n## Deployed to {target}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        sandbox = create(Path(folder))
        sandbox.configure("target", target)
        sandbox.configure("servers.adopter", {"image": image("adopter")})
        sandbox.up()
        with serving(sandbox) as served:
            urls = [f"--url={name}={served.server(name)}" for name in SERVERS]
            return run.main(urls)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
