"""The paths of a container that the platform uses. Files cannot be mounted there."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from core.config.errors import Fault, set_command, show
from core.config.model import Agent, Fleet, Server, Storage

TEMPORARY: Final = "/tmp"  # noqa: S108 - in a container
"""The folder for temporary files of a container with a read-only root file system."""

SECRETS: Final[Mapping[str, str]] = MappingProxyType({"/mnt/secrets": "secrets in files"})
"""Where the images of `workloads` read secrets from files (`SECRETS_DIR`)."""

RUNTIME: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/proc": "the container's processes",
        "/sys": "the kernel's settings",
        "/dev": "the container's devices",
        "/etc": "the container's name and its DNS servers",
    }
)
"""The paths that the runtime mounts in every container (Open Container Initiative, runtime
specification, "Default Filesystems"). The files in `/etc` have the container's name and its DNS
servers."""


def check(
    fleet: Fleet,
    *,
    used: Callable[[Server | Agent], Mapping[str, str]],
    files_path: Callable[[Storage], str],
) -> Iterator[Fault]:
    """Refuse files that would be mounted over, or below, a path that the target uses.

    Args:
        fleet: The fleet.
        used: The paths that the target uses in the container of a workload, each with its content.
        files_path: The path of the files of a workload on the target.
    """
    for path, load in fleet.paths():
        if load.storage is None:
            continue
        for taken, what in used(load).items():
            if not _collide(files_path(load.storage), taken):
                continue
            here = (*path, "storage", "mount")
            yield Fault(
                path=here,
                got=show(load.storage.mount),
                allowed=f"a path that the {fleet.target.value} target does not use, for example "
                f"/data: {taken} contains {what}",
                fix=set_command(here, "/data"),
            )
            break


def _collide(mount: str, taken: str) -> bool:
    """Whether files at one path hide, or are hidden by, the content of another.

    Below the folders of temporary files and of settings there is room for more.
    """
    covers = f"{taken}/".startswith(f"{mount}/")
    return covers or (taken not in (TEMPORARY, "/etc") and mount.startswith(f"{taken}/"))
