"""What a built image is known by: its folder and a hash of what it is built from."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from core.fleet import Image

_TAG_LENGTH = 16

# Amazon ECR User Guide, "Private registry": the address of a repository names account and region.
_ECR_REPOSITORY = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[^@:]+)"
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
    """A tag that changes exactly when what the image is built from does.

    An immutable tag can be pushed once, so the tag must follow the content: the Dockerfile, and the
    names, modes and bytes of the files in the contexts, less what each context's `.dockerignore`
    leaves out.

    Args:
        image: An image with a context.
        root: The project's root, where contexts start.
    """
    context = image.context or "."
    folders = {"": context, **dict(sorted(image.additional_contexts.items()))}
    content = hashlib.sha256((root / context / image.dockerfile).read_bytes())
    for name, folder in folders.items():
        for path in _files(root / folder):
            relative = path.relative_to(root / folder).as_posix()
            mode = path.stat().st_mode & 0o777
            content.update(f"\0{name}\0{relative}\0{mode:o}\0".encode())
            content.update(hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()[:_TAG_LENGTH]


def _files(folder: Path) -> Iterator[Path]:
    """The files of a build context, sorted, without what its `.dockerignore` names.

    A `.dockerignore` has the syntax of a `.gitignore`, but its patterns all start at the root.
    """
    ignore = folder / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.is_file() else []
    spec = GitIgnoreSpec.from_lines(_anchored(line.strip()) for line in lines)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not spec.match_file(path.relative_to(folder).as_posix()):
            yield path


def _anchored(line: str) -> str:
    if not line or line.startswith("#"):
        return line
    negation, pattern = ("!", line[1:]) if line.startswith("!") else ("", line)
    return f"{negation}/{pattern.removeprefix('/')}"
