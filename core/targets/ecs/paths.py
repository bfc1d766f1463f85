"""The paths of a container on ECS."""

from core.config.model import Agent, Server, Storage
from core.mounts import RUNTIME, SECRETS, TEMPORARY


def used(load: Server | Agent) -> dict[str, str]:
    """The paths that ECS uses in the container of a workload, each with its content."""
    paths = {**SECRETS, **RUNTIME}
    # Only a container whose root is read-only has a volume for temporary files.
    return paths if load.writable_root else paths | {TEMPORARY: "temporary files"}


def files_path(storage: Storage) -> str:
    """The path of the files of a workload."""
    return storage.mount
