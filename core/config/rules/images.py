"""Rules about images and their build contexts."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from core.config.errors import Fault, KeyPath, rm_command, set_command, show
from core.config.rules.facts import Facts


def check_sources(facts: Facts) -> Iterator[Fault]:
    """An image must have either a build context that exists or a URI."""
    for path, image in facts.fleet.images():
        if (image.context is None) == (image.uri is None):
            yield Fault(
                path=(*path, "image"),
                got="both context and uri" if image.uri else "neither context nor uri",
                allowed="exactly one of context (a folder to build) and uri (an existing image)",
                fix=rm_command((*path, "image", "uri"))
                if image.uri
                else _set_folder(facts.root, (*path, "image", "context"), f"workloads/{path[1]}"),
            )
        elif image.context is not None:
            contexts = {("context",): image.context} | {
                ("additional_contexts", name): folder
                for name, folder in image.additional_contexts.items()
            }
            for keys, folder in contexts.items():
                if not _is_folder(facts.root, folder):
                    yield Fault(
                        path=(*path, "image", *keys),
                        got=show(folder),
                        allowed="an existing folder inside the project",
                        fix=_set_folder(facts.root, (*path, "image", *keys), folder),
                    )
            context = facts.root / image.context
            if _is_folder(facts.root, image.context) and not _is_file(context, image.dockerfile):
                yield Fault(
                    path=(*path, "image", "dockerfile"),
                    got=f"{show(image.dockerfile)}, which is not in {image.context}",
                    allowed="an existing file in the build context",
                    fix=set_command((*path, "image", "dockerfile"), "Dockerfile"),
                )


def check_agents(facts: Facts) -> Iterator[Fault]:
    """An agent must have an image, unless it runs as a state machine."""
    for name, agent in facts.fleet.agents.items():
        if agent.image is None and not facts.fleet.is_state_machine(agent):
            yield Fault(
                path=("agents", name, "image"),
                got="no value",
                allowed=(
                    "an image with a context or a uri. Only an agent on lambda with "
                    "runs_as: state-machine needs no image"
                ),
                fix=_set_folder(
                    facts.root, ("agents", name, "image", "context"), f"workloads/{name}"
                ),
            )


def check_builds(facts: Facts) -> Iterator[Fault]:
    """Workloads that build the same Dockerfile must have the same additional contexts."""
    builds: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = {}
    for path, image in facts.fleet.images():
        if image.context is None:
            continue
        build = (image.context, image.dockerfile)
        first, contexts = builds.setdefault(build, (path[1], image.additional_contexts))
        if image.additional_contexts != contexts:
            yield Fault(
                path=(*path, "image", "additional_contexts"),
                got=show(image.additional_contexts),
                allowed=f"{show(contexts)}, as in {first}: workloads that build the same "
                "Dockerfile must have the same additional_contexts",
                fix=" && ".join(
                    set_command((*path, "image", "additional_contexts", name), folder)
                    for name, folder in contexts.items()
                )
                or rm_command((*path, "image", "additional_contexts")),
            )


def _is_folder(root: Path, folder: str) -> bool:
    path = _inside(root, folder)
    return path is not None and path.is_dir()


def _is_file(root: Path, file: str) -> bool:
    path = _inside(root, file)
    return path is not None and path.is_file()


def _inside(root: Path, name: str) -> Path | None:
    """The resolved path, or None if it does not exist or is outside the root."""
    try:
        path = (root / name).resolve(strict=True)
    except (OSError, ValueError):  # it does not exist, or the name is not a valid path
        return None
    return path if path.is_relative_to(root.resolve()) else None


def _set_folder(root: Path, path: KeyPath, folder: str) -> str | None:
    """The command that sets a context to the existing image folder with the closest name."""
    folders = [
        file.parent.relative_to(root).as_posix() for file in root.glob("workloads/*/Dockerfile")
    ]
    near = get_close_matches(folder, sorted(folders), n=1, cutoff=0)
    return set_command(path, near[0]) if near else None
