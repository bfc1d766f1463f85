"""`make bench`: what a preview costs, against the same engine and as many bare resources.

For 1, 10, 100 and 500 servers it previews a fleet on ECS, and on the same engine and providers two
programs that know nothing of fleets: one makes the very same resources, each for itself, with
plain inputs and no components; the other makes as many SSM parameters, about the cheapest resource
that there is. The budget is a factor of 1.2. It prints a table; nothing is asserted, since a busy
machine is no fault of the code.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox import cli
from sandbox.home import ROOT

SIZES = (1, 10, 100, 500)
STACK = "bench"
IMAGE = "public.ecr.aws/example/server@sha256:" + "0" * 64

# A gateway has room for a hundred routes: the servers beyond are reached by agents only.
EXPOSED = 100

# Inputs that a preview does not know yet stand as the engine's own placeholder in its report, and
# the SDK sends that on as what it is: unknown.
SAME_RESOURCES = """
import asyncio, importlib, inspect, json, os, re
import pulumi, pulumi_aws

PACKAGES = {"aws": "pulumi_aws", "random": "pulumi_random", "docker-build": "pulumi_docker_build"}

def snake(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\\1", name).lower()

def resource_class(token):
    package, module, name = token.split(":")
    folder = module.split("/")[0]
    suffix = "" if folder == "index" else "." + {"lambda": "lambda_"}.get(folder, folder)
    return getattr(importlib.import_module(PACKAGES[package] + suffix), name)

async def main():
    aws = pulumi.ResourceOptions(provider=pulumi_aws.Provider("aws", region="us-east-1"))
    with open(os.environ["BENCH_RESOURCES"]) as file:
        for number, (token, inputs) in enumerate(json.load(file)):
            made = resource_class(token)
            known = inspect.signature(made._internal_init).parameters
            values = {snake(key): value for key, value in inputs.items() if key != "__defaults"}
            values = {key: value for key, value in values.items() if key in known}
            opts = aws if token.startswith("aws:") else None
            made(f"resource-{number}", **values, opts=opts)
    await asyncio.sleep(0)

pulumi.run(main)
"""

PARAMETERS = """
import asyncio, json, os, pulumi, pulumi_aws as aws

async def main():
    opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region="us-east-1"))
    with open(os.environ["BENCH_RESOURCES"]) as file:
        for number, _ in enumerate(json.load(file)):
            aws.ssm.Parameter(f"parameter-{number}", type="String", value=str(number), opts=opts)
    await asyncio.sleep(0)

pulumi.run(main)
"""


@dataclass(frozen=True)
class Preview:
    """How long a preview took, the best of some runs, and the resources it would create.

    Each resource is its type and its inputs; providers and components are left out.
    """

    seconds: float
    resources: list[tuple[str, dict[str, Any]]]


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
    best, report = float("inf"), ""
    for _ in range(runs):
        started = time.monotonic()
        report = pulumi("preview", "--stack", STACK, "--json")
        best = min(best, time.monotonic() - started)
    states = [step["newState"] for step in json.loads(report)["steps"]]
    return Preview(
        best,
        [
            (state["type"], state.get("inputs", {}))
            for state in states
            if state["custom"] and not state["type"].startswith("pulumi:")
        ],
    )


def measure(servers: int, runs: int) -> list[str]:
    """Measures one size and returns the cells of its row."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        of_fleet = preview(folder / "fleet", fleet(servers), ROOT, runs)
        resources = folder / "resources.json"
        resources.write_text(json.dumps(of_fleet.resources))
        cells = [str(servers), str(len(of_fleet.resources)), f"{of_fleet.seconds:.1f}"]
        for name, program in (("same", SAME_RESOURCES), ("parameters", PARAMETERS)):
            main = folder / f"{name}-program"
            main.mkdir()
            (main / "__main__.py").write_text(program)
            bare = preview(folder / name, {}, main, runs, BENCH_RESOURCES=str(resources))
            cells += [f"{bare.seconds:.1f}", f"{of_fleet.seconds / bare.seconds:.2f}"]
        return cells


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    # The engine ends its plugins with SIGINT. A shell's background job has it ignored, and then the
    # engine waits five seconds for each end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(
        "| servers | resources | fleet, s | same resources, s | factor | parameters, s | factor |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for servers in options.sizes:
        print(f"| {' | '.join(measure(servers, options.runs))} |", flush=True)


if __name__ == "__main__":
    main()
