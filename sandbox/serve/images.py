"""Images as the laptop has them: the files that the stack's builds copy, and what they start.

Nothing is built: the checkout's own environment has every package that the images have, at the same
versions (requirements-dev.txt), and takes the place of their Python.
"""

import json
import posixpath
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dockerfile_parse import DockerfileParser

from sandbox.cli import ROOT
from sandbox.cloud import Cloud
from sandbox.providers.kubernetes.tree import part
from sandbox.serve.plan import DeployedError, Process

_IMAGE = "docker-build:index:Image"
# What Lambda's base images of Python bring: their entry point is a script around this module.
_LAMBDA_BASE = "public.ecr.aws/lambda/python"
_LAMBDA_ENTRY_POINT = ("python", "-m", "awslambdaric")
_LAMBDA_FOLDER = "/var/task"


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that a process can be started from.

    Attributes:
        root: Its root folder on the laptop.
        entry_point: Its ENTRYPOINT.
        command: Its CMD.
        environment: Its ENV, without PATH.
        working_folder: Its WORKDIR, as the image names it.
    """

    root: Path
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_folder: str

    def start_words(self, process: Process) -> list[str]:
        """What starts a process, with the overrides that are deployed (Dockerfile reference)."""
        entry_point = process.entry_point or self.entry_point
        command = process.arguments or (() if process.entry_point else self.command)
        program, *rest = (*entry_point, *command)
        return [sys.executable if program == "python" else program, *rest]


def lay_out(cloud: Cloud, process: Process, home: Path) -> Image:
    """Lays the files of a process's image out.

    Args:
        cloud: The cloud, which knows what the stack builds.
        process: The process.
        home: The sandbox's home.

    Returns:
        The image.

    Raises:
        DeployedError: the stack does not build the image, or its files are not what they were.
    """
    digest = process.image.partition("@")[2]
    built = next(
        (
            thing.properties
            for thing in cloud.list("docker-build", _IMAGE)
            if digest and thing.properties.get("digest") == digest
        ),
        None,
    )
    if built is None:
        raise DeployedError(
            f"{process.name}: the image {process.image} is not among those that the stack builds, "
            "and no other is to be had here; give the workload an image with a context"
        )
    root = home / "images" / digest.partition(":")[2][:16] / process.name.replace("/", ".")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    contexts = {name: _path(one) for name, one in _named(built).items()}
    return _stage(
        _path(str(part(built, "dockerfile")["location"])), _path(_location(built)), contexts, root
    )


def _path(location: str) -> Path:
    return ROOT / location


def _location(built: Mapping[str, Any]) -> str:
    return str(part(built, "context")["location"])


def _named(built: Mapping[str, Any]) -> dict[str, str]:
    named = cast("Mapping[str, Mapping[str, str]]", part(built, "context").get("named") or {})
    return {name: one["location"] for name, one in named.items()}


def _stage(dockerfile: Path, context: Path, contexts: Mapping[str, Path], root: Path) -> Image:
    """Plays a Dockerfile's stages, as far as files of the contexts and the last stage go."""
    parser = DockerfileParser(path=str(dockerfile), cache_content=True)
    folders: dict[str, Path] = dict(contexts)
    names: list[str] = []
    stage: Path = root
    words: dict[str, tuple[str, ...]] = {"ENTRYPOINT": (), "CMD": ()}
    environment: dict[str, str] = {}
    working_folder = "/"
    arguments: dict[str, str] = {}
    for line in parser.structure:
        instruction = line["instruction"]
        value = re.sub(r"\$\{(\w+)\}", lambda name: arguments.get(name[1], name[0]), line["value"])
        if instruction == "ARG":
            name, _, default = value.partition("=")
            arguments.setdefault(name, default)
        elif instruction == "FROM":
            base, _, name = re.sub(r"--\S+ ", "", value).partition(" ")
            name = name.removeprefix("AS ").removeprefix("as ").strip()
            stage = root.with_name(f"{root.name}.{len(names)}")
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(parents=True)
            names.append(name)
            folders[name or str(len(names) - 1)] = stage
            lambda_base = base.startswith(_LAMBDA_BASE)
            words = {"ENTRYPOINT": _LAMBDA_ENTRY_POINT if lambda_base else (), "CMD": ()}
            working_folder = _LAMBDA_FOLDER if lambda_base else "/"
            environment = {}
        elif instruction == "WORKDIR":
            working_folder = posixpath.join(working_folder, value)
        elif instruction in words:
            words[instruction] = _exec_form(value)
        elif instruction == "ENV":
            environment |= dict(each.split("=", 1) for each in shlex.split(value))
        elif instruction == "COPY":
            _copy(shlex.split(value), context, folders, stage, working_folder)
    shutil.rmtree(root)
    stage.rename(root)
    for each in root.parent.glob(f"{root.name}.*"):
        if each.name.removeprefix(f"{root.name}.").isdecimal():
            shutil.rmtree(each)
    environment.pop("PATH", None)
    return Image(
        root=root,
        entry_point=words["ENTRYPOINT"],
        command=words["CMD"],
        environment=environment,
        working_folder=working_folder,
    )


def _exec_form(value: str) -> tuple[str, ...]:
    if value.startswith("["):
        return tuple(json.loads(value))
    return ("/bin/sh", "-c", value)


def _copy(
    arguments: Sequence[str],
    context: Path,
    folders: Mapping[str, Path],
    stage: Path,
    working_folder: str,
) -> None:
    flags = [each for each in arguments if each.startswith("--")]
    *sources, destination = (each for each in arguments if not each.startswith("--"))
    origin = next(
        (each.removeprefix("--from=") for each in flags if each.startswith("--from=")), ""
    )
    base = folders.get(origin) if origin else context
    if base is None:
        return  # another image's files, such as Lambda Web Adapter's
    inside = posixpath.join(working_folder, destination).lstrip("/")
    target = stage / inside
    found = [path for source in sources for path in _matching(base, source)]
    for path in found:
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True, ignore=_ignored)
        elif destination.endswith("/") or len(found) > 1:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def _matching(base: Path, source: str) -> Iterable[Path]:
    inside = source.lstrip("/").removeprefix("./") or "."
    return sorted(base.glob(inside)) if inside != "." else [base]


def _ignored(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]
