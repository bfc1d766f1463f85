"""`make bench`: what a preview costs, against the same engine and as many bare resources.

For 1, 10, 100 and 500 servers it previews a fleet on ECS, counts its resources, and previews a
program that makes as many SSM parameters on the same engine and providers. The budget is a factor
of 1.2. It prints a table; nothing is asserted, since a busy machine is no fault of the code.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox import cli

SIZES = (1, 10, 100, 500)
BUDGET = 1.2
STACK = "bench"
IMAGE = "public.ecr.aws/example/server@sha256:" + "0" * 64

# A gateway has room for a hundred routes: the servers beyond are reached by agents only.
EXPOSED = 100

BARE_PROGRAM = """
import os
import pulumi_aws as aws

provider = aws.Provider("aws", region="us-east-1")
for number in range(int(os.environ["BENCH_RESOURCES"])):
    aws.ssm.Parameter(
        f"parameter-{number}", type="String", value=str(number),
        opts=aws.ssm.parameter.pulumi.ResourceOptions(provider=provider),
    )
"""


@dataclass(frozen=True)
class Preview:
    """How long a preview took, the best of some runs, and how many resources it would create."""

    seconds: float
    resources: int


def fleet(servers: int) -> dict[str, Any]:
    """The configuration of a fleet with so many servers."""
    return {
        "aws:region": "us-east-1",
        "mcp-platform:servers": {
            f"server-{number}": {"image": {"uri": IMAGE}, "expose": number < EXPOSED}
            for number in range(servers)
        },
    }


def preview(folder: Path, config: dict[str, Any], main: Path, runs: int, **more: str) -> Preview:
    """Previews a program in a sandbox of its own."""
    folder.mkdir()
    (folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}))
    home = folder / "home"
    project_folder = cli.write_project(home, folder)
    project_file = project_folder / "Pulumi.yaml"
    project = cli.load_yaml(project_file)
    project["main"] = os.path.relpath(main, project_folder)
    project_file.write_text(yaml.safe_dump(project))
    environment = {**cli.engine_environment(os.environ, home), **more}

    def pulumi(*args: str) -> str:
        done = subprocess.run(
            ["pulumi", "-C", project_folder, *args],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return done.stdout

    pulumi("stack", "init", STACK)
    best, resources = float("inf"), 0
    for _ in range(runs):
        started = time.monotonic()
        digest = json.loads(pulumi("preview", "--stack", STACK, "--json"))
        best = min(best, time.monotonic() - started)
        resources = digest["changeSummary"]["create"]
    return Preview(best, resources)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    print("| servers | resources | fleet, s | bare, s | factor | budget |")
    print("|--:|--:|--:|--:|--:|--:|")
    for servers in options.sizes:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            bare_program = folder / "program"
            bare_program.mkdir()
            (bare_program / "__main__.py").write_text(BARE_PROGRAM)
            of_fleet = preview(folder / "fleet", fleet(servers), cli.ROOT, options.runs)
            bare = preview(
                folder / "bare",
                {},
                bare_program,
                options.runs,
                BENCH_RESOURCES=str(of_fleet.resources - 2),  # without the stack and its provider
            )
        factor = of_fleet.seconds / bare.seconds
        print(
            f"| {servers} | {of_fleet.resources} | {of_fleet.seconds:.1f} | {bare.seconds:.1f}"
            f" | {factor:.2f} | {BUDGET} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
