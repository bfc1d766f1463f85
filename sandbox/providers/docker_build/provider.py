"""The sandbox's `docker-build` provider: images without a builder and without a registry.

An image's digest is computed from the files of its context, its Dockerfile, its build arguments and
platforms, so the same sources are the same image on every machine. Nothing is built: whether a
Dockerfile builds is not verified. A pushed image is recorded in its ECR repository, which must
exist in the sandbox's cloud.
"""

import hashlib
import json
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, cast

from sandbox.cloud.store import StoredResource
from sandbox.engine import sdk, shapes
from sandbox.engine.provider import (
    Call,
    Change,
    Checked,
    Context,
    Difference,
    Failure,
    Made,
    Provider,
    RefusedError,
    compare,
    computed,
    main,
)
from sandbox.values.tree import items, part
from sandbox.values.wire import UNKNOWN, Json, Unknown, has_unknown
from sandbox.values.wire import Path as Where

VERSION = version("pulumi-docker-build")


class _Hash(Protocol):
    """A hash object."""

    def update(self, data: bytes, /) -> None:
        """Adds some data."""

    def hexdigest(self) -> str:
        """The current digest."""
        ...


PACKAGE = "pulumi_docker_build"
IMAGE = "docker-build:index:Image"
# Source: the OCI distribution specification, <name> and <reference>.
_TAG = re.compile(r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?$")
_ECR = re.compile(r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/")
# The inputs that the digest depends on, in addition to the files.
_BUILD_INPUTS = ("buildArgs", "platforms", "target", "labels", "secrets")


def check(_context: Context, call: Call) -> Checked:
    """Check types, platforms and tags, and that the context and its Dockerfile exist."""
    if call.type != IMAGE:
        reason = f"{call.type}: the sandbox does not support this type; known: {IMAGE}"
        return Checked(inputs=call.inputs, failures=[Failure(path=(), reason=reason)])
    known = sdk.resource(PACKAGE, IMAGE).inputs
    failures = list(shapes.errors(IMAGE, known, call.inputs))
    if not failures:
        failures = [
            Failure(path=path, reason=f"{IMAGE}: {reason}") for path, reason in _errors(call.inputs)
        ]
    return Checked(inputs=call.inputs, failures=failures)


def _errors(inputs: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    allowed = sdk.enumeration(PACKAGE, "Platform")
    for index, platform in enumerate(items(inputs, "platforms")):
        if not isinstance(platform, Unknown) and platform not in allowed:
            path: Where = ("platforms", index)
            yield path, f"{platform!r} is not a platform; allowed: {', '.join(allowed)}"
    tags = inputs.get("tags")
    for index, tag in enumerate(items(inputs, "tags")):
        if isinstance(tag, str) and not _TAG.match(tag):
            yield ("tags", index), f"{tag!r} is not an image reference"
    if inputs.get("push") is True and not tags:
        yield ("tags",), "an image that is pushed needs at least one tag"
    if inputs.get("push") is True and inputs.get("exports"):
        yield ("exports",), "cannot be combined with push"
    yield from _source_errors(inputs)


def _context(inputs: Mapping[str, Any]) -> Path:
    return Path(str(part(inputs, "context").get("location", ".")))


def _source_errors(inputs: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    if has_unknown([inputs.get("context"), inputs.get("dockerfile")]):
        return
    context = _context(inputs)
    if not context.is_dir():
        yield ("context", "location"), f"{str(context)!r} is not a folder"
        return
    dockerfile = part(inputs, "dockerfile")
    if dockerfile.get("inline") and dockerfile.get("location"):
        yield ("dockerfile",), "inline and location cannot be combined"
        return
    file = _dockerfile(inputs)
    if not dockerfile.get("inline") and not file.is_file():
        yield ("dockerfile", "location"), f"{str(file)!r} is not a file"
        return
    text = _dockerfile_text(inputs)
    if not re.search(r"^\s*FROM\s+\S+", text, re.MULTILINE | re.IGNORECASE):
        yield ("dockerfile",), "the Dockerfile has no FROM"
    stages = re.findall(r"^\s*FROM\s.*\sAS\s+(\S+)", text, re.MULTILINE | re.IGNORECASE)
    target = inputs.get("target")
    if isinstance(target, str) and target not in stages:
        yield ("target",), f"{target!r} is not a stage of the Dockerfile: {', '.join(stages)}"


def _dockerfile(inputs: Mapping[str, Any]) -> Path:
    location = part(inputs, "dockerfile").get("location")
    return Path(str(location)) if location else _context(inputs) / "Dockerfile"


def _dockerfile_text(inputs: Mapping[str, Any]) -> str:
    inline = part(inputs, "dockerfile").get("inline")
    return str(inline) if inline else _dockerfile(inputs).read_text(encoding="utf-8")


def files(context: Path, patterns: Sequence[str] | None = None) -> list[Path]:
    """The files of a build context that its .dockerignore includes, in the order of their names.

    Patterns are matched against a file and all folders above it; the last match decides, and
    ``!`` inverts a pattern. Other patterns may replace its own.
    """
    patterns = _patterns(context) if patterns is None else patterns
    found = (path for path in context.rglob("*") if path.is_file())
    kept = [path for path in found if not _ignored(path.relative_to(context), patterns)]
    return sorted(kept, key=lambda path: path.relative_to(context).as_posix())


def _patterns(context: Path) -> list[str]:
    ignore = context / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _ignored(path: Path, patterns: Sequence[str]) -> bool:
    names = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
    ignored = False
    for pattern in patterns:
        plain = pattern.lstrip("!").strip("/").removeprefix("**/")
        anywhere = pattern.lstrip("!").startswith("**/")
        candidates = names + ([Path(name).name for name in names] if anywhere else [])
        if any(fnmatchcase(name, plain) for name in candidates):
            ignored = not pattern.startswith("!")
    return ignored


def content_hash(inputs: Mapping[str, Any]) -> str:
    """Hexadecimal hash of all sources of an image."""
    seed = hashlib.sha256()
    for name, context in {"": _context(inputs), **_named_contexts(inputs)}.items():
        for path in files(context):
            mode = path.stat().st_mode & 0o111  # a checkout preserves only the executable bit
            _add(seed, name, path.relative_to(context), str(bool(mode)), path)
    return _sealed(seed, inputs)


def context_hash(inputs: Mapping[str, Any]) -> str:
    """Hexadecimal hash that determines whether the provider builds again.

    Source: pulumi-docker-build, `hashBuildContext`: it takes all bits of a file's mode, and applies
    the main context's ignore file to all contexts.
    """
    seed = hashlib.sha256()
    patterns = _patterns(_context(inputs))
    for name, context in {"": _context(inputs), **_named_contexts(inputs)}.items():
        for path in files(context, patterns):
            mode = f"{stat.S_IMODE(path.stat().st_mode):o}"
            _add(seed, name, path.relative_to(context), mode, path)
    return _sealed(seed, inputs)


def _add(seed: _Hash, name: str, relative: Path, mode: str, path: Path) -> None:
    seed.update(f"{name}\0{relative.as_posix()}\0{mode}\0".encode())
    seed.update(hashlib.sha256(path.read_bytes()).digest())


def _sealed(seed: _Hash, inputs: Mapping[str, Any]) -> str:
    seed.update(_dockerfile_text(inputs).encode())
    chosen = {name: inputs.get(name) for name in _BUILD_INPUTS}
    seed.update(json.dumps(chosen, sort_keys=True).encode())
    return seed.hexdigest()


def _named_contexts(inputs: Mapping[str, Any]) -> dict[str, Path]:
    """The additional contexts that are local folders, in the order of their names."""
    named = cast("Mapping[str, Mapping[str, Any]]", part(inputs, "context").get("named") or {})
    folders = {name: Path(str(named[name].get("location"))) for name in sorted(named)}
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


def _built(inputs: Mapping[str, Any]) -> dict[str, Json]:
    digest = f"sha256:{content_hash(inputs)}"
    tags = cast("list[str]", inputs.get("tags") or [])
    ref = f"{tags[0]}@{digest}" if tags else digest
    return {**inputs, "contextHash": context_hash(inputs), "digest": digest, "ref": ref}


def _foreseen(inputs: Mapping[str, Any]) -> dict[str, Json]:
    """In a preview nothing is built, so digest and ref are unknown."""
    properties = computed(inputs, ["digest", "ref", "contextHash"])
    if not has_unknown(inputs):
        properties["contextHash"] = context_hash(inputs)
    return properties


def _push(context: Context, call: Call, properties: Mapping[str, Any], id_: str) -> None:
    tags = cast("list[str]", call.inputs.get("tags") or [])
    repositories = list(dict.fromkeys(_repository(tag) for tag in tags))
    for repository in repositories:
        if not _ECR.match(repository):
            text = f"{IMAGE}: the sandbox does not support the registry of {repository}"
            context.warn(call.urn, text)
            continue
        found = [t for t in context.cloud.find(repository) if t.provider == "aws"]
        if not found:
            raise RefusedError(f"{IMAGE} {call.name}: the repository {repository} does not exist")
        if found[0].properties.get("imageTagMutability") == "IMMUTABLE":
            _refuse_moved_tags(context, call, tags, properties, id_)
    context.cloud.put(
        StoredResource(
            provider="docker-build",
            type=IMAGE,
            id=id_,
            inputs=call.inputs,
            properties=properties,
            handles=[properties["ref"], *tags],
            links=[("tags", repository) for repository in repositories],
        )
    )


def _refuse_moved_tags(
    context: Context, call: Call, tags: Sequence[str], properties: Mapping[str, Any], id_: str
) -> None:
    """Refuse a second build with the same tag in an immutable repository.

    Builds are not reproducible to the byte, so every build of the provider is a new image.
    """
    for tag in tags:
        for other in context.cloud.find(tag):
            again = other.properties.get("contextHash") != properties["contextHash"]
            if other.type == IMAGE and again and tag.rpartition("/")[2].count(":"):
                raise RefusedError(
                    f"{IMAGE} {call.name}: ImageTagAlreadyExistsException: {tag} exists with"
                    f" another digest, and tags of the repository are immutable ({id_})"
                )


def _repository(tag: str) -> str:
    start, slash, last = tag.rpartition("/")
    return start + slash + last.partition(":")[0]


def create(context: Context, call: Call) -> Made:
    """Record an image."""
    if call.preview:
        return Made(id="", properties=_foreseen(call.inputs))
    properties = _built(call.inputs)
    id_ = str(properties["ref"])
    if call.inputs.get("push"):
        with context.cloud.transaction():
            _push(context, call, properties, id_)
    return Made(id=id_, properties=properties)


def read(context: Context, call: Call) -> Made | None:
    """Read a pushed image; an image that was not pushed exists only in the state."""
    if not call.old_inputs.get("push"):
        return Made(id=call.id, properties=call.properties, inputs=call.old_inputs)
    stored = context.cloud.get("docker-build", IMAGE, call.id)
    if stored is None:
        return None
    return Made(id=call.id, properties=stored.properties, inputs=call.old_inputs or stored.inputs)


def diff(_context: Context, call: Call) -> Difference:
    """Compare inputs and sources; a changed image is built again."""
    changes = compare(call.old_inputs, call.inputs, lambda _: False)
    if has_unknown(call.inputs) or context_hash(call.inputs) != call.properties.get("contextHash"):
        changes[("contextHash",)] = Change.UPDATE
    return Difference(changes=changes)


def update(context: Context, call: Call) -> Mapping[str, Any]:
    """Build again under the same id."""
    if call.preview:
        same = not has_unknown(call.inputs) and (
            context_hash(call.inputs) == call.properties.get("contextHash")
            and call.inputs.get("tags") == call.old_inputs.get("tags")
        )
        kept = {name: call.properties.get(name, UNKNOWN) for name in ("digest", "ref")}
        return {**_foreseen(call.inputs), **(kept if same else {})}
    properties = _built(call.inputs)
    if call.inputs.get("push"):
        with context.cloud.transaction():
            _push(context, call, properties, call.id)
    return properties


def delete(context: Context, call: Call) -> None:
    """Delete the image from its repository."""
    context.cloud.delete("docker-build", IMAGE, call.id)


PROVIDER = Provider(
    name="docker-build",
    version=VERSION,
    check=check,
    diff=diff,
    create=create,
    read=read,
    update=update,
    delete=delete,
)


def run() -> None:
    """Run the provider's process."""
    main(PROVIDER)
