"""What a built image is known by: its folder and a hash of what it is built from."""

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
    """A hash that is being made."""

    def update(self, data: bytes, /) -> None:
        """Adds some data."""


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
    """The private ECR repository that an image is in, or None if it is anywhere else."""
    found = _ECR_REPOSITORY.match(uri)
    return Repository(**found.groupdict()) if found else None


def slug(image: Image) -> str:
    """A name for the build, the same for every workload that shares it: `workloads-clock`."""
    parts = [image.context or "", *([image.dockerfile] if image.dockerfile != "Dockerfile" else [])]
    plain = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    return plain or "root"  # of the context `.`: a repository's name has no two hyphens in a row


def content_tag(image: Image, root: Path) -> str:
    """A tag that changes whenever the builder would build again.

    An immutable tag can be pushed once. The builder builds again when its own hash changes, and
    that is of other files than BuildKit reads: it applies the main context's ignore file to all
    contexts (pulumi-docker-build, `hashBuildContext`), BuildKit each context's own. So a file
    counts if either of them takes it: by its path, all bits of its mode (which follow the umask of
    a checkout) and its content. The paths of the contexts and the ignore files count too.

    Args:
        image: An image with a context.
        root: The project's root, where contexts start.
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
    """The lines of a context's ignore file; the Dockerfile's own comes before the context's.

    It has the syntax of a `.gitignore`, but its patterns all start at the root.
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
