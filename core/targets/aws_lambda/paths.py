"""The paths of a function."""

from core.config.model import Agent, Server, Storage
from core.mounts import SECRETS


def used(_load: Server | Agent) -> dict[str, str]:
    """The paths that Lambda uses below `/mnt`, where it mounts files, each with its content."""
    return dict(SECRETS)


def files_path(storage: Storage) -> str:
    """The path of the files of a function: `/data` is at `/mnt/data`, `/a/b` at `/mnt/a-b`.

    Lambda mounts only at `/mnt/` with one more name (FileSystemConfig, LocalMountPath).
    """
    return f"/mnt/{storage.mount.removeprefix('/mnt/').strip('/').replace('/', '-')}"
