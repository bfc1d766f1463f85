"""`make bench`: the duration of a preview, compared with the same resources without the program.

For each target and for 1, 10, 100 and 500 servers, it previews a fleet. With the same engine and
providers it also previews two programs without components: one declares the same resources with
plain inputs, the other the same number of SSM parameters, about the cheapest resource type. The
budget is a factor of 1.2. The result is a table for each target. Nothing is asserted, because the
durations depend on the load of the machine. With `--profile`, a second table says in which packages
the time is spent.
"""

import argparse
import json
import os
import pstats
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox import cli
from sandbox.home import ROOT

SIZES = (1, 10, 100, 500)
TARGETS = ("lambda", "ecs", "eks")
STACK = "bench"

# A gateway has 100 routes at most. Other servers are not exposed.
EXPOSED = 100

# Lambda pulls images from a private ECR repository only.
_REPOSITORIES = {
    "lambda": "123456789012.dkr.ecr.us-east-1.amazonaws.com/server",
    "ecs": "public.ecr.aws/example/server",
    "eks": "public.ecr.aws/example/server",
}

# A profile leaves out packages with less time in both programs.
PROFILE_SECONDS = 0.1

# The preview reports an unknown input as the engine's placeholder. The SDK passes that on, and the
# input is unknown again.
SAME_RESOURCES = """
import asyncio, importlib, inspect, json, os, re
import pulumi, pulumi_aws, pulumi_kubernetes
from pulumi.runtime.rpc import UNKNOWN

PACKAGES = {
    "aws": "pulumi_aws",
    "docker-build": "pulumi_docker_build",
    "eks": "pulumi_eks",
    "kubernetes": "pulumi_kubernetes",
    "random": "pulumi_random",
}

def snake(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\\1", name).lower()

def resource_class(token):
    package, module, name = token.split(":")
    if package == "kubernetes":
        # `networking.k8s.io/v1` is the module networking.v1. Kinds of other groups have no class.
        group, version = module.split("/")
        found = getattr(pulumi_kubernetes, group.split(".")[0], None)
        kinds = getattr(found, version, None)
        return getattr(kinds, name, pulumi_kubernetes.apiextensions.CustomResource)
    folder = module.split("/")[0]
    suffix = "" if folder == "index" else "." + {"lambda": "lambda_"}.get(folder, folder)
    return getattr(importlib.import_module(PACKAGES[package] + suffix), name)

async def main():
    opts = {
        "aws": pulumi.ResourceOptions(provider=pulumi_aws.Provider("aws", region="us-east-1")),
        "kubernetes": pulumi.ResourceOptions(
            provider=pulumi_kubernetes.Provider("kubernetes", kubeconfig=UNKNOWN)
        ),
    }
    with open(os.environ["BENCH_RESOURCES"]) as file:
        for number, (token, inputs) in enumerate(json.load(file)):
            made = resource_class(token)
            known = inspect.signature(made._internal_init).parameters
            values = {snake(key): value for key, value in inputs.items() if key != "__defaults"}
            values = {key: value for key, value in values.items() if key in known}
            made(f"resource-{number}", **values, opts=opts.get(token.split(":")[0]))
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


# Runs a program under cProfile: the main thread, until the language host exits.
PROFILED = """
import atexit, cProfile, os, runpy, sys

def finish():
    profile.disable()
    profile.dump_stats(os.environ["BENCH_PROFILE"])

folder = os.environ["BENCH_PROGRAM"]
sys.path.insert(0, folder)
profile = cProfile.Profile()
atexit.register(finish)
profile.enable()
runpy.run_path(os.path.join(folder, "__main__.py"), run_name="__main__")
"""


@dataclass(frozen=True)
class Preview:
    """The duration of a preview (the best of several runs) and the resources it would create.

    Each resource has its type and its inputs. Providers and components are left out.
    """

    seconds: float
    resources: list[tuple[str, dict[str, Any]]]


def fleet(target: str, servers: int) -> dict[str, Any]:
    """The configuration of a fleet of a size on a target."""
    image = {"uri": f"{_REPOSITORIES[target]}@sha256:{'0' * 64}"}
    workloads = {
        f"server-{number}": {"image": image, "expose": number < EXPOSED}
        for number in range(servers)
    }
    config: dict[str, Any] = {
        "aws:region": "us-east-1",
        "mcp-platform:target": target,
        "mcp-platform:servers": workloads,
    }
    if target == "lambda":
        # On Lambda every server has routes, and a REST API has 300 resources at most. The workloads
        # that are not exposed are agents, which have no routes then.
        exposed = {name: load for name, load in workloads.items() if load["expose"]}
        config["mcp-platform:servers"] = exposed
        config["mcp-platform:agents"] = {
            name: load for name, load in workloads.items() if name not in exposed
        }
    return config


def preview(folder: Path, config: Mapping[str, Any], main: Path, runs: int, **more: str) -> Preview:
    """Previews a program in its own sandbox."""
    folder.mkdir()
    (folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": dict(config)}))
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


def write_program(folder: Path, text: str) -> Path:
    """Writes a program of one file and returns its folder."""
    folder.mkdir()
    (folder / "__main__.py").write_text(text)
    return folder


def measure(target: str, servers: int, runs: int) -> list[str]:
    """Measures one size on a target and returns the cells of its row."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        of_fleet = preview(folder / "fleet", fleet(target, servers), ROOT, runs)
        resources = folder / "resources.json"
        resources.write_text(json.dumps(of_fleet.resources))

        def bare(name: str, text: str) -> Preview:
            main = write_program(folder / f"{name}-program", text)
            return preview(folder / name, {}, main, runs, BENCH_RESOURCES=str(resources))

        same, parameters = bare("same", SAME_RESOURCES), bare("parameters", PARAMETERS)
    if inputs_by_type(same) != inputs_by_type(of_fleet):
        sys.exit("the program without components does not declare the same resources")
    cells = [str(servers), str(len(of_fleet.resources)), f"{of_fleet.seconds:.1f}"]
    for each in (same, parameters):
        cells += [f"{each.seconds:.1f}", f"{of_fleet.seconds / each.seconds:.2f}"]
    return cells


def inputs_by_type(of: Preview) -> Counter[tuple[str, frozenset[str]]]:
    """How often a preview has each type with the same inputs, without their values."""
    return Counter((type_, frozenset(inputs) - {"__defaults"}) for type_, inputs in of.resources)


def profile(target: str, servers: int) -> None:
    """Prints where the fleet and the same resources spend their time, in further previews."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        main = write_program(folder / "profiled", PROFILED)
        resources = folder / "resources.json"
        same = write_program(folder / "same-program", SAME_RESOURCES)

        def profiled(
            name: str, config: Mapping[str, Any], program: Path
        ) -> tuple[Preview, Counter[str]]:
            stats = folder / f"{name}.stats"
            previewed = preview(
                *(folder / name, config, main, 1),
                BENCH_PROGRAM=str(program),
                BENCH_PROFILE=str(stats),
                BENCH_RESOURCES=str(resources),
            )
            return previewed, seconds_by_package(stats)

        of_fleet, fleet_seconds = profiled("fleet", fleet(target, servers), ROOT)
        resources.write_text(json.dumps(of_fleet.resources))
        _, same_seconds = profiled("same", {}, same)
    print(f"\n{target}, {servers} servers, main thread under cProfile:\n")
    print("| package | fleet, s | same resources, s |\n|---|--:|--:|")
    for package, _ in (fleet_seconds | same_seconds).most_common():
        seconds = fleet_seconds[package], same_seconds[package]
        if max(seconds) >= PROFILE_SECONDS:
            print(f"| {package} | {seconds[0]:.1f} | {seconds[1]:.1f} |", flush=True)


def seconds_by_package(file: Path) -> Counter[str]:
    """The seconds of a profile by package. A built-in function counts for its callers' packages."""
    stats: dict[tuple[str, int, str], tuple[Any, ...]] = vars(pstats.Stats(str(file)))["stats"]
    seconds: Counter[str] = Counter()
    for (path, _, name), (_, _, own, _, callers) in stats.items():
        if "epoll" in name or name == "_blocking":
            seconds["(waiting for the engine)"] += own
        elif path != "~":
            seconds[package_of(path)] += own
        else:
            for (caller, _, _), (_, _, of_caller, _) in callers.items():
                seconds[package_of(caller)] += of_caller
    return seconds


def package_of(path: str) -> str:
    """The package of a source file, or the module of Python itself."""
    for folder in (ROOT / ".venv", ROOT):
        if Path(path).is_relative_to(folder):
            inside = Path(path).relative_to(folder).parts
            start = inside.index("site-packages") + 1 if "site-packages" in inside else 0
            return inside[start].removesuffix(".py")
    return f"Python, {Path(path).stem}"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--runs", type=int, default=2, help="previews of each; the fastest counts")
    parser.add_argument("--profile", action="store_true", help="profile the largest size, too")
    options = parser.parse_args()
    # The engine stops its plugins with SIGINT. A background job of a shell ignores SIGINT, and the
    # engine then waits five seconds for each plugin.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target in options.target:
        print(f"\n{target}:\n")
        print(
            "| servers | resources | fleet, s | same resources, s | factor | parameters, s "
            "| factor |"
        )
        print("|--:|--:|--:|--:|--:|--:|--:|", flush=True)
        for servers in options.sizes:
            print(f"| {' | '.join(measure(target, servers, options.runs))} |", flush=True)
        if options.profile:
            profile(target, max(options.sizes))


if __name__ == "__main__":
    main()
