"""`make bench`: how much longer a first `up` takes than the longest chain of what it makes.

It deploys the example fleet on each target with the latencies of `latencies.yaml`, scaled down, and
compares the time with the chain: the largest sum of latencies along resources that need each other.
What a resource needs is read from the state: the resources that its inputs come from, and of those
in `depends_on` only the kinds that the data file lists as real needs. A `depends_on` without a need
makes the ratio larger, and so does a component that holds its outputs back.

The sandbox and the engine take time that does not depend on the scale. A second `up` without
latencies shows how much; it is not subtracted.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parents[1]
STACK = "dev"
TARGETS = ("ecs", "lambda", "eks")
DATA: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "latencies.yaml").read_text())

# Shorter ids than this may be in a text by chance.
_TELLING = 8


@dataclass(frozen=True)
class Chain:
    """A chain of resources, each of which needs the one before.

    Attributes:
        seconds: The sum of their latencies.
        names: Their names, the first made first; those without latency are left out.
    """

    seconds: float
    names: tuple[str, ...]


def latency(type_: str, data: Mapping[str, Any] = DATA) -> float:
    """How long AWS takes to create something of a type."""
    return float(data["latencies"].get(type_, {}).get("create", 0))


def longest_chain(resources: Sequence[Mapping[str, Any]], data: Mapping[str, Any] = DATA) -> Chain:
    """The chain with the largest sum of latencies.

    Args:
        resources: The resources of a state, in its order: what something depends on is before it.
        data: The latencies and the needs.
    """
    known = {each["urn"]: each for each in resources}
    children: dict[str, list[str]] = {}
    for each in resources:
        children.setdefault(each.get("parent", ""), []).append(each["urn"])
    chains: dict[str, Chain] = {}
    for each in resources:
        before = max(
            (chains[urn] for urn in _needs(each, known, children, data) if urn in chains),
            key=lambda chain: chain.seconds,
            default=Chain(0, ()),
        )
        own = latency(each["type"], data)
        name = (each["urn"].rpartition("::")[2],) if own else ()
        chains[each["urn"]] = Chain(before.seconds + own, (*before.names, *name))
    return max(chains.values(), key=lambda chain: chain.seconds)


def _needs(
    resource: Mapping[str, Any],
    known: Mapping[str, Mapping[str, Any]],
    children: Mapping[str, Sequence[str]],
    data: Mapping[str, Any],
) -> Iterator[str]:
    """The URNs of what a resource needs."""
    if resource.get("provider"):
        yield resource["provider"].rpartition("::")[0]
    from_inputs = set[str]()
    for key, urns in resource.get("propertyDependencies", {}).items():
        value = resource.get("inputs", {}).get(key)
        for urn in urns:
            from_inputs.add(urn)
            if known.get(urn, {}).get("custom", True):
                yield urn
            else:
                yield from _inside(urn, value, known, children)
    for urn in resource.get("dependencies", []):
        if urn not in from_inputs and _is_needed(resource["type"], _type(urn), data):
            yield urn


def _inside(
    component: str,
    value: object,
    known: Mapping[str, Mapping[str, Any]],
    children: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    """What in a component a value comes from: the resources whose ids are in it.

    A component's output depends on all of the component. Only what the value is of is needed.
    """
    texts = list(_texts(value))
    for urn in children.get(component, ()):
        id_ = known[urn].get("id") or ""
        if len(id_) >= _TELLING and any(id_ in text for text in texts):
            yield urn
        yield from _inside(urn, value, known, children)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in cast("dict[str, object]", value).values():
                yield from _texts(each)
        case list():
            for each in cast("list[object]", value):
                yield from _texts(each)
        case _:
            pass


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _is_needed(type_: str, other: str, data: Mapping[str, Any]) -> bool:
    return any(
        fnmatchcase(type_, need["type"])
        and any(fnmatchcase(other, needed) for needed in need["needed"])
        for need in data["needs"]
    )


def _faults(scale: float) -> list[dict[str, object]]:
    """The latencies as the sandbox's rules."""
    return [
        {"type": type_, "operation": operation, "latency": seconds * scale}
        for type_, of_type in DATA["latencies"].items()
        for operation, seconds in of_type.items()
        if operation != "source"
    ]


def first_up(target: str, scale: float) -> tuple[float, Chain]:
    """Deploys the example fleet in a sandbox of its own; a scale of 0 means no latencies."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(ROOT / f"Pulumi.{STACK}.yaml", folder)
        faults = folder / "faults.yaml"
        faults.write_text(yaml.safe_dump(_faults(scale)))
        environment = {
            **os.environ,
            "SANDBOX_HOME": str(folder / "home"),
            "SANDBOX_STACKS": str(folder),
            "SANDBOX_TARGET": target,
            "SANDBOX_FAULTS": str(faults),
        }

        def run(*args: str) -> str:
            done = subprocess.run(
                [ROOT / "bin" / "sandbox", *args, "--stack", STACK],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
            return done.stdout

        started = time.monotonic()
        run("up", "--yes", "--skip-preview")
        seconds = time.monotonic() - started
        state = json.loads(run("stack", "export"))
    return seconds, longest_chain(state["deployment"]["resources"])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", nargs="+", default=TARGETS)
    parser.add_argument("--scale", type=float, default=0.5)
    options = parser.parse_args()
    # As in tests/bench.py: the engine ends its plugins with SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scale = options.scale
    print(f"A first `up`, with {scale:g} of the latencies in tests/latencies.yaml:\n")
    print("| target | longest chain, s | `up`, s | ratio | without latencies, s | the chain |")
    print("|---|--:|--:|--:|--:|---|")
    for target in options.targets:
        plain, _ = first_up(target, 0)
        seconds, chain = first_up(target, scale)
        needed = chain.seconds * scale
        cells = (
            target,
            f"{needed:.0f}",
            f"{seconds:.0f}",
            f"{seconds / needed:.2f}",
            f"{plain:.0f}",
            ", ".join(chain.names),
        )
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
