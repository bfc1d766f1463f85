"""Local images: the files that the builds of the stack copy, and the command that they start.

Images are not built: RUN and files of other images are ignored. The Python environment of the
checkout, which has the packages of the images at the same versions (tests/requirements.txt), is
used instead of theirs.
"""

import copy
import io
import json
import posixpath
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import WordSplitter, get_key_val_dictionary

from sandbox.cloud.store import Cloud
from sandbox.home import program
from sandbox.providers.docker_build.provider import IMAGE, content_hash, files
from sandbox.serve.fleet import DeployedError, Process
from sandbox.values.tree import part

# The entry point of Lambda's base images for Python is a script that runs this module.
_LAMBDA_BASE = "public.ecr.aws/lambda/python:"
_LAMBDA_ENTRY_POINT = ("python", "-m", "awslambdaric")
_LAMBDA_FOLDER = "/var/task"
_PYTHON = re.compile(r"python[0-9.]*")
# Supported flags of COPY; owners and modes are ignored.
_COPY_FLAGS = {"--from", "--chown", "--chmod", "--link"}

_Tree = dict[str, Path]
"""Files: path in an image, relative to its root, to local path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that processes are started from.

    Attributes:
        root: Its local root folder.
        entry_point: Its ENTRYPOINT.
        command: Its CMD.
        environment: Its ENV, without PATH.
        working_folder: Its WORKDIR, a path in the image.
        stop_signal: Its STOPSIGNAL.
    """

    root: Path
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_folder: str
    stop_signal: int = signal.SIGTERM

    @property
    def folder(self) -> Path:
        """The local working folder."""
        return self.root / self.working_folder.lstrip("/")

    def start_words(self, process: Process) -> list[str]:
        """The command line of a process, with the deployed overrides.

        An override of the entry point also discards the image's command (Dockerfile reference).
        Paths in the image become local paths, and its Python is that of the checkout.
        """
        entry_point = process.entry_point or self.entry_point
        command = process.arguments or (() if process.entry_point else self.command)
        program, *rest = (*entry_point, *command)
        if _PYTHON.fullmatch(posixpath.basename(program)):
            program = sys.executable
        return [self._here(word) for word in (program, *rest)]

    def _here(self, word: str) -> str:
        place = self.root / word.lstrip("/")
        return str(place) if word.startswith("/") and place.is_file() else word


@dataclass(kw_only=True, slots=True)
class _Stage:
    """The state of a stage of a Dockerfile."""

    files: _Tree = field(default_factory=dict[str, Path])
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    has_own_command: bool = False
    environment: dict[str, str] = field(default_factory=dict[str, str])
    arguments: dict[str, str] = field(default_factory=dict[str, str])
    working_folder: str = "/"
    stop_signal: int = signal.SIGTERM

    def words(self, value: str) -> list[str]:
        """The words of a value, with variables expanded and quotes removed."""
        words = WordSplitter(_plain(value), self.arguments, self.environment).split()
        return [str(word) for word in words]

    def text(self, value: str) -> str:
        """A value with variables expanded and quotes removed."""
        return WordSplitter(_plain(value), self.arguments, self.environment).dequote()


def lay_out(cloud: Cloud, process: Process, home: Path) -> Image:
    """Copies the files of a process's image.

    Args:
        cloud: The cloud, with the builds of the stack.
        process: The process.
        home: The sandbox's home; the files go to `images/<process>`.

    Returns:
        The image.

    Raises:
        DeployedError: the stack does not build the image, its build context has changed, or its
            Dockerfile is not supported.
    """
    built = _built(cloud, process)
    context = Path(str(part(built, "context")["location"]))
    dockerfile = part(built, "dockerfile")
    file = Path(str(dockerfile.get("location") or context / "Dockerfile"))
    try:
        now = content_hash(built)
    except OSError:
        now = ""
    if built["digest"] != f"sha256:{now}":
        raise DeployedError(
            f"{process.name}: the files in {context}, from which its image is built, have changed "
            "since it was deployed; run bin/sandbox up, or restore them"
        )
    text = str(dockerfile.get("inline") or file.read_text())
    try:
        stage = _last_stage(text, built, context)
    except ValueError as error:
        raise DeployedError(f"{process.name}: the sandbox cannot use {file}: {error}") from error
    if not (process.entry_point or stage.entry_point or process.arguments or stage.command):
        raise DeployedError(
            f"{process.name}: {file} has neither an ENTRYPOINT nor a CMD, and those of its base "
            "image are not available here; set them in the Dockerfile"
        )
    root = home / "images" / process.name.replace("/", ".")
    shutil.rmtree(root, ignore_errors=True)
    for place, path in stage.files.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / place)
    image = Image(
        root=root,
        entry_point=stage.entry_point,
        command=stage.command,
        environment={name: stage.environment[name] for name in stage.environment if name != "PATH"},
        working_folder=stage.working_folder,
        stop_signal=stage.stop_signal,
    )
    image.folder.mkdir(parents=True, exist_ok=True)
    return image


def _built(cloud: Cloud, process: Process) -> Mapping[str, Any]:
    """The build of a process's image, with absolute local folders."""
    digest = process.image.partition("@")[2]
    found = (
        stored.properties
        for stored in cloud.list("docker-build", IMAGE)
        if digest and stored.properties.get("digest") == digest
    )
    built = next(found, None)
    if built is None:
        raise DeployedError(
            f"{process.name}: the image {process.image} is not among those that the stack builds, "
            "and other images are not available here; give the workload an image with a context"
        )
    return {
        **built,
        "context": {
            **_at_root(part(built, "context")),
            "named": {
                name: _at_root(one)
                for name, one in part(built, "context", "named").items()
                if "://" not in one["location"]
            },
        },
        "dockerfile": _at_root(part(built, "dockerfile")),
    }


def _at_root(place: Mapping[str, Any]) -> Mapping[str, Any]:
    location = place.get("location")
    return {**place, "location": str(program() / str(location))} if location else place


def _last_stage(text: str, built: Mapping[str, Any], context: Path) -> _Stage:
    """Evaluates a Dockerfile up to its last stage or the target of the build.

    Raises:
        ValueError: it has an unsupported instruction; the message names it and its line.
    """
    named = part(built, "context", "named").items()
    contexts = {"": _tree(context)} | {name: _tree(Path(one["location"])) for name, one in named}
    given = {name: str(value) for name, value in part(built, "buildArgs").items()}
    outer, stage, stages = _Stage(), _Stage(), dict[str, _Stage]()
    for line in DockerfileParser(fileobj=io.StringIO(text)).structure:
        instruction, value = line["instruction"], line["value"]
        try:
            if instruction == "FROM":
                if stage is stages.get(str(built.get("target") or "").lower()):
                    break
                stage = _from(outer.words(value), stages)
            elif instruction == "ARG":
                inner = stage if stages else outer
                inner.arguments |= _arguments(inner.words(value), outer.arguments, given)
            elif instruction in ("COPY", "ADD"):
                _copy(stage, value, contexts, stages)
            else:
                _play(stage, instruction, value)
        except ValueError as error:
            where = f"line {line['startline'] + 1}, {instruction} {value}"
            raise ValueError(f"{where}: {error}") from error
    return stage


def _tree(context: Path) -> _Tree:
    return {path.relative_to(context).as_posix(): path for path in files(context)}


def _from(words: Sequence[str], stages: dict[str, _Stage]) -> _Stage:
    """Begins a stage, and registers it by name and number."""
    base, *alias = (word for word in words if not word.startswith("--"))
    stage = _Stage()
    if base.lower() in stages:
        stage = copy.deepcopy(stages[base.lower()])
        stage.arguments, stage.has_own_command = {}, False
    elif base.startswith(_LAMBDA_BASE):
        stage = _Stage(entry_point=_LAMBDA_ENTRY_POINT, working_folder=_LAMBDA_FOLDER)
    stages[str(sum(name.isdecimal() for name in stages))] = stage
    if alias:
        stages[alias[-1].lower()] = stage
    return stage


def _arguments(
    words: Sequence[str], outer: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """The value of an ARG: that of the build, or its default, or that before the first stage."""
    told = (word.partition("=") for word in words)
    return {
        name: given.get(name, default if equals else outer.get(name, ""))
        for name, equals, default in told
    }


def _play(stage: _Stage, instruction: str, value: str) -> None:
    match instruction:
        case "WORKDIR":
            stage.working_folder = _joined(stage.working_folder, stage.text(value))
        case "ENV":
            stage.environment |= get_key_val_dictionary(
                _plain(value), env_replace=True, args=stage.arguments, envs=stage.environment
            )
        case "ENTRYPOINT":
            stage.entry_point = _started(value)
            if not stage.has_own_command:
                stage.command = ()
        case "CMD":
            stage.command, stage.has_own_command = _started(value), True
        case "STOPSIGNAL":
            stage.stop_signal = _signal(stage.text(value))
        case _:
            pass  # no effect on files or local processes


def _signal(name: str) -> int:
    """The signal of a STOPSIGNAL: a number or a case-insensitive name."""
    if name.isdecimal():
        return int(name)
    try:
        return signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"]
    except KeyError as error:
        raise ValueError(f"{name} is not a known signal") from error


def _plain(value: str) -> str:
    if re.search(r"\$\{\w+:", value):
        raise ValueError("variables with a modifier, such as ${NAME:-default}, are not supported")
    return value


def _joined(folder: str, path: str) -> str:
    """A path in an image, relative to its root and always below it."""
    return posixpath.normpath(posixpath.join("/", folder, path))


def _started(value: str) -> tuple[str, ...]:
    """The words of an ENTRYPOINT or a CMD: exec form, or shell form with the shell's words."""
    try:
        words: object = json.loads(value)
    except ValueError:
        words = None
    if isinstance(words, list):
        return tuple(cast("list[str]", words))
    return ("/bin/sh", "-c", value)


def _copy(
    stage: _Stage, value: str, contexts: Mapping[str, _Tree], stages: Mapping[str, _Stage]
) -> None:
    flags, rest = _flags(value)
    words = json.loads(rest) if rest.startswith("[") else stage.words(rest)
    *sources, destination = cast("list[str]", words)
    origin = stage.text(flags.get("--from", ""))
    if origin not in contexts and origin.lower() not in stages:
        return  # files of another image, such as Lambda Web Adapter
    tree = contexts[origin] if origin in contexts else stages[origin.lower()].files
    found = {source: list(_matching(tree, source)) for source in sources}
    missing = [source for source in sources if not found[source]]
    if missing and origin in contexts:
        raise ValueError(f"{missing[0]} is not in the build context")
    target = _joined(stage.working_folder, destination)
    folder = (
        destination.endswith(("/", "/."))
        or len({place for each in found.values() for place, _, _ in each}) > 1
        or target == stage.working_folder
        or any(f"/{place}".startswith(f"{target}/") for place in stage.files)
    )
    for place, inside, path in (one for each in found.values() for one in each):
        name = inside or (posixpath.basename(place) if folder else "")
        stage.files[_joined(target, name).lstrip("/")] = path


def _flags(value: str) -> tuple[dict[str, str], str]:
    """The flags of a COPY, and its arguments."""
    start = re.match(r"(?:--\S+\s+)*", value)
    end = start.end() if start else 0
    told = (word.partition("=") for word in value[:end].split())
    flags = {name: setting for name, _, setting in told}
    unknown = sorted(flags.keys() - _COPY_FLAGS)
    if unknown:
        known = ", ".join(sorted(_COPY_FLAGS))
        raise ValueError(f"{unknown[0]} is not supported; supported: {known}")
    return flags, value[end:]


def _matching(tree: _Tree, source: str) -> Iterator[tuple[str, str, Path]]:
    """The files of a source of a COPY.

    Yields:
        The matching file or folder; the path of the file in that folder, or nothing; the file.
    """
    wanted = [each for each in _joined("/", source).split("/") if each]
    for place, path in tree.items():
        parts = place.split("/")
        if len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted)):
            yield "/".join(parts[: len(wanted)]), "/".join(parts[len(wanted) :]), path
