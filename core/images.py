"""The repository name of a built image, and its tag: a hash of its sources."""

import hashlib
import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pathspec import GitIgnoreSpec

from core.config.model import Image

_TAG_LENGTH = 16


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


# Amazon ECR User Guide, "Private registry": the address of a repository names account and region.
_ECR_REPOSITORY = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.(com(\.cn)?|eu)/(?P<name>[^@:]+)"
)


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A private ECR repository.

    Attributes:
        account: The account's twelve digits.
        region: Its region.
        name: Its name.
    """

    account: str
    region: str
    name: str


def ecr_repository(uri: str) -> Repository | None:
    """The private ECR repository of an image, or None for other registries."""
    found = _ECR_REPOSITORY.match(uri)
    return Repository(**found.groupdict()) if found else None


def slug(image: Image) -> str:
    """The name of a build: `workloads-clock`. Workloads with the same build share it."""
    parts = [image.context or "", *([image.dockerfile] if image.dockerfile != "Dockerfile" else [])]
    plain = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    return plain or "root"  # for the context `.`


def content_tag(image: Image, root: Path) -> str:
    """A tag that changes whenever the docker-build provider builds again.

    An immutable tag can be pushed only once. The provider builds again when its own hash changes.
    This hash covers other files than BuildKit reads: the provider applies the ignore file of the
    main context to all contexts (pulumi-docker-build, `hashBuildContext`), BuildKit applies each
    context's own file. The tag therefore covers each file that one of them reads: its path, its
    whole mode (which follows the umask of a checkout) and its content. It also covers the paths of
    the contexts and the ignore files.

    Args:
        image: An image with a context.
        root: The project's root. Contexts are relative to it.
    """
    main = root / (image.context or ".")
    ignored = _ignore_lines(main, image.dockerfile)
    content = hashlib.sha256()
    _add(content, [image.context, image.dockerfile], (main / image.dockerfile).read_bytes())
    _add_files(content, "", main, ignored, ignored)
    for name, folder in sorted(image.additional_contexts.items()):
        _add(content, [name, folder], b"")
        _add_files(content, name, root / folder, ignored, _ignore_lines(root / folder, ""))
    return content.hexdigest()[:_TAG_LENGTH]


def _ignore_lines(context: Path, dockerfile: str) -> list[str]:
    """The lines of a context's ignore file; `<dockerfile>.dockerignore` has precedence.

    The syntax is that of `.gitignore`, but all patterns are relative to the root.
    """
    candidates = (context / f"{dockerfile}.dockerignore", context / ".dockerignore")
    file = next((path for path in candidates if path.is_file()), None)
    lines = file.read_text().splitlines() if file else []
    return [_anchored(line.strip()) for line in lines]


def _add_files(content: _Hash, name: str, folder: Path, builder: list[str], own: list[str]) -> None:
    _add(content, [*builder, None, *own], b"")
    specs = [GitIgnoreSpec.from_lines(lines) for lines in (builder, own)]
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and not all(spec.match_file(relative) for spec in specs):
            mode = stat.S_IMODE(path.stat().st_mode)
            _add(content, [name, relative, f"{mode:o}"], path.read_bytes())


def _add(content: _Hash, about: list[str | None], data: bytes) -> None:
    content.update(json.dumps(about).encode())
    content.update(hashlib.sha256(data).digest())


def _anchored(line: str) -> str:
    if not line or line.startswith("#"):
        return line
    negation, pattern = ("!", line[1:]) if line.startswith("!") else ("", line)
    return f"{negation}/{pattern.removeprefix('/')}"
