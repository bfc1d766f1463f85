"""The paths of a container that a target uses itself, so that no files can be mounted there."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from core.config.errors import Fault, set_command, show
from core.config.model import Agent, Fleet, Server, Target
from core.targets.aws_lambda.limits import mount_path

TEMPORARY: Final = "/tmp"  # noqa: S108 - in a container
"""Where a container whose root is read-only may write temporary files."""

VAULT: Final = "/var/run/mcp-platform/vault"
"""Where a pod sees the volume that brings its secrets. Nothing reads them there."""

_SECRETS: Final = "/mnt/secrets"
"""Where the images of `workloads` look for files with secrets (`SECRETS_DIR`)."""

# What the runtime mounts in every container, on a directory that most images have (Open Container
# Initiative, runtime specification, "Default Filesystems"; the three files are the container's
# name and its DNS).
_RUNTIME: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/proc": "the container's processes",
        "/sys": "the kernel's settings",
        "/dev": "the container's devices",
        "/etc": "the container's name and its DNS servers",
    }
)

# Kubernetes, "Configure Service Accounts for Pods"; Amazon EKS User Guide, "Learn how EKS Pod
# Identity grants pods access to AWS services". /run, as images have /var/run as a link to it.
_POD: Final[Mapping[str, str]] = MappingProxyType(
    {f"{run}/secrets": "the tokens of the pod's service account" for run in ("/var/run", "/run")}
    | {
        f"{run}{VAULT.removeprefix('/var/run')}": "the pod's secrets"
        for run in ("/var/run", "/run")
    }
)


def used(target: Target, load: Server | Agent) -> dict[str, str]:
    """The paths of a workload's container that a target uses, with what is there.

    Args:
        target: The target.
        load: The workload.
    """
    if target is Target.LAMBDA:
        # All that is mounted in a function is below /mnt.
        return {_SECRETS: "secrets in files"}
    paths = {_SECRETS: "secrets in files", **_RUNTIME}
    # On EKS pods have a volume for temporary files in any case, on ECS where they need one.
    if target is Target.EKS or not load.writable_root:
        paths[TEMPORARY] = "temporary files"
    return paths | (_POD if target is Target.EKS else {})


def check(fleet: Fleet) -> Iterator[Fault]:
    """Every workload whose files would be mounted over, or below, what the target has there."""
    for path, load in fleet.paths():
        if load.storage is None:
            continue
        wanted = load.storage.mount
        seen = mount_path(wanted) if fleet.target is Target.LAMBDA else wanted
        for taken, what in used(fleet.target, load).items():
            if not _collide(seen, taken):
                continue
            here = (*path, "storage", "mount")
            yield Fault(
                path=here,
                got=show(wanted),
                allowed=f"a path of its own, such as /data: {taken} has {what} on "
                f"{fleet.target.value}",
                fix=set_command(here, "/data"),
            )
            break


def _collide(mount: str, taken: str) -> bool:
    """Whether files at one path hide, or are hidden by, what is at another.

    Below the folders of temporary files and of settings there is room for more.
    """
    covers = f"{taken}/".startswith(f"{mount}/")
    return covers or (taken not in (TEMPORARY, "/etc") and mount.startswith(f"{taken}/"))
